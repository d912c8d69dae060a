"""Finds agents, tools and types of the notebook by their names."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from polos_nb.agents import Agent
from polos_nb.errors import ConfigurationError
from polos_nb.notebook.arguments import did_you_mean
from polos_nb.tools import Tool
from polos_nb.workflows import Workflow


def agents_of(names: Mapping[str, Any]) -> dict[str, Agent]:
    """The agents of a notebook, by their Python names."""
    return _of(names, Agent)


def tools_of(names: Mapping[str, Any]) -> dict[str, Tool]:
    """The tools of a notebook, by their Python names."""
    return _of(names, Tool)


def workflows_of(names: Mapping[str, Any]) -> dict[str, Workflow]:
    """The workflows of a notebook, by their Python names."""
    return _of(names, Workflow)


def find_runnable(name: str, names: Mapping[str, Any]) -> Agent | Workflow:
    """The workflow or agent of that Python name, or of that id. Raises ConfigurationError."""
    workflows = workflows_of(names)
    for workflow in (workflows.get(name), *(one for one in workflows.values() if _same(one.id, name))):
        if workflow is not None:
            return workflow
    if not isinstance(names.get(name), Agent) and workflows:
        known = sorted({*agents_of(names), *workflows})
        if not any(_same(agent.id, name) for agent in agents_of(names).values()) and name not in names:
            raise ConfigurationError(f"there is no agent or workflow {name}{did_you_mean(name, known)}")
    return find_agent(name, names)


def evaluated(expression: str, names: Mapping[str, Any]) -> Any:
    """The value of a Python expression in the notebook. Raises ConfigurationError."""
    try:
        return eval(compile(expression.strip(), "<--input>", "eval"), dict(names))
    except Exception as error:
        raise ConfigurationError(f"--input {expression}: {type(error).__name__}: {error}") from None


def yaml_value(text: str, workflow_id: str) -> Any:
    """A payload written as YAML or JSON. Raises ConfigurationError for what is neither."""
    import yaml  # noqa: PLC0415 - only payloads that are written down need it

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise ConfigurationError(
            f"the payload of {workflow_id} is neither YAML nor JSON: {said}; --input EXPR takes a Python value"
        ) from None


def find_agent(name: str, names: Mapping[str, Any]) -> Agent:
    """The agent of that Python name, or of that id; `-` and `_` are the same. Raises ConfigurationError."""
    agents = agents_of(names)
    for agent in (agents.get(name), *(agent for agent in agents.values() if _same(agent.id, name))):
        if agent is not None:
            return agent
    underscored = agents.get(name.replace("-", "_"))
    if underscored is not None:
        return underscored
    if name in names:
        how = f"call it in Python, or give it to an agent with -t {name}" if isinstance(names[name], Tool) else ""
        raise ConfigurationError(f"{name} is a {type(names[name]).__name__}, not an agent{how and f'; {how}'}")
    known = sorted({*agents, *(agent.id for agent in agents.values())})
    raise ConfigurationError(f"there is no agent {name}{did_you_mean(name, known) or _none(known, '%%polos_agent')}")


def find_tool(name: str, names: Mapping[str, Any]) -> Tool:
    """The tool of that Python name, or of that id. Raises ConfigurationError."""
    tools = tools_of(names)
    for tool in (tools.get(name), *(tool for tool in tools.values() if _same(tool.id, name))):
        if tool is not None:
            return tool
    if name in names:
        raise ConfigurationError(f"{name} is not a tool; write %%polos_tool or @tool above its definition")
    known = sorted({*tools, *(tool.id for tool in tools.values())})
    raise ConfigurationError(f"there is no tool {name}{did_you_mean(name, known) or _none(known, '%%polos_tool')}")


def find_type(expression: str, names: Mapping[str, Any]) -> Any:
    """A type by its name, such as `Person` or `list[Person]`. Raises ConfigurationError."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError:
        raise ConfigurationError(f"{expression!r} is not the name of a type; write for example -o Person") from None
    allowed = (ast.Expression, ast.Name, ast.Attribute, ast.Subscript, ast.Tuple, ast.Load, ast.BinOp, ast.BitOr)
    if not all(isinstance(node, allowed) or _is_none(node) for node in ast.walk(tree)):
        raise ConfigurationError(f"{expression!r} is not the name of a type; write for example -o Person")
    try:
        return eval(compile(tree, "<type>", "eval"), dict(names))
    except Exception:
        classes = [name for name, value in names.items() if isinstance(value, type) and not name.startswith("_")]
        hint = did_you_mean(expression, classes) or "; define it in a cell above"
        raise ConfigurationError(f"there is no type {expression}{hint}") from None


def _of(names: Mapping[str, Any], kind: type) -> dict[str, Any]:
    return {name: value for name, value in list(names.items()) if isinstance(value, kind) and not name.startswith("_")}


def _same(a: str, b: str) -> bool:
    return a.replace("-", "_") == b.replace("-", "_")


def _none(known: list[str], magic: str) -> str:
    return "" if known else f"; define one with {magic}"


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
