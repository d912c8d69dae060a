"""The loopback provider: an HTTP server in a thread of its own that answers as each of the providers would."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from aiohttp import web

from tests.loopback.routes import ANTHROPIC_KEY, KEYS, LISTS, OPENAI_KEY, ROUTES, environment
from tests.loopback.turns import (
    ApiError,
    Call,
    Refused,
    Request,
    Script,
    ToolResultSeen,
    Turn,
    turn_from_json,
)
from tests.loopback.weather import weather_script

__all__ = [
    "ANTHROPIC_KEY",
    "KEYS",
    "OPENAI_KEY",
    "ApiError",
    "Call",
    "LoopbackProvider",
    "Request",
    "Script",
    "StartProvider",
    "ToolResultSeen",
    "Turn",
    "turn_from_json",
    "weather_script",
]

ENDED = (ConnectionError, asyncio.CancelledError)


class LoopbackProvider:
    """A provider on 127.0.0.1 that follows a script and writes down what it is asked.

    `script` is a list of turns, used up in order, or a function from a request to a turn. A request that the
    real provider would refuse is refused and uses up no turn. After the last turn of a list every request
    gets a 500.

        with LoopbackProvider([Turn(text="Hello.")]) as server:
            os.environ.update(server.env())
            ...
            server.requests[0].user
    """

    def __init__(self, script: Script, *, port: int = 0, on_request: Callable[[Request], None] | None = None) -> None:
        self.requests: list[Request] = []
        self.port = port
        self._script = script
        self._on_request = on_request
        self._turn = 0
        self._changed = threading.Condition()
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="loopback-provider", daemon=True)

    def __enter__(self) -> LoopbackProvider:
        # A server from the fixture runs already, and `with` then only says where it ends.
        if self._thread.ident is None:
            self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close all connections and end the thread; may be called twice."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(timeout=10)

    @property
    def url(self) -> str:
        """The address of the server, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def compat_url(self) -> str:
        """The base URL of the "OpenAI-compatible" provider, whose answers may carry `reasoning_content`."""
        return f"{self.url}/compat/v1"

    def env(self) -> dict[str, str]:
        """The environment variables that lead a client here."""
        return environment(self.url)

    def wait_for(self, condition: Callable[[LoopbackProvider], bool], timeout: float = 10.0) -> None:
        """Wait until a condition on this server holds; fail after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), timeout):
                raise AssertionError(f"condition did not hold within {timeout:g} s; requests: {self.requests}")

    # The rest runs on the server's own loop.

    def _serve(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        app = web.Application(client_max_size=64 * 2**20)
        for path, name, wire in ROUTES:
            app.router.add_post(path, self._handler(name, wire))
        for path, name, wire in LISTS:
            app.router.add_get(path, self._lister(name, wire))
        # handler_cancellation is how a client that hangs up is noticed while nothing is being written.
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.2)
        try:
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", self.port)
            await site.start()
            self.port = runner.addresses[0][1]
        except OSError as error:
            self._failure = error
        self._started.set()
        if self._failure is None:
            await self._stop.wait()
        await runner.cleanup()

    def _handler(self, provider: str, wire: ModuleType) -> Callable[[web.Request], Any]:
        async def handle(http: web.Request) -> web.StreamResponse:
            raw = await http.read()
            try:
                body = json.loads(raw)
            except ValueError:
                return web.json_response(wire.error_body(400, "We could not parse the JSON body."), status=400)
            headers = {name.lower(): value for name, value in http.headers.items()}
            request = Request(provider, http.path, headers, body, query=dict(http.query))
            wire.describe(request)
            self._note(lambda: self.requests.append(request))
            try:
                self._check(request, wire)
                turn = self._next(request)
                if self._on_request is not None:
                    self._on_request(request)
                return await self._answer(http, request, turn, wire)
            except Refused as refused:
                request.refused = refused.message
                return web.json_response(
                    wire.error_body(refused.status, refused.message, refused.code), status=refused.status
                )
            except ENDED:
                self._note(lambda: setattr(request, "hung_up", True))
                raise
            finally:
                self._note(lambda: setattr(request, "finished", True))

        return handle

    def _lister(self, provider: str, wire: ModuleType) -> Callable[[web.Request], Any]:
        async def handle(http: web.Request) -> web.StreamResponse:
            headers = {name.lower(): value for name, value in http.headers.items()}
            request = Request(provider, http.path, headers, {}, query=dict(http.query))
            try:
                wire.check_key(request, KEYS.get(provider, ""))
            except Refused as refused:
                return web.json_response(wire.error_body(refused.status, refused.message), status=refused.status)
            return web.json_response({"data": [], "models": []})

        return handle

    def _note(self, change: Callable[[], object]) -> None:
        with self._changed:
            change()
            self._changed.notify_all()

    def _check(self, request: Request, wire: ModuleType) -> None:
        wire.check_key(request, KEYS.get(request.provider, ""))
        wire.check(request)

    def _next(self, request: Request) -> Turn:
        if callable(self._script):
            return self._script(request)
        if self._turn >= len(self._script):
            raise Refused(f"the script has only {len(self._script)} turns and this is one more", 500)
        self._turn += 1
        return self._script[self._turn - 1]

    async def _answer(self, http: web.Request, request: Request, turn: Turn, wire: ModuleType) -> web.StreamResponse:
        if turn.start_delay:
            await asyncio.sleep(turn.start_delay)
        if turn.error is not None and turn.error_after is None:
            body, extra = _refusal(turn.error, wire)
            return web.json_response(body, status=turn.error.status, headers=extra)
        if not request.stream:
            return web.json_response(wire.whole(turn, request))
        kind = getattr(wire, "CONTENT_TYPE", "text/event-stream; charset=utf-8")
        headers = {"Content-Type": kind, "Cache-Control": "no-cache"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(http)
        for number, frame in enumerate(wire.stream(turn, request)):
            if turn.drop_after is not None and number >= turn.drop_after:
                if http.transport is not None:
                    http.transport.abort()
                return response
            if turn.error is not None and turn.error_after == number:
                await response.write(wire.error_event(turn.error))
                break
            if turn.malformed and number == 2:
                frame = b'data: {"choices": [{"index": 0, "del\n\n'
            await response.write(frame)
            self._note(lambda: setattr(request, "chunks_sent", request.chunks_sent + 1))
            await asyncio.sleep(turn.delay)
            if http.transport is None:
                raise ConnectionResetError("the client hung up")
        await response.write_eof()
        return response


def _refusal(error: ApiError, wire: ModuleType) -> tuple[dict[str, Any], dict[str, str]]:
    """The body and the headers of an error; a provider may say in the body what others say in headers."""
    if hasattr(wire, "refusal"):
        body, headers = wire.refusal(error)
        return body, headers
    return wire.error_body(error.status, error.message, error.code), error.headers


StartProvider = Callable[[Script], LoopbackProvider]


def run_forever(script: Script, *, port: int, ready: Callable[[LoopbackProvider], None], log: str | None) -> None:
    """Serve until interrupted; each request that is answered goes to `log` as one line of JSON."""

    def write(request: Request) -> None:
        if log is not None:
            with open(log, "a", encoding="utf-8") as file:
                record: dict[str, Any] = {"provider": request.provider, "path": request.path}
                record |= {
                    "user": request.user,
                    "system": request.system,
                    "tools": request.tool_names,
                    "body": request.body,
                }
                record["tool_results"] = [vars(seen) for seen in request.tool_results]
                file.write(json.dumps(record) + "\n")

    with LoopbackProvider(script, port=port, on_request=write) as server:
        ready(server)
        while True:
            time.sleep(3600)
