"""The public names: declared once, all there, and nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

import polos_nb

HEAVY = (
    "litellm", "docker", "pandas", "numpy", "slack_bolt", "nest_asyncio2", "openai", "anywidget", "ipywidgets",
    "mcp", "ddgs", "PIL", "matplotlib",
)  # fmt: skip


def test_every_public_name_is_there() -> None:
    """Each declared name can be imported and is what its module calls so."""
    for name in polos_nb.__all__:
        assert getattr(polos_nb, name) is not None


def test_the_list_is_this_one() -> None:
    """A name is added to or taken from the public names on purpose only."""
    expected = [
        "Agent", "AgentConfig", "AgentResult", "AgentRunConfig", "AskUserField",
        "AskUserFieldOption", "AskUserInput", "BatchEventPayload", "BatchStepResult",
        "BatchWorkflowInput", "Cassette", "CompactionConfig", "ConfigurationError",
        "DefinitionError", "DemoModel", "EventData", "EventItem", "EventPayload",
        "ExecutedToolConfig", "ExecutionHandle", "GuardrailContext", "GuardrailResult",
        "HasTextConfig", "HookAction", "HookContext", "HookResult", "LiveCallRefused",
        "MaxStepsConfig", "MaxTokensConfig", "MemoryStore", "Message", "Model", "ModelError",
        "ModelRequest", "ModelResponse", "OutputError", "PlanReport", "Polos", "PolosClient",
        "PolosError", "Queue", "ReplayMiss", "RunError", "SchedulePayload", "ScriptedModel",
        "SqliteStore", "Step", "StepExecutionError", "StepInDoubt", "StopConditionContext",
        "StoreError", "StreamEvent", "StreamResult", "Suspended", "Tool", "ToolCall",
        "ToolCallFunction", "ToolResult", "Turn", "Usage", "WebSearchFunction", "WebSearchOptions",
        "WebSearchResult", "WebSearchResultItem", "WebSearchToolConfig", "Workflow",
        "WorkflowContext", "WorkflowState", "WorkflowTimeoutError", "__version__",
        "batch_agent_invoke", "batch_invoke", "create_ask_user_tool", "create_web_search_tool",
        "executed_tool", "get_all_workflows", "get_workflow", "guardrail", "has_text", "hook",
        "load_ipython_extension", "max_steps", "max_tokens", "mcp_tools", "opaque", "queue",
        "stop_condition", "tool", "unload_ipython_extension", "workflow",
    ]  # fmt: skip
    assert sorted(polos_nb.__all__) == expected


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A name that is not public is reported as Python does."""
    with pytest.raises(AttributeError, match=r"polos_nb.*nothing"):
        polos_nb.nothing  # noqa: B018


def test_importing_the_package_and_its_declarations_loads_nothing_heavy() -> None:
    """`import polos_nb`, an agent and a tool load none of the heavy libraries."""
    code = (
        "import sys, polos_nb\n"
        "from polos_nb import Agent, tool\n"
        "@tool\n"
        "def f(x: int) -> int:\n    return x\n"
        "Agent(id='a', provider='openai', model='gpt-4o', tools=[f])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
