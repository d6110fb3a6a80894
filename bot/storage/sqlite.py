"""The SQLite engine: one writer with group commit, readers beside it."""

import asyncio
import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import sqlite_utils

from bot.log import logger
from bot.storage import query, schema
from bot.storage.database import (
    CHECK_SECONDS,
    COPYING_SECONDS,
    OFFICE,
    SECONDS,
    Bind,
    Burden,
    Job,
    Note,
    StorageRefused,
    StorageUnavailable,
    T,
    Touched,
    Transaction,
    in_time,
)
from bot.storage.sqlite_checkpoints import Checkpoints
from bot.storage.sqlite_files import SqliteFiles, beside, version_on_disk
from bot.storage.sqlite_statements import SqliteStatements
from bot.storage.sqlite_writing import Writer
from bot.storage.turns import Turns

BUSY_TIMEOUT = 5.0  # seconds for a connection to wait for another process
_MIGRATION_MS = 3_600_000  # to wait for another process that brings the database up to date
READERS = 4
_STEPS = 100_000  # of a statement, some milliseconds, between looks at the time that it has
_POLL = 0.5  # seconds between looks for commits of other processes


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
        self._make()
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
        connection = self._connect()
        connection.execute("PRAGMA user_version").fetchone()  # the log is there once it is read
        self._files = SqliteFiles(self.path)
        checkpoints = Checkpoints(self._connect(), beside(self.path, "-wal"))
        self._writer = Writer(connection, checkpoints, self._take_turns(), self._files)
        self._watcher = asyncio.create_task(self._watch_other_processes())

    async def write(
        self,
        job: Job[T],
        *,
        heavy: bool = False,
        touched: Touched | None = None,
        locks: Sequence[str] = OFFICE,
        seconds: float = SECONDS,
    ) -> T:
        return await self._writer.write(
            job, heavy=heavy, touched=touched, locks=locks, seconds=seconds
        )

    async def read(self, job: Job[T], *, heavy: bool = False) -> T:
        if self._closed:
            raise StorageUnavailable("the service is stopping")
        seconds = COPYING_SECONDS if heavy else SECONDS
        until = time.monotonic() + seconds
        return await in_time(
            self._loop.run_in_executor(self._readers, self._read, job, until), seconds
        )

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
        self._files.look()

        def job(tx: Transaction) -> None:
            if query.number(tx, "PRAGMA user_version") != schema.VERSION:
                raise StorageUnavailable("another version of the program has changed the schema")
            tx.run(f"PRAGMA user_version = {schema.VERSION}")  # a page that has to get to the disk

        await self.write(job, seconds=CHECK_SECONDS)

    def burden(self) -> Burden:
        return self._writer.burden()

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

    def _make(self) -> None:
        """Make the file, with mode 0600, if there is none; -wal and -shm take that mode too."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            raise StorageRefused(f"{self.path}: {error.strerror}") from None

    def _open(self) -> sqlite3.Connection:
        """Open the file, and make none: one that is gone while the service runs stays so.

        A file that is there is never opened in any other way: closing it again would drop the
        locks that SQLite's connections of this process hold on it.
        """
        if self.path.is_dir():
            raise StorageRefused(f"{self.path} is a folder, no database file")
        try:
            connection = sqlite3.connect(
                f"file:{quote(str(self.path))}?mode=rw",
                uri=True,
                timeout=BUSY_TIMEOUT,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
            )
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

    def _read(self, job: Job[T], until: float) -> T:
        """Read in one snapshot, until then at most: beside it the log cannot be begun anew."""
        try:
            connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
            self._files.require()
            if connection is None:
                self._files.look()  # it is opened by name
                connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
                self._reading.append(connection)
                self._files.look()  # else it may be one of another file
                self._local.connection = connection
            connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
            connection.execute("BEGIN")
            try:
                return job(Transaction(SqliteStatements(connection)))
            finally:
                connection.set_progress_handler(None, 0)
                connection.execute("ROLLBACK")
        except (sqlite3.OperationalError, StorageRefused) as error:
            raise StorageUnavailable(str(error)) from error
        except sqlite3.DatabaseError as error:
            if self._files.is_damage(error):
                self._files.look()
            raise

    async def _watch_other_processes(self) -> None:
        """Announce commits that other processes make in the same file, while it is there."""
        connection = self._connect()
        connection.execute("PRAGMA busy_timeout = 0")  # this is on the event loop
        self._reading.append(connection)
        seen = connection.execute("PRAGMA data_version").fetchone()[0]
        while True:
            await asyncio.sleep(_POLL)
            try:
                self._files.look()
                version = version_on_disk(connection)
            except StorageUnavailable:
                continue
            except sqlite3.Error as error:
                if not self._files.is_damage(error):
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
