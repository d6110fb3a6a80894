"""Connections to PostgreSQL: several hosts, poolers in between, and servers that do not answer.

Nothing here is kept in a session. A pooler of transactions, such as PgBouncer, gives every
transaction another session, refuses the start-up parameter `options`, and knows nothing of
prepared statements; so what a transaction needs is set in it.
"""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import DictRow, dict_row

from bot.storage import schema
from bot.storage.database import StorageUnavailable

STATEMENTS_SECONDS = 8.0  # for the statements of a transaction: GitHub itself gives up after ten
HEAVY_SECONDS = 600.0  # for those of one that may take long
COMMIT_SECONDS = 8.0
COPYING_SECONDS = 86_400.0  # for a read of all that there is
_TICK = 1.0
_DEFAULTS: dict[str, Any] = {
    "connect_timeout": 3,  # for each host
    "application_name": "experiment-bot",
    # A server that went without a word (power, network) is given up after as many seconds.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 8000,
}
_ALWAYS = {"client_encoding": "UTF8"}  # as postgres_arrays.py writes texts
_OF_SEVERAL = {"target_session_attrs": "read-write"}  # hosts; the others are replicas

# What the server or the way to it does to us, rather than we to it.
LOST = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.QueryCanceled,
    errors.LockNotAvailable,
    errors.IdleInTransactionSessionTimeout,
)
# The server was demoted, or is a replica: another one takes writes by now, or soon.
READ_ONLY = (errors.ReadOnlySqlTransaction,)
CONFLICT = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.InvalidSqlStatementName,  # something in between made the server forget it
)

Connection = psycopg.Connection[DictRow]
AsyncConnection = psycopg.AsyncConnection[DictRow]


class Address:
    """Where a database is, and how it is connected to. What the address itself says counts."""

    def __init__(self, url: str) -> None:
        given = conninfo_to_dict(url)
        several = _OF_SEVERAL if "," in str(given.get("host") or "") else {}
        self.conninfo = make_conninfo("", **{**_DEFAULTS, **several, **given, **_ALWAYS})

    def connect(self) -> Connection:
        connection = Connection.connect(self.conninfo, row_factory=dict_row)
        adapt(connection)
        return connection

    async def connect_to_listen(self) -> tuple[AsyncConnection, bool]:
        """Return a connection that is in no transaction, and whether LISTEN works on it."""
        connection = await AsyncConnection.connect(
            self.conninfo, row_factory=dict_row, autocommit=True
        )
        try:
            cursor = await connection.execute(_WHO)
            is_pooled = _is_pooled(connection, await cursor.fetchone())
        except BaseException:
            await connection.close()
            raise
        if is_pooled:
            connection.prepare_threshold = None
        return connection, not is_pooled


_WHO = "SELECT pg_backend_pid() AS pid"


def adapt(connection: Connection) -> None:
    """Let a new connection do without prepared statements if a pooler is in between."""
    is_pooled = _is_pooled(connection, connection.execute(_WHO).fetchone())
    connection.rollback()
    if is_pooled:
        connection.prepare_threshold = None


def _is_pooled(connection: Connection | AsyncConnection, row: DictRow | None) -> bool:
    """Tell whether somebody else than the server greeted us: a pooler makes up its own numbers."""
    return row is None or row["pid"] != connection.info.backend_pid


def refuse_incomplete(connection: Connection) -> None:
    """Raise StorageRefused for a copy that was not completed."""
    sql = "SELECT 1 FROM pg_class WHERE oid = to_regclass(%s)"
    if connection.execute(sql, [schema.INCOMPLETE]).fetchone():
        schema.refuse_incomplete()


def commit(connection: Connection) -> None:
    """Commit; raises StorageUnavailable unless it is certain that everything was kept.

    When the connection goes during the commit, nobody can know its outcome. With synchronous
    replication a commit whose wait for the replica was cancelled (`pg_cancel_backend`)
    ends with no more than a warning: a failover would lose it.
    """
    warnings: list[str] = []

    def note(notice: errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            warnings.append(" ".join((notice.message_primary or "a warning").split()))

    connection.add_notice_handler(note)
    try:
        connection.commit()
    except psycopg.Error as error:
        raise StorageUnavailable(one_line(error)) from error
    finally:
        connection.remove_notice_handler(note)
    if warnings:
        raise StorageUnavailable(f"it is not certain that the commit is safe: {warnings[0]}")


def one_line(error: BaseException) -> str:
    """Return an error of the server in one line; psycopg keeps passwords out of its messages."""
    return " ".join(str(error).split()) or type(error).__name__


class Watchdog:
    """Cuts connections that do not answer, so that whoever waits on them hears of it in time.

    A server that hangs, or that waits in a commit for a replica that is gone, keeps the
    connection open, and a pooler keeps it waiting while there is no server: only we can end that.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[Connection, float] = {}

    @contextmanager
    def limit(self, connection: Connection, seconds: float) -> Iterator[None]:
        """Let what is done on a connection in this block take no longer than some seconds."""
        with self._lock:
            self._until[connection] = time.monotonic() + seconds
        try:
            yield
        finally:
            with self._lock:
                self._until.pop(connection, None)

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(_TICK)
            now = time.monotonic()
            with self._lock:  # within it, no connection is closed by whoever uses it
                for connection in [one for one, until in self._until.items() if until < now]:
                    _cut(connection)


def _cut(connection: Connection) -> None:
    """Shut a connection down below libpq, in whichever thread that waits on it."""
    with (
        suppress(psycopg.OperationalError, OSError),  # it is closed already
        socket.socket(fileno=os.dup(connection.fileno())) as line,
    ):
        line.shutdown(socket.SHUT_RDWR)
