"""How the providers that speak OpenAI's chat completions differ from one another on the wire."""

from __future__ import annotations

from dataclasses import dataclass

_COMMON = """
    frequency_penalty logit_bias logprobs max_tokens messages model n parallel_tool_calls presence_penalty
    response_format seed stop stream stream_options temperature tool_choice tools top_logprobs top_p user
"""
_OPENAI = """
    audio function_call functions max_completion_tokens metadata modalities prediction prompt_cache_key
    prompt_cache_retention reasoning_effort safety_identifier service_tier store verbosity web_search_options
"""
_GROQ = """
    citation_options compound_custom disable_tool_validation documents include_reasoning max_completion_tokens
    metadata reasoning_effort reasoning_format search_settings service_tier store
"""
_FIREWORKS = """
    context_length_exceeded_behavior ignore_eos max_completion_tokens metadata min_p mirostat_lr mirostat_target
    perf_metrics_in_response prediction prompt_cache_isolation_key prompt_truncate_len raw_output reasoning_effort
    reasoning_history repetition_penalty service_tier thinking top_k typical_p
"""
_TOGETHER = """
    chat_template_kwargs compliance context_length_exceeded_behavior echo min_p reasoning reasoning_effort
    repetition_penalty safety_model top_k
"""


@dataclass(frozen=True)
class Dialect:
    """One provider's way to speak it.

    `reasoning` is the field of a delta that holds thinking, if any; `assistant_keys` are fields that an assistant's
    message may have beyond OpenAI's; `whole_calls`: calls come in one piece; `opens_empty`: the first chunk has no
    choices; `needs_version`: the query names an `api-version`; `streams_schemas`: an answer of a
    schema may be streamed.
    """

    parameters: frozenset[str]
    key_header: str = "authorization"
    reasoning: str = ""
    assistant_keys: frozenset[str] = frozenset()
    whole_calls: bool = False
    opens_empty: bool = False
    needs_version: bool = False
    streams_schemas: bool = True


def _known(*lists: str) -> frozenset[str]:
    return frozenset(" ".join(lists).split())


DIALECTS = {
    "openai": Dialect(_known(_COMMON, _OPENAI)),
    "azure": Dialect(_known(_COMMON, _OPENAI), key_header="api-key", opens_empty=True, needs_version=True),
    "azure-v1": Dialect(_known(_COMMON, _OPENAI)),
    "compat": Dialect(
        _known(_COMMON, _OPENAI, "thinking"),
        reasoning="reasoning_content",
        assistant_keys=frozenset({"reasoning_content"}),
    ),
    "groq": Dialect(
        _known(_COMMON, _GROQ),
        reasoning="reasoning",
        assistant_keys=frozenset({"reasoning"}),
        whole_calls=True,
        streams_schemas=False,
    ),
    "fireworks": Dialect(
        _known(_COMMON, _FIREWORKS), reasoning="reasoning_content", assistant_keys=frozenset({"reasoning_content"})
    ),
    "together": Dialect(
        _known(_COMMON, _TOGETHER),
        reasoning="reasoning",
        assistant_keys=frozenset({"reasoning", "reasoning_content"}),
    ),
}


def dialect_of(provider: str) -> Dialect:
    """The dialect of a provider of the loopback server."""
    return DIALECTS[provider]
