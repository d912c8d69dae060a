"""What the tests of chats share: a chat on a store, an agent that follows a script, and a page that only has a feed."""

from __future__ import annotations

from typing import Any

from polos_nb import Agent, ScriptedModel, Turn, tool
from polos_nb.models.base import ModelRequest
from polos_nb.notebook.chat import Chat
from polos_nb.notebook.chat_widget import ChatView
from polos_nb.notebook.feed import Feed
from polos_nb.runtime.runtime import Runtime
from polos_nb.settings import Settings
from polos_nb.stores.base import Store


def heard(request: ModelRequest) -> list[str]:
    """What a model is shown, in short."""
    return [f"{message.role}: {message.text()}" for message in request.messages]


def parrot(**options: Any) -> Agent:
    """An agent that answers with the number of messages it was shown and the last of them."""
    model = ScriptedModel(lambda request: f"{len(request.messages)} {request.messages[-1].text()}")
    return Agent(id="parrot", model=model, **options)


def refunder(ran: list[str]) -> Agent:
    """An agent whose tool asks before it refunds an order."""

    @tool(approval="always")
    def refund(order: str) -> str:
        """Refund an order."""
        ran.append(order)
        return f"refunded {order}"

    def script(request: ModelRequest) -> Turn | str:
        last = request.messages[-1]
        return f"Done: {last.text()}" if last.role == "tool" else Turn(calls=[("refund", {"order": last.text()})])

    return Agent(id="refunder", model=ScriptedModel(script), tools=[refund])


class Kernel:
    """A process on a store, in which chats are opened."""

    def __init__(self, store: Store | str, **settings: Any) -> None:
        settings = {"retry_delay": 0.0} | settings
        self.runtime = Runtime(store=store, mode="live", settings=Settings(**settings), patience=0.0)

    def chat(self, agent: Agent, conversation: str | None = None) -> Chat:
        """A chat as the magic opens it."""
        return Chat(agent, lambda: self.runtime, conversation)

    def page(self, chat: Chat) -> Page:
        """A page that shows a chat."""
        return Page(self.runtime.store, chat)


class PageWidget:
    """A widget whose page is the test: it only has the feed."""

    def __init__(self) -> None:
        self.feed = Feed()
        self.heard = True
        self.closed = False
        self.view_data: dict[str, Any] = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}

    def poke(self) -> None:
        """Nothing: the test pulls."""


class PageHost:
    """A notebook without a front end; `published` is what it was given to show."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.published: list[dict[str, Any]] = []
        self.ip = self
        self.display_pub = self

    def publish(self, data: Any, metadata: Any = None, transient: Any = None, update: bool = False) -> None:
        """As a display publisher."""
        self.published.append({"data": data, "update": update})

    def keep(self, widget: Any) -> None:
        """Nothing."""


class Page:
    """A chat as a page has it."""

    def __init__(self, store: Store, chat: Chat) -> None:
        self.host = PageHost(store)
        self.view = ChatView(self.host, chat)
        self.view.widget = PageWidget()
        chat.on_change.append(self.view._saved)

    async def ask(self, verb: str, **given: Any) -> Any:
        """A request of the page."""
        return await self.view.request(verb, given)

    @property
    def state(self) -> dict[str, Any]:
        """What the page shows now."""
        self.view.pull()
        state: dict[str, Any] = self.view.widget.feed.state
        return state

    @property
    def turns(self) -> list[dict[str, Any]]:
        """The rows of the turns, in order."""
        state = self.state
        return [state["rows"][row] for row in state["order"].get("", [])]

    def steps(self, turn: dict[str, Any]) -> list[dict[str, Any]]:
        """The rows of a turn's steps, in order."""
        state = self.state
        return [state["rows"][row] for row in state["order"].get(turn["id"], [])]

    def answer(self, turn: dict[str, Any]) -> str:
        """The answer of a turn as the page finds it."""
        if turn["answer"] is not None:
            return str(turn["answer"]["s"])
        texts = [row["text"] for row in self.steps(turn) if row["kind"] == "llm" and row.get("text")]
        return texts[-1] if texts else ""
