"""One connection: aiohttp reads it, and answers whatever is no plain delivery."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeGuard

from aiohttp import StreamReader, web
from aiohttp.http import HttpVersion11, RawRequestMessage
from multidict import CIMultiDictProxy

from bot.log import logger
from bot.web.problems import Problem
from bot.web.replies import Reply

_KEEPALIVE_SECONDS = 75.0  # without (the rest of) a request's headers
_LINGER_SECONDS = 10.0  # for the rest of a body that was refused
# Answers a request of which aiohttp has read the headers, and may still be reading the body.
Answering = Callable[[CIMultiDictProxy[str], StreamReader], Awaitable[Reply]]
# What answers a POST to an address past the application; None where the application does.
Shortcut = Callable[[str], Answering | None]


class InHand:
    """Requests whose answer is not made yet, on all connections."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()
        self.is_stopping = False
        self._is_none = asyncio.Event()

    def done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not self.tasks:
            self._is_none.set()

    async def ended(self, seconds: float) -> None:
        """Wait until there are none, but not for longer."""
        try:
            async with asyncio.timeout(seconds):
                while self.tasks:
                    self._is_none.clear()
                    await self._is_none.wait()
        except TimeoutError:
            logger.warning("requests cut off", count=len(self.tasks))


class Connection(web.RequestHandler):
    """aiohttp's own, of which a plain delivery uses only the parser, as all the rest costs more.

    aiohttp's loop, `start`, waits for what the parser puts into `_messages`, and is woken by
    `_waiter`. As long as that is taken away, aiohttp reads and parses as ever, and answers nothing.
    So nothing about HTTP is decided here: neither where a request ends, nor what is too long or
    malformed. One that is anything but a plain delivery is left to aiohttp, and so is each of
    several that come at once.
    """

    __slots__ = ("_body", "_in_hand", "_shortcut")

    def __init__(
        self, manager: web.Server, in_hand: InHand, shortcut: Shortcut, **options: Any
    ) -> None:
        super().__init__(
            manager,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            access_log=None,  # type: ignore[arg-type]  # server.py writes the line
            auto_decompress=False,
            **options,
        )
        self._in_hand, self._shortcut = in_hand, shortcut
        self._body: StreamReader | None = None  # of the delivery in hand

    def data_received(self, data: bytes) -> None:
        idle = self._waiter
        if idle is None or idle.done():  # it belongs to the request in hand, or waits its turn
            super().data_received(data)
            return
        self._waiter = None
        try:
            super().data_received(data)
        finally:
            self._waiter = idle
        if self._messages:
            self._begin(idle)

    def _begin(self, idle: asyncio.Future[None]) -> None:
        """Answer what has been read if that is a plain delivery, else wake aiohttp's loop."""
        message, body = self._messages[0]
        if len(self._messages) == 1 and _is_plain(message):
            answering = self._shortcut(message.path)
            if answering is not None:
                assert self._parser is not None
                self._messages.popleft()
                self._parser.message_consumed()
                self._waiter, self._body = None, body
                made = answering(message.headers, body)
                work = self._answer(made, body, idle, message.should_close)
                self._in_hand.tasks.add(self._loop.create_task(work))
                return
        idle.set_result(None)

    async def _answer(
        self, made: Awaitable[Reply], body: StreamReader, idle: asyncio.Future[None], is_last: bool
    ) -> None:
        """Answer a delivery in a task, and so in a context, of its own; then await what is next.

        `is_last` says that the client wants the connection to end with it.
        """
        task = asyncio.current_task()
        assert task is not None
        try:
            reply = await made
            is_last = is_last or self._in_hand.is_stopping or "Connection" in reply.headers
            if self.transport is not None:
                self.transport.write(reply.encoded(is_last=is_last))
        except BaseException:  # not even the fault could be answered, or it is cut off
            self.force_close()
            idle.cancel()
            raise
        finally:
            self._in_hand.done(task)
        if not body.is_eof() or self.writing_paused:
            is_last = not await self._is_heard(body) or is_last
        self._waiter, self._body = idle, None
        if is_last or self._close or self._force_close:
            self.force_close()
        else:
            self._await_next(idle)

    async def _is_heard(self, body: StreamReader) -> bool:
        """Wait until the client reads; who still sends a body that was refused may not before."""
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                while not body.is_eof():
                    await body.readany()
                await self._drain_helper()
        except (TimeoutError, ConnectionError):
            return False
        return True

    def _await_next(self, idle: asyncio.Future[None]) -> None:
        self._next_keepalive_close_time = self._loop.time() + _KEEPALIVE_SECONDS
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(
                self._next_keepalive_close_time, self._process_keepalive
            )
        if self._messages:  # which came meanwhile
            self._begin(idle)

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Spare each body two turns of the parser where reading had not been paused."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Tell the delivery in hand, unless all of it has come: then it is taken in."""
        if self._body is not None and not self._body.is_eof():
            self._body.set_exception(ConnectionResetError("the client is gone"))
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is not even HTTP with a problem too, and without a traceback in the log."""
        if status >= 500:
            logger.error("connection failed", exc_info=exc)
        else:
            logger.info("request refused", status=status, remote=request.remote)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun")
        detail = "The request is not HTTP/1.1 as this service reads it (line and header limits: "
        problem = Problem(
            status,
            "malformed request",
            f"{detail}{self.max_field_size} bytes each).",
            headers={"Connection": "close"},
        )
        response = problem.response()
        response.force_close()
        return response


def _is_plain(message: object) -> TypeGuard[RawRequestMessage]:
    """Say whether it can be answered past aiohttp; what is malformed is no request at all."""
    return (
        isinstance(message, RawRequestMessage)
        and message.method == "POST"
        and message.version == HttpVersion11
        and not message.chunked
        and not message.upgrade
        and "Expect" not in message.headers
    )
