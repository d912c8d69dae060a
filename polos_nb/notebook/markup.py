"""A model's Markdown as HTML that cannot do anything: no raw HTML, no scripts, no images, only safe links."""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from functools import cache
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from polos_nb.safe_text import visible

Bundle = tuple[dict[str, str], dict[str, Any]]  # data by MIME type, and metadata

FOREGROUND = "var(--jp-ui-font-color1, var(--vscode-foreground, #1f2328))"
BACKGROUND = "var(--jp-layout-color0, var(--vscode-editor-background, #ffffff))"
MUTED = "var(--jp-ui-font-color2, var(--vscode-descriptionForeground, #59636e))"
ERROR = "var(--jp-error-color1, var(--vscode-errorForeground, #b31d28))"
BORDER = "var(--jp-border-color2, var(--vscode-panel-border, #d1d9e0))"
CODE_BACKGROUND = "var(--jp-layout-color2, var(--vscode-textCodeBlock-background, #f3f4f6))"
PRE = (
    f"white-space: pre-wrap; overflow-wrap: anywhere; margin: 4px 0; padding: 6px 8px;"
    f" background: {CODE_BACKGROUND}; border-radius: 4px"
)
CELL = f"border: 1px solid {BORDER}; padding: 2px 8px; text-align: left; overflow-wrap: anywhere"

_ROOT = f"color: {FOREGROUND}; background: {BACKGROUND}; color-scheme: light dark; overflow-wrap: anywhere"
_PLAIN_ABOVE = 50_000  # characters; parsing hostile Markdown takes quadratic time
_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_MATH = re.compile(r"\$\$[^$]+\$\$|\$(?!\s)[^$\n]*[^$\s\\]\$(?!\d)")


def render(text: str) -> str:
    """Markdown as HTML with balanced tags, in which everything that was not Markdown is text.

    >>> render("**4** <b>")
    '<p><strong>4</strong> &lt;b&gt;</p>\\n'
    """
    if len(text) > _PLAIN_ABOVE:
        return f'<div style="white-space: pre-wrap; overflow-wrap: anywhere">{text_html(text)}</div>'
    return str(_parser().render(visible(text)))


def root(inner: str) -> str:
    """The element around every output: its own foreground and background, since VS Code paints outputs white."""
    return f'<div style="{_ROOT}">\n{inner}\n</div>'


def text_html(text: str) -> str:
    """A text as HTML that shows just this text. Dollars never start a formula."""
    return escape(visible(text), quote=True).replace("$", "<span>$</span>")


def pre(text: str) -> str:
    """A text as a block with its own line breaks, wrapped where lines are long."""
    return f'<pre style="{PRE}">{escape(visible(text), quote=True)}</pre>'


def code(text: str) -> str:
    """A text as inline code."""
    return f"<code>{escape(visible(text), quote=True)}</code>"


def _math(state: StateInline, silent: bool) -> bool:
    """`$...$` stays as it is, emphasis marks included; a lone dollar never starts a formula."""
    if state.src[state.pos] != "$":
        return False
    found = _MATH.match(state.src, state.pos)
    content = found[0] if found else "$"
    if not silent:
        token = state.push("math" if found else "dollar", "", 0)
        token.content = content
    state.pos += len(content)
    return True


@cache  # made for the first output, not when the extension is loaded
def _parser() -> MarkdownIt:
    # "commonmark" with raw HTML off: `<` is text everywhere.
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable("table")
    parser.validateLink = lambda url: bool(_LINK.match(url.strip()))  # type: ignore[method-assign]
    parser.inline.ruler.before("escape", "math", _math)
    rules: dict[str, Any] = {
        # What entities stand for comes up only here.
        "text": lambda self, tokens, i, options, env: escape(visible(tokens[i].content), quote=False),
        "image": _image,
        "link_open": _link_open,
        "math": lambda self, tokens, i, options, env: escape(tokens[i].content),
        "dollar": lambda self, tokens, i, options, env: "<span>$</span>",
        "fence": lambda self, tokens, i, options, env: pre(tokens[i].content.rstrip("\n")) + "\n",
        "code_block": lambda self, tokens, i, options, env: pre(tokens[i].content.rstrip("\n")) + "\n",
        "table_open": lambda self, tokens, i, options, env: '<table style="border-collapse: collapse">\n',
        "th_open": lambda self, tokens, i, options, env: f'<th style="{CELL}">',
        "td_open": lambda self, tokens, i, options, env: f'<td style="{CELL}">',
    }
    for name, rule in rules.items():
        parser.add_render_rule(name, rule)
    return parser


def _link_open(self: RendererHTML, tokens: Sequence[Token], i: int, options: Any, env: MutableMapping[str, Any]) -> str:
    href = escape(str(tokens[i].attrs.get("href", "")), quote=True)
    return f'<a href="{href}" rel="noopener noreferrer" target="_blank">'


def _image(self: RendererHTML, tokens: Sequence[Token], i: int, options: Any, env: MutableMapping[str, Any]) -> str:
    """An image becomes its description and its address: loading it would tell its server who reads this."""
    token = tokens[i]
    address = escape(str(token.attrs.get("src", "")), quote=True)
    said = escape(token.content or "image", quote=True)
    inside_link = sum({"link_open": 1, "link_close": -1}.get(other.type, 0) for other in tokens[:i]) > 0
    if inside_link or not address:
        return said
    return f'<a href="{address}" rel="noopener noreferrer" target="_blank">{said}</a>'
