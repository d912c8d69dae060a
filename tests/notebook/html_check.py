"""HTML that cannot do anything, checked: which tags and attributes may occur, and that every tag closes."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"br", "hr"}
ALLOWED = {
    "a", "blockquote", "br", "code", "details", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p",
    "pre", "span", "strong", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


class Checker(HTMLParser):
    """Collects tags, attributes and text, and fails on a tag that does not close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED, tag
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def checked(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    for name, value in checker.attributes:
        assert name in {"style", "href", "rel", "target", "start", "open", "role"}, name
        if name == "href":
            assert (value or "").lower().startswith(("http://", "https://", "mailto:")), value
    return checker
