"""How statements are run on PostgreSQL: many rows go as arrays, one statement for all of them."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import psycopg
from psycopg.rows import DictRow

from bot.storage.database import NO_PARAMS, Params, Row, Values

Connection = psycopg.Connection[DictRow]
_NAME = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")
_IDS = 64  # that are taken from a sequence together


@cache
def _translated(sql: str) -> str:
    """Return a statement with psycopg's form of named parameters."""
    return _NAME.sub(r"%(\1)s", sql.replace("%", "%%"))


class PostgresStatements:
    """Runs the statements of a transaction on one PostgreSQL connection."""

    __slots__ = ("_cursor", "_ids", "changed")

    def __init__(self, connection: Connection, ids: dict[str, list[int]] | None = None) -> None:
        self._cursor = connection.cursor()
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
        self._cursor.executemany(_translated(sql), rows)
        self._note()

    def has_table(self, name: str) -> bool:
        row = self.one("SELECT to_regclass(:name) AS found", {"name": name})
        return row is not None and row["found"] is not None

    def keyed(self, sql: str, columns: Mapping[str, str], keys: Sequence[Values]) -> Sequence[Row]:
        return self._execute(with_keys(sql, columns), _arrays(keys)).fetchall()

    def insert(
        self, table: str, columns: Mapping[str, str], rows: Sequence[Values], conflict: str = ""
    ) -> None:
        self._execute(_insert(table, _items(columns), conflict), _arrays(rows))

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

    def _execute(self, sql: str, params: Any) -> "psycopg.Cursor[DictRow]":
        self._cursor.execute(sql, params)
        self._note()
        return self._cursor

    def _note(self) -> None:
        is_reading = (self._cursor.statusmessage or "").startswith("SELECT")
        self.changed = self.changed or (self._cursor.rowcount > 0 and not is_reading)


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


def with_keys(sql: str, columns: Mapping[str, str]) -> str:
    """Return a query with a table of keys, which are given as arrays."""
    return _with_keys(sql, _items(columns))


@cache
def _with_keys(sql: str, columns: Columns) -> str:
    return sql.replace("%", "%%").format(keys=f"(SELECT DISTINCT * FROM {_table(columns)})")


@cache
def _insert(table: str, columns: Columns, conflict: str) -> str:
    names = ", ".join(name for name, _ in columns)
    return f"INSERT INTO {table} ({names}) SELECT * FROM {_table(columns)} {conflict}"


@cache
def _update(table: str, key: Columns, columns: Columns) -> str:
    values = ", ".join(f"{name} = given.new_{name}" for name, _ in columns)
    places = " AND ".join(f"{table}.{name} = given.new_{name}" for name, _ in key)
    return f"UPDATE {table} SET {values} FROM {_table((*columns, *key), 'new_')} WHERE {places}"


@cache
def _delete(table: str, key: Columns) -> str:
    places = " AND ".join(f"{table}.{name} = given.{name}" for name, _ in key)
    return f"DELETE FROM {table} USING {_table(key)} WHERE {places}"
