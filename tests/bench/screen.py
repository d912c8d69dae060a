"""What a page notes about itself: which marks of a text are on screen since when, and what its sockets received."""

from __future__ import annotations

from typing import Any

# Put into the page before anything else. `Date.now()` is the clock that `time.time()` reads on the same machine.
INSTRUMENTS = """(() => {
    const net = {frames: 0, bytes: 0, outputs: 0};
    const head = data => new TextDecoder().decode(new Uint8Array(data, 0, Math.min(700, data.byteLength)));
    window.WebSocket = class extends WebSocket {
        constructor(...given) {
            super(...given);
            this.addEventListener("message", ({data}) => {
                if (!(data instanceof ArrayBuffer)) return;  // not of a kernel
                net.frames += 1;
                net.bytes += data.byteLength;
                if (head(data).includes("display_data")) net.outputs += data.byteLength;
            });
        }
    };
    const lab = window.polosLab = {net, seen: {}, first: null, start(cell, every, selector) {
        lab.observer?.disconnect();
        Object.assign(lab, {seen: {}, first: null, began: Date.now(), from: {...net}});
        const place = window.jupyterapp.shell.currentWidget.content.widgets[cell].node;
        let next = every, waiting = false;
        const look = () => {
            waiting = false;
            const text = place.querySelector(".jp-Cell-outputArea")?.textContent ?? "";
            const found = [];
            for (; text.includes(`mark${next}.`); next += every) found.push(next);
            const shown = lab.first === null && place.querySelector(selector);
            if (!found.length && !shown) return;
            const channel = new MessageChannel();  // its message comes after the frame was laid out and painted
            channel.port1.onmessage = () => {
                const now = Date.now();
                if (shown) lab.first = now;
                for (const mark of found) lab.seen[mark] = now;
            };
            channel.port2.postMessage(0);
        };
        lab.observer = new MutationObserver(() => {
            if (waiting) return;
            waiting = true;
            requestAnimationFrame(look);
        });
        lab.observer.observe(place, {childList: true, subtree: true, characterData: true});
    }, result() {
        const received = Object.fromEntries(Object.keys(net).map(name => [name, net[name] - lab.from[name]]));
        return {seen: lab.seen, first: lab.first, began: lab.began, ...received};
    }};
})();"""


class Screen:
    """The instruments of one page; `start` before a cell runs, `result` afterwards."""

    def __init__(self, page: Any) -> None:
        self._page = page
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable")
        self._busy = 0.0

    @staticmethod
    def install(page: Any) -> None:
        """Before the page goes anywhere."""
        page.add_init_script(INSTRUMENTS)

    def start(self, cell: int, every: int, selector: str) -> None:
        """Watch the output of a cell for marks and for the first element that `selector` finds."""
        self._page.evaluate("given => window.polosLab.start(...given)", [cell, every, selector])
        self._busy = self._tasks()

    def seen(self, mark: int) -> bool:
        """Whether this mark is on screen."""
        return bool(self._page.evaluate("mark => mark in window.polosLab.seen", mark))

    def count(self) -> int:
        """How many marks are on screen."""
        return int(self._page.evaluate("() => Object.keys(window.polosLab.seen).length"))

    def result(self) -> dict[str, Any]:
        """Times in seconds since 1970; `busy`: seconds of the page's main thread."""
        got: dict[str, Any] = self._page.evaluate("() => window.polosLab.result()")
        seen = {int(mark): at / 1000 for mark, at in got["seen"].items()}
        first = None if got["first"] is None else got["first"] / 1000
        busy = self._tasks() - self._busy
        return {**got, "seen": seen, "first": first, "began": got["began"] / 1000, "busy": busy}

    def _tasks(self) -> float:
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        return float(next(entry["value"] for entry in metrics if entry["name"] == "TaskDuration"))
