"""Markdown of a model as HTML that cannot do anything."""

from __future__ import annotations

import pytest

from polos_nb.notebook.markup import render, text_html
from tests.notebook.html_check import checked

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</details><script>alert(1)</script>",
    "[x](javascript:alert(1)) [y](JaVaScRiPt&colon;alert(1)) [z](data:text/html,x)",
    '<javascript:alert(1)> <https://ok.example/"onclick=x>',
    '![x](https://t.example/a.png "t") [![i](https://t.example/b)](https://t.example/c)',
    '![" onload=alert(1)](https://t.example/"onload=x)',
    '```"onclick=x\n</pre><svg onload=alert(1)>\n```',
    "`</code><iframe>`",
    "| a | <b> |\n|---|---|\n| </table> | ` |",
    "> " * 200 + "x",
    "[" * 2000,
    "*" * 2000,
    "a\x00b\u202etxt.exe\ud800",
    "x" * 1_000_000,
    "<!-- " * 10,
    "&lt;script&gt; &#60;b&#62;",
    "# <h1 onclick=x>\n\n- <li>\n  1. <b",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_markdown_is_text(text: str) -> None:
    """Whatever a model writes, the HTML has only harmless tags, balanced, and links to http, https and mailto."""
    html = render(text)
    checked(html)
    html.encode("utf-8")
    assert "\x00" not in html
    assert "\u202e" not in html


def test_tags_in_prose_stay_readable() -> None:
    """`<thinking>` and `<doc>` are seen as the model wrote them."""
    assert "<thinking>hm</thinking> <doc>" in checked(render("<thinking>hm</thinking> <doc>")).text


def test_markdown_becomes_structure() -> None:
    """Headings, lists, tables, code, quotes and links have their elements."""
    html = render(
        "# T\n\n- a\n  - b\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\n> q\n\n```py\n1 < 2\n```\n\n[l](https://e.example)"
    )
    for piece in ("<h1>T</h1>", "<li>a\n<ul>", "<th ", "<blockquote>", "1 &lt; 2", 'rel="noopener noreferrer"'):
        assert piece in html


def test_an_image_is_a_link() -> None:
    """Nothing is loaded from a server that a model named."""
    html = render("![chart](https://t.example/a.png)")
    assert "<img" not in html
    assert 'href="https://t.example/a.png"' in html
    assert ">chart</a>" in html


def test_math_stays_and_prices_are_no_math() -> None:
    """A formula keeps its marks; two prices in a line do not become one."""
    assert "$a*b*c_1$" in render("so $a*b*c_1$ holds")
    assert "<span>$</span>5" in render("from $5 to $6")
    assert text_html("$1 & $2") == "<span>$</span>1 &amp; <span>$</span>2"
