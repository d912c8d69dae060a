"""How a view looks, measured in the page: contrast of its texts, what overflows, pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.browser.desk import SHOTS
from tests.browser.lab import Cell, Notebook

NARROW = 400

# The contrast of each text of an element with what is painted behind it; texts below 4.5:1, with what they are.
FAINT = """root => {
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const read = css => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = css;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = (top, below) => [0, 1, 2].map(n => top[n] * top[3] + below[n] * (1 - top[3])).concat(1);
    const behind = element => {
        const layers = [];
        for (let at = element; at; at = at.parentElement ?? at.getRootNode().host) {
            const layer = read(getComputedStyle(at).backgroundColor);
            layers.push(layer);
            if (layer[3] === 1) break;
        }
        return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
    };
    const light = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const faint = [];
    let count = 0;
    const seen = element => element.checkVisibility({opacityProperty: true, visibilityProperty: true})
        && element.getBoundingClientRect().width > 1;
    const note = (element, css, text) => {
        const below = behind(element);
        const [a, b] = [light(over(read(css), below)), light(below)];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        count += 1;
        const what = `${element.tagName}.${element.className}: ${text.trim().slice(0, 40)}`;
        if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${what}`);
    };
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const element = node.parentElement;
        if (node.data.trim() && seen(element)) note(element, getComputedStyle(element).color, node.data);
    }
    for (const field of root.querySelectorAll("input, textarea, select")) {
        if (!seen(field)) continue;
        note(field, getComputedStyle(field).color, `value of ${field.id}`);
        if (field.placeholder) note(field, getComputedStyle(field, "::placeholder").color, field.placeholder);
    }
    return {faint, count};
}"""

# What sticks out of an element, but for what scrolls in itself.
WIDER = """root => {
    const right = root.getBoundingClientRect().right + 1;
    const scrolls = element => {
        for (let at = element; at && at !== root; at = at.parentElement) {
            if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(at).overflowX)) return true;
        }
        return false;
    };
    const out = [...root.querySelectorAll("*")].filter(each => each.checkVisibility()
        && each.getBoundingClientRect().right > right && !scrolls(each.parentElement));
    return {
        by: root.scrollWidth - root.clientWidth,
        out: out.slice(0, 5).map(each => `${each.tagName}.${each.className}: ${each.textContent.slice(0, 40)}`),
    };
}"""


def faint_texts(element: Any) -> list[str]:
    """The texts of an element whose contrast is below 4.5:1."""
    found = element.evaluate(FAINT)
    assert found["count"] > 3, "there are no texts"
    return list(found["faint"])


def overflow(element: Any) -> dict[str, Any]:
    """By how much an element is wider than it should be, and what sticks out of it."""
    found: dict[str, Any] = element.evaluate(WIDER)
    return found


def set_width(cell: Cell, width: int | None) -> None:
    """Make the output of a cell as wide as this; None is as wide as it was."""
    cell.output.evaluate(
        "(area, width) => { for (const { style } of area.querySelectorAll('.jp-OutputArea-output'))"
        " for (const name of ['width', 'max-width', 'flex'])"
        " style.setProperty(name, width ? (name === 'flex' ? 'none' : `${width}px`) : ''); }",
        width,
    )
    cell.notebook.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def picture(cell: Cell, name: str) -> Path:
    """A picture of the output of a cell, among those that are kept."""
    SHOTS.mkdir(exist_ok=True)
    path = SHOTS / f"{cell.notebook.face}-{name}.png"
    shown = cell.view if cell.view.count() else cell.output
    shown.first.screenshot(path=str(path), animations="disabled")
    return path


def looks(cell: Cell, name: str, themes: tuple[str, ...] = ("light", "dark")) -> list[str]:
    """Pictures in each theme, wide and narrow, and what is wrong with them."""
    book: Notebook = cell.notebook
    wrong: list[str] = []
    root = cell.view.first
    for theme in themes:
        book.theme(theme)
        for width in (None, NARROW):
            set_width(cell, width)
            where = f"{name}-{theme}-{width or 'wide'}"
            picture(cell, where)
            wider = overflow(root)
            if wider["by"] > 0 or wider["out"]:
                wrong.append(f"{where}: {wider}")
            wrong += [f"{where}: {text}" for text in faint_texts(root)]
    set_width(cell, None)
    book.theme("light")
    return wrong
