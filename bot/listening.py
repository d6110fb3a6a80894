"""Accepts connections for an application, and stops without cutting off what is in hand."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from bot.log import logger
from bot.web.problems import Problem

_CONNECTION: dict[str, Any] = {
    "keepalive_timeout": 75.0,  # seconds without (the rest of) a request's headers
    "access_log": None,  # server.py writes the line
    "auto_decompress": False,
}
_STOP_SECONDS = 4.0  # for requests in hand when the service is told to stop
_CUT_SECONDS = 2.0  # the same once nothing more of them is read
# What may answer a request past the application's routes and middlewares; None where it does not.
Shortcut = Callable[[web.Request], Awaitable[web.StreamResponse] | None]
SHORTCUT: web.AppKey[Shortcut] = web.AppKey("shortcut")


def bound_socket(host: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """Return a socket bound to an address; raises OSError. Port 0 takes a free one.

    With `reuse_port` several processes may listen there, and the kernel spreads connections.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


async def listen(app: web.Application, sock: socket.socket) -> web.AppRunner:
    """Accept connections on `sock`; `cleanup()` of what is returned ends it."""
    runner = _Runner(app, shutdown_timeout=_CUT_SECONDS)

    await runner.setup()
    server = runner.server
    assert server is not None
    shortcut, routed = app[SHORTCUT], server.request_handler

    async def hold(request: Any) -> web.StreamResponse:  # the application makes a `web.Request`
        runner.in_hand += 1
        try:
            response = await (shortcut(request) or routed(request))
            if runner.is_stopping:
                response.force_close()
            return response
        finally:
            runner.in_hand -= 1
            if not runner.in_hand:
                runner.is_idle.set()

    server.request_handler = hold
    await _Site(runner, sock).start()
    return runner


class _Runner(web.AppRunner):
    """Stops in two steps, as aiohttp drops what comes of a body once it closes connections."""

    def __init__(self, app: web.Application, *, shutdown_timeout: float) -> None:
        super().__init__(app, shutdown_timeout=shutdown_timeout)
        self.in_hand = 0  # requests whose answer is not made yet
        self.is_idle = asyncio.Event()
        self.is_stopping = False

    async def cleanup(self) -> None:
        """Take no new connections, let requests in hand come to their end, and close the rest."""
        self.is_stopping = True
        for site in self.sites:
            await site.stop()
        await self.shutdown()  # ends streams, which would go on for ever
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                while self.in_hand:
                    self.is_idle.clear()
                    await self.is_idle.wait()
        except TimeoutError:
            logger.warning("requests cut off", count=self.in_hand)
        await super().cleanup()


class _Site(web.BaseSite):
    """A socket whose connections speak our protocol; aiohttp's own sites know only aiohttp's."""

    def __init__(self, runner: web.AppRunner, sock: socket.socket) -> None:
        super().__init__(runner)
        assert runner.server is not None
        self._manager, self._sock = runner.server, sock
        self._accepting: asyncio.Server | None = None

    @property
    def name(self) -> str:
        host, port, *_ = self._sock.getsockname()
        return f"http://{host}:{port}"

    async def start(self) -> None:
        await super().start()
        loop = asyncio.get_running_loop()
        self._accepting = await loop.create_server(
            lambda: _Protocol(self._manager, loop=loop, **_CONNECTION),
            sock=self._sock,
            backlog=1024,
        )

    async def stop(self) -> None:
        if self._accepting is not None:
            self._accepting.close()
        await super().stop()


class _Protocol(web.RequestHandler):
    """Answers what is not even HTTP with a problem too, and without a traceback in the log."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if status >= 500:
            logger.error("connection failed", exc_info=exc)
        else:
            logger.info("request refused", status=status, remote=request.remote)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun")
        detail = "The request is not HTTP/1.1 as this service reads it (line and header limits: "
        problem = Problem(
            status, "malformed request", f"{detail}{self.max_field_size} bytes each)."
        )
        response = problem.response()
        response.force_close()
        return response
