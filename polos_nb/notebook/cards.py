"""What the cells show that define an agent or a tool, and what they show when something is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polos_nb.notebook.markup import CELL, ERROR, MUTED, Bundle, code, root, text_html
from polos_nb.safe_text import brief, code_span, inline_markdown

_LONG = 300


def agent_card(agent_info: Mapping[str, Any]) -> Bundle:
    """The output of `%%polos_agent`; the hash of the definition makes a changed prompt a difference of one line.

    Takes `id`, `name`, `provider`, `model`, `tools` (each with `name`, `signature`, `effect`), `system_prompt`,
    `interpolated` (expression to the text that was put in), `stop_conditions`, `output_schema`, `note`, `definition`
    (a short hash) and `changed`; all but `id` may be missing.
    """
    tools: Sequence[Mapping[str, Any]] = agent_info.get("tools") or []
    model = "/".join(str(agent_info[key]) for key in ("provider", "model") if agent_info.get(key))
    name = str(agent_info.get("name") or agent_info.get("id") or "agent")
    head = [name, model, f"{len(tools)} tool" + ("" if len(tools) == 1 else "s")]
    rows: list[tuple[str, str]] = []
    for tool in tools[:40]:
        effect = f" · {tool['effect']}" if tool.get("effect") else ""
        rows.append(("tool", f"{tool.get('signature') or tool.get('name', '')}{effect}"))
    if tools[40:]:
        rows.append(("tool", f"and {len(tools) - 40} more"))
    prompt = str(agent_info.get("system_prompt") or "")
    rows.append(("prompt", f"{len(prompt):,} characters" if prompt else "none"))
    for expression, text in list((agent_info.get("interpolated") or {}).items())[:20]:
        rows.append(("", f"{{{{ {expression} }}}} = {text}"))
    if agent_info.get("stop_conditions"):
        rows.append(("stops", ", ".join(str(entry) for entry in agent_info["stop_conditions"])))
    if agent_info.get("output_schema"):
        rows.append(("answers", str(agent_info["output_schema"])))
    return _card([part for part in head if part], rows, agent_info, agent_info.get("definition"))


def tool_card(info: Mapping[str, Any]) -> Bundle:
    """The output of `%%polos_tool` and `%%polos_workflow`.

    Takes `id`, `kind` ("tool"), `signature`, `description`, `effect`, `approval`, `state`, `version` (a short hash),
    `note` and `changed`; all but `id` may be missing.
    """
    rows = [
        (label, str(info[key]))
        for label, key in (
            ("signature", "signature"),
            ("says", "description"),
            ("effect", "effect"),
            ("approval", "approval"),
            ("state", "state"),
        )
        if info.get(key)
    ]
    return _card([str(info.get("id") or "tool"), str(info.get("kind") or "tool")], rows, info, info.get("version"))


def error_card(title: str, sentence: str, hint: str = "") -> Bundle:
    """What a cell shows instead of a traceback: what happened, in a sentence, and what to do."""
    title, sentence, hint = (brief(text, 2_000) for text in (title, sentence, hint))
    html = f'<p style="color: {ERROR}"><strong>{text_html(title)}</strong></p>\n<p>{text_html(sentence)}</p>'
    html += f'\n<p style="color: {MUTED}">{text_html(hint)}</p>' if hint else ""
    parts = [f"**{inline_markdown(title)}**", inline_markdown(sentence), inline_markdown(hint)]
    data = {
        "text/html": root(html),
        "text/markdown": "\n\n".join(part for part in parts if part),
        "text/plain": "\n".join(part for part in (title, sentence, hint) if part),
    }
    return data, {"polos": {"card": "error"}}


def _card(head: list[str], rows: list[tuple[str, str]], info: Mapping[str, Any], definition: Any) -> Bundle:
    title = brief(" · ".join(head), _LONG)
    rows += [("definition", str(definition))] if definition else []
    rows = [(label, brief(" ".join(text.split()), _LONG)) for label, text in rows]
    cells = "\n".join(
        f'<tr><th style="{CELL}">{text_html(label)}</th><td style="{CELL}">{code(text)}</td></tr>'
        for label, text in rows
    )
    html = f"<p><strong>{text_html(title)}</strong></p>\n"
    html += f'<table style="border-collapse: collapse">\n{cells}\n</table>' if rows else ""
    note = brief(str(info.get("note") or ""), _LONG)
    html += f'\n<p style="color: {MUTED}">{text_html(note)}</p>' if note else ""
    markdown = [f"**{inline_markdown(title)}**", "\n".join(f"- {label}: {code_span(t)}" for label, t in rows)]
    lines = [title, *(f"  {label:<11} {text}" for label, text in rows), *([f"  {note}"] if note else [])]
    data = {
        "text/html": root(html),
        "text/markdown": "\n\n".join(
            [*(part for part in markdown if part), *([inline_markdown(note)] if note else [])]
        ),
        "text/plain": "\n".join(lines),
    }
    # What changed since the cell ran last is not the same in every execution.
    return data, {"polos": {"definition": definition, "changed": info.get("changed")}}
