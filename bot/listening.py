"""Accepts connections for an application, and stops without cutting off what is in hand."""

import asyncio
import resource
import socket
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Any

from aiohttp import web

from bot.connection import Connection, InHand, Shortcut
from bot.crowd import Crowd
from bot.log import logger
from bot.services import SERVICES
from bot.settings import Network
from bot.web import callers
from bot.web.guesses import network
from bot.web.in_flight import InFlight

_STOP_SECONDS = 4.0  # for requests in hand when the service is told to stop
_CUT_SECONDS = 2.0  # the same once nothing more of them is read
_BACKLOG = 4096  # that wait to be accepted: who finds no room there tries again after a second
_AT_ONCE = 64  # connections that are accepted in one turn of the loop
_REST_SECONDS = 0.5  # after accepting has failed
_FILES = 65_536  # that we ask for at most: some systems know no limit
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


def raise_file_limit() -> None:
    """Let the process open as many files, and so connections, as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # then what we have must do
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


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
    services = app[SERVICES]
    crowd = Crowd(resource.getrlimit(resource.RLIMIT_NOFILE)[0], services.shared(InFlight))
    trusted = services.settings.trusted_proxies
    await _Site(runner, sock, app[SHORTCUT], crowd, trusted).start()
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
    """A socket whose connections speak our protocol; aiohttp's own sites know only aiohttp's.

    It accepts by itself: asyncio makes a connection of whoever comes, however many there are.
    """

    def __init__(
        self,
        runner: _Runner,
        sock: socket.socket,
        shortcut: Shortcut,
        crowd: Crowd,
        trusted: Sequence[Network],
    ) -> None:
        super().__init__(runner)
        assert runner.server is not None
        self._manager, self._sock = runner.server, sock
        self._in_hand, self._shortcut = runner.in_hand, shortcut
        self._trusted = trusted
        self._crowd = crowd
        self._loop = asyncio.get_running_loop()
        self._entering: set[asyncio.Task[Any]] = set()
        self._resting: asyncio.TimerHandle | None = None

    @property
    def name(self) -> str:
        host, port, *_ = self._sock.getsockname()
        return f"http://{host}:{port}"

    async def start(self) -> None:
        await super().start()
        self._sock.setblocking(False)
        self._sock.listen(_BACKLOG)
        self._loop.add_reader(self._sock, self._accept)

    async def stop(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
        self._loop.remove_reader(self._sock)
        self._sock.close()
        await super().stop()

    def _accept(self) -> None:
        """Let some of those in who wait; others of the loop have their turn before the rest."""
        for _ in range(_AT_ONCE):
            try:
                sock, (host, port, *_) = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # there are no more files, or no memory
                self._rest(error)
                return
            is_proxy = callers.is_proxy(host, self._trusted)
            self._let_in(sock, f"{host} port {port}" if is_proxy else network(host))

    def _let_in(self, sock: socket.socket, address: str) -> None:
        connection = Connection(
            self._manager, self._in_hand, self._shortcut, self._crowd, address, loop=self._loop
        )
        if not self._crowd.enter(connection):
            sock.close()
            return
        made = self._loop.connect_accepted_socket(lambda: connection, sock)
        task = self._loop.create_task(self._entered(made, connection))
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)

    async def _entered(self, made: Awaitable[Any], connection: Connection) -> None:
        try:
            await made
        except OSError:  # it is gone already
            self._crowd.leave(connection)

    def _rest(self, error: OSError) -> None:
        """Try again a little later, rather than at every turn of the loop, when some have left."""
        logger.error("accepting failed", reason=str(error))
        self._crowd.is_short_of_files()
        self._loop.remove_reader(self._sock)
        self._resting = self._loop.call_later(
            _REST_SECONDS, self._loop.add_reader, self._sock, self._accept
        )
