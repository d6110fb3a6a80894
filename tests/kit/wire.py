"""A way to a PostgreSQL server on which trips there and back are counted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from psycopg.conninfo import conninfo_to_dict, make_conninfo


@dataclass
class Line:
    """A connection: what was sent on it, and how often that was after something had come back."""

    sent: int = 0
    trips: int = 0
    is_answered: bool = True


@dataclass
class Wire:
    """The connections that lead to a server this way."""

    url: str
    lines: list[Line] = field(default_factory=list)

    def take(self) -> int:
        """Return the trips since the last look on the connection on which most was sent."""
        trips = max(self.lines, key=lambda line: line.sent).trips
        for line in self.lines:
            line.sent = line.trips = 0
        return trips


@asynccontextmanager
async def counted(url: str) -> AsyncIterator[Wire]:
    """Give another address of a database, by a way on which trips are counted."""
    wire = Wire(url)

    async def lead(here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        line = Line()
        wire.lines.append(line)
        there, forth = await connect(url)
        await asyncio.gather(_send(line, here, forth), _answer(line, there, back))

    server = await asyncio.start_server(lead, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    parts = conninfo_to_dict(make_conninfo(url, host="127.0.0.1", port=port))
    wire.url = "postgresql://{user}:{word}@{host}:{port}/{dbname}".format(
        word=parts.get("password") or "", **parts
    )
    yield wire
    server.close()


async def connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = conninfo_to_dict(url)
    host, port = str(parts.get("host") or "localhost"), int(parts.get("port") or 5432)
    if host.startswith("/"):
        return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
    return await asyncio.open_connection(host, port)


async def _send(line: Line, here: asyncio.StreamReader, forth: asyncio.StreamWriter) -> None:
    while data := await here.read(1 << 20):
        line.sent += len(data)
        line.trips += line.is_answered
        line.is_answered = False
        forth.write(data)
    forth.close()


async def _answer(line: Line, there: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
    while data := await there.read(1 << 20):
        line.is_answered = True
        back.write(data)
    back.close()
