"""The SQLite engine: one writer thread with group commit, readers beside it."""

import asyncio
import contextvars
import os
import queue
import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlite_utils

from bot.storage import schema
from bot.storage.database import (
    NO_PARAMS,
    CommitSignal,
    Job,
    Params,
    Row,
    StorageRefused,
    StorageUnavailable,
    T,
)

BUSY_TIMEOUT = 5.0  # seconds to wait for another process that writes
MAX_BATCH = 64  # jobs in one commit
READERS = 4
_POLL = 0.5  # seconds between looks for commits of other processes


class SqliteTransaction:
    """A transaction on one SQLite connection."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def all(self, sql: str, params: Params = NO_PARAMS) -> Sequence[Row]:
        return self._connection.execute(sql, params).fetchall()

    def one(self, sql: str, params: Params = NO_PARAMS) -> Row | None:
        # fetchall, not fetchone: a RETURNING statement is only finished by reading it to its end.
        rows = self._connection.execute(sql, params).fetchall()
        return rows[0] if rows else None

    def run(self, sql: str, params: Params = NO_PARAMS) -> int:
        return self._connection.execute(sql, params).rowcount

    def run_many(self, sql: str, rows: Sequence[Params]) -> None:
        self._connection.executemany(sql, rows)


@dataclass(slots=True)
class _Task:
    """A job in the writer's queue, with the future that waits for it."""

    job: Job[Any]
    future: asyncio.Future[Any]
    context: contextvars.Context
    result: Any = None
    error: BaseException | None = None


@dataclass
class SqliteDatabase:
    """A SQLite file. See bot/storage/database.py for what each method promises."""

    path: Path
    _tasks: "queue.SimpleQueue[_Task | None]" = field(default_factory=queue.SimpleQueue)
    _local: threading.local = field(default_factory=threading.local)
    _connections: list[sqlite3.Connection] = field(default_factory=list)

    def migrate(self) -> None:
        connection = self._connect()
        try:
            connection.execute("BEGIN IMMEDIATE")
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            schema.check_version(found)
            if found == 0 and sqlite_utils.Database(connection).table_names():
                raise StorageRefused(f"{self.path} is a database of another program")
            for statement in schema.statements_after(
                found,
                id="INTEGER PRIMARY KEY",
                growing_id="INTEGER PRIMARY KEY AUTOINCREMENT",
                blob="BLOB",
            ):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {schema.VERSION}")
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise StorageRefused(f"{self.path} cannot be opened: {error}") from None
        except sqlite3.DatabaseError as error:
            raise StorageRefused(f"{self.path} is not a SQLite database: {error}") from None
        finally:
            connection.close()

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._signal = CommitSignal()
        self._closed = False
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="sqlite-reader")
        self._writer_connection = self._connect()
        self._writer = threading.Thread(target=self._write_forever, name="sqlite-writer")
        self._writer.start()
        self._watcher = asyncio.create_task(self._watch_other_processes())

    async def write(self, job: Job[T]) -> T:
        if self._closed:
            raise StorageUnavailable("the service is stopping")
        future: asyncio.Future[T] = self._loop.create_future()
        self._tasks.put(_Task(job, future, contextvars.copy_context()))
        return await future

    async def read(self, job: Job[T]) -> T:
        if self._closed:
            raise StorageUnavailable("the service is stopping")
        return await self._loop.run_in_executor(self._readers, self._read, job)

    async def check(self) -> None:
        row = await self.read(lambda transaction: transaction.one("PRAGMA user_version"))
        if row is None or row["user_version"] != schema.VERSION:
            raise StorageUnavailable("another version of the program has changed the schema")

    async def wait_for_commit(self, timeout: float) -> bool:  # noqa: ASYNC109
        return await self._signal.wait(timeout)

    async def close(self) -> None:
        self._closed = True
        self._watcher.cancel()
        self._tasks.put(None)
        await asyncio.to_thread(self._writer.join)
        await asyncio.to_thread(self._readers.shutdown)
        for connection in [*self._connections, self._writer_connection]:
            connection.close()
        self._signal.announce()

    def _connect(self) -> sqlite3.Connection:
        """Open the file, made with mode 0600 if it is new; -wal and -shm take that mode too."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = sqlite3.connect(
                self.path,
                timeout=BUSY_TIMEOUT,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
            )
            connection.row_factory = sqlite3.Row
            sqlite_utils.Database(connection).enable_wal()
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
        except OSError as error:
            raise StorageRefused(f"{self.path}: {error.strerror}") from None
        except sqlite3.DatabaseError as error:
            raise StorageRefused(f"{self.path} cannot be opened: {error}") from None
        return connection

    def _read(self, job: Job[T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
            self._connections.append(connection)
        try:
            connection.execute("BEGIN")
            try:
                return job(SqliteTransaction(connection))
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            raise StorageUnavailable(str(error)) from error

    def _write_forever(self) -> None:
        stopping = False
        while not stopping:
            batch: list[_Task] = []
            task = self._tasks.get()
            while task is not None:
                batch.append(task)
                if len(batch) == MAX_BATCH or self._tasks.empty():
                    break
                task = self._tasks.get()
            stopping = task is None
            if batch:
                try:
                    self._commit(batch)
                except sqlite3.Error as error:
                    self._abandon(batch, error)
                self._loop.call_soon_threadsafe(self._hand_back, batch)

    def _commit(self, batch: list[_Task]) -> None:
        """Run every job of `batch`, each behind a savepoint, and commit them together."""
        connection = self._writer_connection
        transaction = SqliteTransaction(connection)
        connection.execute("BEGIN IMMEDIATE")
        for task in batch:
            connection.execute("SAVEPOINT job")
            try:
                task.result = task.context.run(task.job, transaction)
            except sqlite3.OperationalError as error:
                if not connection.in_transaction:
                    raise  # SQLite gave the whole transaction up (a full disk, a broken file)
                task.error = StorageUnavailable(str(error))
                task.error.__cause__ = error
            except BaseException as error:
                task.error = error
            if task.error is not None:
                connection.execute("ROLLBACK TO job")
            connection.execute("RELEASE job")
        connection.execute("COMMIT")

    def _abandon(self, batch: list[_Task], error: sqlite3.Error) -> None:
        if self._writer_connection.in_transaction:
            self._writer_connection.execute("ROLLBACK")
        for task in batch:
            if task.error is None:
                task.error = StorageUnavailable(str(error))

    def _hand_back(self, batch: list[_Task]) -> None:
        for task in batch:
            if task.future.done():  # its request was cancelled; the work stands all the same
                continue
            if task.error is not None:
                task.future.set_exception(task.error)
            else:
                task.future.set_result(task.result)
        self._signal.announce()

    async def _watch_other_processes(self) -> None:
        """Announce commits that other processes make in the same file."""
        connection = self._connect()
        self._connections.append(connection)
        seen = connection.execute("PRAGMA data_version").fetchone()[0]
        while True:
            await asyncio.sleep(_POLL)
            version = connection.execute("PRAGMA data_version").fetchone()[0]
            if version != seen:
                seen = version
                self._signal.announce()
