"""What is sent over a bare connection, and what holds it up."""

import asyncio
import time
from email.utils import parsedate_to_datetime

from aiohttp.web import RequestHandler

from bot.deliveries import life, records
from bot.services import Services
from tests.deliveries.hostile.attack import Connection, Door
from tests.kit.running import PATIENCE

BODY = b'{"zen": "Keep it logically awesome."}'
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
INGEST = life.ingest


class Gate:
    """Holds deliveries up before they are stored."""

    def __init__(self) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    async def ingest(self, services: Services, delivery: records.Arriving) -> records.Outcome:
        self.reached.set()
        await self.opened.wait()
        return await INGEST(services, delivery)


def whole(at: Door, body: bytes = BODY, **changes: str | None) -> bytes:
    return at.head(body, **changes) + body


async def stored(at: Door) -> list[str]:
    path = f"/api/v1/integrations/{at.integration}/deliveries"
    return [one["id"] for one in reversed(await at.bot.walk(path))]


async def is_closed(connection: Connection, seconds: float = PATIENCE) -> bool:
    async with asyncio.timeout(seconds):
        try:
            return await connection.reader.read(1) == b""
        except ConnectionResetError:  # what was sent meanwhile was not read any more
            return True


def connections_of(at: Door, connection: Connection) -> list[RequestHandler]:
    """Return the service's end of a connection, as long as there is one."""
    server, port = at.bot.runner.server, connection.writer.get_extra_info("sockname")[1]
    assert server is not None
    return [one for one in server.connections if one.peername is None or one.peername[1] == port]


async def answered(at: Door, request: bytes) -> tuple[list[bytes], bytes]:
    """Return the lines of an answer, and its body, without what no two have in common."""
    async with at.connection() as connection:
        await connection.send(request)
        async with asyncio.timeout(PATIENCE):
            head = await connection.reader.readuntil(b"\r\n\r\n")
            lines = head.split(b"\r\n")
            (length,) = [line[16:] for line in lines if line.startswith(b"Content-Length: ")]
            body = await connection.reader.readexactly(int(length))
    (date,) = [line[6:].decode() for line in lines if line.startswith(b"Date: ")]
    assert date.endswith(" GMT") and abs(parsedate_to_datetime(date).timestamp() - time.time()) < 5
    rest = sorted(line for line in lines[1:] if not line.startswith(b"Date: "))
    return [lines[0], *rest], body
