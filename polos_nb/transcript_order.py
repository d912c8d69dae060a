"""The order of a transcript's tool calls: as the model asked for them, whichever started or finished first."""

from __future__ import annotations

import re

from polos_nb.safe_text import json_text
from polos_nb.transcript_items import AnswerItem, Item, StepItem, ToolItem


def in_call_order(siblings: list[Item]) -> None:
    """Sort the tools behind the last answer as the model asked for them, whichever started or finished first."""
    last = next((n for n in range(len(siblings) - 1, -1, -1) if isinstance(siblings[n], AnswerItem)), None)
    if last is None:
        return
    answer, group = siblings[last], siblings[last + 1 :]
    assert isinstance(answer, AnswerItem)
    tools = sorted((item for item in group if isinstance(item, ToolItem)), key=lambda i: _natural(i.step_key))
    said = {tool.step_key: json_text(tool.arguments if tool.asked is None else tool.asked) for tool in tools}
    order: list[Item] = []
    for call in answer.tool_calls:
        named = [tool for tool in tools if tool.name == call.name]
        if named:
            value = json_text(call.value)
            chosen = next((tool for tool in named if said[tool.step_key] == value), named[0])
            tools.remove(chosen)
            order.append(chosen)
    order += tools
    asked = {item.step_key: item for item in group if isinstance(item, StepItem) and item.kind == "approval"}
    with_approvals: list[Item] = []
    for item in order:  # what was asked before a call comes before it
        approval = asked.pop(_approval_of(item), None)
        with_approvals += [item] if approval is None else [approval, item]
    placed = {item.step_key for item in with_approvals}
    siblings[last + 1 :] = with_approvals + [item for item in group if item.step_key not in placed]


def _approval_of(item: Item) -> str:
    """The key of the step in which a call was approved."""
    before, _, own = item.step_key.rpartition("/")
    number, dot, rest = own.rpartition(".")
    key = f"{number}{dot}approve_{rest}"
    return f"{before}/{key}" if before else key


def _natural(key: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", key)]
