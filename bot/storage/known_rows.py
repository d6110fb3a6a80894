"""Rows that a transaction knows by their key, and changes in memory until it writes them.

Each row is read once, or known not to be there; what is added, changed and removed is written with
one statement for each of these and each set of columns, however many rows there are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec

from bot.storage import codec, query
from bot.storage.rows import Row
from bot.storage.transaction import NOTHING, Statements, Transaction

R = TypeVar("R", bound=Row)
Key = tuple[Any, ...]


@cache
def _key_of(names: tuple[str, ...]) -> Callable[[Any], Key]:
    """Return what tells the key of a row."""
    if len(names) > 1:
        return attrgetter(*names)
    fetch = attrgetter(names[0])
    return lambda row: (fetch(row),)


class KnownRows(Generic[R]):
    """The rows of one table that a transaction knows.

    `key` names the columns that tell rows apart and never change, `generated` the id that the
    database gives a row when it is written, if nobody needs it before. `found` are columns that
    nobody needs before either, and how each is found then.
    """

    found: Mapping[str, str] = NOTHING

    __slots__ = (
        "_added",
        "_before",
        "_removed",
        "_tx",
        "generated",
        "key",
        "key_of",
        "rows",
        "shape",
    )

    def __init__(
        self, tx: Transaction, shape: type[R], key: Sequence[str], generated: str | None
    ) -> None:
        self._tx, self.shape, self.key, self.generated = tx, shape, tuple(key), generated
        self.key_of: Callable[[R], Key] = _key_of(self.key)
        self.rows: dict[Key, R | None] = {}
        self._added: dict[Key, R] = {}
        self._before: dict[Key, R] = {}  # of what was changed, as it is stored
        self._removed: dict[Key, bool] = {}

    def find(self, *key: Any) -> R | None:
        """Return the row that has a key, None if there is none."""
        try:
            return self.rows[key]
        except KeyError:
            known = dict(zip(self.key, key, strict=True))
            row = self.rows[key] = query.by_key(self._tx.stored, self.shape, **known)
            return row

    def loading(self, keys: Sequence[Key]) -> query.Load | None:
        """Return how to read the rows that have some keys, None if all are known."""
        missing = [key for key in dict.fromkeys(keys) if key not in self.rows]
        if not missing:
            return None

        def accept(rows: list[R]) -> None:
            self.rows.update(dict.fromkeys(missing))
            self.rows.update({self.key_of(row): row for row in rows})

        table = codec.TABLES[self.shape]
        places = " AND ".join(f"{table}.{name} = wanted.{name}" for name in self.key)
        sql = f"SELECT {table}.* FROM {{keys}} AS wanted CROSS JOIN {table} WHERE {places}"
        return query.Load(self.shape, sql, self.key, missing, accept)

    def know(self, row: R) -> None:
        """Keep a row that has been read by something else than its key."""
        self.rows.setdefault(self.key_of(row), row)

    def add(self, row: R) -> None:
        """Add a row, which is known not to be there."""
        key = self.key_of(row)
        self._tx.put(self.rows, key, row)
        self._tx.put(self._added, key, row)
        self._tx.touch(codec.TABLES[self.shape], self)

    def is_added(self, row: R) -> bool:
        """Tell whether a row was added and is still to be written."""
        return self.key_of(row) in self._added

    def change(self, row: R, **columns: Any) -> R:
        """Set columns of a row that is known; return it as it is then."""
        key = self.key_of(row)
        known = self.rows[key]
        assert known is not None
        changed = msgspec.structs.replace(known, **columns)
        self._tx.put(self.rows, key, changed)
        if key in self._added:
            self._tx.put(self._added, key, changed)
        elif key not in self._before:
            self._tx.put(self._before, key, known)
        self._tx.touch(codec.TABLES[self.shape], self)
        return changed

    def remove(self, row: R) -> None:
        """Remove a row that is known."""
        key = self.key_of(row)
        self._tx.put(self.rows, key, None)
        self._tx.drop(self._before, key)
        if key in self._added:
            self._tx.drop(self._added, key)
        else:
            self._tx.put(self._removed, key, True)
        self._tx.touch(codec.TABLES[self.shape], self)

    def pending(self) -> Iterator[R]:
        """Yield the rows that are to be written, those that are to be changed as they were too."""
        yield from self._added.values()
        for key, before in self._before.items():
            yield before
            now = self.rows[key]
            if now is not None:
                yield now

    def flush(self, statements: Statements) -> None:
        table, types = codec.TABLES[self.shape], codec.types_of(self.shape)
        key = {name: types[name] for name in self.key}
        if self._removed:
            statements.delete(table, key, list(self._removed))
        if self._added:
            names = codec.names_of(self.shape, but=(self.generated, *self.found))
            write = codec.writer(self.shape, names)
            columns = {name: types[name] for name in names}
            added = [write(row) for row in self._added.values()]
            statements.insert(table, columns, added, found=self.found)
        for names, rows in self._changes().items():
            write = codec.writer(self.shape, (*names, *self.key))
            columns = {name: types[name] for name in names}
            statements.update(table, key, columns, [write(row) for row in rows])
        self._removed.clear()
        self._added.clear()
        self._before.clear()

    def _changes(self) -> dict[tuple[str, ...], list[R]]:
        """Return what was changed, by which columns are others than before."""
        found: dict[tuple[str, ...], list[R]] = {}
        fields = self.shape.__struct_fields__
        for key, before in self._before.items():
            now = self.rows[key]
            assert now is not None
            names = tuple([name for name in fields if getattr(now, name) != getattr(before, name)])
            if names:
                found.setdefault(names, []).append(now)
        return found


def known_rows(
    tx: Transaction, shape: type[R], key: Sequence[str], generated: str | None = None
) -> KnownRows[R]:
    """Return the rows of a table that a transaction knows."""
    table = codec.TABLES[shape]
    found: KnownRows[R] | None = tx.kept.get(table)
    if found is None:
        found = tx.kept[table] = KnownRows(tx, shape, key, generated)
    return found


class Added:
    """Rows of one table that are to be added, and that nobody asks for before."""

    __slots__ = ("_conflict", "_shape", "rows")

    def __init__(self, shape: type[Row], conflict: str) -> None:
        self._shape, self._conflict = shape, conflict
        self.rows: list[Mapping[str, Any]] = []

    def flush(self, statements: Statements) -> None:
        if not self.rows:
            return
        table, types = codec.TABLES[self._shape], codec.types_of(self._shape)
        names = tuple(self.rows[0])
        columns = {name: types[name] for name in names}
        rows = [tuple(codec.write(self._shape, row).values()) for row in self.rows]
        self.rows.clear()
        statements.insert(table, columns, rows, self._conflict)


def add_rows(
    tx: Transaction, shape: type[Row], rows: Sequence[Mapping[str, Any]], conflict: str = ""
) -> None:
    """Add rows, which are not there yet; each has the same columns in the same order.

    Unless `conflict`, the same for all rows of a table, says what becomes of those that are there.
    """
    name = ("added", codec.TABLES[shape])
    added: Added | None = tx.kept.get(name)
    if added is None:
        added = tx.kept[name] = Added(shape, conflict)
    for row in rows:
        tx.append(added.rows, row)
    tx.touch(codec.TABLES[shape], added)
