"""Strings that try to become markup, scripts, links, clicks or a hanging page: a corpus as data.

What would run sets `window.polosHurt`; what would load asks for an address with "polos-hurt" in it. A page in which
neither happened has shown them as text.
"""
# ruff: noqa: E501 - a payload stands on one line

from __future__ import annotations

import json
from typing import Any

TRAP = "window.polosHurt=1+(window.polosHurt|0)"
OUTSIDE = "https://polos-hurt.invalid"
ESC = "\x1b"

# Names are for the reports of tests. Every string is short: what is large is in `HEAVY`.
STRINGS: dict[str, str] = {
    "script": f"<script>{TRAP}</script>",
    "script, odd case": f"<ScRiPt src={OUTSIDE}/a.js></sCrIpT >",
    "script, halves": f"<scr<script>ipt>{TRAP}</scr</script>ipt>",
    "image handler": f"<img src=/polos-hurt-1 onerror='{TRAP}'>",
    "image handler without spaces": f"<img/src=/polos-hurt-2/onerror={TRAP}>",
    "every handler": f"<div onclick={TRAP} onmouseover={TRAP} onfocus={TRAP} tabindex=0 autofocus>x</div>",
    "details toggle": f"<details open ontoggle={TRAP}><summary>x</summary></details>",
    "animation": f"<style>@keyframes x{{}}</style><b style=animation-name:x onanimationstart={TRAP}>x</b>",
    "video": f"<video src=/polos-hurt-3 onerror={TRAP} autoplay><source onerror={TRAP}></video>",
    "closed containers": "</p></pre></code></div></section></details></td></tr></table></li></ul></span></textarea>",
    "closed attribute": f"\" onmouseover=\"{TRAP}\" x=' onfocus='{TRAP}' autofocus ' `onclick={TRAP}`",
    "closed style": f"</style><script>{TRAP}</script><title></title></textarea></noscript>",
    "closed comment": f"--><script>{TRAP}</script><!--",
    "comment": f"<!-- <img src=x onerror={TRAP}> --!><img src=/polos-hurt-4 onerror={TRAP}>",
    "cdata": f"<![CDATA[<script>{TRAP}</script>]]>",
    "processing instruction": f'<?xml-stylesheet href="{OUTSIDE}/a.xsl"?><!DOCTYPE html [<!ENTITY x "y">]>&x;',
    "svg": f"<svg onload={TRAP}><script>{TRAP}</script><use href='{OUTSIDE}/a.svg#x'/><a href=javascript:{TRAP}>x</a></svg>",
    "svg animate": f"<svg><animate onbegin={TRAP} attributeName=x dur=1s><set attributeName=href to=javascript:{TRAP}></svg>",
    "foreign object": f"<svg><foreignObject><iframe onload={TRAP}></iframe></foreignObject></svg>",
    "mathml": f"<math><maction actiontype=statusline xlink:href=javascript:{TRAP}>x</maction></math>",
    "mathml mutation": f"<math><mtext><table><mglyph><style><img src=x onerror={TRAP}></style></mglyph></table></mtext></math>",
    "style": f"<style>*{{background:url({OUTSIDE}/a.png)}} .polos-card{{display:none}}</style>",
    "style attribute": f"<p style='position:fixed;inset:0;z-index:9999;background:url({OUTSIDE}/b.png)'>x</p>",
    "stylesheet": f"<link rel=stylesheet href={OUTSIDE}/a.css><link rel=prefetch href={OUTSIDE}/b>",
    "iframe": f"<iframe src=javascript:{TRAP} onload={TRAP}></iframe>",
    "srcdoc": f"<iframe srcdoc='&lt;script&gt;parent.{TRAP}&lt;/script&gt;'></iframe>",
    "object and embed": f"<object data={OUTSIDE}/a></object><embed src={OUTSIDE}/b><applet code=x>",
    "base": f"<base href={OUTSIDE}/><base target=_parent>",
    "meta": f"<meta http-equiv=refresh content='0;url={OUTSIDE}/'><meta http-equiv=set-cookie content=a=b>",
    "form": f"<form action=javascript:{TRAP}><button formaction=javascript:{TRAP}>Approve</button><input type=image src=/polos-hurt-5></form>",
    "template": f"<template><script>{TRAP}</script></template><noscript><img src=x onerror={TRAP}></noscript>",
    "clobbering": "<a id=polosLab><a id=jupyterapp name=document><form id=body><input name=attributes>",
    "custom element": f"<polos-card onclick={TRAP}><slot onslotchange={TRAP}></slot></polos-card>",
    "link: javascript": f"[x](javascript:{TRAP}) [y]( javascript:{TRAP}) [z](<javascript:{TRAP}>)",
    "link: odd schemes": f"[x](JaVaScRiPt:{TRAP}) [y](vbscript:{TRAP}) [z](data:text/html,<script>{TRAP}</script>) [f](file:///etc/passwd) [b](blob:x)",
    "link: hidden scheme": f"[x](java\tscript:{TRAP}) [y](java&#x0A;script:{TRAP}) [z](&#106;avascript:{TRAP}) [w](\x01javascript:{TRAP}) [v](java%0ascript:{TRAP})",
    "link: by reference": f"[x][1] [1]\n\n[1]: javascript:{TRAP}\n[x]: data:text/html;base64,PHNjcmlwdD4= 'x'",
    "link: autolinks": f"<javascript:{TRAP}> <data:text/html,x> <vbscript:x> <x@y.z> javascript:{TRAP}",
    "link: title": f'[x](https://example.com \'"onmouseover={TRAP} x="\') [y](https://example.com "</a><script>{TRAP}</script>")',
    "link: text": f'[<img src=x onerror={TRAP}>](https://example.com) [a](https://example.com/"onclick="{TRAP})',
    "link: looks like another": "[https://bank.example](https://example.com/\u202e/knab) https://user:pw@example.com",
    "image": f"![x](javascript:{TRAP}) ![y]({OUTSIDE}/a.png) ![z](data:image/svg+xml,<svg onload={TRAP}>)",
    "image in a link": f"[![x]({OUTSIDE}/a.png)](javascript:{TRAP})",
    "entities": f"&lt;img src=x onerror={TRAP}&gt; &#60;script&#62;{TRAP}&#60;/script&#62; &#x3c;b&#x3e; &#0; &#x202e; &#xd800; &nbsp",
    "fence that closes": f"```html\n<script>{TRAP}</script>\n```\n<script>{TRAP}</script>\n````\n```",
    "fence info": f'```"><img src=x onerror={TRAP}>\ncode\n```\n~~~<script>\nx\n~~~',
    "unclosed fence": "````python\nprint('</code></pre>')",
    "inline code": f"`<script>{TRAP}</script>` ``</code>` `` `",
    "table that closes": f"| a | b |\n|---|:-:|\n| </td></table> | <script>{TRAP}</script> |\n| \\| | `|` | x |",
    "html block": f"<div>\n\n<script>{TRAP}</script>\n\n</div>\n\n<pre>\n*x*\n",
    "formulas": f"$\\href{{javascript:{TRAP}}}{{x}}$ $$\\require{{html}}\\href{{javascript:{TRAP}}}{{y}}$$ \\(\\unicode{{x41}}\\) $5 and $6",
    "formula styles": f"$\\style{{position:fixed}}{{x}}$ $\\class{{polos-card}}{{x}}$ $\\cssId{{polos}}{{x}}$ \\[\\text{{<img src=x onerror={TRAP}>}}\\]",
    "formula bomb": "$\\def\\a{\\b\\b\\b\\b}\\def\\b{\\c\\c\\c\\c}\\def\\c{\\d\\d\\d\\d}\\def\\d{xxxx}\\a\\a\\a$ $\\def\\x{\\x\\x}\\x$",
    "bidi": "admin\u202etxt.exe \u2066\u2067isolates\u2069 \u202amarks\u202c \u200eltr\u200f",
    "zero width": "appr\u200bove \u200c\u200d\ufeff\u2060\u00ad\u180e invisible\U000e0041\U000e0042",
    "confusables": "Αpprоve ‎ᅠㅤ A\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301",
    "ansi": f"{ESC}[31mred{ESC}[0m {ESC}]8;;javascript:{TRAP}{ESC}\\link{ESC}]8;;{ESC}\\ {ESC}[2J{ESC}[1;1H \x9b31m",
    "controls": "a\x00b\x01c\x07d\x08e\x0bf\x0cg\x1fh\x7fi\x85j\x9fk",
    "line breaks": "one\rtwo\r\nthree\u2028four\u2029five\n\n\n\nsix",
    "lone surrogates": "a\ud800b\udfffc\udc00\ud83d d\ud83d",
    "noncharacters": "\ufffe\uffff\U0010ffff\ufdd0",
    "prototype": "__proto__ constructor prototype hasOwnProperty toString valueOf __defineGetter__",
    "widget lookalike": '{"application/vnd.jupyter.widget-view+json": {"model_id": "x", "version_major": 2}}',
    "script output lookalike": f'{{"application/javascript": "{TRAP}", "text/html": "<script>{TRAP}</script>"}}',
    "card lookalike": "‖ waiting · Approve refund_order? ✓ approved by admin at 14:03",
    "interpolation": "{{ 7*7 }} ${7*7} #{7*7} <%= 7*7 %> {% raw %} %s %(x)s {0.__class__}",
    "shell": "%polos approve r1 --yes; `id` $(id) '; rm -rf / #",
    "only spaces": " \t\u00a0\u3000 ",
    "task boxes": "- [x] <input type=checkbox onclick=1>\n- [ ] [x](javascript:1)\n1. 9\n999999999999. x",
}

COUNT = 10_000  # of what nests or could be read twice
BLOCKS = 2_000  # of what stands below each other: each is an element

# What takes long when it is read badly; each must be on screen, or refused, within a second.
HEAVY: dict[str, str] = {
    "one line of 1 MB": "x" * 1_000_000,
    "one line of 1 MB with spaces": ("word" * 20 + " & <b> ") * 11_500,
    "brackets": "[" * COUNT,
    "brackets and back": "[" * COUNT + "]" * COUNT,
    "links in links": "[a](" * COUNT,
    "pictures": "![" * COUNT + "](" * COUNT,
    "parentheses": "(" * COUNT + ")" * COUNT,
    "quotes": ">" * COUNT + " x",
    "quotes with spaces": "> " * COUNT + "x",
    "stars": "*a " * COUNT,
    "stars, nested": "*a **b " * COUNT + "c** d*" * COUNT,
    "underscores": "_" * COUNT + "a" + "_" * COUNT,
    "ticks": "".join("`" * n + " " for n in range(1, 200)) + "`a" * COUNT,
    "pointed brackets": "<" * COUNT + "<a" * COUNT,
    "comments": "<!--" * COUNT,
    "entities": "&amp;" * COUNT + "&#x" * COUNT,
    "backslashes": "\\" * COUNT * 2,
    "lists": "".join(" " * (2 * n) + "- x\n" for n in range(300)),
    "lists on a line": "- " * COUNT + "x",
    "numbers": "1. " * COUNT + "x",
    "table": "|" * COUNT + "\n|" + "-|" * COUNT + "\n" + "|" * COUNT,
    "long table": "|a|b|\n|-|-|\n" + "|x|y|\n" * BLOCKS,
    "fences": "```\n" * BLOCKS,
    "headings": "# x\n" * BLOCKS,
    "lines": "\n" * COUNT * 10 + "x",
    "references": "[a]: <b>\n" * BLOCKS,
    "dollars": "$a " * COUNT + "$$" * COUNT,
    "ansi": "\x1b[31m" * COUNT + "\x1b[" + "1;" * COUNT,
    "combining": "e" + "\u0301" * COUNT,
    "bidi": "\u202e" * COUNT,
}

# Arguments of calls as a model writes them: JSON, or what it takes for JSON.
ARGUMENTS: dict[str, str] = {
    "deep lists": '{"value": ' + "[" * COUNT + "]" * COUNT + "}",
    "deep objects": '{"value": ' + '{"a":' * COUNT + "1" + "}" * COUNT + "}",
    "deep and open": '{"value": ' + "[" * COUNT,
    "huge numbers": f'{{"value": [1e999, -1e999, {"9" * 4_000}, 1e-999, 0.1{"0" * 400}1, 9007199254740993, -0]}}',
    "not numbers": '{"value": [NaN, Infinity, -Infinity]}',
    "prototype": '{"value": 1, "__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}',
    "prototype within": '{"value": {"__proto__": {"polluted": 1}, "toString": "x", "hasOwnProperty": null, "": 1}}',
    "names twice": '{"value": 1, "value": "<script>"}',
    "many names": json.dumps({"value": {f"k{n}": n for n in range(5_000)}}),
    "table lookalike": json.dumps({"value": [{"__proto__": 1, "<b>": "</td>", "constructor": "|"}] * 3}),
    "image lookalike": json.dumps({"value": {"type": "image", "media_type": "image/svg+xml", "data": "PHN2Zy8+"}}),
    "not JSON": f"<script>{TRAP}</script>",
    "empty": "",
    "a list": '["<img src=x>"]',
    "surrogates": '{"value": "\\ud800 \\udfff"}',
}

NAMES = [
    f"<img src=/polos-hurt-n onerror='{TRAP}'>",
    f"](javascript:{TRAP})",
    "__proto__",
    "constructor",
    "toString",
    "admin\u202eexe.txt",
    "a</code></summary><b>",
    "$x$ `y` **z** | w",
]

FILE_NAMES = [
    f"<img src=x onerror={TRAP}>.txt",
    f'"onmouseover="{TRAP}" x=".md',
    "a\u202etxt.exe.txt",
    "..\\..\\up.txt",
    "__proto__",
]


def all_short() -> str:
    """All short strings as paragraphs of one text."""
    return "\n\n".join(STRINGS.values())


def sendable(text: str) -> str:
    """A text that can be typed or stored as UTF-8: without lone surrogates and NUL."""
    return text.encode("utf-8", "ignore").decode().replace("\x00", "")


def form() -> dict[str, Any]:
    """What a step shows that asks with a form in which every text is hostile; `ok` is what must be filled in."""
    kinds = ("text", "textarea", "select", "boolean", "number", "email", "url", "<b>")
    fields: list[dict[str, Any]] = [{"key": "ok", "type": "text", "required": True, "label": "ok"}]
    texts = {name: sendable(text) for name, text in STRINGS.items()}
    for number, (name, text) in enumerate(texts.items()):
        key = NAMES[number // len(kinds)] if number % len(kinds) == 0 and number // len(kinds) < len(NAMES) else name
        one = {"key": key, "type": kinds[number % len(kinds)], "label": text, "description": text}
        if one["type"] not in ("number", "email", "url"):  # what does not fit would have to be corrected first
            one["default"] = text
        one["options"] = [{"label": text, "value": text}, {"label": "__proto__", "value": {"__proto__": text}}, text]
        fields.append(one)
    return {
        "_form": {
            "title": sendable(all_short()),
            "description": sendable(all_short()),
            "fields": fields,
            "context": {text[:60]: text for text in texts.values()},
        },
        "beside": texts,
        "__proto__": {"polluted": 1},
    }
