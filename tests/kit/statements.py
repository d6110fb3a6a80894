"""What a service asks of its database and writes to it, counted on either engine."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bot.storage.postgres_statements import PostgresStatements
from bot.storage.sqlite_statements import SqliteStatements
from bot.storage.transaction import plan_of


class Statements:
    """The statements that were run since the last look, and the rows that went to and fro."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: Counter[str] = Counter()  # queries, by their text
        self.written: Counter[str] = Counter()  # statements that write, by table
        self.rows = 0
        for engine in (SqliteStatements, PostgresStatements):
            for name in ("all", "one", "run", "run_many"):
                monkeypatch.setattr(engine, name, self._of_text(getattr(engine, name)))
            for name in ("insert", "update", "delete"):
                monkeypatch.setattr(engine, name, self._of_table(getattr(engine, name)))
            monkeypatch.setattr(engine, "keyed", self._of_keys(engine.keyed))

    def take(self) -> tuple[int, int, dict[str, int]]:
        """Return how many there were, the rows, and how many wrote to each table."""
        taken = self.asked.total() + self.written.total(), self.rows, dict(self.written)
        self.asked.clear()
        self.written.clear()
        self.rows = 0
        return taken

    def _of_text(self, method: Callable[..., Any]) -> Any:
        def call(statements: Any, sql: str, *args: Any) -> Any:
            found = method(statements, sql, *args)
            table = plan_of(sql).written
            if table is not None:
                self.written[table] += 1
            else:
                self.asked[sql] += 1
            if isinstance(found, Sequence):
                self.rows += len(found)
            return found

        return call

    def _of_table(self, method: Callable[..., Any]) -> Any:
        def call(statements: Any, table: str, *args: Any, **options: Any) -> None:
            method(statements, table, *args, **options)
            self.written[table] += 1
            self.rows += len(next(one for one in args if isinstance(one, list)))

        return call

    def _of_keys(self, method: Callable[..., Any]) -> Any:
        def call(statements: Any, queries: Any) -> Any:
            found = method(statements, queries)
            for one, rows in zip(queries, found, strict=True):
                self.asked[one.sql] += 1
                self.rows += len(rows)
            return found

        return call
