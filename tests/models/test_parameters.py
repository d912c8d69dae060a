"""What a caller passes beside the messages is in the provider's body, or is refused with a sentence."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from polos_nb.errors import ModelError
from polos_nb.models import litellm as transport
from tests.loopback.server import ApiError, StartProvider, Turn
from tests.models.contract import CASES, WEATHER, Case, ask, run

pytest_plugins = ["tests.loopback.fixtures"]

BY_ID = {case.id: case for case in CASES}
CODEX = BY_ID["openai by responses"]


@pytest.fixture(scope="session", autouse=True)
def loaded() -> None:
    """Pay for the import once, outside any test's own time."""
    transport.load()


def sent(provider: StartProvider, case: Case, params: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The body that a call with these parameters makes."""
    with provider([Turn(text='{"json": 1}')]) as server:
        run(ask(case, server, "json, please", params=params, **fields))
    return server.requests[0].body


# The arguments of the seeds' snippets, where they have to arrive, and as what.
THINKING = {"type": "enabled", "budget_tokens": 4000}
ARRIVES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("anthropic", {"thinking": THINKING}, {"thinking": THINKING}),
    ("gemini", {"thinking": THINKING}, {"thinkingConfig": {"includeThoughts": True, "thinkingBudget": 4000}}),
    ("fireworks", {"thinking": THINKING}, {"thinking": THINKING}),
    ("compatible", {"thinking": THINKING}, {"thinking": THINKING}),
    ("openai by responses", {"reasoning_effort": "high"}, {"reasoning": {"effort": "high"}}),
    ("openai by responses", {"reasoning": {"effort": "medium"}}, {"reasoning": {"effort": "medium"}}),
    *(
        (name, {"reasoning_effort": "high"}, {"reasoning_effort": "high"})
        for name in ("groq", "groq llama", "fireworks", "together", "azure", "compatible")
    ),
    *(
        (name, {"reasoning": {"effort": "medium"}}, {"reasoning_effort": "medium"})
        for name in ("groq", "fireworks", "together", "azure", "compatible")
    ),
    ("anthropic", {"reasoning": {"effort": "medium"}}, {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
    ("gemini 3", {"reasoning": {"effort": "medium"}}, {"thinkingLevel": "medium"}),
    ("ollama", {"reasoning_effort": "high"}, {"think": True}),
    ("together", {"reasoning": {"enabled": True}}, {"reasoning": {"enabled": True}}),
    ("anthropic", {"service_tier": "auto"}, {"service_tier": "auto"}),
    ("anthropic", {"extra_body": {"service_tier": "auto"}}, {"service_tier": "auto"}),
    ("azure", {"extra_body": {"verbosity": "low"}}, {"verbosity": "low"}),
    ("anthropic", {"metadata": {"user_id": "u1"}}, {"user_id": "u1"}),
    ("openai", {"metadata": {"team": "blue"}}, {"metadata": {"team": "blue"}}),
    ("openai by responses", {"metadata": {"team": "blue"}}, {"metadata": {"team": "blue"}}),
    ("groq", {"user": "u1"}, {"user": "u1"}),
    ("gemini", {"thinkingConfig": {"thinkingBudget": 7}}, {"thinkingConfig": {"thinkingBudget": 7}}),
    ("ollama", {"num_ctx": 4096}, {"num_ctx": 4096}),
]


def inside(value: Any) -> Any:
    """Each dict within a value."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from inside(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from inside(inner)


@pytest.mark.parametrize(("name", "params", "expected"), ARRIVES, ids=[f"{n} {next(iter(p))}" for n, p, _ in ARRIVES])
def test_it_arrives(provider: StartProvider, name: str, params: dict[str, Any], expected: dict[str, Any]) -> None:
    """A parameter is in the body under the provider's own name, and what the caller passed is not touched."""
    given = copy.deepcopy(params)
    body = sent(provider, BY_ID[name], given)
    assert [part for part in inside(body) if all(part.get(key) == value for key, value in expected.items())]
    assert given == params


@pytest.mark.parametrize("case", [c for c in CASES if c is not CODEX], ids=lambda case: case.id)
def test_sampling_arrives(provider: StartProvider, case: Case) -> None:
    """The seeds' temperature, max_tokens and top_p are in the body of every provider, with their values."""
    body = json.dumps(sent(provider, case, {"temperature": 0.7, "max_tokens": 1000, "top_p": 0.9}))
    assert [value for value in ("0.7", "1000", "0.9") if value not in body] == []


@pytest.mark.parametrize("case", [c for c in CASES if c.provider not in ("anthropic", "ollama")], ids=lambda c: c.id)
def test_a_tool_can_be_forced(provider: StartProvider, case: Case) -> None:
    """tool_choice="required" is in the body, as each provider says it."""
    body = sent(provider, case, {"tool_choice": "required"}, tools=[WEATHER])
    said = json.dumps([body.get("tool_choice"), body.get("toolConfig")])
    assert "required" in said or '"ANY"' in said


@pytest.mark.parametrize("case", [c for c in CASES if c is not CODEX and c.provider != "anthropic"], ids=lambda c: c.id)
def test_a_seed_arrives(provider: StartProvider, case: Case) -> None:
    """A seed is in the body of every provider that has one."""
    assert '"seed": 77' in json.dumps(sent(provider, case, {"seed": 77}))


REFUSED = [
    ("anthropic", {"seed": 7}, "seed"),
    ("openai", {"thinking": THINKING}, "thinking"),
    ("openai", {"reasoning_effort": "high"}, "reasoning_effort"),
    ("openai by responses", {"seed": 7}, "seed"),
    ("openai by responses", {"foo_bar": 7}, "foo_bar"),
    ("openai by responses", {"top_p": 0.9}, "top_p"),
    ("gemini", {"logit_bias": {"5": 1}}, "logit_bias"),
    ("gemini", {"user": "u1"}, "user"),
    ("gemini", {"parallel_tool_calls": False}, "parallel_tool_calls"),
    ("ollama", {"tool_choice": "required"}, "tool_choice"),
    ("openai", {"n": 2}, "n"),
    ("groq", {"api_base": "http://127.0.0.1:1"}, "api_base"),
]


@pytest.mark.parametrize(("name", "params", "said"), REFUSED, ids=[f"{name} {said}" for name, _, said in REFUSED])
def test_what_the_model_does_not_take(provider: StartProvider, name: str, params: dict[str, Any], said: str) -> None:
    """A parameter that would get lost is refused before anything is sent, with its name and the model's."""
    case = BY_ID[name]
    with provider([]) as server, pytest.raises(ModelError, match=f"\\b{said}\\b") as caught:
        run(ask(case, server, params=params))
    assert server.requests == []
    assert case.model in str(caught.value)
    assert "drop" not in str(caught.value)
    assert "litellm" not in str(caught.value)


def test_the_provider_has_the_last_word(provider: StartProvider) -> None:
    """Where no table knows the model, the provider's own sentence says that it does not take a parameter."""
    with provider([Turn(error=ApiError(400, "`reasoning_effort` is not supported with this model"))]) as server:
        with pytest.raises(ModelError, match="`reasoning_effort` is not supported with this model"):
            run(ask(BY_ID["groq llama"], server, params={"reasoning_effort": "high"}))


def test_built_in_tools_go_as_they_are(provider: StartProvider) -> None:
    """A provider's own tool, given as a dict, is in the body unchanged."""
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    body = sent(provider, BY_ID["anthropic"], {}, tools=[search])
    assert body["tools"] == [search]


def test_azures_newer_addresses(provider: StartProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """A base URL that ends in /openai/v1 is reached without a dated version."""
    with provider([Turn(text="Hello.")]) as server:
        monkeypatch.setenv("AZURE_API_BASE", f"{server.url}/azure/openai/v1/")
        run(ask(BY_ID["azure"], server))
    assert server.requests[0].path == "/azure/openai/v1/chat/completions"


def test_azures_version_can_be_said(provider: StartProvider) -> None:
    """api_version is in the address."""
    with provider([Turn(text="Hello.")]) as server:
        run(ask(BY_ID["azure"], server, params={"api_version": "2024-10-21"}))
    assert server.requests[0].query == {"api-version": "2024-10-21"}
