"""The agents of the browser tests: this file is the source of their notebooks' first cell."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from polos_nb import Agent, ScriptedModel, Turn, tool, workflow
from polos_nb.models.base import ModelRequest

PARTS = [
    f"### Part {n}\n\nSome *words* and `code`, then a list:\n\n- one\n- two **bold**\n  - nested\n\n"
    f"| a | b |\n|---|---|\n| {n} | two |\n\n```python\nfor i in range({n}):\n    print(i)\n```\n\n> quoted\n> lines"
    for n in range(4)
]


@tool(approval="always")
def refund_order(order_id: str, amount: float = 42.5, reason: str = "damaged") -> dict[str, Any]:
    """Refund an order."""
    with open("ran.txt", "a") as file:
        file.write(f"{order_id} {amount}\n")
    return {"order": order_id, "refunded": amount, "reason": reason}


@tool
def get_order(order_id: str) -> dict[str, Any]:
    """Look an order up."""
    time.sleep(0.2)
    items = [{"name": "lamp", "price": 42.5}, {"name": "bulb", "price": 3}]
    return {"order": order_id, "status": "delivered", "items": items}


def clerk_says(request: ModelRequest) -> Turn:
    """ "refund a b" looks two orders up and refunds them in one turn; the results are told. All else is repeated."""
    texts = [(message.role, message.text()) for message in request.messages]
    asked = max(n for n, (role, _) in enumerate(texts) if role == "user")
    heard = [text for role, text in texts[asked:] if role == "tool"]
    words = texts[asked][1].split()
    orders = words[1:] if words[0] == "refund" else []
    if not orders:
        return Turn(text=f"You said: {texts[asked][1]}", delay=0.01)
    if not heard:
        calls = [("get_order", {"order_id": order}) for order in orders]
        thinking = "The customer wants money back. I look the order up first."
        return Turn(reasoning=thinking, text="I look it up.", calls=calls, delay=0.05)
    if len(heard) == len(orders):
        calls = [("refund_order", {"order_id": order, "amount": 42.5}) for order in orders]
        return Turn(text="It was delivered. I ask for a refund.", calls=calls, delay=0.05)
    results = "\n".join(f"| {n} | {text.replace('|', '/')} |" for n, text in enumerate(heard[len(orders) :], 1))
    table = f"## Refunds\n\nThis is what the tool said:\n\n| n | result |\n|---|---|\n{results}"
    return Turn(text=f"{table}\n\n```python\nprint('done')\n```\n\nDone with **everything**.", delay=0.01)


def writer_says(request: ModelRequest) -> Turn:
    """ "200 0.02" is as many words, at this distance in seconds; "mixed" is Markdown of all kinds."""
    words = request.messages[-1].text().split()
    if words[0] == "mixed":
        return Turn(text="\n\n".join(PARTS), delay=0.02)
    count, delay = (int(words[0]), float(words[1])) if words[0].isdigit() else (40, 0.01)
    text = "".join(f"word{n} " if n % 25 else f"\n\n## Part {n}\n\nword{n} " for n in range(count))
    return Turn(text=f"{text}\n\nthe end.", delay=delay)


clerk = Agent(id="clerk", model=ScriptedModel(clerk_says), tools=[get_order, refund_order])
writer = Agent(id="writer", model=ScriptedModel(writer_says))


async def weigh(order: str) -> int:
    """A step that takes a moment."""
    await asyncio.sleep(0.05)
    return len(order)


@workflow
async def audit(ctx: Any, payload: dict[str, Any]) -> dict[str, int]:
    """Many items, then an agent."""
    orders = [f"order-{n}" for n in range(payload["orders"])]
    sizes = await ctx.step.map("weigh", weigh, orders, concurrency=4)
    checked = await ctx.step.agent_invoke_and_wait("check", writer.with_input("30 0.01"))
    return {"sizes": sum(sizes), "checked": len(checked.result)}
