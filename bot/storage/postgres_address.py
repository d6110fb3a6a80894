"""Connections to PostgreSQL: several hosts, poolers in between, and servers that do not answer.

Nothing here is kept in a session. A pooler of transactions, such as PgBouncer, gives every
transaction another session, refuses the start-up parameter `options`, and knows nothing of
prepared statements; so what a transaction needs is set in it.
"""

import asyncio
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import DictRow, dict_row

from bot.storage import schema
from bot.storage.database import SECONDS, StorageRefused, StorageUnavailable

COMMIT_SECONDS = 8.0
_HEAVY_SECONDS = 30.0  # for the statements of a transaction that has much to do
_GREETING_SECONDS = 5.0  # for what is asked on a new connection
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
    errors.DataCorrupted,
    errors.IndexCorrupted,
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

    def connect(self, watchdog: "Watchdog | None" = None) -> Connection:
        connection = Connection.connect(self.conninfo, row_factory=dict_row)
        try:
            adapt(connection, watchdog)
        except BaseException:
            connection.close()
            raise
        return connection

    async def connect_to_listen(self) -> tuple[AsyncConnection, bool]:
        """Return a connection that is in no transaction, and whether LISTEN works on it."""
        connection = await AsyncConnection.connect(
            self.conninfo, row_factory=dict_row, autocommit=True
        )
        try:
            async with asyncio.timeout(_GREETING_SECONDS):
                cursor = await connection.execute(_WHO)
                is_pooled = _is_pooled(connection, await cursor.fetchone())
        except BaseException:
            await connection.close()
            raise
        if is_pooled:
            connection.prepare_threshold = None
        return connection, not is_pooled


_WHO = "SELECT pg_backend_pid() AS pid"


def adapt(connection: Connection, watchdog: "Watchdog | None" = None) -> None:
    """Let a new connection do without prepared statements if a pooler is in between."""
    with watchdog.limit(connection, _GREETING_SECONDS) if watchdog else nullcontext():
        is_pooled = _is_pooled(connection, connection.execute(_WHO).fetchone())
        connection.rollback()
    if is_pooled:
        connection.prepare_threshold = None


def _is_pooled(connection: Connection | AsyncConnection, row: DictRow | None) -> bool:
    """Tell whether somebody else than the server greeted us: a pooler makes up its own numbers."""
    return row is None or row["pid"] != connection.info.backend_pid


def limit_of(seconds: float, *, heavy: bool) -> float:
    """Return how long the statements of a transaction may take for whoever has so long.

    What has much to do goes on when nobody waits for it any more, so that it is there when it is
    sent again.
    """
    return max(seconds, _HEAVY_SECONDS if heavy else SECONDS)


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


# What an operator has to mend; libpq tells it in words alone. All else may be over soon.
_LASTING = re.compile(
    r"password|authenti|pg_hba|not exist|no such (user|database)|not permitted|permission denied"
    r"|SSL was required|certificate",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"""\"[^"]*\"|'[^']*'""")


def unusable(error: psycopg.Error) -> StorageUnavailable | StorageRefused:
    """Return what somebody is told who wanted to begin with a database: whether time mends it."""
    _, *hosts = str(error).split("\n- host")
    lasts = all(_LASTING.search(_QUOTED.sub("", one)) for one in hosts or [str(error)])
    is_passing = isinstance(error, READ_ONLY) or (
        isinstance(error, psycopg.OperationalError) and not lasts
    )
    kind = StorageUnavailable if is_passing else StorageRefused
    return kind(f"PostgreSQL cannot be used: {one_line(error)}")


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
