"""How statements are run on SQLite: many rows go through one that was prepared once."""

import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from itertools import chain
from types import NoneType
from typing import Any

import sqlite_utils

from bot.storage.transaction import FOLLOWED, NO_PARAMS, NOTHING, Keyed, Params, Row, Values

_SIZES = (1, 4, 16, 32, 64, 128)  # of tables of keys, so that there are few statements to prepare
_MOST_KEYS = _SIZES[-1]
_GIVEN = re.compile(r"\bgiven\.([a-z_]+)")

# Of what is neither a number nor text, SQLite's module for Python asks each time whether it is to
# be adapted, and learns that it is not by an exception. Here it is told so: to itself.
_itself: Any = {}.get  # of None, which no mapping has
sqlite3.register_adapter(bytes, bytes)
sqlite3.register_adapter(NoneType, _itself)


class SqliteStatements:
    """Runs the statements of a transaction on one SQLite connection."""

    __slots__ = ("_connection", "_ids")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._ids: dict[str, int] = {}  # the last one of each table, while nobody else writes

    def all(self, sql: str, params: Params = NO_PARAMS) -> Sequence[Row]:
        return self._connection.execute(sql, params).fetchall()

    def one(self, sql: str, params: Params = NO_PARAMS) -> Row | None:
        # fetchall, not fetchone: a RETURNING statement is only finished by reading it to its end.
        rows = self._connection.execute(sql, params).fetchall()
        return rows[0] if rows else None

    def run(self, sql: str, params: Params = NO_PARAMS) -> int:
        return self._connection.execute(sql, params).rowcount

    def run_many(self, sql: str, rows: Sequence[Params]) -> None:
        self._connection.executemany(sql, rows)

    def has_table(self, name: str) -> bool:
        return sqlite_utils.Database(self._connection)[name].exists()

    def keyed(self, queries: Sequence[Keyed]) -> list[Sequence[Row]]:
        return [self._keyed(*one) for one in queries]

    def _keyed(self, sql: str, columns: Mapping[str, str], keys: Sequence[Values]) -> Sequence[Row]:
        found: list[Row] = []
        keys = list(dict.fromkeys(keys))
        for start in range(0, len(keys), _MOST_KEYS):
            some = keys[start : start + _MOST_KEYS]
            size = next(size for size in _SIZES if size >= len(some))
            filled = [*some, *[(None,) * len(columns)] * (size - len(some))]
            statement = with_keys(sql, tuple(columns), size)
            found += self._connection.execute(statement, list(chain.from_iterable(filled)))
        return found

    def insert(
        self,
        table: str,
        columns: Mapping[str, str],
        rows: Sequence[Values],
        conflict: str = "",
        *,
        found: Mapping[str, str] = NOTHING,
    ) -> None:
        sql = _insert(table, tuple(columns), tuple(found.items()), conflict)
        self._connection.executemany(sql, rows)

    def update(
        self,
        table: str,
        key: Mapping[str, str],
        columns: Mapping[str, str],
        rows: Sequence[Values],
        *,
        only_up: bool = False,
    ) -> None:
        sql = _update(table, tuple(key), tuple(columns))
        if only_up:
            sql += "".join(f" AND {name} < ?{n}" for n, name in enumerate(columns, start=1))
        self._connection.executemany(sql, rows)

    def delete(self, table: str, key: Mapping[str, str], rows: Sequence[Values]) -> None:
        self._connection.executemany(_delete(table, tuple(key)), rows)

    def next_id(self, table: str) -> int:
        last = self._ids.get(table)
        if last is None:
            found = self._connection.execute(f"SELECT MAX(id) FROM {table}").fetchone()[0]
            last = found or 0
        self._ids[table] = last + 1
        return last + 1

    def settled(self, table: str) -> int:
        sql = f"SELECT MAX({FOLLOWED[table]}) FROM {table}"  # writers come one after the other
        return self._connection.execute(sql).fetchone()[0] or 0

    def lock(self, names: Iterable[str]) -> None:
        pass  # whoever writes is alone

    def share(self, names: Iterable[str]) -> None:
        pass

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()


@cache
def with_keys(sql: str, columns: Sequence[str], size: int) -> str:
    """Return a query with a table of keys, of which those without a value are none."""
    row = f"({', '.join('?' * len(columns))})"
    keys = f"WITH keys ({', '.join(columns)}) AS (VALUES {', '.join([row] * size)})"
    return f"{keys} {sql.format(keys=f'(SELECT * FROM keys WHERE {columns[0]} IS NOT NULL)')}"


@cache
def _insert(
    table: str, names: Sequence[str], found: Sequence[tuple[str, str]], conflict: str
) -> str:
    columns = ", ".join([*names, *[name for name, _ in found]])
    given = {name: f"?{number}" for number, name in enumerate(names, start=1)}
    looked_up = [_GIVEN.sub(lambda match: given[match[1]], sql) for _, sql in found]
    values = ", ".join([*given.values(), *looked_up])
    return f"INSERT INTO {table} ({columns}) VALUES ({values}) {conflict}"


@cache
def _update(table: str, key: Sequence[str], names: Sequence[str]) -> str:
    values = ", ".join(f"{name} = ?" for name in names)
    return f"UPDATE {table} SET {values} WHERE {' AND '.join(f'{name} = ?' for name in key)}"


@cache
def _delete(table: str, key: Sequence[str]) -> str:
    return f"DELETE FROM {table} WHERE {' AND '.join(f'{name} = ?' for name in key)}"
