"""The PostgreSQL engine: psycopg 3, a pool of readers, one writer with group commit a process.

A write transaction begins by locking the one row of `schema_version`, so write transactions run
one after the other, across processes too, as they do on SQLite. How the server is found and lost
is in `postgres_address.py`, how processes hear of each other's commits in `postgres_listening.py`.
"""

import asyncio
import functools
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg
from psycopg import errors
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

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
from bot.storage.postgres_address import (
    BEGIN,
    COMMIT_SECONDS,
    CONFLICT,
    HEAVY_SECONDS,
    LOST,
    READ_ONLY,
    STATEMENTS_SECONDS,
    Address,
    Connection,
    Watchdog,
    adapt,
    commit,
    one_line,
)
from bot.storage.postgres_listening import Commits

READERS = 4
PATIENCE = 5.0  # seconds to go on trying when the server is away or the lock is taken
_MIGRATION_LOCK = 7_266_301_941  # any number of ours; held while the schema changes
_NAME = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")


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

    def __init__(self, url: str, listen_url: str | None = None) -> None:
        """Take the address, and one for `LISTEN` alone if the first leads through a pooler."""
        self._address = Address(url)
        self._listen_address = Address(listen_url) if listen_url else None
        self._closed = False

    def existing_version(self) -> int:
        try:
            with self._address.connect() as connection:
                connection.read_only = True
                row = connection.execute(
                    """SELECT to_regclass('schema_version') IS NOT NULL
                        AND to_regclass('api_tokens') IS NOT NULL AS ours"""
                ).fetchone()
                if row is None or not row["ours"]:
                    raise StorageRefused("the PostgreSQL database holds nothing of Experiment Bot")
                row = connection.execute("SELECT version FROM schema_version").fetchone()
        except psycopg.Error as error:
            raise StorageRefused(f"PostgreSQL cannot be used: {one_line(error)}") from None
        found = int(row["version"]) if row else 0
        schema.check_version(found)
        return found

    def migrate(self) -> None:
        try:
            with self._address.connect() as connection:
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
            raise StorageRefused(f"PostgreSQL cannot be used: {one_line(error)}") from None

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="postgres-reader")
        self._pool = ConnectionPool(
            self._address.conninfo,
            min_size=1,
            max_size=READERS,
            open=False,
            timeout=PATIENCE,
            reconnect_timeout=PATIENCE,  # or it waits as long as the server was away once more
            configure=_prepare_reader,
            connection_class=Connection,
            kwargs={"row_factory": dict_row},
        )
        self._pool.open()
        self._watchdog = Watchdog()
        self._watching = asyncio.create_task(self._watchdog.run())
        self._commits = Commits(
            self._listen_address or self._address, is_apart=self._listen_address is not None
        )
        self._writer = _Writer(self._address, self._watchdog, self._commits, self._pool.drain)

    async def write(self, job: Job[T], *, heavy: bool = False) -> T:
        return await self._writer.write(job, heavy=heavy)

    async def read(self, job: Job[T], *, heavy: bool = False) -> T:
        if self._closed:
            raise StorageUnavailable("the service is stopping")
        deadline = time.monotonic() + PATIENCE  # from now: it may have to wait for a thread
        seconds = HEAVY_SECONDS if heavy else STATEMENTS_SECONDS
        return await self._loop.run_in_executor(self._threads, self._read, job, deadline, seconds)

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
        sql = """SELECT version, CAST(pg_is_in_recovery()
            OR current_setting('default_transaction_read_only') = 'on' AS INTEGER) AS read_only
            FROM schema_version"""
        row = await self.read(lambda tx: tx.one(sql))
        if row is None or row["version"] != schema.VERSION:
            raise StorageUnavailable("another version of the program has changed the schema")
        if row["read_only"]:
            self._pool.drain()  # another server may have taken its place
            raise StorageUnavailable("the server is a replica, or takes no writes")

    async def wait_for_commit(self, timeout: float) -> bool:  # noqa: ASYNC109
        return await self._commits.wait(timeout)

    async def close(self) -> None:
        self._closed = True
        await self._writer.close()
        await self._commits.close()
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._pool.close)
        self._watching.cancel()

    def _read(self, job: Job[T], deadline: float, seconds: float) -> T:
        """Read in one snapshot; a connection that turns out to be dead costs a second try."""
        for last_try in (False, True):
            try:
                if (left := deadline - time.monotonic()) <= 0:
                    raise PoolTimeout("the server is away")
                with self._pool.connection(timeout=left) as connection:
                    with self._watchdog.limit(connection, seconds):
                        result = job(PostgresTransaction(connection))
                        connection.rollback()
                    return result
            except (*LOST, PoolTimeout, *CONFLICT) as error:
                if last_try:
                    raise StorageUnavailable(one_line(error)) from error
                self._pool.drain()  # what is lost with one connection is with the others
        raise AssertionError("unreachable")


class _Writer(GroupCommit):
    """The one connection of this process that writes; opened when needed, again when lost.

    `renew_readers` is called when the server turns out to take no writes any more: what is read
    there is getting old.
    """

    def __init__(
        self,
        address: Address,
        watchdog: Watchdog,
        commits: Commits,
        renew_readers: Callable[[], None],
    ) -> None:
        super().__init__()
        self.signal = commits
        self._address, self._watchdog, self._renew_readers = address, watchdog, renew_readers
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

        Jobs only ever change the database, so one that was rolled back can be run again. One
        whose outcome nobody can know is not acknowledged: see `commit`.
        """
        deadline = time.monotonic() + PATIENCE
        seconds = HEAVY_SECONDS if any(task.heavy for task in batch) else STATEMENTS_SECONDS
        while True:
            try:
                connection = self._open()
                with self._watchdog.limit(connection, seconds):
                    connection.execute(f"{BEGIN}; SELECT version FROM schema_version FOR UPDATE")
                    changed = self._run(connection, batch)
            except (*LOST, *READ_ONLY, *CONFLICT) as error:
                self._drop()
                if isinstance(error, READ_ONLY):
                    self._renew_readers()
                if time.monotonic() > deadline:
                    raise StorageUnavailable(one_line(error)) from error
                for task in batch:
                    task.result = task.error = None
                time.sleep(0.1)
                continue
            except Exception:  # a fault of our own: begin anew next time
                self._drop()
                raise
            try:
                with self._watchdog.limit(connection, COMMIT_SECONDS):
                    commit(connection)
            except StorageUnavailable:
                self._drop()
                raise
            return changed

    def _run(self, connection: Connection, batch: list[Task]) -> bool:
        """Run every job of `batch` behind a savepoint of its own; tell if a row was changed."""
        tx = PostgresTransaction(connection)
        for task in batch:
            connection.execute("SAVEPOINT job")
            try:
                task.result = task.context.run(task.job, tx)
            except (*LOST, *READ_ONLY, *CONFLICT):
                raise
            except Exception as error:
                task.error = error
                connection.execute("ROLLBACK TO SAVEPOINT job")
            connection.execute("RELEASE SAVEPOINT job")
        return tx.changed

    def _open(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = self._address.connect()
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _prepare_reader(connection: Connection) -> None:
    adapt(connection)
    connection.read_only = True
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
