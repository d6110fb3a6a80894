"""A transaction as jobs see it: what they have changed in memory, and SQL for all else.

The jobs of a batch share one. What they look up by its key is kept (known_rows.py), and what they
change is kept too, until `flush` writes all of it with a few statements; so a job of the common
kinds runs without a statement of its own, and one that raises is undone in memory. A job that needs
a statement which the pending changes could contradict is run again from its beginning, behind a
savepoint, where they are written first.
"""

import re
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, NamedTuple, Protocol, TypeVar

Row = Mapping[str, Any]
Params = Mapping[str, Any]
NO_PARAMS: Params = {}
NOTHING: Mapping[str, str] = {}
Values = tuple[Any, ...]
T = TypeVar("T")


# Tables whose rows are followed in the order of their ids, and these ids.
FOLLOWED = {"activity": "seq", "versions": "id"}


class Keyed(NamedTuple):
    """A query that has `{keys}` where a table of keys belongs; `columns` has their types."""

    sql: str
    columns: Mapping[str, str]
    keys: Sequence[Values]


class Statements(Protocol):
    """What runs the statements of a transaction, in the dialect of an engine.

    Parameters are named (`:name`); flags are 0 and 1, times BIGINT µs.
    """

    def all(self, sql: str, params: Params = NO_PARAMS) -> Sequence[Row]:
        """Run a query and return its rows."""

    def one(self, sql: str, params: Params = NO_PARAMS) -> Row | None:
        """Run a query and return its first row, None if there is none."""

    def run(self, sql: str, params: Params = NO_PARAMS) -> int:
        """Run a statement and return how many rows it changed."""

    def run_many(self, sql: str, rows: Sequence[Params]) -> None:
        """Run a statement once for each of `rows`."""

    def has_table(self, name: str) -> bool:
        """Tell whether there is a table of this name."""

    def keyed(self, queries: Sequence[Keyed]) -> list[Sequence[Row]]:
        """Run queries, one statement each however many keys they have, and return their rows."""

    def insert(
        self,
        table: str,
        columns: Mapping[str, str],
        rows: Sequence[Values],
        conflict: str = "",
        *,
        found: Mapping[str, str] = NOTHING,
    ) -> None:
        """Add rows; `columns` has the type of each.

        Another with the same key is an error, unless the clause `conflict` says what becomes of it.
        `found` has other columns, and how each is found in the database for a row that is `given`.
        """

    def update(
        self,
        table: str,
        key: Mapping[str, str],
        columns: Mapping[str, str],
        rows: Sequence[Values],
        *,
        only_up: bool = False,
    ) -> None:
        """Set columns of the rows that have a key; each of `rows` is columns, then key.

        With `only_up`, of those rows only in which they are less.
        """

    def delete(self, table: str, key: Mapping[str, str], rows: Sequence[Values]) -> None:
        """Remove the rows that have one of some keys."""

    def next_id(self, table: str) -> int:
        """Return an id that no row of a table has, nor will be given to another."""

    def settled(self, table: str) -> int:
        """Return the last id of a table behind which rows will be added, and none before it.

        For tables whose rows are followed in the order of their ids (FOLLOWED).
        """

    def lock(self, names: Iterable[str]) -> None:
        """Wait until nobody else locks one of some names, and let nobody until this ends."""

    def share(self, names: Iterable[str]) -> None:
        """Wait until nobody who locks one of some names is at work, nor will be until this ends."""

    def together(self) -> AbstractContextManager[None]:
        """Let statements in a block, whose outcome nobody asks for, be sent at once."""


class Pending(Protocol):
    """Changes of one table that are to be written."""

    def flush(self, statements: Statements) -> None:
        """Write them, and forget that they were to be written."""


class Interrupted(BaseException):
    """A job cannot go on in memory. Not an Exception: nobody but who runs jobs handles it."""


class _Plan(NamedTuple):
    """What a statement touches: the tables that it reads, and the one that it changes, if any."""

    read: frozenset[str]
    written: str | None


_NAMED = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE)\s+([a-z_]+)")
_WRITES = re.compile(
    r"\s*(?:WITH\b.*?\b)?(?:INSERT INTO|UPDATE|DELETE FROM)\s+([a-z_]+)", re.DOTALL
)

# Changes of these are written last, and in this order: rows of theirs are what transactions of
# several repositories may have in common, so that each holds them no longer than it must.
_LAST = {"actions": 1, "experiments": 2, "queues": 3}


@cache
def plan_of(sql: str) -> _Plan:
    written = _WRITES.match(sql)
    return _Plan(frozenset(_NAMED.findall(sql)), written[1] if written else None)


_MISSING: Any = object()


class Transaction:
    """An open transaction, as the jobs of a batch see it one after the other."""

    __slots__ = (
        "_afterwards",
        "_is_direct",
        "_journal",
        "_later",
        "_pending",
        "in_hand",
        "kept",
        "stored",
    )

    def __init__(self, statements: Statements) -> None:
        self.stored = statements  # what is in the database, without what is still to be written
        self.kept: dict[Any, Any] = {}  # by table, what is known of it
        self.in_hand: Any = None  # the delivery that the present job is about
        self._pending: dict[str, list[Pending]] = {}
        self._later: dict[str, _Later] = {}
        self._journal: list[tuple[Any, Any, Any]] = []
        self._afterwards: list[Callable[[], None]] = []
        self._is_direct = True

    # --- SQL. Whatever it touches is written before.

    def all(self, sql: str, params: Params = NO_PARAMS) -> Sequence[Row]:
        """Run a query and return its rows."""
        self._prepare(sql)
        return self.stored.all(sql, params)

    def one(self, sql: str, params: Params = NO_PARAMS) -> Row | None:
        """Run a query and return its first row, None if there is none."""
        self._prepare(sql)
        return self.stored.one(sql, params)

    def run(self, sql: str, params: Params = NO_PARAMS) -> int:
        """Run a statement and return how many rows it changed."""
        self._prepare(sql)
        return self.stored.run(sql, params)

    def run_many(self, sql: str, rows: Sequence[Params]) -> None:
        """Run a statement once for each of `rows`."""
        self._prepare(sql)
        self.stored.run_many(sql, rows)

    def has_table(self, name: str) -> bool:
        """Tell whether there is a table of this name."""
        return self.stored.has_table(name)

    def _prepare(self, sql: str) -> None:
        plan = plan_of(sql)
        if plan.written is None:
            if not self._pending or self._pending.keys().isdisjoint(plan.read):
                return
        elif not self._is_direct:
            raise Interrupted
        if self._pending:
            if not self._is_direct:
                raise Interrupted
            self.flush()
        if plan.written is not None:
            self.kept.pop(plan.written, None)

    def looked_up(self, table: str, key: Any, read: Callable[[], T]) -> T:
        """Return what a table says of a key, which `read` is asked for once."""
        known: dict[Any, T] = self.kept.setdefault(table, {})
        if key not in known:
            known[key] = read()
        return known[key]

    # --- Changes in memory

    def touch(self, table: str, pending: Pending) -> None:
        """Note that a table has changes to be written."""
        known = self._pending.setdefault(table, [])
        if pending not in known:
            known.append(pending)

    def put(self, known: MutableMapping[Any, Any], key: Any, value: Any) -> None:
        """Set a value in a part of what is kept; a job that fails sets it back."""
        self._journal.append((known, key, known.get(key, _MISSING)))
        known[key] = value

    def drop(self, known: MutableMapping[Any, Any], key: Any) -> None:
        """Take a value out of a part of what is kept; a job that fails puts it back."""
        if key in known:
            self._journal.append((known, key, known.pop(key)))

    def append(self, known: list[Any], value: Any) -> None:
        """Add to a list of what is kept; a job that fails takes it off."""
        self._journal.append((known, None, None))
        known.append(value)

    def later(self, table: str, sql: str, params: Params) -> None:
        """Run a statement when changes are written: it changes that table, and nobody asks what.

        Those of one table are run in their order, one after the other with the same text at once.
        """
        pending = self._later.get(table)
        if pending is None:
            pending = self._later[table] = _Later()
        self.touch(table, pending)
        if not pending.runs or pending.runs[-1][0] != sql:
            self.append(pending.runs, (sql, []))
        self.append(pending.runs[-1][1], params)

    # --- Jobs and what becomes of their changes

    def afterwards(self, call: Callable[[], None]) -> None:
        """Have something done once what the present job has changed is committed, and only then.

        It must not fail, as a line for the log does not.
        """
        self._afterwards.append(call)

    def take_afterwards(self) -> Sequence[Callable[[], None]]:
        """Return what is to be done after the commit of the job that has just ended."""
        taken, self._afterwards = self._afterwards, []
        return taken

    def begin_in_memory(self) -> None:
        """Begin a job whose changes can be taken back without the database."""
        self._journal.clear()
        self._afterwards = []
        self.in_hand = None
        self._is_direct = False

    def begin_directly(self) -> None:
        """Begin a job that may use SQL: all before it is written, and it can be undone alone."""
        self.flush()
        self._afterwards = []
        self.in_hand = None
        self._is_direct = True
        self.stored.run("SAVEPOINT job")

    def end_directly(self) -> None:
        """Write what a job has changed; from now on it stays."""
        self.flush()
        self.stored.run("RELEASE SAVEPOINT job")

    def undo(self) -> None:
        """Take back what a job has changed."""
        if self._is_direct:
            self._pending.clear()
            self._later.clear()
            self.kept.clear()
            self.stored.run("ROLLBACK TO SAVEPOINT job")
            self.stored.run("RELEASE SAVEPOINT job")
            return
        while self._journal:
            known, key, value = self._journal.pop()
            if isinstance(known, list):
                known.pop()
            elif value is _MISSING:
                del known[key]
            else:
                known[key] = value

    def flush(self) -> None:
        """Write all changes that are pending."""
        if not self._pending:
            return
        pending, self._pending = self._pending, {}
        with self.stored.together():
            for table in sorted(pending, key=lambda table: _LAST.get(table, 0)):
                for changes in pending[table]:
                    changes.flush(self.stored)
        self._journal.clear()

    def forget(self) -> None:
        """Let go of what was kept, once nothing is pending: it refers to the transaction, too."""
        self.kept.clear()


class _Later:
    """Statements that are run when changes are written."""

    __slots__ = ("runs",)

    def __init__(self) -> None:
        self.runs: list[tuple[str, list[Params]]] = []

    def flush(self, statements: Statements) -> None:
        for sql, rows in self.runs:
            statements.run_many(sql, rows)
        self.runs.clear()
