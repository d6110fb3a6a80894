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

from bot.storage.database import Burden, StorageUnavailable, Transaction
from bot.storage.group_commit import FlushRefused, GroupCommit, Task, run_all
from bot.storage.sqlite_checkpoints import KEPT, MUCH, Checkpoints
from bot.storage.sqlite_files import SqliteFiles
from bot.storage.sqlite_statements import SqliteStatements
from bot.storage.turns import Turns

_TURN = 1.0  # seconds after which it is looked whether anybody still waits for a turn
_HELD = "another process holds the database"
WRITER_CACHE = 8_000  # KiB; what indexes in random order need beyond is in the system's cache
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class Writer(GroupCommit):
    """The one connection of this process that writes."""

    waits_for_siblings = False  # who was just answered sends again while the next batch is synced

    def __init__(
        self,
        connection: sqlite3.Connection,
        checkpoints: Checkpoints,
        turns: Turns,
        files: SqliteFiles,
    ) -> None:
        super().__init__()
        self._files = files
        self._connection, self._checkpoints, self._turns = connection, checkpoints, turns
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-writer")
        connection.execute("PRAGMA busy_timeout = 0")  # _wait_to_begin waits, on its thread
        connection.execute(f"PRAGMA cache_size = -{WRITER_CACHE}")
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # see sqlite_checkpoints.py
        connection.execute(f"PRAGMA journal_size_limit = {KEPT}")
        connection.execute("PRAGMA cache_spill = OFF")  # a batch goes to disk once, whole

    async def prepare(self) -> None:
        self._files.require()
        while not await self._turns.take(_TURN):
            self.obstacle = _HELD
            if not self.is_awaited(self._waiting):
                raise StorageUnavailable(_HELD)

    async def commit(self, batch: list[Task]) -> bool:
        try:
            return await self._commit(batch) if batch else False
        finally:
            self._turns.end()

    async def _commit(self, batch: list[Task]) -> bool:
        before = self._connection.total_changes
        try:
            if not self._checkpoints.is_well():
                await self._in_thread(self._checkpoints.make_room, self._connection)
            try:
                await self._attempt(batch, singly=False)
            except FlushRefused:
                self._connection.execute("ROLLBACK")
                before = self._connection.total_changes
                await self._attempt(batch, singly=True)
            self.require_worth(batch)
            await self._in_thread(self._end, before)
        except sqlite3.Error as error:
            if self._files.is_damage(error):
                self._files.look()
            raise StorageUnavailable(str(error)) from error
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        return self._connection.total_changes != before

    async def _attempt(self, batch: list[Task], *, singly: bool) -> None:
        if any(task.heavy for task in batch) or not self._begin():
            await self._in_thread(self._wait_to_begin, batch)
            await self._in_thread(self._run, batch, singly)
        else:
            self._run(batch, singly)

    def burden(self) -> Burden:
        """Return what has piled up in the log."""
        size = self._checkpoints.log_bytes()
        reason = f"{self._checkpoints.reason()}, so the write-ahead log has {size >> 20} MB"
        return Burden(size, reason if size >= MUCH else None)

    async def close(self) -> None:
        await super().close()
        await asyncio.to_thread(self._thread.shutdown)
        await asyncio.to_thread(self._checkpoints.close)
        self._turns.close()
        self._connection.close()

    async def _in_thread(self, function: Callable[..., object], *args: object) -> None:
        await self._loop.run_in_executor(self._thread, function, *args)

    def _begin(self) -> bool:
        """Begin to write; False if another process writes."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _BUSY:
                raise
            return False
        return True

    def _wait_to_begin(self, batch: list[Task]) -> None:
        """Wait for another process that writes, as long as anybody waits for us."""
        while not self._begin():
            self.obstacle = _HELD
            if not self.is_awaited(batch):
                raise StorageUnavailable(_HELD)
            time.sleep(0.002)
        self.obstacle = None

    def _end(self, before: int) -> None:
        self._files.look_before_commit()
        self._connection.execute("COMMIT")
        self._files.look_after_commit()  # what is in a file that nobody finds is not stored
        self._checkpoints.committed(self._connection, self._connection.total_changes - before)

    def _run(self, batch: list[Task], singly: bool) -> None:
        tx = Transaction(SqliteStatements(self._connection))
        run_all(tx, batch, self._told, sqlite3.Error, singly=singly)

    def _told(self, error: Exception) -> Exception:
        """Return what the caller of a job is told of an error."""
        if not self._connection.in_transaction or self._files.is_damage(error):
            raise error  # SQLite gave the whole transaction up (a full disk, a broken file)
        if not isinstance(error, sqlite3.OperationalError):
            return error
        unavailable = StorageUnavailable(str(error))
        unavailable.__cause__ = error
        return unavailable
