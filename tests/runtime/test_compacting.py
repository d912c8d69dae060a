"""Long conversations: summarised by a step that is kept, with roles intact, and without telling anything twice."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from polos_nb import Agent, CompactionConfig, DefinitionError, RunError, ScriptedModel, Turn, tool
from polos_nb.compaction import SUMMARY_ACK, SUMMARY_PREFIX
from polos_nb.models.base import ModelRequest
from tests.runtime.support import Process, calls, results

LONG = "word " * 40  # 50 tokens
BUDGET = CompactionConfig(max_conversation_tokens=100, max_summary_tokens=30, min_recent_messages=2)


class Chatty:
    """A model that answers at length, and that summarises when it is asked to."""

    def __init__(self, summaries: list[str] | None = None) -> None:
        self.summaries = summaries
        self.asked: list[str] = []
        self.model = ScriptedModel(self.answer)

    def answer(self, request: ModelRequest) -> str:
        text = request.messages[-1].text()
        if "summary" not in text.partition("\n")[0] and not text.startswith(("Below is the older", "Shorten")):
            return f"answer to {text} {LONG}"
        self.asked.append(text)
        return self.summaries[len(self.asked) - 1] if self.summaries else f"summary {len(self.asked)}"

    @property
    def told(self) -> list[list[tuple[str, str]]]:
        """The messages of each answer that is no summary, shortened."""
        return [
            [(message.role, message.text()[:40].strip()) for message in request.messages]
            for request in self.model.requests
            if not request.messages[-1].text().startswith(("Below is the older", "Shorten"))
        ]

    def agent(self, config: CompactionConfig | None = BUDGET) -> Agent:
        return Agent(id="a", model=self.model, system_prompt="Be kind.", compaction=config)


def talk(process: Process, agent: Agent, *words: str) -> list[Any]:
    return [process.run(agent, word, conversation_id="c").result for word in words]


def test_a_conversation_over_the_budget_is_told_by_a_summary_with_roles_intact(process: Process) -> None:
    """The third turn is asked with the system prompt, the summary, the last answer and the question, in their roles."""
    chatty = Chatty()
    talk(process, chatty.agent(), "u1", "u2", "u3")
    assert len(chatty.asked) == 1
    assert [role for role, _ in chatty.told[2]] == ["system", "user", "assistant", "user"]
    texts = [text for _, text in chatty.told[2]]
    assert texts[1] == f"{SUMMARY_PREFIX}summary 1"
    assert texts[2].startswith("answer to u2")
    assert texts[3] == "u3"
    assert "user: u1" in chatty.asked[0]
    assert "assistant: answer to u1" in chatty.asked[0]


def test_the_next_turn_goes_on_with_the_summary_instead_of_making_it_again(process: Process) -> None:
    """A later compaction folds what came since into the summary before; nothing is in it twice."""
    chatty = Chatty()
    talk(process, chatty.agent(), "u1", "u2", "u3", "u4", "u5")
    assert [text.count("u1") for text in chatty.asked] == [2, *[0] * (len(chatty.asked) - 1)]
    assert "summary 1" in chatty.asked[1]
    assert SUMMARY_ACK not in "".join(chatty.asked)
    for messages in chatty.told:
        assert sum(text.startswith(SUMMARY_PREFIX.strip()) for _, text in messages) <= 1
        roles = [role for role, _ in messages[1:]]
        assert all(a != b for a, b in pairwise(roles))
        assert roles[-1] == "user"


def test_another_process_replays_turns_and_summaries(path: str) -> None:
    """Executing the cells again asks for no answer and no summary, and adds nothing to the conversation."""
    words = ("u1", "u2", "u3", "u4")
    first, again = Chatty(), Chatty()
    one, two = Process(path), Process(path)
    assert talk(one, first.agent(), *words) == talk(two, again.agent(), *words)
    assert again.model.requests == []
    assert len(two.runtime.store.list_runs(conversation_id="c")) == 4
    one.runtime.close()
    two.runtime.close()


def test_a_summary_is_a_step_and_is_paid_for(process: Process) -> None:
    """It has a key, its call of the model is a step inside it, and its tokens are those of the turn."""
    chatty = Chatty()
    talk(process, chatty.agent(), "u1", "u2")
    result = process.run(chatty.agent(), "u3", conversation_id="c")
    trace = {step.step_key: step for _, step in process.trace("a")}
    assert list(trace) == ["1.compaction", "1.compaction/summary", "1.llm"]
    spent = [step.usage for step in trace.values() if step.kind == "llm"]
    assert len([usage for usage in spent if usage]) == 2
    assert result.usage.total_tokens > chatty.model.requests[-1].messages[-1].text().count("u")
    run = process.runtime.store.list_runs(target_id="a")[0]
    assert run.usage is not None
    assert f'"total_tokens":{result.usage.total_tokens}' in run.usage


def test_a_summary_that_is_too_long_is_shortened_once(process: Process) -> None:
    """More tokens than `max_summary_tokens` are asked to be fewer."""
    chatty = Chatty(["long " * 100, "short"])
    talk(process, chatty.agent(), "u1", "u2", "u3")
    assert len(chatty.asked) == 2
    assert chatty.told[2][1] == ("user", f"{SUMMARY_PREFIX}short")


def test_a_summary_that_fails_fails_the_run_and_is_made_when_it_is_run_again(process: Process) -> None:
    """Nothing is left out in silence: the run says that the summary failed, and goes on from there."""
    chatty = Chatty(["", "", "", "now"])
    agent = chatty.agent()
    talk(process, agent, "u1", "u2")
    with pytest.raises(RunError, match=r"1\.compaction/summary: the model gave an empty summary"):
        process.run(agent, "u3", conversation_id="c")
    assert len(chatty.told) == 2
    process.run(agent, "u3", conversation_id="c")
    assert chatty.told[2][1] == ("user", f"{SUMMARY_PREFIX}now")


def test_a_long_loop_of_calls_is_compacted_and_keeps_the_question(process: Process) -> None:
    """Within one turn the results before are summarised; the question and the last call with its result stay."""

    @tool(description="Read")
    def read(page: int) -> str:
        return LONG

    asked: list[str] = []

    def script(request: ModelRequest) -> Turn | str:
        if request.messages[-1].text().startswith("Below is the older"):
            asked.append(request.messages[-1].text())
            return "pages were read"
        assert request.messages[0].text() == "the question" or request.messages[2].text() == "the question"
        roles = [message.role for message in request.messages]
        assert all(
            message.tool_calls for message, after in zip(request.messages, roles[1:], strict=False) if after == "tool"
        )
        return "done" if len(model.requests) - len(asked) > 5 else calls(("read", {"page": len(results(request))}))

    model = ScriptedModel(script)
    agent = Agent(id="a", model=model, tools=[read], compaction=BUDGET)
    assert process.run(agent, "the question").result == "done"
    assert len(asked) > 1
    assert "the question" not in asked[0].partition("The conversation:\n")[2]
    assert "tool read: " in asked[0]


def test_it_is_on_by_default_and_can_be_switched_off(process: Process) -> None:
    """80,000 tokens without a word of it; never with enabled=False."""
    chatty = Chatty()
    assert chatty.agent(None).compaction == CompactionConfig()
    talk(process, chatty.agent(CompactionConfig(max_conversation_tokens=1, enabled=False)), "u1", "u2", "u3")
    assert chatty.asked == []
    assert Agent(id="b", provider="demo", compaction=False).compaction.enabled is False
    with pytest.raises(DefinitionError, match="compaction=5 is not a CompactionConfig"):
        Agent(id="b", provider="demo", compaction=5)  # type: ignore[arg-type]


def test_nobody_hears_the_words_of_a_summary_as_an_answer(process: Process) -> None:
    """A stream has the answer only."""
    chatty = Chatty()
    agent = chatty.agent()
    talk(process, agent, "u1", "u2")

    async def body(client: Any) -> str:
        stream = await agent.stream(client, "u3", conversation_id="c")
        return str(await stream.text())

    assert process.cell(body).startswith("answer to u3")
    assert process.cell(body).startswith("answer to u3")
