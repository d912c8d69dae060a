"""Approvals whose answer changes the arguments: the tool runs with these, the model is told, a replay asks nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from polos_nb import Agent, ScriptedModel, Suspended, WorkflowContext, tool, workflow
from polos_nb.errors import ConfigurationError
from polos_nb.reports.answers import answer
from polos_nb.reports.runs import list_waiting
from polos_nb.stores.sqlite import SqliteStore
from polos_nb.transcript_items import StepItem, ToolItem
from tests.crash.lanes import started, until
from tests.crash.programs import lines_of, note_in
from tests.runtime.programs import client_in, go
from tests.runtime.support import Process, calls, once_called

ASKED = "1.approve_pay[call_1]"


def paying(journal: list[Any], **options: Any) -> Any:
    """A tool that needs an approval, and notes what it was called with."""

    @tool(id="pay", description="Pay", **{"version": 1, "approval": "always", **options})
    async def pay(amount: int, to: str = "ada") -> dict[str, Any]:
        journal.append((amount, to))
        return {"paid": amount}

    return pay


def clerk(pay: Any, *amounts: int) -> Agent:
    """An agent that pays these amounts, side by side."""
    turn = calls(*(("pay", {"amount": amount}) for amount in amounts or (3,)))
    return Agent(id="clerk", model=once_called(turn), tools=[pay])


def suspended(process: Process, body: Any) -> tuple[str, ...]:
    with pytest.raises(Suspended) as caught:
        process.cell(body)
    return caught.value.waiting


def approve(path: str, step: str | None = None, *, run: str = "r1", **values: Any) -> Any:
    store = Process(path).runtime.store
    try:
        return answer(store, run, step, values={"approved": True, **values}, by="ada")
    finally:
        store.close()


@pytest.mark.parametrize("effect", ["write", "read"])
def test_the_tool_runs_with_the_edited_arguments(path: str, effect: Any) -> None:
    """The model reads which were used, before the result; the result and the transcript show them; once only."""
    journal: list[Any] = []
    agent = clerk(paying(journal, effect=effect))
    suspended(Process(path), lambda client: agent.run(client, "go"))
    done = approve(path, arguments={"amount": 2, "to": "bob"})
    assert done.sentence() == f"r1 · {ASKED}: approved (arguments edited)"
    said = []
    for _ in range(2):
        process = Process(path)
        result = process.run(agent, "go")
        assert result.tool_results[0].arguments == {"amount": 2, "to": "bob"}
        said.append(result.result)
        process.runtime.close()
    note = 'The user changed the arguments of this call and approved it with: {"amount": 2, "to": "bob"}'
    assert said == [f'done: {note}\n{{"paid": 2}}'] * 2
    assert journal == [(2, "bob")]


def test_live_replay_and_records_show_the_same_calls(path: str) -> None:
    """The used arguments, what was asked, and the answer; and the same text each time."""
    agent = clerk(paying([]))
    suspended(Process(path), lambda client: agent.run(client, "go"))
    approve(path, arguments={"amount": 2})
    process = Process(path)
    seen: list[Any] = []
    process.runtime.on_run.append(seen.append)
    process.run(agent, "go")
    process.run(agent, "go")
    transcripts = [run.transcript for run in seen] + [process.runtime.transcript_of("r1")]
    for transcript in transcripts:
        (call,) = [item for item in transcript.walk() if isinstance(item, ToolItem)]
        assert (call.arguments, call.asked) == ({"amount": 2}, {"amount": 3})
        (approval,) = [item for item in transcript.walk() if isinstance(item, StepItem)]
        assert approval.answer == {"approved": True, "arguments": {"amount": 2}}
    assert len({transcript.to_text() for transcript in transcripts}) == 1
    live, _, kept = (next(i for i in t.walk() if isinstance(i, StepItem)) for t in transcripts)
    assert live.decided_by == kept.decided_by == "ada"
    assert live.decided_at
    assert abs(live.decided_at - (kept.decided_at or 0)) < 60


@pytest.mark.parametrize("given", [{"amount": 3}, {"amount": 3.0}])
def test_arguments_that_are_the_same_are_no_edit(path: str, given: Any) -> None:
    """A page sends all of them, and numbers its own way: the model is told nothing."""
    agent = clerk(paying([]))
    suspended(Process(path), lambda client: agent.run(client, "go"))
    assert approve(path, arguments=given).sentence().endswith(": approved")
    result = Process(path).run(agent, "go")
    assert result.result == 'done: {"paid": 3}'
    assert result.tool_results[0].arguments is None


def test_arguments_that_do_not_fit_are_refused_when_they_are_given(path: str) -> None:
    """One sentence says what is wrong; the run goes on waiting, also after a restart."""
    agent = clerk(paying([]))
    suspended(Process(path), lambda client: agent.run(client, "go"))
    for given, said in (
        ({"amount": "much"}, "argument amount: 'much' is not of type 'integer'"),
        ({"to": "bob"}, "'amount' is a required property"),
        ({"amount": 2, "colour": "red"}, "colour.*allowed arguments: amount, to"),
        ([1], "must be an object"),
        ("{", "not JSON"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            approve(path, arguments=given)
    with pytest.raises(ConfigurationError, match="rejected takes no arguments"):
        approve(path, approved=False, arguments={"amount": 2})
    assert suspended(Process(path), lambda client: agent.run(client, "go")) == (ASKED,)


def test_an_edit_that_the_tool_takes_no_more_is_told_to_the_model(path: str) -> None:
    """What a JSON schema cannot say, or a tool that was changed since: checked again when it is used."""

    class Even(BaseModel):
        amount: int

        @field_validator("amount")
        @classmethod
        def even(cls, value: int) -> int:
            if value % 2:
                raise ValueError("must be even")
            return value

    journal: list[int] = []

    @tool(id="pay", description="Pay", version=1, approval="always")
    async def pay(input: Even) -> str:
        journal.append(input.amount)
        return "paid"

    agent = Agent(id="clerk", model=once_called(calls(("pay", {"amount": 4}))), tools=[pay])
    suspended(Process(path), lambda client: agent.run(client, "go"))
    approve(path, arguments={"amount": 5})
    said = [Process(path).run(agent, "go").result for _ in range(2)]
    assert said[0] == said[1]
    assert "arguments that it does not take: argument 'amount'" in said[0]
    assert journal == []


def test_an_early_edit_that_does_not_fit_is_none(path: str) -> None:
    """It came before anybody knew the form: the question is asked. One that fits is used."""
    journal: list[Any] = []
    pay = paying(journal)

    @workflow(id="flow", version=1)
    async def flow(ctx: WorkflowContext) -> Any:
        await ctx.step.suspend("begin")
        return await ctx.step.invoke_and_wait("deed", pay, {"amount": 3})

    suspended(Process(path), flow.run)
    approve(path, "deed/approve_deed", arguments={"amount": "much"})
    approve(path, "begin")
    assert suspended(Process(path), flow.run) == ("deed/approve_deed",)
    approve(path, "deed/approve_deed", arguments={"amount": 2})
    assert Process(path).cell(flow.run) == {"paid": 2}
    assert journal == [(2, "ada")]


def test_calls_side_by_side_keep_their_own_answers(path: str) -> None:
    """Two calls changed into the same one, approved last first: each runs once, in a replay too, and in order."""
    journal: list[Any] = []
    agent = clerk(paying(journal), 3, 5, 7)
    suspended(Process(path), lambda client: agent.run(client, "go"))
    for place, amount in ((3, 1), (1, 1), (2, 3)):
        approve(path, f"1.approve_pay[call_{place}]", arguments={"amount": amount})
        process = Process(path)
        try:
            process.run(agent, "go")
        except Suspended:
            continue
        finally:
            process.runtime.close()
    assert sorted(journal) == [(1, "ada"), (1, "ada"), (3, "ada")]
    process = Process(path)
    result = process.run(agent, "go")
    assert result.cached
    assert [r.arguments for r in result.tool_results] == [{"amount": 1}, {"amount": 3}, {"amount": 1}]
    tools = [item for item in process.runtime.transcript_of("r1").walk() if isinstance(item, ToolItem)]
    assert [item.step_key for item in tools] == [f"1.pay[call_{place}]" for place in (1, 2, 3)]
    assert len(journal) == 3
    keys = [step.idempotency_key for _, step in process.trace("clerk") if step.kind == "tool"]
    assert len(set(keys)) == 3


def test_steps_inside_calls_that_were_changed_alike_are_their_own(path: str) -> None:
    """Each call has its own steps inside, although both are made with the same arguments."""
    journal: list[str] = []

    @tool(id="pay", description="Pay", version=1, approval="always")
    async def pay(ctx: WorkflowContext, amount: int) -> str:
        return str(await ctx.step.run("charge", lambda: journal.append("x") or len(journal), version=1))

    agent = clerk(pay, 3, 5)
    suspended(Process(path), lambda client: agent.run(client, "go"))
    approve(path, "1.approve_pay[call_1]", arguments={"amount": 1})
    suspended(Process(path), lambda client: agent.run(client, "go"))
    approve(path, "1.approve_pay[call_2]", arguments={"amount": 1})
    assert [r.result for r in Process(path).run(agent, "go").tool_results] == ["1", "2"]
    assert journal == ["x", "x"]


def test_a_read_after_a_changed_write_is_made_anew(path: str) -> None:
    """The chain of writes has the call that was made: a fork with another amount reads again."""
    journal: list[Any] = []
    balance: list[int] = []

    @tool(id="look", description="Look", version=1, effect="read")
    async def look() -> int:
        balance.append(1)
        return len(balance)

    def script(request: Any) -> Any:
        said = sum(message.role == "tool" for message in request.messages)
        return [calls(("pay", {"amount": 3})), calls(("look", {})), "done"][said]

    agent = Agent(id="clerk", model=ScriptedModel(script), tools=[paying(journal), look])
    suspended(Process(path), lambda client: agent.run(client, "go"))
    approve(path, arguments={"amount": 2})
    process = Process(path)
    process.run(agent, "go")
    assert (journal, len(balance)) == ([(2, "ada")], 1)

    async def body(client: Any) -> Any:
        return await process.runtime.fork("r1", ASKED, {"arguments.amount": 1}).result()

    process.cell(body)
    assert journal == [(2, "ada"), (1, "ada")]
    assert len(balance) == 2


@pytest.mark.parametrize("changes", [{"arguments.amount": 1}, {"arguments": {"amount": 1}}])
def test_a_fork_that_edits_the_answer_runs_the_tool_again(path: str, changes: Any) -> None:
    """Of an approval that was plain; the model's turn before it is shared."""
    journal: list[Any] = []
    agent = clerk(paying(journal))
    suspended(Process(path), lambda client: agent.run(client, "go"))
    approve(path)
    process = Process(path)
    process.run(agent, "go")

    async def body(client: Any) -> Any:
        return await process.runtime.fork("r1", ASKED, changes).result()

    result = process.cell(body)
    assert journal == [(3, "ada"), (1, "ada")]
    assert result.tool_results[0].arguments == {"amount": 1}
    assert [row.cached for row, _ in process.trace("clerk")] == [True, True, False, False]


def test_a_fork_of_a_call_that_was_changed_asks_for_the_new_one(path: str) -> None:
    """Its arguments are those of the model's turn, which is found by what was asked for."""
    journal: list[Any] = []
    agent = clerk(paying(journal))
    suspended(Process(path), lambda client: agent.run(client, "go"))
    approve(path, arguments={"amount": 2})
    process = Process(path)
    process.run(agent, "go")

    async def body(client: Any) -> Any:
        return await process.runtime.fork("r1", "1.pay[call_1]", {"arguments.amount": 9}).result()

    assert suspended(process, body) == (ASKED,)
    assert "9" in list_waiting(process.runtime.store)[0]["shows"]


def test_a_tool_that_a_workflow_calls_takes_edits(path: str) -> None:
    """Its step shows them, live, in a replay and from records; a fork of the answer runs it again."""
    journal: list[Any] = []
    pay = paying(journal)

    @workflow(id="flow", version=1)
    async def flow(ctx: WorkflowContext) -> Any:
        return await ctx.step.invoke_and_wait("deed", pay, {"amount": 3})

    suspended(Process(path), flow.run)
    approve(path, arguments={"amount": 2})
    process = Process(path)
    seen: list[Any] = []
    process.runtime.on_run.append(seen.append)
    assert [process.cell(flow.run) for _ in range(2)] == [{"paid": 2}] * 2
    for transcript in (*(run.transcript for run in seen), process.runtime.transcript_of("r1")):
        (call,) = [item for item in transcript.walk() if isinstance(item, ToolItem)]
        assert (call.arguments, call.asked) == ({"amount": 2}, {"amount": 3})
    assert journal == [(2, "ada")]

    async def body(client: Any) -> Any:
        return await process.runtime.fork("r1", "deed/approve_deed", {"arguments.amount": 1}).result()

    assert process.cell(body) == {"paid": 1}
    assert journal == [(2, "ada"), (1, "ada")]


def test_a_nested_agent_and_a_tool_by_itself_take_edits(path: str) -> None:
    """By the path from the outermost run."""
    journal: list[Any] = []
    pay = paying(journal)

    @workflow(id="flow", version=1)
    async def flow(ctx: WorkflowContext) -> Any:
        return (await ctx.step.agent_invoke_and_wait("ask", clerk(pay).with_input("go"))).result

    assert suspended(Process(path), flow.run) == (f"ask/{ASKED}",)
    approve(path, arguments={"amount": 2})
    assert "approved it with" in Process(path).cell(flow.run)
    alone = lambda client: pay.run(client, {"amount": 9})  # noqa: E731
    suspended(Process(path), alone)
    approve(path, run=Process(path).newest("pay"), arguments={"amount": 8})
    assert Process(path).cell(alone) == Process(path).cell(alone) == {"paid": 8}
    assert journal == [(2, "ada"), (8, "ada")]


def test_a_failure_after_an_edit_says_both(path: str) -> None:
    """The model reads which arguments failed."""

    @tool(id="pay", description="Pay", version=1, approval="always", effect="read")
    async def pay(amount: int) -> str:
        raise ValueError(f"no {amount} left")

    agent = clerk(pay)
    suspended(Process(path), lambda client: agent.run(client, "go"))
    approve(path, arguments={"amount": 2})
    result = Process(path).run(agent, "go")
    assert result.result.endswith('approved it with: {"amount": 2}\nError: ValueError: no 2 left')
    assert result.tool_results[0].arguments == {"amount": 2}


def test_what_a_person_leaves_as_shown_keeps_its_secret(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The card hides it and the tool still gets it; a secret that is pasted is refused, since none is kept."""
    monkeypatch.setenv("SHOP_API_KEY", "tulips-and-clogs")
    journal: list[Any] = []
    pay = paying(journal)

    @workflow(id="flow", version=1)
    async def flow(ctx: WorkflowContext) -> Any:
        return await ctx.step.invoke_and_wait("deed", pay, {"amount": 3, "to": "tulips-and-clogs"})

    suspended(Process(path), flow.run)
    with pytest.raises(ConfigurationError, match="argument to holds a secret"):
        approve(path, arguments={"amount": 2, "to": "x tulips-and-clogs"})
    approve(path, arguments={"amount": 2, "to": "[redacted]"})
    Process(path).cell(flow.run)
    assert journal == [(2, "tulips-and-clogs")]


def test_a_secret_inside_an_argument_that_is_edited_stays_too(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tool would be called with the word that stands for it otherwise."""
    monkeypatch.setenv("SHOP_API_KEY", "tulips-and-clogs")
    journal: list[Any] = []

    @tool(id="pay", description="Pay", version=1, approval="always")
    async def pay(order: dict[str, Any]) -> str:
        journal.append(order)
        return "paid"

    secret = {"amount": 3, "by": [{"key": "tulips-and-clogs", "n": 1}, "x"]}

    @workflow(id="flow", version=1)
    async def flow(ctx: WorkflowContext) -> Any:
        return await ctx.step.invoke_and_wait("deed", pay, {"order": secret})

    suspended(Process(path), flow.run)
    approve(path, arguments={"order": {"amount": 2, "by": [{"key": "[redacted]", "n": 5}, "y"]}})
    Process(path).cell(flow.run)
    assert journal == [{"amount": 2, "by": [{"key": "tulips-and-clogs", "n": 5}, "y"]}]


def drive(folder: str) -> None:
    """A process that runs an agent whose tool notes its call, and ends when there is a file "free"."""
    note = note_in(Path(folder))

    @tool(id="pay", description="Pay", version=1, approval="always", effect="read")
    async def pay(ctx: WorkflowContext, amount: int) -> int:
        note(f"pay {amount} {ctx.idempotency_key}")
        await go(folder, "free")
        return amount

    asyncio.run(clerk(pay).run(client_in(folder), "go"))


def test_an_edit_survives_kills(tmp_path: Path) -> None:
    """Killed while it waits, answered while nobody lives, killed inside the tool: the same call is made again."""

    def store() -> SqliteStore:
        return SqliteStore(str(tmp_path / "steps.db"))

    def asked() -> bool:
        return (tmp_path / "steps.db").exists() and bool(store().decisions(status="waiting"))

    first = started(drive, str(tmp_path))
    until(asked, what="the question")
    first.kill()
    first.join()
    answer(store(), "r1", values={"approved": True, "arguments": {"amount": 2}})
    second = started(drive, str(tmp_path))
    until(lambda: lines_of(tmp_path), what="the call")
    second.kill()
    second.join()
    (tmp_path / "free").touch()
    third = started(drive, str(tmp_path))
    third.join(30)
    assert third.exitcode == 0, (tmp_path / "said").read_text()
    one, other = lines_of(tmp_path)
    assert one == other
    assert one.startswith("pay 2 ")
    assert len(store().decisions()) == 1


def test_the_schema_is_kept_and_not_shown(path: str) -> None:
    """The form of the decision has what checks an answer; the step's request and the lists do not."""
    process = Process(path)
    agent = clerk(paying([]))
    suspended(process, lambda client: agent.run(client, "go"))
    (decision,) = process.runtime.store.decisions()
    assert set(json.loads(decision.form)["_arguments_schema"]["properties"]) == {"amount", "to"}
    (facts,) = list_waiting(process.runtime.store)
    assert "schema" not in facts["shows"]
    assert "version" not in facts["shows"]
    (step,) = [step for _, step in process.trace("clerk") if step.kind == "approval"]
    assert "_arguments_schema" not in step.request
