"""The SQLite engine: one writer with group commit, readers beside it.

Small jobs run on the event loop, where their few microseconds cost less than handing them to a
thread and the interpreter's lock back and forth for every statement; large ones, waiting for
another process and the commit with its fsync run on the writer's thread.
"""

import asyncio
import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sqlite_utils

from bot.log import logger
from bot.storage import query, schema
from bot.storage.database import (
    OFFICE,
    Bind,
    Job,
    Note,
    StorageRefused,
    StorageUnavailable,
    T,
    Touched,
    Transaction,
)
from bot.storage.group_commit import FlushRefused, GroupCommit, Task, run_all
from bot.storage.sqlite_checkpoints import Checkpoints
from bot.storage.sqlite_statements import SqliteStatements
from bot.storage.turns import Turns

BUSY_TIMEOUT = 5.0  # seconds to wait for another process that writes
_MIGRATION_MS = 3_600_000  # to wait for another process that brings the database up to date
READERS = 4
WRITER_CACHE = 8_000  # KiB; what indexes in random order need beyond is in the system's cache
_POLL = 0.5  # seconds between looks for commits of other processes
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class SqliteDatabase:
    """A SQLite file. See bot/storage/database.py for what each method promises."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._reading: list[sqlite3.Connection] = []
        self._closed = False

    def existing_version(self) -> int:
        try:
            if not self.path.exists():
                raise StorageRefused(f"there is no file {self.path}")
        except OSError as error:  # a folder above it that may not be looked into
            raise StorageRefused(f"{self.path}: {error.strerror}") from None
        if not self.path.is_dir() and not os.access(self.path, os.R_OK | os.W_OK):
            raise StorageRefused(f"{self.path} may not be read and written by this user")
        version = self._refuse_foreign()
        if version == 0:
            raise StorageRefused(f"{self.path} is empty, no database of Experiment Bot")
        return version

    def migrate(
        self, note: Note = schema.unnoted, bind: Bind = schema.unbound, *, incomplete: bool = False
    ) -> None:
        self._refuse_foreign(incomplete=incomplete)
        connection = self._connect()
        try:
            if connection.execute("PRAGMA user_version").fetchone()[0] < schema.VERSION:
                # Others that start together wait for the first, however long it takes.
                connection.execute(f"PRAGMA busy_timeout = {_MIGRATION_MS}")
            connection.execute("BEGIN IMMEDIATE")
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            schema.check_version(found)
            statements = schema.statements_after(
                found,
                id="INTEGER PRIMARY KEY",
                growing_id="INTEGER PRIMARY KEY AUTOINCREMENT",
                blob="BLOB",
            )
            for step, statement in enumerate(statements):
                note(step, len(statements))
                connection.execute(statement)
            if schema.has_unbound_seals(found):
                for row in connection.execute(schema.SEALS).fetchall():
                    bound = bind(row["id"], row["secrets"])
                    sql = "UPDATE integrations SET secrets = ? WHERE id = ?"
                    connection.execute(sql, [bound, row["id"]])
            if incomplete and found == 0:
                connection.execute(schema.MARK)
            note(len(statements), len(statements))
            connection.execute(f"PRAGMA user_version = {schema.VERSION}")
            connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            raise StorageRefused(f"{self.path} cannot be used: {error}") from None
        finally:
            connection.close()

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="sqlite-reader")
        self._writer = _Writer(self._connect(), Checkpoints(self._connect()), self._take_turns())
        self._watcher = asyncio.create_task(self._watch_other_processes())

    async def write(
        self,
        job: Job[T],
        *,
        heavy: bool = False,
        touched: Touched | None = None,
        locks: Sequence[str] = OFFICE,
    ) -> T:
        return await self._writer.write(job, heavy=heavy, touched=touched, locks=locks)

    async def read(self, job: Job[T], *, heavy: bool = False) -> T:
        if self._closed:
            raise StorageUnavailable("the service is stopping")
        return await self._loop.run_in_executor(self._readers, self._read, job)

    async def last_id(self, table: str) -> int:
        sql = "SELECT seq FROM sqlite_sequence WHERE name = :table"
        return await self.read(lambda tx: query.number(tx, sql, table=table) or 0)

    async def continue_ids(self, tables: Mapping[str, str], given: Mapping[str, int]) -> None:
        def job(tx: Transaction) -> None:
            for table, last in given.items():
                values = {"table": table, "last": last}
                tx.run("DELETE FROM sqlite_sequence WHERE name = :table", values)
                tx.run("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :last)", values)

        await self.write(job)  # of the other tables SQLite takes the highest id there is

    async def check(self) -> None:
        sql = "PRAGMA user_version"
        if await self.read(lambda tx: query.number(tx, sql)) != schema.VERSION:
            raise StorageUnavailable("another version of the program has changed the schema")

    async def wait_for_commit(self, timeout: float) -> bool:  # noqa: ASYNC109
        return await self._writer.signal.wait(timeout)

    async def close(self) -> None:
        self._closed = True
        self._watcher.cancel()
        await self._writer.close()
        await asyncio.to_thread(self._readers.shutdown)
        for connection in self._reading:
            connection.close()

    def _refuse_foreign(self, *, incomplete: bool = False) -> int:
        """Return the file's schema version, 0 if it is empty.

        Raises StorageRefused, without a change to the file, if it is another program's, or a copy
        that was not completed.
        """
        connection = self._open()
        try:
            connection.execute("BEGIN")  # one moment for both, while others may be migrating
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            tables = set(sqlite_utils.Database(connection).table_names())
        except sqlite3.DatabaseError as error:
            raise StorageRefused(f"{self.path} cannot be used: {error}") from None
        finally:
            connection.close()
        schema.check_version(version)
        if version < 0 or (tables and (version == 0 or "api_tokens" not in tables)):
            raise StorageRefused(f"{self.path} is a database of another program")
        if schema.INCOMPLETE in tables and not incomplete:
            schema.refuse_incomplete()
        return int(version)

    def _open(self) -> sqlite3.Connection:
        """Open the file, made with mode 0600 if it is new; -wal and -shm take that mode too.

        A file that is there is never opened in any other way: closing it again would drop the
        locks that SQLite's connections of this process hold on it.
        """
        if self.path.is_dir():
            raise StorageRefused(f"{self.path} is a folder, no database file")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            connection = sqlite3.connect(
                self.path,
                timeout=BUSY_TIMEOUT,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
            )
        except OSError as error:
            raise StorageRefused(f"{self.path}: {error.strerror}") from None
        except sqlite3.DatabaseError as error:
            raise StorageRefused(f"{self.path} cannot be opened: {error}") from None
        connection.row_factory = sqlite3.Row
        return connection

    def _connect(self) -> sqlite3.Connection:
        """Open the file for work."""
        connection = self._open()
        try:
            _enable_wal(connection)
            connection.execute("PRAGMA synchronous = FULL")
            # Savepoints keep a journal of their own: in memory it costs no system calls.
            connection.execute("PRAGMA temp_store = MEMORY")
        except sqlite3.DatabaseError as error:
            connection.close()
            raise StorageRefused(f"{self.path} cannot be opened: {error}") from None
        return connection

    def _take_turns(self) -> Turns:
        try:
            return Turns(self.path)
        except OSError as error:
            raise StorageRefused(f"{self.path}-turn: {error.strerror}") from None

    def _read(self, job: Job[T]) -> T:
        try:
            connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
            if connection is None:
                connection = self._local.connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
                self._reading.append(connection)
            connection.execute("BEGIN")
            try:
                return job(Transaction(SqliteStatements(connection)))
            finally:
                connection.execute("ROLLBACK")
        except (sqlite3.OperationalError, StorageRefused) as error:
            raise StorageUnavailable(str(error)) from error

    async def _watch_other_processes(self) -> None:
        """Announce commits that other processes make in the same file."""
        connection = self._connect()
        self._reading.append(connection)
        seen = connection.execute("PRAGMA data_version").fetchone()[0]
        while True:
            await asyncio.sleep(_POLL)
            try:
                version = connection.execute("PRAGMA data_version").fetchone()[0]
            except sqlite3.OperationalError as error:
                logger.warning("not looking for commits", reason=str(error))
                continue
            if version != seen:
                seen = version
                self._writer.signal.announce()


def _enable_wal(connection: sqlite3.Connection) -> None:
    """Switch to a write-ahead log, once: another process may be doing just that.

    Two that switch at the same moment would wait for each other, so SQLite refuses one of them at
    once, whatever the busy timeout is.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            sqlite_utils.Database(connection).enable_wal()
            return
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


class _Writer(GroupCommit):
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
