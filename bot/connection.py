"""One connection: aiohttp reads it, and answers whatever is no plain delivery."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeGuard

from aiohttp import StreamReader, web
from aiohttp.http import HttpVersion11, RawRequestMessage
from multidict import CIMultiDictProxy

from bot.crowd import MOST_OF_LARGE, SMALL, Crowd, Watch
from bot.log import logger
from bot.web.problems import Problem
from bot.web.replies import Reply

_KEEPALIVE_SECONDS = 75.0  # without a request
_HEADERS_SECONDS = 15.0  # for a request's headers, once they have begun to come
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

    __slots__ = (
        "_body",
        "_crowd",
        "_ended",
        "_in_hand",
        "_is_deaf",
        "_is_lingering",
        "_is_queued",
        "_is_straight",
        "_late",
        "_shortcut",
        "_since",
        "_watch",
        "address",
        "has_delivered",
        "held",
    )

    def __init__(
        self,
        manager: web.Server,
        in_hand: InHand,
        shortcut: Shortcut,
        crowd: Crowd,
        address: str,
        **options: Any,
    ) -> None:
        super().__init__(
            manager,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            access_log=None,  # type: ignore[arg-type]  # server.py writes the line
            auto_decompress=False,
            **options,
        )
        self._in_hand, self._shortcut, self._crowd = in_hand, shortcut, crowd
        self._body: StreamReader | None = None  # of the last request that has begun to come
        self._late: asyncio.TimerHandle | None = None  # when headers have been coming for too long
        self._watch = Watch()
        self._since = self._loop.time()  # when it began to wait for its client
        self._ended = self._loop.create_future()
        self._is_queued = False  # it waits its turn to be read
        self._is_deaf = False  # refused: whatever else comes is dropped
        self._is_straight = False  # what is in hand is answered past aiohttp
        self._is_lingering = False  # answered: the rest of the body is dropped
        self.address, self.held, self.has_delivered = address, 0, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert isinstance(transport, asyncio.WriteTransport)
        transport.set_write_buffer_limits(0)  # we are told of whatever is not read at once

    def data_received(self, data: bytes) -> None:
        self._take_in(data)
        if self.held > SMALL or self._is_lingering or self._is_deaf:
            self._wait_in_turn()

    def _wait_in_turn(self) -> None:
        if not self._is_queued and self.transport is not None:
            self._is_queued = True
            self._pause_transport_reading()
            self._crowd.turns.wait(self)

    def read_on(self) -> None:
        self._is_queued = False
        if not self._reading_paused and not self._buffer_paused:
            self._resume_transport_reading()

    def _resume_transport_reading(self) -> None:
        if not self._is_queued:
            super()._resume_transport_reading()

    def _take_in(self, data: bytes) -> None:
        crowd, size = self._crowd, len(data)
        if not self._is_lingering:
            self.held += size
            crowd.held += size
        if (crowd.held > MOST_OF_LARGE and not crowd.has_room(self)) or self._is_deaf:
            self.refuse()
            return
        idle = self._waiter
        if idle is None or idle.done():  # it belongs to the request in hand, or waits its turn
            super().data_received(data)
            if self._messages:
                self._body, self._is_lingering = self._messages[-1][1], False
            return
        self._waiter = None
        try:
            super().data_received(data)
        finally:
            self._waiter = idle
        if self._messages:
            self._body, self._is_lingering = self._messages[-1][1], False
            if not self._body.is_eof():
                self._since = self._loop.time()
            self._begin(idle)
        elif size and self._late is None:
            self._since = self._loop.time()
            self._late = self._loop.call_later(_HEADERS_SECONDS, self._give_up)

    def _begin(self, idle: asyncio.Future[None]) -> None:
        """Answer what has been read if that is a plain delivery, else wake aiohttp's loop."""
        if self._late is not None:
            self._late.cancel()
            self._late = None
        message, body = self._messages[0]
        if len(self._messages) == 1 and _is_plain(message):
            answering = self._shortcut(message.path)
            if answering is not None:
                assert self._parser is not None
                self._messages.popleft()
                self._parser.message_consumed()
                self._waiter, self._is_straight = None, True
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
            self.has_delivered = self.has_delivered or reply.status < 300
            is_last = is_last or self._in_hand.is_stopping or "Connection" in reply.headers
            if self.transport is not None:
                self.transport.write(reply.encoded(is_last=is_last))
        except BaseException:  # not even the fault could be answered, or it is cut off
            self.force_close()
            idle.cancel()
            raise
        finally:
            self._in_hand.done(task)
            self._let_go()
        if self._is_deaf:
            await self._hear_out()
        elif not body.is_eof() or self.writing_paused:
            is_last = not await self._is_heard(body) or is_last
        self._waiter, self._is_straight = idle, False
        if is_last or self._is_deaf or self._close or self._force_close:
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
        self._next_keepalive_close_time = self._since + _KEEPALIVE_SECONDS
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
        """Tell what is in hand, unless all of it has come: then it is taken in."""
        is_in_hand = self._is_straight or self._request_in_progress
        if is_in_hand and self._body is not None and not self._body.is_eof():
            self._body.set_exception(ConnectionResetError("the client is gone"))
        elif self._is_lingering and self._task_handler is not None:
            self._task_handler.cancel()  # aiohttp would wait for the rest
        if self._late is not None:
            self._late.cancel()
        self._watch.end()
        self._crowd.leave(self)
        if not self._ended.done():
            self._ended.set_result(None)
        super().connection_lost(exc)
        if not is_in_hand:
            self._let_go()

    async def _handle_request(self, *of: Any) -> tuple[web.StreamResponse, bool]:
        try:
            response, is_lost = await super()._handle_request(*of)
        finally:
            self._let_go()
        if self._is_deaf:
            await self._hear_out()
        return response, is_lost or self._is_deaf

    def _let_go(self) -> None:
        """What was in hand is answered. What waits behind it, if anything, is held with it."""
        self._since = self._loop.time()
        self._is_lingering = self._body is not None and not self._body.is_eof()
        if self._is_deaf and self._body is not None and (told := self._body.exception()):
            told.__traceback__ = None  # which keeps what was read so far
        if not self._messages or self.transport is None:
            self._crowd.held -= self.held
            self.held = 0

    def waits_since(self) -> float | None:
        """Return since when it has waited for its client, None while there is work for it."""
        is_idle = self._waiter is not None and not self._waiter.done()
        is_sending = self._body is not None and not self._body.is_eof()
        return self._since if is_idle or is_sending or self.writing_paused else None

    def cut_off(self) -> None:
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()

    def refuse(self) -> None:
        """Let go of what has been sent of a request, and answer that there is no room for it."""
        self._crowd.held -= self.held
        self.held = 0
        if self._is_deaf:
            return
        self._is_deaf = True
        for body in (self._body, *(body for _, body in self._messages)):
            if body is not None and not body.is_eof():
                body.set_exception(_no_room())  # whoever reads it answers with that
                return
        self._end_with(_no_room())

    def _give_up(self) -> None:
        self._end_with(
            Problem(
                408,
                "request too slow",
                f"A request's headers must arrive within {_HEADERS_SECONDS:.0f} seconds.",
                headers={"Connection": "close"},
            )
        )

    def _end_with(self, problem: Problem) -> None:
        """Answer a request that has not wholly come, and end the connection."""
        logger.info("request refused", status=problem.status, remote=self.address)
        if self.transport is not None:
            self.transport.write(problem.reply().encoded(is_last=True))
        self.force_close()

    async def _hear_out(self) -> None:
        """Drop what the client still sends: it may not hear why before it has sent all."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                await asyncio.shield(self._ended)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.transport is not None:
            self._watch.begin(self.transport)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._watch.end()

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


def _no_room() -> Problem:
    return Problem(
        503,
        "too much in flight",
        "What others send leaves no room for this now; nothing was stored. Try again shortly.",
        headers={"Retry-After": "5", "Connection": "close"},
    )
