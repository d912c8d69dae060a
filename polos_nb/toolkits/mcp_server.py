"""One MCP server: started when it is needed, held open by a task on the background loop, started anew when it dies."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import shlex
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, TypeVar
from urllib.parse import urlsplit

from polos_nb import ambient
from polos_nb.errors import ConfigurationError, ModelUnavailable, one_line
from polos_nb.models.redaction import redact

T = TypeVar("T")
_START_SECONDS = 60.0  # a first `npx` or `uvx` installs the server
_CLOSE_SECONDS = 5.0
_CLOSED = -32000  # what the SDK calls a connection that has ended
_MISSING = 'MCP tools need the mcp package, version 2 or later: pip install "polos-nb[mcp]"'


@dataclass(frozen=True)
class Address:
    """Where a server is: the `command` that starts it, or its `url`. Secrets may be in `env` and `headers` only."""

    command: tuple[str, ...] = ()
    url: str = ""
    cwd: str | None = None
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        """The server as a sentence calls it."""
        if self.url:
            parts = urlsplit(self.url)
            return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
        return shlex.join(self.command)

    @property
    def identity(self) -> list[str]:
        """What says that it is the same server on another machine too."""
        return [self.name] if self.url else [PurePath(self.command[0]).stem, *self.command[1:]]

    def hidden(self, text: str) -> str:
        """A text without what is secret here."""
        return redact(text, *(value for _, value in (*self.env, *self.headers) if len(value) > 5))


def address_of(
    command_or_url: str | Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    cwd: Any = None,
) -> Address:
    """The address in what a caller gives: a URL, a command line, or a command as a list. Raises ConfigurationError.

    >>> address_of("uvx mcp-server-git --repository .").command
    ('uvx', 'mcp-server-git', '--repository', '.')
    """
    kept = {"env": tuple(sorted((env or {}).items())), "headers": tuple(sorted((headers or {}).items()))}
    if isinstance(command_or_url, str) and command_or_url.startswith(("http://", "https://")):
        if env or cwd is not None:
            raise ConfigurationError("env= and cwd= are for servers that are started by a command, not for a URL")
        return Address(url=command_or_url, headers=kept["headers"])
    if headers:
        raise ConfigurationError("headers= are for servers at a URL; give a command its secrets in env=")
    words = shlex.split(command_or_url) if isinstance(command_or_url, str) else [str(word) for word in command_or_url]
    if not words:
        raise ConfigurationError("mcp_tools needs the command that starts a server, or the URL of one")
    return Address(command=tuple(words), cwd=None if cwd is None else str(cwd), env=kept["env"])


class ConnectionLost(Exception):
    """The server has gone during a call, and nobody knows whether it did what it was asked."""


class Server:
    """A server and the one connection to it. All of it lives on the background loop; `on_loop` goes there."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.calls = 0
        self._lock: asyncio.Lock | None = None
        self._client: Any = None
        self._task: asyncio.Task[None] | None = None
        self._stop: asyncio.Event | None = None
        self._words: Any = None  # where the server's standard error goes

    @property
    def open(self) -> bool:
        """Whether there is a connection, as far as it is known."""
        return self._client is not None

    async def tools(self) -> list[Any]:
        """The tools that the server offers now."""
        return await self._asked(_all_tools, again=True)

    async def call(self, name: str, arguments: Mapping[str, Any], *, again: bool) -> Any:
        """Call a tool. A call during which the server dies is done `again` on a new one, or raises ConnectionLost."""
        self.calls += 1
        try:
            if not again and self._client is not None:
                await self._asked(lambda client: client.list_tools(cache_mode="refresh"), again=True)
            return await self._asked(lambda client: client.call_tool(name, dict(arguments)), again=again)
        finally:
            self.calls -= 1

    async def _asked(self, ask: Callable[[Any], Awaitable[T]], *, again: bool) -> T:
        client = await self._connected()
        try:
            return await ask(client)
        except Exception as error:
            if not _is_lost(error):
                raise
            await self.close(client)
            if not again:
                raise ConnectionLost from error
        client = await self._connected()
        try:
            return await ask(client)
        except Exception as error:
            if not _is_lost(error):
                raise
            await self.close(client)
            raise ModelUnavailable(self._says("was started again, and ended again", error), provider="mcp") from None

    async def _connected(self) -> Any:
        self._lock = self._lock or asyncio.Lock()
        async with self._lock:
            if self._client is None:
                await self._start()
            return self._client

    async def _start(self) -> None:
        ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(self._keep(ready, self._stop))
        try:
            async with asyncio.timeout(_START_SECONDS):
                self._client = await ready
        except TimeoutError:
            self._task.cancel()
            raise ConfigurationError(self._says(f"has not answered within {_START_SECONDS:g} s", None)) from None
        except ConfigurationError:
            raise
        except Exception as error:
            raise ConfigurationError(self._says("cannot be used", error)) from None

    async def _keep(self, ready: asyncio.Future[Any], stop: asyncio.Event) -> None:
        """Hold the connection: the SDK wants it to be closed in the task that opened it."""
        try:
            async with self._session() as client:
                ready.set_result(client)
                await stop.wait()
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error if isinstance(error, Exception) else ConnectionError("it was stopped"))
            elif isinstance(error, asyncio.CancelledError):
                raise

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[Any]:
        try:
            from mcp import Client, StdioServerParameters, stdio_client  # noqa: PLC0415 - 0.6 s, and an extra
            from mcp.client.streamable_http import streamable_http_client  # noqa: PLC0415
            from mcp.shared._httpx_utils import create_mcp_http_client  # noqa: PLC0415
        except ImportError:
            raise ConfigurationError(_MISSING) from None
        where = self.address
        if where.url:
            async with create_mcp_http_client(headers=dict(where.headers)) as http:
                async with Client(streamable_http_client(where.url, http_client=http)) as client:
                    yield client
            return
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as words:
            self._words = words
            started = StdioServerParameters(
                command=where.command[0], args=list(where.command[1:]), env=dict(where.env), cwd=where.cwd
            )
            try:
                async with Client(stdio_client(started, errlog=words)) as client:
                    yield client
            finally:
                self._last_words()

    def _last_words(self) -> None:
        self._words.seek(0)
        self._words = (self._words.read()[-400:].strip().splitlines() or [""])[-1]

    def _says(self, what: str, error: BaseException | None) -> str:
        """A sentence about the server, with its last words on standard error if it had any."""
        said = f"the MCP server {self.address.name} {what}"
        cause = _innermost(error) if error is not None else None
        if cause is not None:
            said += f": {one_line(cause)}"
        if isinstance(self._words, str) and self._words:
            said += f" (it said: {self._words})"
        return self.address.hidden(said)

    async def close(self, client: Any = None) -> None:
        """End the connection, and the server with it; only that of `client` if one is named. A later call opens one."""
        if self._client is None or (client is not None and client is not self._client):
            return
        task, stop, self._client = self._task, self._stop, None
        if task is None or stop is None:
            return
        stop.set()
        done, _ = await asyncio.wait({task}, timeout=_CLOSE_SECONDS)
        if not done:
            task.cancel()


async def _all_tools(client: Any) -> list[Any]:
    found: list[Any] = []
    cursor = None
    while True:
        page = await client.list_tools(cursor=cursor, cache_mode="refresh")
        found += page.tools
        cursor = page.next_cursor
        if not cursor:
            return found


def _is_lost(error: Exception) -> bool:
    """Whether an error says that the connection is gone, rather than what the server thinks of a request."""
    code = getattr(error, "code", None)
    return not isinstance(error, ConfigurationError) and (not isinstance(code, int) or code == _CLOSED)


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error


# One connection per address, however often a cell that declares its tools is executed.
_servers: dict[Address, Server] = {}


def server_at(address: Address) -> Server:
    """The process's server of that address."""
    if not _servers:
        atexit.register(close_all)
    return _servers.setdefault(address, Server(address))


def on_loop(work: Awaitable[T]) -> concurrent.futures.Future[T]:
    """Let something of a server be done on the background loop."""
    future: concurrent.futures.Future[T] = ambient.background_loop().submit(work)
    return future


def close_all() -> None:
    """End every server that was started."""
    for server in list(_servers.values()):
        if server.open:
            with contextlib.suppress(Exception):
                on_loop(server.close()).result(_CLOSE_SECONDS + 1)
