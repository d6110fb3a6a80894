"""How statements are run on PostgreSQL: many rows go as arrays, one statement for all of them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache

import psycopg
from psycopg import pq
from psycopg.pq.abc import PGresult
from psycopg.rows import DictRow

from bot.storage import postgres_pipeline as pipeline
from bot.storage.postgres_arrays import arrays, types_of
from bot.storage.postgres_opening import Opening, keep_ids, lock_all, take_ids
from bot.storage.postgres_pipeline import BINARY, Command
from bot.storage.transaction import FOLLOWED, NO_PARAMS, NOTHING, Keyed, Params, Row, Values

Connection = psycopg.Connection[DictRow]
_IDLE = pq.TransactionStatus.IDLE
_NAME = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")
_SETTLED_AFTER = 60_000_000  # microseconds


@cache
def _translated(sql: str) -> str:
    """Return a statement with psycopg's form of named parameters."""
    return _NAME.sub(r"%(\1)s", sql.replace("%", "%%"))


@cache
def _numbered(sql: str) -> tuple[str, tuple[str, ...]]:
    """Return a statement with the server's form of parameters, and their names in that order."""
    names = tuple(dict.fromkeys(_NAME.findall(sql)))
    return _NAME.sub(lambda found: f"${names.index(found[1]) + 1}", sql), names


class PostgresStatements:
    """Runs the statements of a transaction on one PostgreSQL connection."""

    __slots__ = (
        "_connection",
        "_cursor",
        "_followed",
        "_ids",
        "_is_reading",
        "_later",
        "_opening",
        "changed",
    )

    def __init__(
        self,
        connection: Connection,
        ids: dict[str, list[int]] | None = None,
        opening: Opening | None = None,
    ) -> None:
        """Take the ids that are left if it writes, and what it begins with if it is to begin."""
        self._connection, self._cursor = connection, connection.cursor()
        self._is_reading = ids is None
        self._ids = {} if ids is None else ids  # taken and not yet given to a row, by table
        self._opening: Opening | None = opening or Opening()
        self._later: list[Command] | None = None  # what is sent at the end of `together`
        self._followed: list[_Followed] = []  # what of that adds rows that are followed
        self.changed = False  # whether a statement may have changed a row

    def all(self, sql: str, params: Params = NO_PARAMS) -> Sequence[Row]:
        return self._execute(sql, params).fetchall()

    def one(self, sql: str, params: Params = NO_PARAMS) -> Row | None:
        return self._execute(sql, params).fetchone()

    def run(self, sql: str, params: Params = NO_PARAMS) -> int:
        if self._later is not None:
            self.run_many(sql, [params])
            return 0
        if params:
            return self._execute(sql, params).rowcount
        (result,) = self._send([Command(sql)])  # a rollback to a savepoint, perhaps
        return self._noted(result)

    def run_many(self, sql: str, rows: Sequence[Params]) -> None:
        if self._later is not None:
            numbered, names = _numbered(sql)
            self._later += [Command(numbered, _as_texts(row, names)) for row in rows]
            return
        self.open()
        self._cursor.executemany(_translated(sql), rows)
        self.changed = self.changed or self._cursor.rowcount > 0

    def has_table(self, name: str) -> bool:
        row = self.one("SELECT to_regclass(:name) AS found", {"name": name})
        return row is not None and row["found"] is not None

    def keyed(self, queries: Sequence[Keyed]) -> list[Sequence[Row]]:
        if not queries:
            return []
        commands = [
            _of_rows(_with_keys(sql, _items(columns)), columns, keys)
            for sql, columns, keys in queries
        ]
        return [pipeline.rows(self._connection, result) for result in self._send(commands)]

    def insert(
        self,
        table: str,
        columns: Mapping[str, str],
        rows: Sequence[Values],
        conflict: str = "",
        *,
        found: Mapping[str, str] = NOTHING,
    ) -> None:
        if table not in FOLLOWED:
            sql = _insert(table, _items(columns), _items(found), conflict)
            self._write(_of_rows(sql, columns, rows))
            return
        assert self._later is not None  # those of all tables have one horizon
        added = _of_rows(_insert_followed(table, _items(columns)), columns, rows)
        self._followed.append((table, len(rows), added))

    def update(
        self,
        table: str,
        key: Mapping[str, str],
        columns: Mapping[str, str],
        rows: Sequence[Values],
        *,
        only_up: bool = False,
    ) -> None:
        sql = _update(table, _items(key), _items(columns), only_up=only_up)
        self._write(_of_rows(sql, {**columns, **key}, rows))

    def delete(self, table: str, key: Mapping[str, str], rows: Sequence[Values]) -> None:
        self._write(_of_rows(_delete(table, _items(key)), key, rows))

    def next_id(self, table: str) -> int:
        ids = self._ids.setdefault(table, [])
        if not ids:
            keep_ids(ids, self._connection, *self._send([take_ids(table)]))
        return ids.pop()

    def settled(self, table: str) -> int:
        column, at = FOLLOWED[table], _settles_at(table)
        sql = f"""SELECT {column} AS id FROM {table}
            WHERE horizon IS NULL OR horizon <= {_XMIN} OR horizon > {_XMAX} {at}
            ORDER BY {column} DESC LIMIT 1"""
        row = self.one(sql)
        return int(row["id"]) if row is not None else 0

    def lock(self, names: Iterable[str]) -> None:
        self._send([lock_all(names)])

    def share(self, names: Iterable[str]) -> None:
        if not self._is_reading:
            self._write(lock_all(names, shared=True))

    @contextmanager
    def together(self) -> Iterator[None]:
        self._later = []
        try:
            yield
            commands = [*_with_horizon(self._followed), *self._later]
        finally:
            self._later, self._followed = None, []
        self.changed = self.changed or bool(commands)
        self._send(commands)

    def open(self) -> None:
        """Begin the transaction, if that is still to be done; raises Held."""
        if self._opening is not None:
            self._send([])

    def _send(self, commands: Sequence[Command]) -> list[PGresult]:
        opening, self._opening = self._opening, None
        if opening is None or self._connection.pgconn.transaction_status != _IDLE:
            return self._run(commands)
        results = self._run([*opening.commands, *commands])
        size = len(opening.commands)
        opening.accept(self._connection, results[:size])
        return results[size:]

    def _run(self, commands: Sequence[Command]) -> list[PGresult]:
        return pipeline.run(self._connection, commands, prepare=not self._is_reading)

    def _write(self, command: Command) -> None:
        if self._later is not None:
            self._later.append(command)
            return
        (result,) = self._send([command])
        self._noted(result)

    def _noted(self, result: PGresult) -> int:
        """Return how many rows a statement has given or changed."""
        rows = result.command_tuples or 0
        is_reading = (result.command_status or b"").startswith(b"SELECT")
        self.changed = self.changed or (rows > 0 and not is_reading)
        return rows

    def _execute(self, sql: str, params: Params) -> "psycopg.Cursor[DictRow]":
        assert self._later is None  # of what is sent later nothing can be told now
        self.open()
        cursor = self._cursor.execute(_translated(sql), params)
        is_reading = (cursor.statusmessage or "").startswith("SELECT")
        self.changed = self.changed or (cursor.rowcount > 0 and not is_reading)
        return cursor


_XMIN = "pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_XMAX = "pg_snapshot_xmax(pg_current_snapshot())::text::bigint"


def _settles_at(table: str) -> str:
    """Return the condition of rows that are settled for their age alone.

    No transaction of ours takes so long, and those of other programs are not waited for longer.
    """
    if table != "activity":
        return ""
    return f"OR recorded_at < extract(epoch FROM now())::bigint * 1000000 - {_SETTLED_AFTER}"


Columns = tuple[tuple[str, str], ...]  # names and types


def _items(columns: Mapping[str, str]) -> Columns:
    return tuple(columns.items())


def _as_texts(params: Params, names: Sequence[str]) -> list[bytes | None]:
    """Return numbers and texts as the server reads them."""
    values = [params[name] for name in names]
    return [None if value is None else str(value).encode() for value in values]


def _of_rows(sql: str, columns: Mapping[str, str], rows: Sequence[Values]) -> Command:
    """Return a statement whose parameters are the columns of rows."""
    types = tuple(columns.values())
    return Command(sql, arrays(types, rows), types_of(types), BINARY)


def _table(columns: Columns, prefix: str = "") -> str:
    """Return the table that arrays of values are, with the names of its columns."""
    names = ", ".join(prefix + name for name, _ in columns)
    return f"unnest({_parameters(columns)}) AS given ({names})"


def _parameters(columns: Columns) -> str:
    return ", ".join(f"${number}" for number in range(1, len(columns) + 1))


@cache
def _with_keys(sql: str, columns: Columns) -> str:
    return sql.format(keys=f"(SELECT DISTINCT * FROM {_table(columns)})")


@cache
def _insert(table: str, columns: Columns, found: Columns, conflict: str) -> str:
    names = ", ".join(name for name, _ in (*columns, *found))
    values = ", ".join(["given.*", *[sql for _, sql in found]])
    return f"INSERT INTO {table} ({names}) SELECT {values} FROM {_table(columns)} {conflict}"


@cache
def _update(table: str, key: Columns, columns: Columns, *, only_up: bool) -> str:
    values = ", ".join(f"{name} = given.new_{name}" for name, _ in columns)
    places = [f"{table}.{name} = given.new_{name}" for name, _ in key]
    if only_up:
        places += [f"{table}.{name} < given.new_{name}" for name, _ in columns]
    given = _table((*columns, *key), "new_")
    return f"UPDATE {table} SET {values} FROM {given} WHERE {' AND '.join(places)}"


@cache
def _delete(table: str, key: Columns) -> str:
    places = " AND ".join(f"{table}.{name} = given.{name}" for name, _ in key)
    return f"DELETE FROM {table} USING {_table(key)} WHERE {places}"


# --- Rows that others follow in the order of their ids

_Followed = tuple[str, int, Command]  # a table, how many rows, and what adds them

_TAKE_IDS = """WITH ids AS MATERIALIZED (
        SELECT pg_get_serial_sequence('{table}', '{column}')::regclass AS sequence)
    SELECT set_config('experiment_bot.{table}', (SELECT array_agg(nextval(ids.sequence))::text
        FROM ids, generate_series(1, $1::integer)), TRUE)"""
# Several statements, because each sees the transactions that were there when it began.
_HORIZON = (
    Command("SAVEPOINT horizon"),
    Command("SELECT pg_logical_emit_message(TRUE, 'experiment-bot', '')"),  # gives it a number
    Command("ROLLBACK TO SAVEPOINT horizon"),
    Command("RELEASE SAVEPOINT horizon"),
)


def _with_horizon(followed: Sequence[_Followed]) -> list[Command]:
    """Return what adds rows that others follow in the order of their ids.

    By now this transaction has its number; the ids are taken after that, those of all tables, and
    the horizon after these. So a transaction that takes a lower id has got its number before that
    horizon. Snapshots begin behind the last number that was done with: one is, that of a savepoint.
    """
    if not followed:
        return []
    take = [
        Command(_TAKE_IDS.format(table=table, column=FOLLOWED[table]), [b"%d" % many])
        for table, many, _ in followed
    ]
    return [*take, *_HORIZON, *[added for _, _, added in followed]]


@cache
def _insert_followed(table: str, columns: Columns) -> str:
    names = ", ".join(name for name, _ in columns)
    given = ", ".join(f"given.{name}" for name, _ in columns)
    taken = f"(SELECT current_setting('experiment_bot.{table}')::bigint[])"
    return f"""INSERT INTO {table} ({names}, {FOLLOWED[table]}, horizon)
        SELECT {given}, ({taken})[given.place], {_XMAX}
        FROM unnest({_parameters(columns)}) WITH ORDINALITY AS given ({names}, place)"""
