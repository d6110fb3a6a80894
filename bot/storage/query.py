"""Select, insert, change and page: each written once, with rows as types (codec.py)."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from bot.storage.codec import TABLES, reader, types_of, write
from bot.storage.rows import Row
from bot.storage.transaction import Keyed, Params, Statements, Transaction

R = TypeVar("R", bound=Row)


class Reader(Protocol):
    """What queries are run by: a transaction, or what runs its statements."""

    def all(self, sql: str, params: Params = ...) -> Sequence[Mapping[str, Any]]: ...

    def one(self, sql: str, params: Params = ...) -> Mapping[str, Any] | None: ...


Place = tuple[Any, ...]  # of a row in a list: what the list goes by


# --- Select. Parameters are given by their names.


def select(tx: Reader, shape: type[R], sql: str, /, **params: Any) -> list[R]:
    """Run a query and return its rows."""
    found = tx.all(sql, params)
    if not found:
        return []
    read = reader(shape, sql, found[0])
    return [read(row) for row in found]


def select_keyed(
    statements: Statements,
    shape: type[R],
    sql: str,
    columns: Sequence[str],
    keys: Sequence[tuple[Any, ...]],
) -> list[R]:
    """Run a query that has `{keys}` where a table of keys belongs, whose columns have those names.

    The names are those of columns of the shape.
    """
    found: list[R] = []
    load(statements, [Load(shape, sql, tuple(columns), keys, found.extend)])
    return found


class Load(NamedTuple):
    """Rows to be read by some keys; `accept` is given them. See `select_keyed`."""

    shape: type[Row]
    sql: str
    columns: tuple[str, ...]
    keys: Sequence[tuple[Any, ...]]
    accept: Callable[[list[Any]], None]


def load(statements: Statements, loads: Iterable[Load | None]) -> None:
    """Read what is not None of some loads, one statement each."""
    wanted = [one for one in loads if one is not None]
    queries = []
    for one in wanted:
        types = types_of(one.shape)
        queries.append(Keyed(one.sql, {name: types[name] for name in one.columns}, one.keys))
    for one, found in zip(wanted, statements.keyed(queries), strict=True):
        read = reader(one.shape, one.sql, found[0]) if found else None
        one.accept([read(row) for row in found] if read is not None else [])


def first(tx: Reader, shape: type[R], sql: str, /, **params: Any) -> R | None:
    """Run a query and return its first row, None if there is none."""
    row = tx.one(sql, params)
    return None if row is None else reader(shape, sql, row)(row)


def the(tx: Reader, shape: type[R], sql: str, /, **params: Any) -> R:
    """Run a query and return its row, which there is."""
    row = first(tx, shape, sql, **params)
    assert row is not None
    return row


def by_key(tx: Reader, shape: type[R], /, **key: Any) -> R | None:
    """Return the row that has a key, None if there is none."""
    return first(tx, shape, _by_key(shape, tuple(key)), **key)


@cache
def _by_key(shape: type[Row], names: tuple[str, ...]) -> str:
    conditions = " AND ".join(f"{name} = :{name}" for name in names)
    return f"SELECT * FROM {TABLES[shape]} WHERE {conditions}"


def value(tx: Reader, sql: str, /, **params: Any) -> Any:
    """Run a query of one column and return what it has in its first row, None if there is none."""
    row = tx.one(sql, params)
    return None if row is None else _only(row)


def number(tx: Reader, sql: str, /, **params: Any) -> int | None:
    """Do as `value` does, with a column of numbers."""
    found: int | None = value(tx, sql, **params)
    return found


def exists(tx: Reader, sql: str, /, **params: Any) -> bool:
    """Tell whether a query has rows."""
    return tx.one(sql, params) is not None


def values(tx: Reader, sql: str, /, **params: Any) -> list[Any]:
    """Run a query of one column and return what it has in each row."""
    return [_only(row) for row in tx.all(sql, params)]


def _only(row: Any) -> Any:
    return next(iter(row.values())) if isinstance(row, dict) else row[0]


def in_parts(
    tx: Reader, shape: type[R], sql: str, wanted: Sequence[Any], /, **params: Any
) -> list[R]:
    """Run a query with `IN ({names})` for a list of any length; return all rows."""
    return [
        row
        for part_sql, some in _parts(sql, wanted)
        for row in select(tx, shape, part_sql, **params, **some)
    ]


def values_in_parts(tx: Reader, sql: str, wanted: Sequence[Any], /, **params: Any) -> list[Any]:
    """Do as `in_parts` does, with a query of one column."""
    return [
        one
        for part_sql, some in _parts(sql, wanted)
        for one in values(tx, part_sql, **params, **some)
    ]


def run_in_parts(statements: Statements | Transaction, sql: str, wanted: Sequence[Any]) -> None:
    """Run a statement with `IN ({names})` for a list of any length."""
    for part_sql, some in _parts(sql, wanted):
        statements.run(part_sql, some)


_SIZES = (1, 4, 16, 32, 64, 128, 256, 512)  # of lists in statements


def _parts(sql: str, wanted: Sequence[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a query for each part of a list that is not too long for one, and its values.

    Lists come in few lengths, the last value filling them up, so that there are few statements
    to prepare.
    """
    for start in range(0, len(wanted), _SIZES[-1]):
        some = wanted[start : start + _SIZES[-1]]
        part_sql, names = _with_names(sql, _SIZES[bisect_left(_SIZES, len(some))])
        filled = [*some, *[some[-1]] * (len(names) - len(some))]
        yield part_sql, dict(zip(names, filled, strict=True))


@cache
def _with_names(sql: str, size: int) -> tuple[str, tuple[str, ...]]:
    names = tuple(f"one{number}" for number in range(size))
    return sql.replace("{names}", ", ".join(f":{name}" for name in names)), names


# --- Lists in parts


@dataclass(frozen=True, slots=True)
class Part(Generic[R]):
    """A part of a list; `next` is the place of its last row if there are more behind it."""

    rows: list[R]
    next: Place | None

    def __iter__(self) -> Iterator[R]:
        return iter(self.rows)


def page(
    tx: Reader,
    shape: type[R],
    sql: str,
    where: Sequence[str | None],
    by: Mapping[str, str],
    before: Place | None,
    limit: int,
    /,
    **params: Any,
) -> Part[R]:
    """Return a part of a list, the highest first: what comes behind the place `before`.

    `sql` is all up to WHERE, whose conditions are those of `where` that are not None. `by` has
    the columns that the list goes by, each with the field that holds it.
    """
    is_behind, place = behind(tuple(by), before)
    order = ", ".join(f"{column} DESC" for column in by)
    sql = f"{sql} {where_all(*where, is_behind)} ORDER BY {order} LIMIT :limit"
    return part(tx, shape, sql, tuple(by.values()), limit, **params, **place)


def highest_of(arms: Sequence[str], by: Sequence[str]) -> str:
    """Return a query of the rows of several queries that are highest by some columns.

    Each of them is one that the order of an index answers; `LIMIT :limit` holds for each and all.
    """
    order = f"ORDER BY {', '.join(f'{column} DESC' for column in by)} LIMIT :limit"
    if len(arms) == 1:
        return f"{arms[0]} {order}"
    parts = [f"SELECT * FROM ({arm} {order}) AS part{n}" for n, arm in enumerate(arms)]
    return f"SELECT * FROM ({' UNION ALL '.join(parts)}) AS parts {order}"


def where_all(*conditions: str | None) -> str:
    """Return the WHERE of those conditions that are given, nothing if none is."""
    given = [condition for condition in conditions if condition]
    return f"WHERE {' AND '.join(given)}" if given else ""


def behind(
    by: Sequence[str], place: Place | None, sign: str = "<"
) -> tuple[str | None, dict[str, Any]]:
    """Return the condition that is met behind a place in a list, and its parameters."""
    if place is None:
        return None, {}
    values = {f"behind{number}": one for number, one in enumerate(place)}
    return f"({', '.join(by)}) {sign} ({', '.join(f':{name}' for name in values)})", values


def part(
    tx: Reader, shape: type[R], sql: str, by: Sequence[str], limit: int, /, **params: Any
) -> Part[R]:
    """Return the first rows of a query, which has `LIMIT :limit`, and the place of the last one.

    One more is asked for, which only tells that there are more.
    """
    rows = select(tx, shape, sql, **params, limit=limit + 1)
    shown, more = rows[:limit], len(rows) > limit
    return Part(shown, tuple(getattr(shown[-1], name) for name in by) if more else None)


def containing(text: str) -> str:
    """Return the pattern of texts that contain a text, for `LIKE … ESCAPE '!'`."""
    for character in "!%_":
        text = text.replace(character, f"!{character}")
    return f"%{text}%"


# --- Insert and change


def insert(tx: Transaction, shape: type[Row], columns: Mapping[str, Any]) -> None:
    """Add a row. Another with the same key is a fault."""
    if not insert_new(tx, shape, columns):
        raise AssertionError(f"there is such a row in {TABLES[shape]} already")


def insert_new(tx: Transaction, shape: type[Row], columns: Mapping[str, Any]) -> bool:
    """Add a row; False if it would be another with the same key."""
    return tx.run(_insert(shape, tuple(columns)), write(shape, columns)) == 1


def insert_many(tx: Transaction, shape: type[Row], rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows with the same columns; those whose key is there already are passed over."""
    if rows:
        tx.run_many(_insert(shape, tuple(rows[0])), [write(shape, row) for row in rows])


def insert_returning(tx: Transaction, shape: type[R], columns: Mapping[str, Any]) -> R | None:
    """Add a row and return it whole; None if it would be another with the same key."""
    sql = f"{_insert(shape, tuple(columns))} RETURNING *"
    return first(tx, shape, sql, **write(shape, columns))


def change(
    tx: Transaction, shape: type[Row], key: Mapping[str, Any], columns: Mapping[str, Any]
) -> int:
    """Set columns of the rows that have a key; return how many there were."""
    names = {f"the_{name}": one for name, one in key.items()}
    return tx.run(_change(shape, tuple(key), tuple(columns)), {**write(shape, columns), **names})


@cache
def _insert(shape: type[Row], names: tuple[str, ...]) -> str:
    return (
        f"INSERT INTO {TABLES[shape]} ({', '.join(names)}) "
        f"VALUES ({', '.join(f':{name}' for name in names)}) ON CONFLICT DO NOTHING"
    )


@cache
def _change(shape: type[Row], key: tuple[str, ...], names: tuple[str, ...]) -> str:
    return (
        f"UPDATE {TABLES[shape]} SET {', '.join(f'{name} = :{name}' for name in names)} "
        f"WHERE {' AND '.join(f'{name} = :the_{name}' for name in key)}"
    )
