"""The search tool: Tavily's wire, the model's options, failures, the keyless way, and a function of one's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from polos_nb import (
    Agent,
    Suspended,
    WebSearchOptions,
    WebSearchResult,
    WebSearchResultItem,
    WebSearchToolConfig,
    create_web_search_tool,
)
from tests.runtime.support import Process, calls, once_called
from tests.toolkits.serving import Reply, Service

KEY = "tvly-loopback-4c1e8a"
FOUND = {
    "query": "durable agents",
    "answer": "They resume.",
    "results": [{"title": "T", "url": "https://example.org", "content": "C", "score": 0.5, "raw_content": None}],
}


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAVILY_API_KEY", raising=False)


def researcher(config: WebSearchToolConfig, **arguments: Any) -> Agent:
    turn = calls((config.tool_id, {"query": "durable agents", **arguments}))
    return Agent(id="researcher", model=once_called(turn), tools=[create_web_search_tool(config)])


def always(status: int, said: Any, **headers: str) -> Any:
    def answer(body: dict[str, Any]) -> Reply:
        return status, said, headers

    return answer


def test_tavily_is_asked_once_and_the_model_reads_what_it_found(path: str) -> None:
    """Its wire as documented; a replay in another process searches nothing, and also not with another key."""
    with Service(always(200, FOUND)) as service:
        for key in (KEY, "tvly-another"):
            process = Process(path)
            agent = researcher(WebSearchToolConfig(api_key=key, base_url=service.url + "/"))
            result = process.run(agent, "go")
            process.runtime.close()
        assert result.cached
        ((where, headers, body),) = service.asked
    assert (where, headers["authorization"]) == ("/search", f"Bearer {KEY}")
    assert body == {
        "query": "durable agents",
        "max_results": 5,
        "topic": "general",
        "search_depth": "basic",
        "include_answer": True,
        "include_raw_content": False,
    }
    item = {"title": "T", "url": "https://example.org", "content": "C", "score": 0.5, "publishedDate": None}
    assert result.tool_results[0].result == {"query": "durable agents", "answer": "They resume.", "results": [item]}
    kept = Path(path).read_bytes() + b"".join(file.read_bytes() for file in Path(path).parent.glob("steps.db-*"))
    assert KEY.encode() not in kept
    assert KEY not in repr(WebSearchToolConfig(api_key=KEY))


def test_the_key_of_the_environment_the_options_of_the_model_and_the_settings_reach_the_service(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is read when a search is made; another setting is another search."""
    monkeypatch.setenv("TAVILY_API_KEY", KEY)
    with Service(always(200, FOUND)) as service:
        for depth in ("basic", "advanced"):
            config = WebSearchToolConfig(base_url=service.url, search_depth=depth, tool_id="find")  # type: ignore[arg-type]
            Process(path).run(researcher(config, maxResults=2, topic="news"), "go")
        bodies = [body for _, _, body in service.asked]
        assert {headers["authorization"] for _, headers, _ in service.asked} == {f"Bearer {KEY}"}
    assert [(body["max_results"], body["topic"], body["search_depth"]) for body in bodies] == [
        (2, "news", "basic"),
        (2, "news", "advanced"),
    ]


def test_the_whole_text_of_pages_is_given_where_it_was_asked_for(path: str) -> None:
    """`include_raw_content` is of use: the model reads it."""
    page = FOUND["results"][0] | {"raw_content": "All of it."}  # type: ignore[index]
    with Service(always(200, FOUND | {"results": [page]})) as service:
        config = WebSearchToolConfig(api_key=KEY, base_url=service.url, include_raw_content=True)
        result = Process(path).run(researcher(config), "go")
        assert service.asked[0][2]["include_raw_content"] is True
    assert result.tool_results[0].result["results"][0]["rawContent"] == "All of it."


@pytest.mark.parametrize(
    ("answer", "times", "said"),
    [
        (always(401, {"detail": {"error": f"bad key {KEY}"}}), 1, "Tavily refused the key (401): bad key [redacted]"),
        (always(400, {"detail": "too long"}), 1, "Tavily answered 400: too long"),
        (always(503, "busy"), 3, "Tavily answered 503: busy"),
        (always(429, {"detail": "slow"}, **{"retry-after": "3600"}), 1, "Tavily answered 429: slow"),
        (always(200, "<html>"), 1, "answered with something that is no JSON"),
    ],
)
def test_a_failed_search_is_a_sentence_for_the_model(
    path: str, answer: Any, times: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What may pass is tried again, what is final is not; the key is in no text."""
    monkeypatch.setattr("random.random", lambda: 0.0)  # the shortest waits between attempts
    with Service(answer) as service:
        result = Process(path).run(researcher(WebSearchToolConfig(api_key=KEY, base_url=service.url)), "go")
        assert len(service.asked) == times
    assert said in (result.tool_results[0].error or "")
    assert KEY not in result.result


def test_a_service_that_is_not_there_is_named(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says where it was looked for."""
    monkeypatch.setattr("random.random", lambda: 0.0)
    with Service(always(200, FOUND)) as service:
        url = service.url
    result = Process(path).run(researcher(WebSearchToolConfig(api_key=KEY, base_url=url)), "go")
    assert f"Tavily cannot be reached at {url}" in (result.tool_results[0].error or "")


def test_without_a_key_and_without_ddgs_a_sentence_says_what_to_do(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways out are named, and nothing is tried twice."""
    monkeypatch.setitem(sys.modules, "ddgs", None)
    result = Process(path).run(researcher(WebSearchToolConfig()), "go")
    error = result.tool_results[0].error or ""
    assert "set TAVILY_API_KEY" in error
    assert 'pip install "polos-nb[search]"' in error


def test_without_a_key_ddgs_searches(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its results have the shape of Tavily's, for the web and for news."""
    ddgs = pytest.importorskip("ddgs")
    asked: list[Any] = []

    class Engine(pytest.importorskip("ddgs.ddgs").DDGS):  # type: ignore[misc]
        def _search_sync(self, category: str, query: str, keywords: Any = None, **options: Any) -> list[dict[str, Any]]:
            asked.append((category, query, options["max_results"]))
            if category == "news":
                return [{"title": "N", "url": "https://n.example", "body": "B", "date": "2026-11-20"}]
            return [{"title": "W", "href": "https://w.example", "body": "B"}] * 3

    monkeypatch.setattr(ddgs, "DDGS", Engine)
    web = Process(path).run(researcher(WebSearchToolConfig(), maxResults=2), "go").tool_results[0]
    news = Process(path).run(researcher(WebSearchToolConfig(), topic="news"), "go on").tool_results[0]
    assert asked == [("text", "durable agents", 2), ("news", "durable agents", 5)]
    assert [one["url"] for one in web.result["results"]] == ["https://w.example"] * 2
    assert news.result["results"][0]["publishedDate"] == "2026-11-20"


def test_a_keyless_search_that_fails_is_a_sentence(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real library, which can reach nothing but a closed port of this machine."""
    pytest.importorskip("ddgs")
    monkeypatch.setattr("random.random", lambda: 0.0)
    with Service(always(200, {})) as service:
        url = service.url
    monkeypatch.setenv("DDGS_PROXY", url)
    error = Process(path).run(researcher(WebSearchToolConfig()), "go").tool_results[0].error or ""
    assert error.startswith("the search without a key failed: ")


def test_a_function_of_your_own_searches_and_counts_in_the_version(path: str) -> None:
    """It gets the query and the options; editing it searches again."""

    def config(answer: str) -> WebSearchToolConfig:
        async def mine(query: str, options: WebSearchOptions) -> WebSearchResult:
            found = WebSearchResultItem(title=answer, url="u", content=f"{options.max_results} {options.topic}")
            return WebSearchResult(query=query, results=[found])

        return WebSearchToolConfig(search=mine, max_results=7)

    first = Process(path).run(researcher(config("one")), "go")
    again = Process(path).run(researcher(config("one")), "go")
    edited = Process(path).run(researcher(config("two")), "go")
    assert again.cached
    assert first.tool_results[0].result["results"][0]["content"] == "7 general"
    assert edited.tool_results[0].result["results"][0]["title"] == "two"


def test_a_search_that_needs_an_approval_waits_for_it(path: str) -> None:
    """`approval="always"` is the tool's, and a search stays a read."""
    config = WebSearchToolConfig(approval="always")
    assert create_web_search_tool(config).effect == "read"
    with pytest.raises(Suspended):
        Process(path).run(researcher(config), "go")
