"""The tool with which an agent searches the web: Tavily by REST, without its key `ddgs`, or a function of your own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from polos_nb.codec import digest
from polos_nb.durable.calling import call_function
from polos_nb.durable.code_version import CodeVersion, code_version
from polos_nb.durable.context import WorkflowContext
from polos_nb.errors import ModelError, ModelUnavailable, StepExecutionError, one_line
from polos_nb.models.redaction import redact
from polos_nb.tools import Tool

Topic = Literal["general", "news"]
_TIMEOUT = 30.0
_MOST = 20  # results that Tavily gives
_DESCRIPTION = (
    "Search the web for current information. Gives results with titles, addresses and snippets of the pages, and a"
    " short answer where there is one."
)


class WebSearchResultItem(BaseModel):
    """One page that was found. `content` is a snippet of it, `raw_content` all of its text where that was asked for."""

    title: str
    url: str
    content: str
    score: float | None = None
    published_date: str | None = None
    raw_content: str | None = None


class WebSearchResult(BaseModel):
    """What a search has found."""

    query: str
    results: list[WebSearchResultItem]
    answer: str | None = None


class WebSearchOptions(BaseModel):
    """What a search function is told beside the query."""

    max_results: int
    topic: Topic


WebSearchFunction = Callable[[str, WebSearchOptions], Awaitable[WebSearchResult]]


@dataclass
class WebSearchToolConfig:
    """How the tool searches. `api_key` is Tavily's (else `TAVILY_API_KEY`), and is never stored or shown.

    `search` is a function of your own in its place: `async search(query, options) -> WebSearchResult`. `approval` and
    `tool_id` are those of the tool; `max_results` and `topic` hold where the model names none.
    """

    api_key: str | None = field(default=None, repr=False)
    search_depth: Literal["basic", "advanced"] = "basic"
    include_answer: bool = True
    include_raw_content: bool = False
    base_url: str = "https://api.tavily.com"
    search: WebSearchFunction | None = None
    max_results: int = 5
    topic: Topic = "general"
    tool_id: str = "web_search"
    approval: Literal["always", "none"] | None = None


class WebSearchInput(BaseModel):
    """What the model sends."""

    model_config = ConfigDict(populate_by_name=True)

    query: str = Field(min_length=1, description="What to search for")
    max_results: int | None = Field(
        default=None, alias="maxResults", ge=1, le=_MOST, description="How many results at most"
    )
    topic: Topic | None = Field(default=None, description="The web in general, or news")


class WebSearchTool(Tool):
    """The tool that `create_web_search_tool` makes: its version is that of its settings and of your own function."""

    def __init__(self, config: WebSearchToolConfig) -> None:
        self._config = config
        self._settings = digest(
            ["web_search", 1, config.search_depth, config.include_answer, config.include_raw_content]
        )

        async def search(ctx: WorkflowContext, input: WebSearchInput) -> dict[str, Any]:
            return await self._searched(ctx, input)

        super().__init__(
            config.tool_id,
            _DESCRIPTION,
            None,
            search,
            approval=config.approval,
            effect="read",
            version=self._settings,
            localns={"WebSearchInput": WebSearchInput},
        )

    def version(self) -> CodeVersion:
        """The version of the settings, and of your own function where there is one."""
        if self._config.search is None:
            return super().version()
        own = code_version(self._config.search)
        return replace(own, digest=digest([self._settings, own.digest]))

    async def _searched(self, ctx: WorkflowContext, asked: WebSearchInput) -> dict[str, Any]:
        options = WebSearchOptions(
            max_results=asked.max_results or self._config.max_results, topic=asked.topic or self._config.topic
        )
        try:
            found: dict[str, Any] = await ctx.step.run(
                "web_search", self._found, asked.query, options.model_dump(), version=self.version().digest
            )
        except StepExecutionError as error:
            if error.__cause__ is None:
                raise
            raise StepExecutionError(one_line(error.__cause__), step_key=error.step_key) from None
        return found

    async def _found(self, query: str, options: dict[str, Any]) -> dict[str, Any]:
        asked = WebSearchOptions.model_validate(options)
        if self._config.search is not None:
            given = await call_function(self._config.search, (query, asked), {})
        elif key := self._config.api_key or os.environ.get("TAVILY_API_KEY"):
            given = await _from_tavily(self._config, key, query, asked)
        else:
            given = await asyncio.to_thread(_from_ddgs, query, asked)
        return _said(WebSearchResult.model_validate(given))


def create_web_search_tool(config: WebSearchToolConfig | None = None) -> Tool:
    """A tool `web_search` for an agent; each search is a step, and is not done again in a replay.

    Searches with Tavily where there is a key (`TAVILY_API_KEY`, or in the config), else without one through `ddgs`
    (`pip install "polos-nb[search]"`), or with the config's own `search` function.

    >>> search = create_web_search_tool(WebSearchToolConfig(max_results=3))
    >>> search.parameters["required"]
    ['query']
    """
    return WebSearchTool(config or WebSearchToolConfig())


async def _from_tavily(config: WebSearchToolConfig, key: str, query: str, options: WebSearchOptions) -> WebSearchResult:
    import httpx  # noqa: PLC0415 - 60 ms, and only where Tavily is asked

    body = {
        "query": query,
        "max_results": options.max_results,
        "topic": options.topic,
        "search_depth": config.search_depth,
        "include_answer": config.include_answer,
        "include_raw_content": config.include_raw_content,
    }
    address = f"{config.base_url.rstrip('/')}/search"
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT) as client:
            reply = await client.post(address, json=body, headers={"Authorization": f"Bearer {key}"})
        data = reply.json() if reply.status_code == 200 else None
    except httpx.HTTPError as error:
        said = redact(str(error) or type(error).__name__, key)
        raise ModelUnavailable(f"Tavily cannot be reached at {config.base_url}: {said}", provider="tavily") from None
    except ValueError:
        raise ModelError(f"{address} answered with something that is no JSON", provider="tavily") from None
    if data is None:
        raise _refusal(reply, key)
    return WebSearchResult(
        query=str(data.get("query") or query),
        answer=data.get("answer") or None,
        results=[
            WebSearchResultItem(
                title=str(one.get("title") or ""),
                url=str(one.get("url") or ""),
                content=str(one.get("content") or ""),
                score=one.get("score"),
                published_date=one.get("published_date"),
                raw_content=one.get("raw_content"),
            )
            for one in data.get("results") or ()
        ],
    )


def _refusal(reply: Any, key: str) -> ModelError:
    """What to raise for a status that is not 200: final ones are not tried again."""
    try:
        detail = reply.json().get("detail")
        said = detail.get("error") if isinstance(detail, dict) else detail
    except (ValueError, AttributeError):
        said = None
    text = redact(str(said or reply.text)[:300].strip(), key)
    about: dict[str, Any] = {"status": reply.status_code, "provider": "tavily"}
    if reply.status_code in (401, 403):
        return ModelError(f"Tavily refused the key ({reply.status_code}): {text}; check TAVILY_API_KEY", **about)
    sentence = f"Tavily answered {reply.status_code}: {text}"
    if reply.status_code != 429 and reply.status_code < 500:
        return ModelError(sentence, **about)
    wait = reply.headers.get("retry-after", "")
    return ModelUnavailable(sentence, retry_after=float(wait) if wait.isdigit() else None, **about)


def _from_ddgs(query: str, options: WebSearchOptions) -> WebSearchResult:
    try:
        from ddgs import DDGS  # noqa: PLC0415 - an extra, and only where there is no key
        from ddgs.exceptions import DDGSException  # noqa: PLC0415
    except ImportError:
        raise ModelError(
            "the web cannot be searched: set TAVILY_API_KEY (or WebSearchToolConfig(api_key=...)), or search without a"
            ' key after: pip install "polos-nb[search]"'
        ) from None
    client = DDGS(timeout=int(_TIMEOUT))
    search = client.news if options.topic == "news" else client.text
    try:
        found = search(query, max_results=options.max_results)
    except DDGSException as error:
        if "no results" in str(error).lower():
            return WebSearchResult(query=query, results=[])
        raise ModelUnavailable(f"the search without a key failed: {one_line(error)}", provider="ddgs") from None
    return WebSearchResult(
        query=query,
        results=[
            WebSearchResultItem(
                title=str(one.get("title") or ""),
                url=str(one.get("href") or one.get("url") or ""),
                content=str(one.get("body") or ""),
                published_date=one.get("date") or None,
            )
            for one in found[: options.max_results]
        ],
    )


def _said(found: WebSearchResult) -> dict[str, Any]:
    """What the model reads, with the names that Polos gives it."""
    results = []
    for one in found.results:
        said = {
            "title": one.title,
            "url": one.url,
            "content": one.content,
            "score": one.score,
            "publishedDate": one.published_date,
        }
        results.append(said | ({"rawContent": one.raw_content} if one.raw_content else {}))
    return {"query": found.query, "answer": found.answer, "results": results}
