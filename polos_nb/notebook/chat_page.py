"""A chat as an output that stays, as Markdown, and as cells: made of its turns alone, the same in every execution."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Protocol

from polos_nb.agents import Agent
from polos_nb.notebook.attachments import has_images, prompt_of
from polos_nb.notebook.chat_turns import ChatTurn
from polos_nb.notebook.markup import ERROR, MUTED, Bundle, code, pre, render, root, text_html
from polos_nb.safe_text import (
    Limits,
    brief,
    call_text,
    code_span,
    inert_markdown,
    inline_markdown,
    json_text,
    shorten,
)
from polos_nb.transcript_items import Item, ToolItem
from polos_nb.transcript_text import count, error_text, markdown_answer, outcome, plain_answer

_ROOM = 60 * 1024
_CALLS = 12  # tool calls of one turn
_NEXT_CELL = "\n\n# %%\n"

# From generous to tight; then earlier turns are left out.
_LEVELS = (Limits(answer=16_000, value=200), Limits(answer=4_000, value=100), Limits(answer=1_200, value=60))
_ALL = Limits(answer=1_000_000, value=2_000)


class Shown(Protocol):
    """What of a chat is shown."""

    agent: Agent

    @property
    def conversation(self) -> str:
        """The id of the conversation."""

    @property
    def turns(self) -> tuple[ChatTurn, ...]:
        """The turns of the branch."""


def bundle(chat: Shown) -> Bundle:
    """A chat as `(data, metadata)` of a mimebundle, at most 64 KB: roles in bold, tool calls on a line each.

    Where it is too long, long messages are shortened first, then the earliest turns are left out. The name of the
    conversation, tokens and cost are in the metadata, since they differ between executions.
    """
    turns = [turn for turn in chat.turns if turn.status != "queued"]
    data: dict[str, str] = {}
    left = 0
    for limits, newest in [*((level, len(turns)) for level in _LEVELS), *((_LEVELS[-1], n) for n in (20, 8, 3, 1))]:
        shown = turns[max(0, len(turns) - newest) :]
        left = len(turns) - len(shown)
        data = {
            "text/html": _html(chat, shown, left, limits),
            "text/markdown": _markdown(chat, shown, left, limits),
            "text/plain": _plain(chat, shown, left, limits),
        }
        if len(json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")) <= _ROOM:
            break
    tokens = sum(turn.usage.total_tokens for turn in turns)
    facts = {"conversation": chat.conversation, "turns": len(turns), "tokens": tokens, "left_out": left}
    return data, {"polos": {"chat": facts}}


def as_markdown(chat: Shown) -> str:
    """The whole branch as Markdown: roles in bold, tool calls on a line each."""
    turns = [turn for turn in chat.turns if turn.status != "queued"]
    return _markdown(chat, turns, 0, _ALL) + "\n"


def as_cells(chat: Shown) -> str:
    """The branch as one `%%polos_run` cell for each turn, with `# %%` between them.

    Executed in order, they come back to the answers of the chat and call nothing.
    """
    return _NEXT_CELL.join(cells(chat))


def cells(chat: Shown) -> list[str]:
    """The same as a list of cells. A turn with images says so instead, since a cell's text cannot hold them."""
    out = []
    for turn in chat.turns:
        if turn.status == "queued":
            continue
        prompt = prompt_of(turn.input)
        if has_images(turn.input):
            said = json.dumps(brief(turn.text, 200), ensure_ascii=False)
            out.append(f"# Said with images, which a cell cannot hold: {said}")
            continue
        flags = " --no-interp" if "{{" in prompt else ""
        out.append(f"%%polos_run {_word(turn.agent or chat.agent.id)} -s {_word(chat.conversation)}{flags}\n{prompt}")
    return out


def _word(text: str) -> str:
    """A word of a magic's line, in quotes where it needs them."""
    return text if all(letter.isalnum() or letter in "-_.:/" for letter in text) else json.dumps(text)


# -- the parts of a turn ----------------------------------------------------------------------------------------------
def _state(turn: ChatTurn) -> str:
    """What a reader must know of a turn that did not complete."""
    if turn.status == "failed":
        return f"Failed: {error_text(turn.transcript, turn.error)}."
    said = {"cancelled": "Stopped.", "suspended": "Waiting for an answer.", "unfinished": turn.error}
    return said.get(turn.status, "")


def _files(turn: ChatTurn) -> str:
    return ", ".join(brief(str(one["name"]), 80) for one in turn.attachments)


def _calls(turn: ChatTurn, limits: Limits) -> list[tuple[str, str]]:
    """Each call of a tool with what came of it; of many calls the first."""
    found: list[Item] = [item for item in turn.transcript.items if isinstance(item, ToolItem)]
    out = [
        (call_text(item.name, getattr(item, "arguments", None), limits.value), outcome(turn.transcript, item, limits))
        for item in found[:_CALLS]
    ]
    return [*out, (f"and {count(len(found) - _CALLS, 'call')} more", "")] if len(found) > _CALLS else out


def _head(chat: Shown, turns: Sequence[ChatTurn], left: int) -> str:
    return f"{brief(chat.agent.id, 80)} · chat · {count(len(turns) + left, 'turn')}"


def _left(left: int) -> str:
    return f"… {count(left, 'earlier turn')}: %polos_chat shows them" if left else ""


def _html(chat: Shown, turns: Sequence[ChatTurn], left: int, limits: Limits) -> str:
    blocks = [_muted(_head(chat, turns, left))]
    if left:
        blocks.append(_muted(_left(left)))
    for turn in turns:
        blocks.append("<p><strong>you</strong></p>")
        blocks.append(_cut(turn.text, limits, render))
        if turn.attachments:
            blocks.append(_muted(f"attached: {_files(turn)}"))
        blocks.append(f"<p><strong>{text_html(brief(turn.agent or chat.agent.id, 80))}</strong></p>")
        calls = [f"<li>{code(call)}{' → ' + code(gave) if gave else ''}</li>" for call, gave in _calls(turn, limits)]
        blocks += [f"<ul>{''.join(calls)}</ul>"] if calls else []
        answer = turn.answer
        if answer is not None:
            text = answer if isinstance(answer, str) else json_text(answer, indent=2)
            blocks.append(_cut(text, limits, render if isinstance(answer, str) else pre))
        if _state(turn):
            colour = ERROR if turn.status == "failed" else MUTED
            blocks.append(f'<p style="color: {colour}">{text_html(_state(turn))}</p>')
    return root("\n".join(blocks))


def _cut(text: str, limits: Limits, shown: Callable[[str], str]) -> str:
    kept, missing = shorten(text, limits.answer)
    return shown(kept) + (_muted(f"… {missing:,} more characters") if missing else "")


def _muted(text: str) -> str:
    return f'<p style="color: {MUTED}">{text_html(text)}</p>'


def _markdown(chat: Shown, turns: Sequence[ChatTurn], left: int, limits: Limits) -> str:
    blocks = [f"*{inline_markdown(_head(chat, turns, left))}*"]
    blocks += [f"*{inline_markdown(_left(left))}*"] if left else []
    for turn in turns:
        kept, missing = shorten(turn.text, limits.answer)
        blocks += ["**you**", inert_markdown(kept) + (f" … {missing:,} more characters" if missing else "")]
        blocks += [f"*attached: {inline_markdown(_files(turn))}*"] if turn.attachments else []
        blocks.append(f"**{inline_markdown(brief(turn.agent or chat.agent.id, 80))}**")
        lines = [f"- {code_span(call)}{' → ' + code_span(gave) if gave else ''}" for call, gave in _calls(turn, limits)]
        blocks += ["\n".join(lines)] if lines else []
        blocks.append(markdown_answer(turn.answer, limits))
        blocks += [f"*{inline_markdown(_state(turn))}*"] if _state(turn) else []
    return "\n\n".join(block for block in blocks if block)


def _plain(chat: Shown, turns: Sequence[ChatTurn], left: int, limits: Limits) -> str:
    blocks = [_head(chat, turns, left), _left(left)]
    for turn in turns:
        files = f"\n[attached: {_files(turn)}]" if turn.attachments else ""
        blocks.append(f"you: {brief(turn.text, limits.answer)}{files}")
        lines = [f"  {call}{' → ' + gave if gave else ''}" for call, gave in _calls(turn, limits)]
        answer = plain_answer(turn.answer, limits)
        said = [*lines, answer, _state(turn)]
        blocks.append(f"{brief(turn.agent or chat.agent.id, 80)}: " + "\n".join(part for part in said if part).lstrip())
    return "\n\n".join(block for block in blocks if block)
