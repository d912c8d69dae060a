"""The transport to the providers: drives litellm, which is loaded on the first call only."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import re
import threading
import warnings
from collections.abc import AsyncIterator, Iterator
from typing import Any

from polos_nb.errors import ModelError, PolosError
from polos_nb.models.accumulate import Accumulator
from polos_nb.models.base import ModelRequest, ModelResponse, Piece
from polos_nb.models.failures import ended_early, explain, missing_key
from polos_nb.models.keys import DESK, find_base_url, find_key
from polos_nb.models.parameters import refuse_what_responses_lose
from polos_nb.models.providers import Key, Provider, address, get_provider
from polos_nb.models.translate import arguments_of

# Without these litellm goes to the network while it is imported, or at the first call of Claude.
_SWITCHES = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_TELEMETRY": "False",
    # Otherwise it reads a .env file of its own choice into the environment of the process while it is imported.
    "LITELLM_MODE": "PRODUCTION",
}
_LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")
# What litellm makes Python warn about while it is used. It filters this itself when it is imported, but test
# runners put the filters back, and where warnings are errors these would end the call.
_WARNINGS = (
    (
        "ignore",
        re.compile("Item '.*' on TypedDict class", re.I),
        UserWarning,
        re.compile(r"pydantic\._internal"),
        0,
    ),
    ("ignore", None, DeprecationWarning, re.compile(r"litellm\b"), 0),
    (
        "ignore",
        re.compile("Pydantic serializer warnings:\\n.*(?:ResponseAPIUsage|ContentPartDone)", re.I),
        UserWarning,
        re.compile(r"pydantic\.main"),
        0,
    ),
)
_load_lock = threading.Lock()


def load() -> Any:
    """The litellm module, imported on the first call (about 5 s) and made silent and offline.

    Raises ModelError if it cannot be imported.
    """
    with _load_lock:
        for name, value in _SWITCHES.items():
            os.environ.setdefault(name, value)
        try:
            with _tolerant_of_warnings():
                module = importlib.import_module("litellm")
        except Exception as error:  # a broken installation fails in many ways
            raise ModelError(
                f"litellm cannot be imported ({error}): install it again with `pip install -U litellm`"
            ) from error
        module.disable_hf_tokenizer_download = True  # type: ignore[attr-defined]
        module.suppress_debug_info = True  # type: ignore[attr-defined]
        module.telemetry = False  # type: ignore[attr-defined]
        if not os.environ.get("LITELLM_LOG"):
            _silence()
        return module


def warm() -> threading.Thread:
    """Import litellm in a daemon thread, so that the first call need not wait; a failure shows then."""

    def run() -> None:
        with contextlib.suppress(Exception):
            load()

    thread = threading.Thread(target=run, name="polos_nb-warm", daemon=True)
    thread.start()
    return thread


@contextlib.contextmanager
def _tolerant_of_warnings() -> Iterator[None]:
    """Let litellm warn about itself where warnings are errors.

    Only there: the list of filters belongs to all threads, and the warming thread must not swap it under a
    cell.
    """
    if not any(action == "error" for action, *_ in warnings.filters):
        yield
        return
    with warnings.catch_warnings():
        for category in (
            DeprecationWarning,
            PendingDeprecationWarning,
            SyntaxWarning,
            ResourceWarning,
            UserWarning,
        ):
            warnings.simplefilter("ignore", category)
        yield


def _hush() -> None:
    """Filter litellm's warnings about itself, unless that is done already.

    Asked at each call, and nothing is added twice: each change of the filters makes Python show warnings of the
    user's own code again.
    """
    for entry in _WARNINGS:
        if entry not in warnings.filters:
            action, message, category, module, _ = entry
            warnings.filterwarnings(
                action,  # type: ignore[arg-type]
                message.pattern if message is not None else "",
                category,
                module.pattern,
            )


def _silence() -> None:
    """Keep litellm's own log away from standard error, which belongs to the user's cells."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers[:] = [logging.NullHandler()]
        logger.setLevel(logging.CRITICAL + 1)
        logger.propagate = False


class LiteLLMModel:
    """Every provider in `polos_nb.models.providers`, and every server that speaks OpenAI's chat completions.

    For such a server use provider "openai" with its `base_url`. All calls must be made on one event loop for
    the life of the process (`own_loop`), because litellm keeps connections between calls. The `timeout` of a
    request is the longest silence between two chunks, in seconds; it does not limit the whole answer.

        hello = [Message(role="user", content="Hello")]
        request = ModelRequest(provider="openai", model="gpt-4o", messages=hello)
        async for piece in LiteLLMModel().stream(request):
            ...
    """

    own_loop = True

    async def stream(self, request: ModelRequest) -> AsyncIterator[Piece | ModelResponse]:
        """Yield pieces as they come, then one response.

        Raises ConfigurationError for an unknown provider, ModelUnavailable for what may pass, ModelError for
        the rest. The texts hold no key, and the errors have no cause: litellm's exceptions carry headers and
        bodies.
        """
        provider = get_provider(request.provider)
        key = None if request.api_key else await asyncio.to_thread(find_key, provider)
        if provider.key_envs and not request.api_key and key is None:
            key = await asyncio.to_thread(DESK.ask, provider)
            if key is None:
                raise missing_key(provider)
        base_url = request.base_url or find_base_url(provider, key)
        collected = Accumulator(request.provider, request.model)
        failure: PolosError | None = None
        answer: Any = None
        try:
            answer = await _open(request, provider, base_url, key)
            async for chunk in answer:
                for piece in collected.add(chunk):
                    yield piece
            if not _finished(answer, collected):
                failure = ended_early(request, provider)
        except PolosError as error:
            failure = error
        except Exception as error:
            failure = explain(error, request, provider, base_url)
        finally:
            if answer is not None:
                await answer.aclose()
        # Raised here and not in the handler: an error in a handler keeps the first one, and that one may hold
        # a key.
        if failure is not None:
            raise failure
        yield collected.response()


async def _open(request: ModelRequest, provider: Provider, base_url: str | None, key: Key | None) -> Any:
    """The open stream."""
    arguments = arguments_of(request, provider)
    if request.api_key or key is not None:
        arguments["api_key"] = request.api_key or (key.value if key is not None else None)
    if base_url is not None:
        arguments |= address(provider, base_url, arguments)
    if request.timeout is not None:
        arguments["timeout"] = request.timeout
    # The import takes seconds, and other streams share this loop.
    module = await asyncio.to_thread(load)
    _hush()
    if provider.name == "openai" and _by_responses(module, request.model):
        refuse_what_responses_lose(request.params.keys() - {"reasoning"}, request, provider)
    return await module.acompletion(**arguments)


def _by_responses(module: Any, model: str) -> bool:
    """Whether litellm reaches a model of OpenAI by Responses instead of by chat completions."""
    known = module.model_cost.get(model) or module.model_cost.get(f"openai/{model}") or {}
    return model.startswith("responses/") or known.get("mode") == "responses"


def _finished(answer: Any, collected: Accumulator) -> bool:
    """Whether the provider itself said that it had finished.

    litellm makes up a "stop" for a stream that merely ends, and also for one that it cannot read; only its
    `received_finish_reason` tells the two apart. Where an answer's end comes with its last part, as Gemini sends it,
    only the `intermittent_finish_reason` is there; litellm sets that for Gemini in any case, so that a stream of
    Gemini's which ends in order but too early is not noticed. One that breaks is.
    """
    if hasattr(answer, "received_finish_reason"):
        return bool(answer.received_finish_reason or getattr(answer, "intermittent_finish_reason", None))
    return collected.finish_reason is not None
