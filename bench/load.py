"""The client of the benchmarks: requests over keep-alive connections, and their answers.

`Load` sends the next request as soon as one is answered (a closed loop: what a service can take),
`Stream` sends each at its time whatever the answers do (an open loop: what a service makes of what
comes). The client is as small as it can be, so that it costs little beside what is measured.
"""

import asyncio
import re
import selectors
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
PATIENCE = 60.0  # seconds without any answer


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent, and what it is about."""

    text: bytes
    about: Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request got."""

    about: Any
    status: int
    body: bytes
    seconds: float


def parsed(received: bytes) -> tuple[int, bytes] | None:
    """Return status and body of an answer, None while there is more to come."""
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return None
    length = _LENGTH.search(head)
    if length is None:  # in chunks: Node's way for answers of unknown length
        return (int(head[9:12]), body) if body.endswith(b"0\r\n\r\n") else None
    return (int(head[9:12]), body) if len(body) >= int(length[1]) else None


class Connection(asyncio.Protocol):
    """One connection, which has one request under way at a time."""

    def __init__(self, load: "Load") -> None:
        self.load = load
        self.received = b""
        self.request: Request | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.load.open += 1
        self.load.free(self)

    def send(self, request: Request, started: float) -> None:
        self.request, self.started = request, started
        self.transport.write(request.text)

    def data_received(self, data: bytes) -> None:
        self.received += data
        found = parsed(self.received)
        if found is None or self.request is None:
            return
        seconds = time.perf_counter() - self.started
        self.load.answers.append(Answer(self.request.about, *found, seconds))
        self.received, self.request = b"", None
        self.load.free(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.load.lost(self)


class Load:
    """Requests over so many connections, each as soon as one is answered, for so long at most."""

    def __init__(self, requests: Iterator[Request], seconds: float = float("inf")) -> None:
        self.requests = requests
        self.until = time.perf_counter() + seconds
        self.answers: list[Answer] = []
        self.unanswered: list[Any] = []  # what was under way on a connection that was lost
        self.open = 0
        self.done = asyncio.get_running_loop().create_future()

    def free(self, connection: Connection) -> None:
        """Give a connection that has nothing under way something to do."""
        now = time.perf_counter()
        request = next(self.requests, None) if now < self.until else None
        if request is None:
            connection.transport.close()
        else:
            connection.send(request, now)

    def lost(self, connection: Connection) -> None:
        if connection.request is not None:
            self.unanswered.append(connection.request.about)
        self.open -= 1
        if self.open == 0 and not self.done.done():
            self.done.set_result(None)

    async def run(self, port: int, connections: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", port)
        await self.end()

    async def end(self) -> None:
        """Wait for the last answers, unless none comes any more."""
        while not self.done.done():
            before = len(self.answers)
            await asyncio.wait([self.done], timeout=PATIENCE)
            if not self.done.done() and len(self.answers) == before:
                raise SystemExit(f"no answer for {PATIENCE:.0f} seconds; {before} came before")


class Stream(Load):
    """Requests at a rate, each at its time; the time of an answer counts from then."""

    def __init__(self, requests: Iterator[Request], rate: float) -> None:
        super().__init__(requests)
        self.rate = rate
        self.idle: deque[Connection] = deque()
        self.waiting: deque[tuple[Request, float]] = deque()
        self.most_waiting = 0
        self.all_sent = False

    def free(self, connection: Connection) -> None:
        if self.waiting:
            connection.send(*self.waiting.popleft())
        elif self.all_sent:
            connection.transport.close()
        else:
            self.idle.append(connection)

    async def run(self, port: int, connections: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", port)
        began = time.perf_counter()
        for number, request in enumerate(self.requests):
            due = began + number / self.rate
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            if self.done.done():
                break  # every connection is lost
            if self.idle:
                self.idle.popleft().send(request, due)
            else:
                self.waiting.append((request, due))
                self.most_waiting = max(self.most_waiting, len(self.waiting))
        self.all_sent = True
        while self.idle:
            self.idle.popleft().transport.close()
        await self.end()


def precise_loop() -> asyncio.AbstractEventLoop:
    """Return a loop whose pauses are right to a tenth of a millisecond; epoll has whole ones."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def load(
    port: int,
    requests: Iterator[Request],
    connections: int,
    seconds: float = float("inf"),
) -> Load:
    """Send requests, for so many seconds at most, and return what came of them."""

    async def run() -> Load:
        made = Load(requests, seconds)
        await made.run(port, connections)
        return made

    return asyncio.run(run())


def stream(port: int, requests: Iterator[Request], connections: int, rate: float) -> Stream:
    """Send so many requests a second and return what came of them."""

    async def run() -> Stream:
        made = Stream(requests, rate)
        await made.run(port, connections)
        return made

    with asyncio.Runner(loop_factory=precise_loop) as runner:
        return runner.run(run())
