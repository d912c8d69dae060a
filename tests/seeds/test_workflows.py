"""The seeds' workflows: agents inside workflows, as the documents write them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.loopback.turns import Request, Turn
from tests.seeds.support import AGENTS

SUPPORT = """
from pydantic import BaseModel

class CustomerSupportInput(BaseModel):
    question: str
    customer_email: str

logged, mailed = [], []

def log_interaction(response):
    logged.append(response.result)

def send_email(to, body):
    mailed.append((to, body))

async def send_followup(address, response):
    mailed.append((address, response.result))

customer_support_agent = Agent(id="support", provider="openai", model="gpt-4o", system_prompt="Help.")
"""
QUESTION = "CustomerSupportInput(question='What is the weather in Paris?', customer_email='a@example.com')"


@pytest.mark.parametrize(
    ("snippet", "name"), [("guide_workflow", "customer_support_workflow"), ("page_workflow", "customer_support")]
)
def test_customer_support(snippet: str, name: str, notebook: Any) -> None:
    """The agent answers, the interaction is logged, the mail is sent; the second call does none of it again."""
    book = notebook()
    book.run(AGENTS)
    book.run(SUPPORT)
    book.snippet(snippet)
    book.run(f"response = await {name}.run(client, {QUESTION})")
    said = book["response"].result
    assert said
    assert book["logged"] == [said]
    assert book["mailed"] == [("a@example.com", said)]
    asked = len(book.provider.requests)
    assert asked == (2 if snippet == "guide_workflow" else 1)
    book.run(f"again = await {name}.run(client, {QUESTION})")
    assert book["again"].result == said
    assert len(book.provider.requests) == asked
    assert len(book["logged"]) == len(book["mailed"]) == 1


def test_what_a_workflow_waits_for_fails_an_unwatched_cell_with_the_remedy(notebook: Any) -> None:
    """The approval workflow in a cell that nobody watches says in its error how to answer."""
    book = notebook(lambda request: Turn(text="1. Sell"))
    book.run("from polos_nb import workflow")
    book.run("planning_agent = executor_agent = Agent(id='one', provider='openai', model='gpt-4o')")
    book.snippet("page_approval")
    done = book.shell.run_cell("await approval_workflow.run(client, {'task': 'Sell'})")
    assert "Answer with %polos approve r1 --yes" in str(done.error_in_exec)
    assert len(book.provider.requests) == 1


def test_the_plan_of_the_approval_reaches_the_executor(notebook: Any) -> None:
    """`executor_agent.with_input(plan)` gives the executor what the planner said; an early answer is enough."""

    def script(request: Request) -> Turn:
        return Turn(text="1. Sell 2. Count" if request.system == "Plan." else f"Did: {request.user}")

    book = notebook(script)
    book.run("from polos_nb import workflow")
    book.run("planning_agent = Agent(id='planner', provider='openai', model='gpt-4o', system_prompt='Plan.')")
    book.run("executor_agent = Agent(id='executor', provider='openai', model='gpt-4o', system_prompt='Execute.')")
    book.snippet("page_approval")
    book.run("handle = await approval_workflow.invoke(client, {'task': 'Sell'})")
    book.run("await client.resume('approval_workflow', handle.id, 'suspend_step', {'approved': True})")
    book.run("done = await approval_workflow.run(client, {'task': 'Sell'})")
    assert book["done"].result == "Did: 1. Sell 2. Count"
    assert [request.user for request in book.provider.requests] == ["Sell", "1. Sell 2. Count"]
