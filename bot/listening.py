"""Accepts connections for an application, and stops without cutting off what is in hand."""

import asyncio
import socket
from typing import Any

from aiohttp import web

from bot.connection import Connection, InHand, Shortcut

_STOP_SECONDS = 4.0  # for requests in hand when the service is told to stop
_CUT_SECONDS = 2.0  # the same once nothing more of them is read
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
    routed, in_hand = server.request_handler, runner.in_hand

    async def hold(request: Any) -> web.StreamResponse:  # the application makes a `web.Request`
        task = asyncio.current_task()
        assert task is not None
        in_hand.tasks.add(task)
        try:
            response = await routed(request)
            # aiohttp itself goes by the request, whatever the answer announces.
            if in_hand.is_stopping or "Connection" in response.headers:
                response.force_close()
            return response
        finally:
            in_hand.done(task)

    server.request_handler = hold
    await _Site(runner, sock, app[SHORTCUT]).start()
    return runner


class _Runner(web.AppRunner):
    """Stops in two steps, as aiohttp drops what comes of a body once it closes connections."""

    def __init__(self, app: web.Application, *, shutdown_timeout: float) -> None:
        super().__init__(app, shutdown_timeout=shutdown_timeout)
        self.in_hand = InHand()

    async def cleanup(self) -> None:
        """Take no new connections, let requests in hand come to their end, and close the rest."""
        self.in_hand.is_stopping = True
        for site in self.sites:
            await site.stop()
        await self.shutdown()  # ends streams, which would go on for ever
        await self.in_hand.ended(_STOP_SECONDS)
        await super().cleanup()
        for task in self.in_hand.tasks:
            task.cancel()


class _Site(web.BaseSite):
    """A socket whose connections speak our protocol; aiohttp's own sites know only aiohttp's."""

    def __init__(self, runner: _Runner, sock: socket.socket, shortcut: Shortcut) -> None:
        super().__init__(runner)
        assert runner.server is not None
        self._manager, self._sock = runner.server, sock
        self._in_hand, self._shortcut = runner.in_hand, shortcut
        self._accepting: asyncio.Server | None = None

    @property
    def name(self) -> str:
        host, port, *_ = self._sock.getsockname()
        return f"http://{host}:{port}"

    async def start(self) -> None:
        await super().start()
        loop = asyncio.get_running_loop()
        self._accepting = await loop.create_server(
            lambda: Connection(self._manager, self._in_hand, self._shortcut, loop=loop),
            sock=self._sock,
            backlog=1024,
        )

    async def stop(self) -> None:
        if self._accepting is not None:
            self._accepting.close()
        await super().stop()
