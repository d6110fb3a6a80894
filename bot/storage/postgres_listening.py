"""Hears of the commits of other processes on PostgreSQL, and tells them of ours.

`NOTIFY` is sent after a commit and on a connection of its own: within the transaction it would
take a lock that is the server's only one, and hold it until the commit is on disk. A few commits
in a row are told of as one. Should a process die in between, the others hear of its last commit
with the next, or when they look again by themselves.

Where a pooler of transactions is in between, `LISTEN` does not work. Then this process looks twice
a second whether a transaction has begun or ended since, but only while somebody waits.
"""

import asyncio
import logging
from typing import Any

import psycopg

from bot.log import logger
from bot.storage.database import SECONDS, CommitSignal
from bot.storage.postgres_address import Address, AsyncConnection, one_line

_CHANNEL = "experiment_bot_commits"
_LOOK_EVERY = 0.5  # seconds, where commits cannot be heard of
_SPACING = 0.05  # seconds between two of our own notifications
_PROVE_EVERY = 10.0  # seconds in which nothing was said, to find out that the server is gone
_AGAIN_IN = 0.5  # seconds, after a connection was lost
_CLOSE_SECONDS = 1.0  # to tell of the last commits


class Commits(CommitSignal):
    """The commits of every process. Lives on the event loop."""

    def __init__(self, address: Address, *, is_apart: bool) -> None:
        """Take the address to listen at; `is_apart` says that it was given for that alone."""
        super().__init__()
        self._address, self._is_apart = address, is_apart
        self._polls = False
        self._stirred = asyncio.Event()  # something came, is to be told, or is waited for
        self._untold = False
        self._waiting = 0
        self._closing = False
        self._is_lost = False
        self._seen: Any = None  # the transactions at the last look
        self._task = asyncio.create_task(self._run())

    def announce(self) -> None:
        """Wake everyone who waits for a commit, in other processes, too."""
        super().announce()
        self._untold = True
        self._stirred.set()

    async def wait(self, timeout: float) -> bool:  # noqa: ASYNC109
        self._waiting += 1
        if self._polls:
            self._stirred.set()
        try:
            return await super().wait(timeout)
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Tell of what was committed last, if the server is there, and end."""
        self._closing = True
        self._stirred.set()
        await asyncio.wait((self._task,), timeout=_CLOSE_SECONDS)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while not self._closing:
            try:
                connection, listens = await self._address.connect_to_listen()
                try:
                    self._polls = not listens
                    await self._exchange(connection)
                finally:
                    await connection.close()
            except (psycopg.Error, TimeoutError) as error:
                self._untold = True  # whether the last was sent is not known
                if not self._is_lost:
                    logger.warning("not hearing of commits", reason=one_line(error))
                self._is_lost = True
            except Exception:  # a fault of our own must not make us deaf for good
                logger.exception("not hearing of commits")
            if not self._closing:
                await asyncio.sleep(_AGAIN_IN)

    async def _exchange(self, connection: AsyncConnection) -> None:
        """Tell of our commits and hear of others, until this is closed or the connection lost."""
        if not self._polls:
            await connection.execute(f"LISTEN {_CHANNEL}")
        elif self._is_apart:
            logger.warning("DATABASE_LISTEN_URL leads through a pooler of connections")
        logger.log(
            logging.INFO if self._is_lost else logging.DEBUG,
            "hearing of commits",
            by="polling" if self._polls else "listening",
        )
        self._is_lost = False
        super().announce()  # for what came while nobody listened
        is_quiet = False
        while not (self._closing and not self._untold):
            async with asyncio.timeout(SECONDS):
                if self._untold:
                    self._untold = False
                    await connection.execute(f"NOTIFY {_CHANNEL}")
                    await asyncio.sleep(_SPACING)
                await self._hear(connection)
                if self._polls and self._waiting:
                    await self._look(connection)
                elif is_quiet:
                    await connection.execute("SELECT 1")
            if self._closing:
                continue  # with what came untold meanwhile, or to its end
            looks = self._waiting and self._polls
            is_quiet = not await self._stir(connection, _LOOK_EVERY if looks else _PROVE_EVERY)

    async def _stir(self, connection: AsyncConnection, timeout: float) -> bool:  # noqa: ASYNC109
        """Wait until there is something to do, False if there was nothing for some seconds.

        psycopg itself waits on the same socket in turn.
        """
        loop, line = asyncio.get_running_loop(), connection.fileno()
        loop.add_reader(line, self._stirred.set)
        try:
            async with asyncio.timeout(timeout):
                return await self._stirred.wait()
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(line)
            self._stirred.clear()

    async def _hear(self, connection: AsyncConnection) -> None:
        others = False
        async for notify in connection.notifies(timeout=0):
            others = others or notify.pid != connection.info.backend_pid
        if others:
            super().announce()

    async def _look(self, connection: AsyncConnection) -> None:
        """Announce if any transaction that writes has begun or ended since the last look."""
        cursor = await connection.execute("SELECT pg_current_snapshot()::text AS transactions")
        seen = await cursor.fetchone()
        if seen != self._seen:
            super().announce()
        self._seen = seen
