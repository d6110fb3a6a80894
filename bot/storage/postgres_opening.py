"""How a transaction that writes begins on PostgreSQL: one trip for all that it needs at first.

That is limits, its number, its locks, and ids where few are left. Locks are advisory ones that end
with the transaction.
"""

import hashlib
from collections.abc import Iterable, Sequence

from psycopg import pq
from psycopg.pq.abc import PGresult

from bot.storage import postgres_pipeline as pipeline
from bot.storage.database import LONG_SECONDS
from bot.storage.postgres_arrays import array, types_of
from bot.storage.postgres_pipeline import BINARY, Command, Connection

_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
LOCK_TIMEOUT = "5s"
HASTY_LOCK_TIMEOUT = "0.5s"  # in a batch of which others can wait instead
_IDS = 64  # that are taken from a sequence together

# A process that hangs, or has gone without a word, must not hold up others: the server ends what it
# has left. Warnings are asked for because `commit` has to see
# them. The transaction gets its number at once: ids that others follow are taken after that.
_SETTINGS = """SELECT set_config('lock_timeout', $1, TRUE),
    set_config('statement_timeout', $2, TRUE),
    set_config('idle_in_transaction_session_timeout', '10s', TRUE),
    set_config('client_min_messages', 'warning', TRUE), pg_current_xact_id()::text"""
_LIMITS = """SELECT set_config('statement_timeout', $1, TRUE),
    set_config('idle_in_transaction_session_timeout', $2, TRUE)"""
_IDLE_SECONDS = 10.0
# In one order, so that two who want the same ones do not wait for each other.
_LOCK = """SELECT pg_advisory_xact_lock(name)
    FROM (SELECT unnest($1::bigint[]) AS name ORDER BY 1) AS names"""
_SHARE = _LOCK.replace("xact_lock", "xact_lock_shared")
_TRY_LOCK = """SELECT name FROM unnest($1::bigint[]) AS name
    WHERE NOT pg_try_advisory_xact_lock(name)"""


class Held(Exception):
    """Others hold locks that were asked for; the rest of them is ours by now."""

    def __init__(self, names: set[str]) -> None:
        super().__init__(", ".join(sorted(names)))
        self.names = names


class Opening:
    """The statements that a transaction begins with, and what is made of their results."""

    def __init__(self) -> None:
        self.commands = [Command("BEGIN")]

    def accept(self, connection: Connection, results: Sequence[PGresult]) -> None:
        """Keep what the statements have brought."""


class OpeningToRead(Opening):
    """The same for one that reads one moment, for some seconds at most."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        # Who reads all that there is writes it elsewhere in between, and that may take its time.
        idle = LONG_SECONDS if seconds > LONG_SECONDS else _IDLE_SECONDS
        limits = [_milliseconds(seconds), _milliseconds(idle)]
        self.commands = [Command(_READING), Command(_LIMITS, limits)]


class OpeningToWrite(Opening):
    """The same for one that locks some names, and for whose jobs ids are kept by table.

    No statement takes longer than some seconds. With `hasty` nothing is waited for that others have
    locked.
    """

    def __init__(
        self,
        names: Iterable[str],
        ids: dict[str, list[int]],
        jobs: int,
        seconds: float,
        *,
        hasty: bool,
    ) -> None:
        super().__init__()
        self._names = {_number_of(name): name for name in names}
        self._ids = ids
        self._few = [table for table, left in ids.items() if len(left) < jobs]
        self._tries = hasty and bool(self._names)
        timeout = HASTY_LOCK_TIMEOUT if hasty else LOCK_TIMEOUT
        self.commands.append(Command(_SETTINGS, [timeout.encode(), _milliseconds(seconds)]))
        self.commands += [take_ids(table) for table in self._few]
        if self._names:
            self.commands.append(_locking(_TRY_LOCK if hasty else _LOCK, self._names))

    def accept(self, connection: Connection, results: Sequence[PGresult]) -> None:
        """Keep ids; raises Held."""
        for table, result in zip(self._few, results[2:], strict=False):
            keep_ids(self._ids[table], connection, result)
        held = pipeline.rows(connection, results[-1]) if self._tries else []
        if held:
            raise Held({self._names[row["name"]] for row in held})


def _milliseconds(seconds: float) -> bytes:
    return b"%d" % (seconds * 1000)


def roll_back(connection: Connection) -> None:
    """End a transaction without a trace."""
    if connection.pgconn.transaction_status != pq.TransactionStatus.IDLE:
        pipeline.run(connection, [Command("ROLLBACK")])


def lock_all(names: Iterable[str], *, shared: bool = False) -> Command:
    """Return what waits until nobody else has locked one of some names, and locks them."""
    return _locking(_SHARE if shared else _LOCK, [_number_of(name) for name in names])


def _locking(sql: str, numbers: Iterable[int]) -> Command:
    return Command(sql, [array("BIGINT", list(numbers))], types_of(["BIGINT"]), BINARY)


def _number_of(name: str) -> int:
    """Return the number by which PostgreSQL knows a lock."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def take_ids(table: str) -> Command:
    """Return what takes ids that no row of a table has, nor will be given to another."""
    return Command(
        f"""WITH ids AS MATERIALIZED (
                SELECT pg_get_serial_sequence('{table}', 'id')::regclass AS sequence)
            SELECT nextval(ids.sequence) AS id FROM ids, generate_series(1, {_IDS})"""
    )


def keep_ids(ids: list[int], connection: Connection, result: PGresult) -> None:
    """Add ids that were taken to those that are left; they are given from the end of the list."""
    found = [row["id"] for row in pipeline.rows(connection, result)]
    ids[:0] = sorted(found, reverse=True)
