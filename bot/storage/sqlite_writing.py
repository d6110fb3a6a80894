"""The connection of a process that writes to a SQLite file.

Small jobs run on the event loop, where their few microseconds cost less than handing them to a
thread and the interpreter's lock back and forth for every statement; large ones, waiting for
another process and the commit with its fsync run on the writer's thread.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from bot.storage.database import StorageUnavailable, Transaction
from bot.storage.group_commit import FlushRefused, GroupCommit, Task, run_all
from bot.storage.sqlite_checkpoints import Checkpoints
from bot.storage.sqlite_statements import SqliteStatements
from bot.storage.turns import Turns

BUSY_TIMEOUT = 5.0  # seconds to wait for another process that writes
WRITER_CACHE = 8_000  # KiB; what indexes in random order need beyond is in the system's cache
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class Writer(GroupCommit):
    """The one connection of this process that writes."""

    waits_for_siblings = False  # who was just answered sends again while the next batch is synced

    def __init__(
        self, connection: sqlite3.Connection, checkpoints: Checkpoints, turns: Turns
    ) -> None:
        super().__init__()
        self._connection, self._checkpoints, self._turns = connection, checkpoints, turns
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-writer")
        connection.execute("PRAGMA busy_timeout = 0")  # _begin waits, where waiting is allowed
        connection.execute(f"PRAGMA cache_size = -{WRITER_CACHE}")
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # see sqlite_checkpoints.py
        connection.execute("PRAGMA cache_spill = OFF")  # a batch goes to disk once, whole

    async def prepare(self) -> None:
        if not await self._turns.take(BUSY_TIMEOUT):
            raise StorageUnavailable("another process holds the database")

    async def commit(self, batch: list[Task]) -> bool:
        try:
            return await self._commit(batch)
        finally:
            self._turns.end()

    async def _commit(self, batch: list[Task]) -> bool:
        before = self._connection.total_changes
        try:
            try:
                await self._attempt(batch, singly=False)
            except FlushRefused:
                self._connection.execute("ROLLBACK")
                before = self._connection.total_changes
                await self._attempt(batch, singly=True)
            await self._in_thread(self._end, before)
        except sqlite3.Error as error:
            raise StorageUnavailable(str(error)) from error
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        return self._connection.total_changes != before

    async def _attempt(self, batch: list[Task], *, singly: bool) -> None:
        if any(task.heavy for task in batch) or not self._begin(patience=0):
            await self._in_thread(self._begin, BUSY_TIMEOUT)
            await self._in_thread(self._run, batch, singly)
        else:
            self._run(batch, singly)

    async def close(self) -> None:
        await super().close()
        await asyncio.to_thread(self._thread.shutdown)
        await asyncio.to_thread(self._checkpoints.close)
        self._turns.close()
        self._connection.close()

    async def _in_thread(self, function: Callable[..., object], *args: object) -> None:
        await self._loop.run_in_executor(self._thread, function, *args)

    def _begin(self, patience: float) -> bool:
        """Begin to write; False if another process writes and there is no patience to wait.

        Raises StorageUnavailable when `patience`, in seconds, has run out.
        """
        deadline = time.monotonic() + patience
        while True:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                return True
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in _BUSY:
                    raise
                if patience == 0:
                    return False
                if time.monotonic() > deadline:
                    raise StorageUnavailable("another process holds the database") from error
            time.sleep(0.002)

    def _end(self, before: int) -> None:
        self._connection.execute("COMMIT")
        self._checkpoints.committed(self._connection, self._connection.total_changes - before)

    def _run(self, batch: list[Task], singly: bool) -> None:
        tx = Transaction(SqliteStatements(self._connection))
        run_all(tx, batch, self._told, sqlite3.Error, singly=singly)

    def _told(self, error: Exception) -> Exception:
        """Return what the caller of a job is told of an error."""
        if not self._connection.in_transaction:
            raise error  # SQLite gave the whole transaction up (a full disk, a broken file)
        if not isinstance(error, sqlite3.OperationalError):
            return error
        unavailable = StorageUnavailable(str(error))
        unavailable.__cause__ = error
        return unavailable
