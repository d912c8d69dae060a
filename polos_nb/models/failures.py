"""Says in one sentence, without a key, what went wrong between us and a provider, and what to do about it."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from polos_nb.errors import ModelError, ModelUnavailable
from polos_nb.models.base import ModelRequest
from polos_nb.models.prices import known_models
from polos_nb.models.providers import Provider
from polos_nb.models.redaction import redact

_LONGEST = 300
_PREFIX = re.compile(r"^(?:litellm\.)?\w*(?:Error|Exception|Timeout)\b\s*(?::|-|(?=\w+Error\b))\s*")
_RETRY_DELAY = re.compile(r"retryDelay\W{1,12}(\d+(?:\.\d+)?)s\b")
_TOO_LONG = re.compile(r"context_length|maximum context length|context window|prompt is too long", re.IGNORECASE)
_NO_QUOTA = re.compile(r"insufficient_quota|exceeded your current quota|credit balance is too low", re.IGNORECASE)
_UNREACHABLE = re.compile(r"Cannot connect to host|All connection attempts failed|Exception - Connection error")
_NO_CONNECTION = frozenset(("ConnectError", "ClientConnectorError", "ConnectionRefusedError", "gaierror"))
_SILENT = frozenset(("Timeout", "ReadTimeout", "APITimeoutError", "TimeoutError", "ConnectTimeout"))
_NOT_JSON = frozenset(("JSONDecodeError", "UnicodeDecodeError"))
_CUT = frozenset(("ReadError", "RemoteProtocolError", "ServerDisconnectedError", "ClientPayloadError"))
_HANDLE_WITH = re.compile(r"\.? Handle with `litellm\.\w+`\.?")
_OVERLOADED = re.compile(r"overloaded", re.IGNORECASE)


def missing_key(provider: Provider) -> ModelError:
    """The error for a provider whose key is nowhere."""
    names = " or ".join(provider.key_envs[:2])
    return ModelError(
        f"{provider.title} needs an API key: set the environment variable {names}, write it into .env, "
        f"type it with `%polos keys set {provider.name}`, or pass api_key=",
        status=401,
        provider=provider.name,
    )


def ended_early(request: ModelRequest, provider: Provider) -> ModelUnavailable:
    """The error for a stream that ended before the model had finished."""
    return ModelUnavailable(
        f"{provider.title} ended the answer of {request.model} before it was finished: try again",
        provider=provider.name,
    )


def explain(error: BaseException, request: ModelRequest, provider: Provider, base_url: str | None) -> ModelError:
    """The error of polos_nb for one of litellm: a sentence with provider, model, cause and remedy."""
    chain = list(_chain(error))
    names = {type(link).__name__ for link in chain}
    raw = " ".join(str(link) for link in chain)
    said = redact(provider_message(chain), request.api_key)
    where = f"{provider.title} ({_host(base_url)})" if base_url else provider.title
    status: int | None = None
    passes = True
    sentence = _without_answer(names, raw, request.model, where)
    if sentence is None:
        status = _status(chain, raw)
        sentence, passes = _refused(names, said, request.model, where) or _by_status(
            status, raw, said, request, provider, where
        )
    text = " ".join(redact(sentence, request.api_key).split())
    if not passes:
        return ModelError(text, status=status, provider=provider.name)
    return ModelUnavailable(text, status=status, provider=provider.name, retry_after=retry_after(chain))


def _without_answer(names: set[str], raw: str, model: str, where: str) -> str | None:
    """The sentence for a connection that failed, where there is no HTTP status; litellm makes one up."""
    if names & _NO_CONNECTION or _UNREACHABLE.search(raw):
        return f"{where} cannot be reached: check the network and the base URL, then try again"
    if names & _SILENT:
        return f"{where} sent nothing for {model} in the time allowed: try again, or raise timeout="
    if names & _NOT_JSON:
        return f"{where} sent what is not JSON in the answer of {model}: try again, or check the base URL"
    if names & _CUT:
        return f"the connection to {where} broke in the middle of the answer of {model}: try again"
    return None


def _refused(names: set[str], said: str, model: str, where: str) -> tuple[str, bool] | None:
    """The sentence for a call that litellm itself does not make."""
    if names & {"ModuleNotFoundError", "ImportError"}:
        return (
            f"the installed litellm cannot call {model} on {where} ({said}): install another version of it",
            False,
        )
    if "UnsupportedParamsError" in names:
        # The rest is advice on litellm's own switches, which polos_nb does not offer.
        said = said.split(" To drop ")[0].split(" If you want to ")[0].rstrip(". ")
        return f"{model} on {where} does not take a parameter that was passed: {said}", False
    return None


def _by_status(
    status: int | None, raw: str, said: str, request: ModelRequest, provider: Provider, where: str
) -> tuple[str, bool]:
    model = request.model
    if status == 401:
        remedy = "pass another api_key=" if request.api_key else f"set {provider.key_envs[0]} to a valid one"
        return f"{where} refused the API key (401): {remedy if provider.key_envs else said}", False
    if status == 403:
        return (
            f"{where} does not allow this key to use {model} (403: {said}): use another key or model",
            False,
        )
    if status == 404:
        examples = known_models().get(provider.name) or []
        such_as = f', for example "{examples[0]}"' if examples else ""
        return f'{where} has no model "{model}" (404: {said}): check the name{such_as}', False
    if _NO_QUOTA.search(raw):
        return f"{where} has no quota left for this key ({status}: {said}): check plan and billing", False
    if _TOO_LONG.search(raw):
        return f"the conversation is too long for {model} on {where} ({status}: {said}): shorten it", False
    if status == 429:
        return f"{where} limits the rate of calls to {model} (429: {said}): wait a moment and try again", True
    if status == 529 or (status is not None and status >= 500 and _OVERLOADED.search(raw)):
        return f"{where} is overloaded ({status}: {said}): try again in a moment", True
    if status in (408, 409) or status is None or status >= 500:
        return (
            f"{where} failed on the call of {model} ({status or 'no status'}: {said}): try again in a moment",
            True,
        )
    return f"{where} refused the request for {model} ({status}): {said}", False


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and everything that led to it, each once."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        link = waiting.pop(0)
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        original = getattr(link, "original_exception", None)
        waiting += [
            original if isinstance(original, BaseException) else None,
            link.__cause__,
            link.__context__,
        ]


def _status(chain: list[BaseException], raw: str) -> int | None:
    if "overloaded_error" in raw:
        return 529  # litellm shows it as 500
    status = getattr(chain[0], "status_code", None)
    return int(status) if isinstance(status, int | str) and str(status).isdigit() else None


def provider_message(chain: list[BaseException]) -> str:
    """The provider's own words in an exception, without litellm's wrapping; at most 300 characters."""
    text = str(getattr(chain[0], "message", "") or chain[0])
    while (stripped := _PREFIX.sub("", text, count=1)) != text:
        text = stripped
    body = re.search(r"\{.*\}", text, re.DOTALL)
    text = (_message_of(body.group()) if body else None) or text
    text = " ".join(_HANDLE_WITH.sub("", text).split()).rstrip(". ")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _message_of(body: str) -> str | None:
    # litellm shows a body of bytes by its repr, in which the quotes are escaped.
    for candidate in (body, body.replace("\\'", "'"), body.replace("\\\\", "\\")):
        try:
            data = json.loads(candidate)
        except ValueError:
            continue
        error = data.get("error", data)
        message = error.get("message") if isinstance(error, dict) else error
        return str(message) if message else None
    return None


def retry_after(chain: list[BaseException]) -> float | None:
    """The seconds that the provider asks to wait, from the headers of any exception in the chain.

    Gemini says so in the body instead.
    """
    for link in chain:
        for headers in (
            getattr(link, "litellm_response_headers", None),
            getattr(getattr(link, "response", None), "headers", None),
            getattr(link, "headers", None),
        ):
            if headers is None or not hasattr(headers, "items"):
                continue
            lower = {str(name).lower(): str(value) for name, value in headers.items()}
            seconds = _seconds(lower.get("retry-after-ms"), 1000.0)
            if seconds is None:
                seconds = _seconds(lower.get("retry-after"), 1.0)
            if seconds is not None:
                return seconds
    for link in chain:
        if (found := _RETRY_DELAY.search(str(link))) is not None:
            return float(found[1])
    return None


def _seconds(value: str | None, parts: float) -> float | None:
    if not value:
        return None
    try:
        return max(0.0, float(value) / parts)
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _host(base_url: str) -> str:
    """A URL without user, password, query and path: enough to recognise it, nothing to steal."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
