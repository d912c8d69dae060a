"""polos_nb: durable LLM agents in Jupyter notebooks.

The public names, each loaded when it is first used, so that importing the package is fast.

>>> from polos_nb import Agent, tool
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from polos_nb import ambient

__version__ = "0.1.0"

# Every public name and the module it lives in: the one list, tested against `__all__` and the README.
_PUBLIC = {
    "Agent": "agents",
    "AgentConfig": "hooks",
    "AgentResult": "messages",
    "AgentRunConfig": "agents",
    "AskUserField": "toolkits.ask_user",
    "AskUserFieldOption": "toolkits.ask_user",
    "AskUserInput": "toolkits.ask_user",
    "BatchEventPayload": "events",
    "BatchStepResult": "durable.step_invoke",
    "BatchWorkflowInput": "durable.step_invoke",
    "Cassette": "stores.cassette",
    "CompactionConfig": "compaction",
    "ConfigurationError": "errors",
    "DefinitionError": "errors",
    "DemoModel": "models.demo",
    "EventData": "events",
    "EventItem": "events",
    "EventPayload": "durable.step_wait",
    "ExecutedToolConfig": "stop_conditions",
    "ExecutionHandle": "runtime.handles",
    "GuardrailContext": "guardrails",
    "GuardrailResult": "guardrails",
    "HasTextConfig": "stop_conditions",
    "HookAction": "hooks",
    "HookContext": "hooks",
    "HookResult": "hooks",
    "LiveCallRefused": "errors",
    "MaxStepsConfig": "stop_conditions",
    "MaxTokensConfig": "stop_conditions",
    "MemoryStore": "stores.memory",
    "Message": "messages",
    "Model": "models.base",
    "ModelError": "errors",
    "ModelRequest": "models.base",
    "ModelResponse": "models.base",
    "OutputError": "errors",
    "PlanReport": "runtime.planning",
    "Polos": "runtime.client",
    "PolosClient": "runtime.client",
    "PolosError": "errors",
    "Queue": "runtime.queues",
    "ReplayMiss": "errors",
    "RunError": "errors",
    "SchedulePayload": "runtime.schedule",
    "ScriptedModel": "models.scripted",
    "SqliteStore": "stores.sqlite",
    "Step": "messages",
    "StepExecutionError": "errors",
    "StepInDoubt": "errors",
    "StopConditionContext": "stop_conditions",
    "StoreError": "errors",
    "StreamEvent": "runtime.run",
    "StreamResult": "runtime.run",
    "Suspended": "errors",
    "Tool": "tools",
    "ToolCall": "messages",
    "ToolCallFunction": "messages",
    "ToolResult": "messages",
    "Turn": "models.scripted",
    "Usage": "messages",
    "WebSearchFunction": "toolkits.web_search",
    "WebSearchOptions": "toolkits.web_search",
    "WebSearchResult": "toolkits.web_search",
    "WebSearchResultItem": "toolkits.web_search",
    "WebSearchToolConfig": "toolkits.web_search",
    "Workflow": "workflows",
    "WorkflowContext": "durable.context",
    "WorkflowState": "durable.state",
    "WorkflowTimeoutError": "errors",
    "batch_agent_invoke": "runtime.invoking",
    "batch_invoke": "runtime.invoking",
    "create_ask_user_tool": "toolkits.ask_user",
    "create_web_search_tool": "toolkits.web_search",
    "executed_tool": "stop_conditions",
    "get_all_workflows": "workflows",
    "get_workflow": "workflows",
    "guardrail": "guardrails",
    "has_text": "stop_conditions",
    "hook": "hooks",
    "max_steps": "stop_conditions",
    "max_tokens": "stop_conditions",
    "mcp_tools": "toolkits.mcp",
    "opaque": "durable.code_version",
    "queue": "runtime.queues",
    "stop_condition": "stop_conditions",
    "tool": "tools",
    "workflow": "workflows",
}

__all__ = [*sorted(_PUBLIC), "__version__", "load_ipython_extension", "unload_ipython_extension"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'polos_nb' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"polos_nb.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})


def _runner() -> Any:
    return importlib.import_module("polos_nb.runtime.client").default_client()


def _notebook_runtime() -> Any:
    """The runtime of the notebook that this process is the kernel of, also where the extension is not loaded."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None:
        return None
    return importlib.import_module("polos_nb.notebook.session").attach(shell).runtime


def _background_loop() -> Any:
    return importlib.import_module("polos_nb.runtime.portal").portal()


ambient.register_factory(_runner)
ambient.register_loop(_background_loop)
ambient.register_host(_notebook_runtime)


def load_ipython_extension(ip: Any) -> None:
    """Register the magics: what `%load_ext polos_nb` calls."""
    importlib.import_module("polos_nb.notebook.magics").load(ip)


def unload_ipython_extension(ip: Any) -> None:
    """Restore the shell: what `%unload_ext polos_nb` calls."""
    importlib.import_module("polos_nb.notebook.magics").unload(ip)
