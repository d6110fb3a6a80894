"""A way to PostgreSQL that takes longer, as the one to another machine does.

A process of its own passes on what it gets on a port of loopback, each way half the delay later.

    .venv/bin/python bench/proxy.py 6432 1.0 'postgresql://user:password@host/name'
"""

import asyncio
import contextlib
import statistics
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import click
import psycopg
from psycopg.conninfo import conninfo_to_dict

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.load import precise_loop  # noqa: E402
from bench.service import CORES, Server, free_port, spawn, stop  # noqa: E402

SOON = 0.00002  # what is due within so many seconds goes along


class End(asyncio.Protocol):
    """One end of a connection: what comes in here goes out at the other end, later."""

    def __init__(self, delay: float, other: "End | None" = None) -> None:
        self.delay, self.other = delay, other
        self.waiting: deque[tuple[float, bytes]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + self.delay
        self.waiting.append((due, data))
        if len(self.waiting) == 1:
            loop.call_at(due, self.pass_on)

    def pass_on(self) -> None:
        loop = asyncio.get_running_loop()
        assert self.other is not None
        while self.waiting and self.waiting[0][0] <= loop.time() + SOON:
            self.other.transport.write(self.waiting.popleft()[1])
        if self.waiting:
            loop.call_at(self.waiting[0][0], self.pass_on)

    def connection_lost(self, error: Exception | None) -> None:
        if self.other is not None:
            self.other.transport.close()


class Front(End):
    """The end of a client; it connects to the server before it reads."""

    def __init__(self, delay: float, server: dict[str, str]) -> None:
        super().__init__(delay)
        self.server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.pause_reading()
        self.task = asyncio.get_running_loop().create_task(self.connect())

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        host, port = self.server.get("host", "localhost"), int(self.server.get("port", 5432))
        self.other = End(self.delay, self)
        other = self.other
        if host.startswith("/"):
            await loop.create_unix_connection(lambda: other, f"{host}/.s.PGSQL.{port}")
        else:
            await loop.create_connection(lambda: other, host, port)
        self.transport.resume_reading()


@dataclass(frozen=True)
class Proxy:
    """A running proxy to a server."""

    pid: int
    port: int

    def leading_to(self, url: str) -> str:
        """Return the address of a database by way of the proxy."""
        parts = conninfo_to_dict(url)
        user = quote(str(parts.get("user") or ""), safe="")
        password = quote(str(parts.get("password") or ""), safe="")
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{parts['dbname']}"


@contextlib.contextmanager
def proxy(where: Server, milliseconds: float) -> Iterator[Proxy]:
    """Give a proxy to the server that adds so much to each round trip."""
    assert where.url is not None
    port = free_port()
    folder = Path(where.folder) / "proxy"
    folder.mkdir()
    command = [sys.executable, __file__, str(port), str(milliseconds), where.url]
    process = spawn(command, {}, port, str(folder), CORES)
    try:
        made = Proxy(process.pid, port)
        straight, by_proxy = trip(where.url), trip(made.leading_to(where.url))
        told = f"PostgreSQL answers in {straight:.2f} ms, by the proxy in {by_proxy:.2f}"
        print(told, file=sys.stderr, flush=True)
        if not 0.5 * milliseconds < by_proxy - straight < 2 * milliseconds:
            raise SystemExit("the proxy does not add what it is asked for; is the machine busy?")
        yield made
    finally:
        stop(process)


def trip(url: str) -> float:
    """Return how many milliseconds the smallest question takes."""
    seconds = []
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(200):
            started = time.perf_counter()
            connection.execute("SELECT 1")
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) * 1000


async def serve(port: int, delay: float, server: dict[str, str]) -> None:
    made = await asyncio.get_running_loop().create_server(
        lambda: Front(delay, server), "127.0.0.1", port
    )
    await made.serve_forever()


@click.command()
@click.argument("port", type=int)
@click.argument("milliseconds", type=float)
@click.argument("url")
def main(port: int, milliseconds: float, url: str) -> None:
    """Lead from PORT to the server at URL, each round trip so many MILLISECONDS longer."""
    server = {name: str(value) for name, value in conninfo_to_dict(url).items() if value}
    with asyncio.Runner(loop_factory=precise_loop) as runner:
        runner.run(serve(port, milliseconds / 2000, server))


if __name__ == "__main__":
    main()
