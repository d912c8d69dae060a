"""`%polos_chat`: a chat in the output of its cell."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from polos_nb.notebook.arguments import RENDERERS, Parser, shadows, variable_name
from polos_nb.notebook.chat import Chat
from polos_nb.notebook.chat_widget import ChatView
from polos_nb.notebook.kernel_compat import in_kernel
from polos_nb.notebook.lookup import find_agent
from polos_nb.notebook.painter import publish
from polos_nb.notebook.session import NotebookSession


def _chat_parser() -> Parser:
    parser = Parser(
        "%polos_chat",
        description="Chat with an agent in the output of this cell. Each message is a run; the conversation is kept in"
        "\nthe store. Executing the cell again goes on with the same conversation.",
        epilog="Example:\n  %polos_chat bot\n  %polos_chat bot --conversation weather-bot-1 --as chat\n"
        '  await chat.send("What about tomorrow?")',
    )
    add = parser.add_argument
    add("agent", metavar="AGENT", help="an agent, by its name or id")
    add("-s", "--session", "--conversation", metavar="ID", help="a conversation; a new one without it, or with new")
    add("--as", dest="bind", metavar="VAR", help="bind the chat to a variable")
    add("--render", choices=RENDERERS, help="how it is shown")
    return parser


CHAT = _chat_parser()

_chats: WeakKeyDictionary[NotebookSession, dict[tuple[str, ...], Chat]] = WeakKeyDictionary()


def open_chat(session: NotebookSession, line: str, names: Mapping[str, Any] | None = None) -> Chat:
    """The chat that a line asks for, shown in this cell.

    A cell that asks without an id gets the chat that it had before; where no front end names its cells, a line does.
    Raises ConfigurationError, or HelpAsked.
    """
    given = CHAT.parse_line(line.rstrip().rstrip(";"))
    agent = find_agent(given.agent, {**session.ip.user_ns, **(names or {})})
    if given.bind:
        variable_name(given.bind, CHAT.magic, "--as")
        if shadows(given.bind) and session.watched:
            print(f"--as {given.bind} hides the builtin of that name", file=sys.stderr)  # noqa: T201
    wanted = None if given.session == "new" else given.session
    cell = session.runtime.conversations.cell
    key = (agent.id, cell or line.strip(), wanted or "")
    kept = _chats.setdefault(session, {})
    chat = kept.get(key)
    if chat is None:
        chat = kept[key] = Chat(agent, lambda: session.runtime, wanted)
        chat.next_input = session.ip.set_next_input
        chat.attend(lambda: session.watched and (session.host.inline or not session.host.in_cell))
    chat.agent = agent
    chat.refresh()
    show_chat(session, chat, asked=given.render)
    _shown_once(session, chat)
    if given.bind:
        session.ip.user_ns[given.bind] = chat
    return chat


def show_chat(session: NotebookSession, chat: Chat, *, asked: str | None = None) -> None:
    """Show a chat in the cell that is being executed: live where somebody watches in a notebook, else as it is now."""
    chosen = session.settings.render or asked or session.options.render or "auto"
    if chosen == "plain" or (chosen == "auto" and session.watched and not in_kernel(session.ip)):
        print(chat.bundle()[0]["text/plain"])  # noqa: T201 - in a terminal this is the output
    elif chosen == "static" or not session.watched or not _loop_runs():
        publish(session.ip, chat.bundle())
    else:
        ChatView(session.host, chat).show()


def _shown_once(session: NotebookSession, chat: Chat) -> None:
    """The value of this cell is the chat that it shows: it need not be shown again. In other cells it is shown."""
    events = session.ip.events

    def shower(chat: Chat) -> None:
        show_chat(session, chat)

    def over(*_: Any) -> None:
        chat.shower = shower
        events.unregister("post_run_cell", over)

    chat.shower = lambda chat: None
    events.register("post_run_cell", over)


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
