"""A way to a PostgreSQL server that can swallow all that is sent, without a word to either side."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.kit.wire import connect

_READY = b"Z\x00\x00\x00\x05I"  # the server's last word when somebody has connected


class Hole:
    """Connections stay open while nothing gets through; new ones are taken, and never answered.

    With `greets` new ones are let in before, as a pooler does whose server is away.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.greets = False
        self._is_clear = asyncio.Event()
        self._is_clear.set()

    def swallow(self) -> None:
        self._is_clear.clear()

    def clear(self) -> None:
        self._is_clear.set()

    async def lead(self, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        greeted = asyncio.Event()
        if not self.greets:
            greeted.set()
            await self._is_clear.wait()
        there, forth = await connect(self.url)
        await asyncio.gather(
            self._pass(here, forth, greeted), self._pass(there, back, greeted, tells=True)
        )

    async def _pass(
        self,
        source: asyncio.StreamReader,
        to: asyncio.StreamWriter,
        greeted: asyncio.Event,
        *,
        tells: bool = False,
    ) -> None:
        try:
            while data := await source.read(1 << 16):
                if greeted.is_set():
                    await self._is_clear.wait()
                to.write(data)
                await to.drain()
                if tells and data.endswith(_READY):
                    greeted.set()
        except ConnectionError:
            pass  # the other side has closed it
        finally:
            to.close()


@asynccontextmanager
async def hole(url: str) -> AsyncIterator[tuple[Hole, str]]:
    """Give a way to a database, and the address that leads there by it."""
    way = Hole(url)
    server = await asyncio.start_server(way.lead, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    parts = conninfo_to_dict(make_conninfo(url, host="127.0.0.1", port=port))
    yield (
        way,
        "postgresql://{user}:{word}@{host}:{port}/{dbname}".format(
            word=parts.get("password") or "", **parts
        ),
    )
    way.clear()
    server.close()
