"""Where each provider lives on the loopback server, with which key, and what leads a client there."""

from __future__ import annotations

from types import ModuleType

from tests.loopback import anthropic_wire, gemini_wire, ollama_wire, openai_wire, responses_wire

OPENAI_KEY = "sk-loopback-openai-5f3a9c27d1"
ANTHROPIC_KEY = "sk-ant-loopback-8e6b1d40f2"
AZURE_KEY = "loopback-azure-4b0e7d93a6"
KEYS = {
    "openai": OPENAI_KEY,
    "responses": OPENAI_KEY,
    "compat": OPENAI_KEY,
    "anthropic": ANTHROPIC_KEY,
    "gemini": "AIzaLoopback0Gemini0b7d2e91c4a5f",
    "groq": "gsk_loopback0groq0c3f81a9e",
    "fireworks": "fw_loopback0fireworks0d92b7e1",
    "together": "tgp_v1_loopback0together0a81c6f3",
    "azure": AZURE_KEY,
    "azure-v1": AZURE_KEY,
    "azure-responses": AZURE_KEY,
}
# Path, name of the provider, and how it speaks.
ROUTES: tuple[tuple[str, str, ModuleType], ...] = (
    ("/v1/chat/completions", "openai", openai_wire),
    ("/v1/responses", "responses", responses_wire),
    ("/compat/v1/chat/completions", "compat", openai_wire),
    ("/anthropic/v1/messages", "anthropic", anthropic_wire),
    ("/gemini/v1beta/models/{call}", "gemini", gemini_wire),
    ("/groq/openai/v1/chat/completions", "groq", openai_wire),
    ("/fireworks/inference/v1/chat/completions", "fireworks", openai_wire),
    ("/together/v1/chat/completions", "together", openai_wire),
    ("/azure/openai/deployments/{deployment}/chat/completions", "azure", openai_wire),
    ("/azure/openai/v1/chat/completions", "azure-v1", openai_wire),
    ("/azure/openai/responses", "azure-responses", responses_wire),
    ("/ollama/api/chat", "ollama", ollama_wire),
)
# Where each provider lists its models.
LISTS: tuple[tuple[str, str, ModuleType], ...] = (
    ("/v1/models", "openai", openai_wire),
    ("/anthropic/v1/models", "anthropic", anthropic_wire),
    ("/gemini/v1beta/models", "gemini", gemini_wire),
    ("/groq/openai/v1/models", "groq", openai_wire),
    ("/fireworks/inference/v1/models", "fireworks", openai_wire),
    ("/together/v1/models", "together", openai_wire),
    ("/azure/openai/models", "azure", openai_wire),
    ("/ollama/api/tags", "ollama", ollama_wire),
)


def environment(url: str) -> dict[str, str]:
    """The environment variables that lead a client to the server at `url`."""
    return {
        "OPENAI_API_KEY": OPENAI_KEY,
        "OPENAI_BASE_URL": f"{url}/v1",
        "OPENAI_API_BASE": f"{url}/v1",
        "ANTHROPIC_API_KEY": ANTHROPIC_KEY,
        "ANTHROPIC_BASE_URL": f"{url}/anthropic",
        "ANTHROPIC_API_BASE": f"{url}/anthropic",
        "GEMINI_API_KEY": KEYS["gemini"],
        "GEMINI_API_BASE": f"{url}/gemini/v1beta",
        "GROQ_API_KEY": KEYS["groq"],
        "GROQ_API_BASE": f"{url}/groq/openai/v1",
        "FIREWORKS_API_KEY": KEYS["fireworks"],
        "FIREWORKS_API_BASE": f"{url}/fireworks/inference/v1",
        "TOGETHER_API_KEY": KEYS["together"],
        "TOGETHER_AI_API_BASE": f"{url}/together/v1",
        "AZURE_API_KEY": KEYS["azure"],
        "AZURE_API_BASE": f"{url}/azure",
        "OLLAMA_API_BASE": f"{url}/ollama",
    }
