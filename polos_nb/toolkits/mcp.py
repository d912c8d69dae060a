"""The tools of MCP servers as tools of an agent: each call is a step, approved and kept like any other."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from polos_nb import ambient
from polos_nb.codec import digest
from polos_nb.durable.context import WorkflowContext
from polos_nb.errors import ArgumentsError, ConfigurationError, StepExecutionError, StepInDoubt
from polos_nb.schema import FunctionSchema, describe
from polos_nb.stores.base import Effect
from polos_nb.toolkits.mcp_server import ConnectionLost, Server, address_of, on_loop, server_at
from polos_nb.tools import Tool

Approval = Literal["always", "none"]


@dataclass(frozen=True)
class Offered:
    """What a server says of one of its tools."""

    name: str
    description: str
    parameters: dict[str, Any]
    read_only: bool = False

    def digest(self) -> str:
        """What changes when the tool does, as far as the server says."""
        return digest([self.name, self.description, self.parameters])


class McpTool(Tool):
    """A tool of an MCP server; made by `mcp_tools`."""

    def __init__(
        self, server: Server, offered: Offered, id: str, *, approval: Approval, effect: Effect, timeout: float
    ) -> None:
        self.server = server
        self.offered = offered

        async def call(ctx: WorkflowContext, arguments: dict[str, Any]) -> Any:
            return await self._called(ctx, arguments)

        super().__init__(
            id,
            offered.description,
            offered.parameters,
            call,
            approval=approval,
            effect=effect,
            version=digest([server.address.identity, offered.digest()]),
            timeout=timeout,
        )
        self.schema = _PassedSchema(**vars(describe(call, name=id)) | {"parameters": offered.parameters})

    async def _called(self, ctx: WorkflowContext, arguments: dict[str, Any]) -> Any:
        # What is read may be read twice; of a write that a dying server was busy with nobody knows what became of it.
        again = self.effect == "read"
        try:
            reply = await asyncio.wrap_future(on_loop(self.server.call(self.offered.name, arguments, again=again)))
        except ConnectionLost:
            raise self._in_doubt(ctx) from None
        except (ConfigurationError, StepInDoubt):
            raise
        except Exception as error:
            raise StepExecutionError(self.server.address.hidden(str(error))) from None
        value = _value_of(reply)
        if reply.is_error:
            raise StepExecutionError(value if isinstance(value, str) else json.dumps(value, default=str))
        return value

    def _in_doubt(self, ctx: WorkflowContext) -> StepInDoubt:
        path = ctx.step._steps.path
        return StepInDoubt(
            f"step {path}: the MCP server {self.server.address.name} ended during the call, and nobody knows whether"
            f" {self.id} happened. If it did not, run the cell again with --fresh {path} (fresh={path!r} in Python)",
            step_key=path,
        )


class McpTools(list[Tool]):
    """The tools of one server: a list to give to an agent. `close()` ends the server; a later call starts it again."""

    def __init__(self, tools: Sequence[Tool], server: Server) -> None:
        super().__init__(tools)
        self.server = server

    def close(self) -> None:
        """End the connection, and the server where it was started by a command."""
        ambient.background_loop().run(self.server.close())

    def __enter__(self) -> McpTools:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def mcp_tools(
    command_or_url: str | Sequence[str],
    *,
    only: Collection[str] | None = None,
    prefix: str = "",
    approval: Approval | Collection[str] | Mapping[str, Approval] = "none",
    effect: Effect | Mapping[str, Effect] | None = None,
    env: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    timeout: float = 60.0,
    listing: str | Path | None = None,
) -> McpTools:
    """The tools of an MCP server, for an agent: `Agent(..., tools=mcp_tools("uvx mcp-server-git"))`.

    `command_or_url` is the command that starts a server which speaks over standard input and output (a line, or a
    list), or the URL of one that speaks streamable HTTP. Their schemas reach the model unchanged. A server that dies
    is started again with the next call; it ends with the process, or with `.close()`.

    `only` names the tools to take, `prefix` comes before their names. `approval` is "always", "none", the names of
    those that a person is asked about, or a mapping by name. What the server marks as read-only is a read, everything
    else a write, which is not repeated silently; `effect` says otherwise, for all or by name. `env` (with `cwd`) is for
    a command, `headers` for a URL: secrets belong there, and are never stored. `timeout` is in seconds, per call.

    With `listing`, a JSON file, the tools are read from that file, which is written when it is not there: a notebook
    that is replayed then starts no server. Raises ConfigurationError, with the remedy.

    >>> mcp_tools("uvx mcp-server-time", approval=["convert_time"])  # doctest: +SKIP
    """
    server = server_at(address_of(command_or_url, env=env, headers=headers, cwd=cwd))
    offered = _from_listing(Path(listing)) if listing is not None and Path(listing).exists() else None
    if offered is None:
        offered = _asked(server)
        if listing is not None:
            _keep_listing(Path(listing), offered)
    chosen = _chosen(offered, only, server)
    _check_names(offered, approval, "approval")
    _check_names(offered, effect, "effect")
    ids: set[str] = set()
    tools = [
        McpTool(
            server,
            one,
            _id_of(prefix + one.name, ids),
            approval=_approval_of(one.name, approval),
            effect=_effect_of(one, effect),
            timeout=timeout,
        )
        for one in chosen
    ]
    return McpTools(tools, server)


class _PassedSchema(FunctionSchema):
    """A schema from elsewhere: arguments are checked against it, and passed on as they are."""

    def bind(self, arguments: Mapping[str, Any], context: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        from jsonschema.exceptions import SchemaError  # type: ignore[import-untyped]  # noqa: PLC0415 - takes 50 ms
        from jsonschema.validators import validator_for  # type: ignore[import-untyped]  # noqa: PLC0415
        from referencing import Registry  # noqa: PLC0415
        from referencing.exceptions import Unresolvable  # noqa: PLC0415

        given = dict(arguments)
        try:
            kind = validator_for(self.parameters)
            kind.check_schema(self.parameters)
            # An empty registry: a server's schema never makes this process ask somebody else.
            errors = list(kind(self.parameters, registry=Registry()).iter_errors(given))
        except (SchemaError, Unresolvable):  # a schema of its own kind: the server checks the arguments too
            errors = []
        problems = [_problem(error.absolute_path, error.message) for error in errors]
        if problems:
            allowed = ", ".join(self.parameters.get("properties") or ()) or "none"
            raise ArgumentsError(f"{'; '.join(problems[:5])}; allowed arguments: {allowed}")
        return (context, given), {}


def _problem(path: Any, message: str) -> str:
    place = ".".join(str(part) for part in path)
    return f"argument {place!r}: {message}" if place else message


def _asked(server: Server) -> list[Offered]:
    """What the server offers now. A server that is idle is started anew: its code may have been edited."""

    async def ask() -> list[Any]:
        if not server.calls:
            await server.close()
        return await server.tools()

    return [
        Offered(
            tool.name,
            tool.description or "",
            dict(tool.input_schema),
            bool(tool.annotations is not None and tool.annotations.read_only_hint),
        )
        for tool in ambient.background_loop().run(ask())
    ]


def _keep_listing(path: Path, offered: Sequence[Offered]) -> None:
    path.write_text(json.dumps([vars(one) for one in offered], indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _from_listing(path: Path) -> list[Offered]:
    try:
        return [Offered(**one) for one in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(f"{path} is no listing of MCP tools ({error}); delete it to write it anew") from None


def _chosen(offered: Sequence[Offered], only: Collection[str] | None, server: Server) -> list[Offered]:
    if only is None:
        return list(offered)
    _check_names(offered, [only] if isinstance(only, str) else only, "only")
    return [one for one in offered if one.name in only]


def _check_names(offered: Sequence[Offered], given: Any, what: str) -> None:
    names = {one.name for one in offered}
    if given is None or isinstance(given, str):
        return
    for name in given:
        if name not in names:
            raise ConfigurationError(f"{what}: the server has no tool {name!r}; it has: {', '.join(sorted(names))}")


def _approval_of(name: str, given: Any) -> Approval:
    if isinstance(given, str):
        return given  # type: ignore[return-value]
    if isinstance(given, Mapping):
        approval: Approval = given.get(name, "none")
        return approval
    return "always" if name in given else "none"


def _effect_of(one: Offered, given: Effect | Mapping[str, Effect] | None) -> Effect:
    own: Effect = "read" if one.read_only else "write"
    if isinstance(given, Mapping):
        return given.get(one.name, own)
    return given or own


def _id_of(name: str, taken: set[str]) -> str:
    """A name that a model can be told, each once."""
    id = base = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:60]
    while id in taken:
        id = f"{base}_{len(taken)}"
    taken.add(id)
    return id


def _value_of(reply: Any) -> Any:
    """A reply as data: what is structured as it is, text alone as text, images and the rest as parts."""
    parts = [_part_of(part) for part in reply.content]
    if any(part.get("type") not in ("text", "resource_link") for part in parts):
        return parts
    if reply.structured_content is not None:
        return reply.structured_content
    if all(part.get("type") == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts


def _part_of(part: Any) -> dict[str, Any]:
    plain: dict[str, Any] = part.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {name: value for name, value in plain.items() if name not in ("annotations", "_meta")}


__all__ = ["McpTool", "McpTools", "mcp_tools"]
