"""Makes tools and workflows of cells: what `%%polos_tool` and `%%polos_workflow` do with a body of Python."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar

from polos_nb.errors import DefinitionError
from polos_nb.notebook.arguments import TOOL, WORKFLOW, Namespace, Parser
from polos_nb.notebook.lookup import find_type
from polos_nb.tools import Tool
from polos_nb.workflows import Workflow

T = TypeVar("T")


def tool_info(tool: Tool) -> dict[str, Any]:
    """What a tool's card shows."""
    return {
        "id": tool.id,
        "signature": signature_of(tool),
        "description": tool.description,
        "effect": tool.effect,
        "approval": "always" if tool.approval == "always" else None,
        "version": tool.version().digest[:8],
    }


def signature_of(tool: Tool) -> str:
    """A tool as it is called, without the context and the notebook's own module name."""
    return _signature(tool.func, tool.id)


def _signature(func: Callable[..., Any], name: str) -> str:
    try:
        signature = inspect.signature(func)
    except (TypeError, ValueError):
        return f"{name}(...)"
    parameters = [p for p in signature.parameters.values() if p.name != "ctx"]
    text = f"{name}{signature.replace(parameters=parameters)}".replace("__main__.", "")
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def define_tool(line: str, body: str, ip: Any) -> Tool:
    """Execute a `%%polos_tool` cell in the notebook and bind its function's name to the tool.

    Raises DefinitionError, with the remedy, when there is not exactly one public function, or another tool has the id.
    """
    __tracebackhide__ = True
    given = TOOL.parse_line(line)
    return _defined(body, ip, TOOL.magic, lambda function, names: _bind(given, function, names))


def define_workflow(line: str, body: str, ip: Any) -> Workflow:
    """Execute a `%%polos_workflow` cell in the notebook and bind its function's name to the workflow.

    Raises DefinitionError, with the remedy, when there is not exactly one public function.
    """
    __tracebackhide__ = True
    given = WORKFLOW.parse_line(line)
    return _defined(body, ip, WORKFLOW.magic, lambda function, names: _bind_workflow(given, function, names))


def _defined(body: str, ip: Any, magic: str, bind: Callable[[str, dict[str, Any]], T]) -> T:
    """Execute a body of Python, and make something of its one public function; on failure the name stays as it was."""
    __tracebackhide__ = True
    try:
        tree = ast.parse(body)
    except SyntaxError as error:
        raise DefinitionError(f"{magic}: line {error.lineno} of the body is not Python: {error.msg}") from None
    function = _public_function(tree, magic)
    # The compiler's cache is what inspect.getsource and tracebacks look into.
    filename = ip.compile.cache(body, ip.execution_count, raw_code=body)
    names = ip.user_ns
    missing = object()
    before = names.get(function, missing)
    exec(ip.compile(body, filename, "exec"), names)
    try:
        return bind(function, names)
    except BaseException:
        if before is missing:
            names.pop(function, None)
        else:
            names[function] = before
        raise


def _bind(given: Namespace, function: str, names: dict[str, Any]) -> Tool:
    made = names[function]
    tool = made if isinstance(made, Tool) else None
    _check_made(TOOL, given, function, made, Tool)
    if tool is None:
        tool = Tool(
            given.id or given.name or function,
            given.desc,
            None,
            made,
            approval=given.approval,
            effect=given.effect,
            version=given.version,
            max_retries=given.retries,
            timeout=given.timeout,
        )
    for name, other in list(names.items()):
        same_id = isinstance(other, Tool) and not name.startswith("_") and other.id == tool.id
        if same_id and other.__name__ != tool.__name__:
            raise DefinitionError(
                f"the tool id {tool.id!r} belongs to {name}; give this one another: %%polos_tool --id {function}"
            )
    names[function] = tool
    return tool


def _bind_workflow(given: Namespace, function: str, names: dict[str, Any]) -> Workflow:
    made = names[function]
    workflow = made if isinstance(made, Workflow) else None
    _check_made(WORKFLOW, given, function, made, Workflow)
    if workflow is None:
        name, colon, limit = (given.queue or "").partition(":")
        if colon and not (name and limit.isdecimal()):
            raise DefinitionError(f"%%polos_workflow: --queue {given.queue} is not NAME:N; write for example slow:2")
        workflow = Workflow(
            given.id or given.name or function,
            made,
            given.desc,
            state_schema=find_type(given.state, names) if given.state else None,
            queue={"name": name, "concurrency_limit": int(limit)} if limit else name or None,
            version=given.version,
            localns=names,
        )
    names[function] = workflow
    return workflow


def _check_made(parser: Parser, given: Namespace, function: str, made: Any, kind: type) -> None:
    """Raise DefinitionError for what a decorator in the body has made otherwise than the magic's line says."""
    decorator = f"@{kind.__name__.lower()}"
    if isinstance(made, kind):
        said = [action for action in vars(given) if getattr(given, action) != parser.get_default(action)]
        if said:
            raise DefinitionError(
                f"{parser.magic}: {function} has a {decorator} of its own, so --{said[0]} says nothing; write it there"
            )
    elif getattr(made, "__polos_declaration__", False):
        name = type(made).__name__.lower()
        raise DefinitionError(f"{parser.magic}: {function} has @{name} above it, and is no {kind.__name__.lower()}")


def workflow_info(workflow: Workflow) -> dict[str, Any]:
    """What a workflow's card shows."""
    return {
        "id": workflow.id,
        "kind": "workflow",
        "signature": _signature(workflow.func, workflow.id),
        "description": workflow.description,
        "state": getattr(workflow.state_schema, "__name__", None),
        "version": workflow.version().digest[:8],
    }


def _public_function(tree: ast.Module, magic: str) -> str:
    functions = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
    ]
    if len(functions) != 1:
        found = f"found {', '.join(functions)}: start the names of helpers with _" if functions else "found none"
        raise DefinitionError(f"{magic} needs exactly one public function; {found}")
    return functions[0]
