"""How statements are run on PostgreSQL: many rows go as arrays, one statement for all of them."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import psycopg
from psycopg.rows import DictRow

from bot.storage.transaction import FOLLOWED, NO_PARAMS, Keyed, Params, Row, Values

Connection = psycopg.Connection[DictRow]
_NAME = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")
_IDS = 64  # that are taken from a sequence together
_SETTLED_AFTER = 60_000_000  # microseconds


@cache
def _translated(sql: str) -> str:
    """Return a statement with psycopg's form of named parameters."""
    return _NAME.sub(r"%(\1)s", sql.replace("%", "%%"))


class PostgresStatements:
    """Runs the statements of a transaction on one PostgreSQL connection."""

    __slots__ = ("_connection", "_cursor", "_ids", "_is_reading", "_is_together", "changed")

    def __init__(self, connection: Connection, ids: dict[str, list[int]] | None = None) -> None:
        self._connection, self._cursor = connection, connection.cursor()
        self._is_together = False  # whether statements are sent without waiting for each
        self._is_reading = ids is None
        self._ids = {} if ids is None else ids  # taken and not yet given to a row, by table
        self.changed = False  # whether a statement may have changed a row

    def all(self, sql: str, params: Params = NO_PARAMS) -> Sequence[Row]:
        return self._execute(_translated(sql), params).fetchall()

    def one(self, sql: str, params: Params = NO_PARAMS) -> Row | None:
        return self._execute(_translated(sql), params).fetchone()

    def run(self, sql: str, params: Params = NO_PARAMS) -> int:
        return self._execute(_translated(sql), params).rowcount

    def run_many(self, sql: str, rows: Sequence[Params]) -> None:
        if len(rows) == 1:
            self._execute(_translated(sql), rows[0])
            return
        cursor = self._connection.cursor() if self._is_together else self._cursor
        cursor.executemany(_translated(sql), rows)
        self.changed = self.changed or self._is_together or cursor.rowcount > 0

    def has_table(self, name: str) -> bool:
        row = self.one("SELECT to_regclass(:name) AS found", {"name": name})
        return row is not None and row["found"] is not None

    def keyed(self, queries: Sequence[Keyed]) -> list[Sequence[Row]]:
        if len(queries) < 2:
            return [
                self._execute(_with_keys(sql, _items(columns)), _arrays(keys)).fetchall()
                for sql, columns, keys in queries
            ]
        with self._connection.pipeline():
            cursors = [
                self._connection.cursor().execute(_with_keys(sql, _items(columns)), _arrays(keys))
                for sql, columns, keys in queries
            ]
            return [cursor.fetchall() for cursor in cursors]

    def insert(
        self, table: str, columns: Mapping[str, str], rows: Sequence[Values], conflict: str = ""
    ) -> None:
        if table in FOLLOWED:
            self._insert_followed(table, columns, rows)
            return
        self._execute(_insert(table, _items(columns), conflict), _arrays(rows))

    def _insert_followed(
        self, table: str, columns: Mapping[str, str], rows: Sequence[Values]
    ) -> None:
        """Add rows that others follow in the order of their ids.

        By now this transaction has its number; the ids are taken after that, and the horizon after
        these. So a transaction that takes a lower id has got its number before that horizon.
        Snapshots begin behind the last number that was done with: one is, that of a savepoint.
        """
        self._execute(_TAKE_IDS.format(table=table, column=FOLLOWED[table]), [len(rows)])
        for sql in _HORIZON:
            self._execute(sql, None)
        self._execute(_insert_followed(table, _items(columns)), _arrays(rows))

    def update(
        self,
        table: str,
        key: Mapping[str, str],
        columns: Mapping[str, str],
        rows: Sequence[Values],
    ) -> None:
        self._execute(_update(table, _items(key), _items(columns)), _arrays(rows))

    def delete(self, table: str, key: Mapping[str, str], rows: Sequence[Values]) -> None:
        self._execute(_delete(table, _items(key)), _arrays(rows))

    def next_id(self, table: str) -> int:
        ids = self._ids.setdefault(table, [])
        if not ids:
            sql = """SELECT nextval(pg_get_serial_sequence(:table, 'id')) AS id
                FROM generate_series(1, :many)"""
            found = self.all(sql, {"table": table, "many": _IDS})
            ids += sorted((int(row["id"]) for row in found), reverse=True)
        return ids.pop()

    def settled(self, table: str) -> int:
        column, at = FOLLOWED[table], _settles_at(table)
        sql = f"""SELECT {column} AS id FROM {table}
            WHERE horizon IS NULL OR horizon <= {_XMIN} OR horizon > {_XMAX} {at}
            ORDER BY {column} DESC LIMIT 1"""
        row = self._cursor.execute(sql).fetchone()
        return int(row["id"]) if row is not None else 0

    def lock(self, names: Iterable[str], *, shared: bool = False) -> None:
        """Wait until nobody else has locked one of some names; that lasts as the transaction does.

        In one order, so that two who want the same ones do not wait for each other.
        """
        sql = f"""SELECT pg_advisory_xact_lock{"_shared" if shared else ""}(name)
            FROM (SELECT unnest(%s::bigint[]) AS name ORDER BY 1) AS names"""
        self._cursor.execute(sql, [sorted({_number_of(name) for name in names})])

    def try_lock(self, names: Iterable[str]) -> set[str]:
        """Lock those of some names that nobody else has; return those that somebody has."""
        numbers = {_number_of(name): name for name in names}
        sql = """SELECT name FROM unnest(%s::bigint[]) AS name
            WHERE NOT pg_try_advisory_xact_lock(name)"""
        found = self._cursor.execute(sql, [list(numbers)]).fetchall()
        return {numbers[row["name"]] for row in found}

    def share(self, name: str) -> None:
        if not self._is_reading:
            self.lock([name], shared=True)

    @contextmanager
    def together(self) -> Iterator[None]:
        with self._connection.pipeline():
            self._is_together = True
            try:
                yield
            finally:
                self._is_together = False

    def _execute(self, sql: str, params: Any) -> "psycopg.Cursor[DictRow]":
        if self._is_together:
            self.changed = True
            return self._connection.cursor().execute(sql, params)
        self._cursor.execute(sql, params)
        self._note()
        return self._cursor

    def _note(self) -> None:
        is_reading = (self._cursor.statusmessage or "").startswith("SELECT")
        self.changed = self.changed or (self._cursor.rowcount > 0 and not is_reading)


_XMIN = "pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_XMAX = "pg_snapshot_xmax(pg_current_snapshot())::text::bigint"


def _settles_at(table: str) -> str:
    """Return the condition of rows that are settled for their age alone.

    No transaction of ours takes so long, and those of other programs are not waited for longer.
    """
    if table != "activity":
        return ""
    return f"OR recorded_at < extract(epoch FROM now())::bigint * 1000000 - {_SETTLED_AFTER}"


def _number_of(name: str) -> int:
    """Return the number by which PostgreSQL knows a lock."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


Columns = tuple[tuple[str, str], ...]  # names and types


def _items(columns: Mapping[str, str]) -> Columns:
    return tuple(columns.items())


def _arrays(rows: Sequence[Values]) -> list[list[Any]]:
    """Return rows as columns."""
    return [list(column) for column in zip(*rows, strict=True)]


def _table(columns: Columns, prefix: str = "") -> str:
    """Return the table that arrays of values are, with the names of its columns."""
    arrays = ", ".join(f"%s::{type_}[]" for _, type_ in columns)
    names = ", ".join(prefix + name for name, _ in columns)
    return f"unnest({arrays}) AS given ({names})"


@cache
def _with_keys(sql: str, columns: Columns) -> str:
    return sql.replace("%", "%%").format(keys=f"(SELECT DISTINCT * FROM {_table(columns)})")


@cache
def _insert(table: str, columns: Columns, conflict: str) -> str:
    names = ", ".join(name for name, _ in columns)
    return f"INSERT INTO {table} ({names}) SELECT * FROM {_table(columns)} {conflict}"


# Two statements, because each sees the transactions that were there when it began.
_TAKE_IDS = """SELECT set_config('experiment_bot.ids', (SELECT array_agg(
        nextval(pg_get_serial_sequence('{table}', '{column}')))::text
    FROM generate_series(1, %s)), TRUE)"""
_HORIZON = (
    "SAVEPOINT horizon",
    "SELECT pg_logical_emit_message(TRUE, 'experiment-bot', '')",  # which gives it a number
    "ROLLBACK TO SAVEPOINT horizon",
    "RELEASE SAVEPOINT horizon",
)
_TAKEN = "(SELECT current_setting('experiment_bot.ids')::bigint[])"


@cache
def _insert_followed(table: str, columns: Columns) -> str:
    names = ", ".join(name for name, _ in columns)
    arrays = ", ".join(f"%s::{type_}[]" for _, type_ in columns)
    given = ", ".join(f"given.{name}" for name, _ in columns)
    return f"""INSERT INTO {table} ({names}, {FOLLOWED[table]}, horizon)
        SELECT {given}, ({_TAKEN})[given.place], {_XMAX}
        FROM unnest({arrays}) WITH ORDINALITY AS given ({names}, place)"""


@cache
def _update(table: str, key: Columns, columns: Columns) -> str:
    values = ", ".join(f"{name} = given.new_{name}" for name, _ in columns)
    places = " AND ".join(f"{table}.{name} = given.new_{name}" for name, _ in key)
    return f"UPDATE {table} SET {values} FROM {_table((*columns, *key), 'new_')} WHERE {places}"


@cache
def _delete(table: str, key: Columns) -> str:
    places = " AND ".join(f"{table}.{name} = given.{name}" for name, _ in key)
    return f"DELETE FROM {table} USING {_table(key)} WHERE {places}"
