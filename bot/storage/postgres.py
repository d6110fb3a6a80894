"""The PostgreSQL engine: psycopg 3, a pool of readers, one writer with group commit a process.

A write transaction begins by locking the one row of `schema_version`, so write transactions run
one after the other, across processes too, as they do on SQLite. `NOTIFY` tells the other
processes of a commit.
"""

import asyncio
import functools
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from psycopg import errors
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from bot.log import logger
from bot.storage import query, schema
from bot.storage.database import (
    NO_PARAMS,
    Job,
    Params,
    Row,
    StorageRefused,
    StorageUnavailable,
    T,
    Transaction,
)
from bot.storage.group_commit import GroupCommit, Task

READERS = 4
PATIENCE = 5.0  # seconds to go on trying when the server is away or the lock is taken
_CHANNEL = "experiment_bot_commits"
_MIGRATION_LOCK = 7_266_301_941  # any number of ours; held while the schema changes
_OPTIONS: dict[str, Any] = {
    "connect_timeout": 5,
    "application_name": "experiment-bot",
    # A process that hangs must not hold the others up.
    "options": "-c idle_in_transaction_session_timeout=10s -c lock_timeout=10s "
    "-c client_min_messages=warning",
}
_NAME = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")

# What the server or the way to it does to us, rather than we to it.
_Lost = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.QueryCanceled,
    errors.LockNotAvailable,
    errors.IdleInTransactionSessionTimeout,
)
_Conflict = (errors.SerializationFailure, errors.DeadlockDetected)

Connection = psycopg.Connection[DictRow]


@functools.cache
def _translated(sql: str) -> str:
    """Return a statement with psycopg's form of named parameters."""
    return _NAME.sub(r"%(\1)s", sql.replace("%", "%%"))


class PostgresTransaction:
    """A transaction on one PostgreSQL connection."""

    __slots__ = ("_cursor", "changed")

    def __init__(self, connection: Connection) -> None:
        self._cursor = connection.cursor()
        self.changed = False  # whether a statement may have changed a row

    def all(self, sql: str, params: Params = NO_PARAMS) -> Sequence[Row]:
        return self._execute(sql, params).fetchall()

    def one(self, sql: str, params: Params = NO_PARAMS) -> Row | None:
        return self._execute(sql, params).fetchone()

    def run(self, sql: str, params: Params = NO_PARAMS) -> int:
        return self._execute(sql, params).rowcount

    def run_many(self, sql: str, rows: Sequence[Params]) -> None:
        self._cursor.executemany(_translated(sql), rows)
        self._note()

    def has_table(self, name: str) -> bool:
        row = self.one("SELECT to_regclass(:name) AS found", {"name": name})
        return row is not None and row["found"] is not None

    def _execute(self, sql: str, params: Params) -> "psycopg.Cursor[DictRow]":
        self._cursor.execute(_translated(sql), params)
        self._note()
        return self._cursor

    def _note(self) -> None:
        is_reading = (self._cursor.statusmessage or "").startswith("SELECT")
        self.changed = self.changed or (self._cursor.rowcount > 0 and not is_reading)


class PostgresDatabase:
    """A PostgreSQL database. See bot/storage/database.py for what each method promises."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._closed = False

    def existing_version(self) -> int:
        try:
            with psycopg.connect(self._url, row_factory=dict_row, **_OPTIONS) as connection:
                connection.read_only = True
                row = connection.execute(
                    """SELECT to_regclass('schema_version') IS NOT NULL
                        AND to_regclass('api_tokens') IS NOT NULL AS ours"""
                ).fetchone()
                if row is None or not row["ours"]:
                    raise StorageRefused("the PostgreSQL database holds nothing of Experiment Bot")
                row = connection.execute("SELECT version FROM schema_version").fetchone()
        except psycopg.Error as error:
            raise StorageRefused(f"PostgreSQL cannot be used: {_one_line(error)}") from None
        found = int(row["version"]) if row else 0
        schema.check_version(found)
        return found

    def migrate(self) -> None:
        try:
            with psycopg.connect(self._url, row_factory=dict_row, **_OPTIONS) as connection:
                # Ten processes that start together wait here for the first.
                connection.execute("SET LOCAL lock_timeout = 0")
                connection.execute("SELECT pg_advisory_xact_lock(%s)", [_MIGRATION_LOCK])
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)"
                )
                row = connection.execute("SELECT version FROM schema_version").fetchone()
                found = row["version"] if row else 0
                schema.check_version(found)
                for statement in schema.statements_after(
                    found,
                    id="BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
                    growing_id="BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
                    blob="BYTEA",
                ):
                    connection.execute(statement)
                if row is None:
                    connection.execute(
                        "INSERT INTO schema_version (version) VALUES (%s)", [schema.VERSION]
                    )
                elif found != schema.VERSION:
                    connection.execute("UPDATE schema_version SET version = %s", [schema.VERSION])
        except errors.DuplicateTable:
            raise StorageRefused(
                "the PostgreSQL database holds tables of another program; give the bot its own"
            ) from None
        except psycopg.Error as error:
            raise StorageRefused(f"PostgreSQL cannot be used: {_one_line(error)}") from None

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="postgres-reader")
        self._pool = ConnectionPool(
            self._url,
            min_size=1,
            max_size=READERS,
            open=False,
            timeout=PATIENCE,
            reconnect_timeout=PATIENCE,  # or it waits as long as the server was away once more
            configure=_read_only,
            connection_class=Connection,
            kwargs={**_OPTIONS, "row_factory": dict_row},
        )
        self._pool.open()
        self._writer = _Writer(self._url)
        self._listener = asyncio.create_task(self._listen())

    async def write(self, job: Job[T], *, heavy: bool = False) -> T:
        return await self._writer.write(job, heavy=heavy)

    async def read(self, job: Job[T]) -> T:
        if self._closed:
            raise StorageUnavailable("the service is stopping")
        deadline = time.monotonic() + PATIENCE  # from now: it may have to wait for a thread
        return await self._loop.run_in_executor(self._threads, self._read, job, deadline)

    async def last_id(self, table: str) -> int:
        sql = "SELECT pg_sequence_last_value(pg_get_serial_sequence(:table, 'seq'))"
        return await self.read(lambda tx: query.number(tx, sql, table=table) or 0)

    async def continue_ids(self, tables: Mapping[str, str], given: Mapping[str, int]) -> None:
        def job(tx: Transaction) -> None:
            for table, column in tables.items():
                sql = "SELECT pg_get_serial_sequence(:table, :column)"
                ids = query.value(tx, sql, table=table, column=column)
                if ids is None:
                    continue
                top = query.number(tx, f"SELECT MAX({column}) FROM {table}") or 0
                if last := max(top, given.get(table, 0)):
                    tx.all("SELECT setval(:ids, :last)", {"ids": ids, "last": last})

        await self.write(job)

    async def check(self) -> None:
        sql = "SELECT version FROM schema_version"
        if await self.read(lambda tx: query.number(tx, sql)) != schema.VERSION:
            raise StorageUnavailable("another version of the program has changed the schema")

    async def wait_for_commit(self, timeout: float) -> bool:  # noqa: ASYNC109
        return await self._writer.signal.wait(timeout)

    async def close(self) -> None:
        self._closed = True
        self._listener.cancel()
        await self._writer.close()
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._pool.close)

    def _read(self, job: Job[T], deadline: float) -> T:
        """Read in one snapshot; a connection that turns out to be dead costs a second try."""
        for last_try in (False, True):
            try:
                if (left := deadline - time.monotonic()) <= 0:
                    raise PoolTimeout("the server is away")
                with self._pool.connection(timeout=left) as connection:
                    return job(PostgresTransaction(connection))
            except (*_Lost, PoolTimeout, *_Conflict) as error:
                if last_try:
                    raise StorageUnavailable(_one_line(error)) from error
                self._pool.check()
        raise AssertionError("unreachable")

    async def _listen(self) -> None:
        """Announce the commits of other processes."""
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, **_OPTIONS
                )
                async with connection:
                    await connection.execute(f"LISTEN {_CHANNEL}")
                    self._writer.signal.announce()  # for what came while nobody listened
                    async for _ in connection.notifies():
                        self._writer.signal.announce()
            except psycopg.Error as error:
                logger.warning("not listening for commits", reason=_one_line(error))
            await asyncio.sleep(0.5)


class _Writer(GroupCommit):
    """The one connection of this process that writes; opened when needed, again when lost."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._connection: Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="postgres-writer")

    async def commit(self, batch: list[Task]) -> bool:
        return await self._loop.run_in_executor(self._thread, self._commit, batch)

    async def close(self) -> None:
        await super().close()
        await asyncio.to_thread(self._thread.shutdown)
        if self._connection is not None:
            self._connection.close()

    def _commit(self, batch: list[Task]) -> bool:
        """Run `batch`, again from its beginning while the server is away or takes sides.

        Jobs only ever change the database, so one that was rolled back can be run again. When
        the connection goes during the commit itself nobody can know its outcome, and the batch
        is not acknowledged.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                connection = self._open()
                connection.execute("SELECT version FROM schema_version FOR UPDATE")
                changed = self._run(connection, batch)
                if changed:
                    connection.execute(f"NOTIFY {_CHANNEL}")
            except (*_Lost, *_Conflict) as error:
                self._drop()
                if time.monotonic() > deadline:
                    raise StorageUnavailable(_one_line(error)) from error
                for task in batch:
                    task.result = task.error = None
                time.sleep(0.1)
                continue
            except Exception:  # such as a server that became read-only: begin anew next time
                self._drop()
                raise
            try:
                connection.commit()
            except psycopg.Error as error:
                self._drop()
                raise StorageUnavailable(_one_line(error)) from error
            return changed

    def _run(self, connection: Connection, batch: list[Task]) -> bool:
        """Run every job of `batch` behind a savepoint of its own; tell if a row was changed."""
        tx = PostgresTransaction(connection)
        for task in batch:
            connection.execute("SAVEPOINT job")
            try:
                task.result = task.context.run(task.job, tx)
            except (*_Lost, *_Conflict):
                raise
            except Exception as error:
                task.error = error
                connection.execute("ROLLBACK TO SAVEPOINT job")
            connection.execute("RELEASE SAVEPOINT job")
        return tx.changed

    def _open(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = Connection.connect(self._url, row_factory=dict_row, **_OPTIONS)
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _read_only(connection: Connection) -> None:
    connection.read_only = True
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ


def _one_line(error: BaseException) -> str:
    """Return an error of the server in one line; psycopg keeps passwords out of its messages."""
    return " ".join(str(error).split()) or type(error).__name__
