"""The benchmarks make rows that the schema takes."""

import importlib
import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bot import storage as store
from bot import times

SOME = 300  # rows of each table, of up to a million


def test_the_large_database_can_be_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/bot.db"
    store.engine(url).migrate()
    rows, fill = importlib.import_module("bench.rows"), importlib.import_module("bench.fill")
    tables = [
        rows.Table(one.name, one.columns, one.count, lambda one=one: _some(one.rows()))
        for one in rows.Filling(times.now()).tables()
    ]
    made: list[int] = []
    fill.fill_sqlite(url, tables, made.append)
    with sqlite3.connect(tmp_path / "bot.db") as connection:
        for table in tables:
            found = connection.execute(f"SELECT COUNT(*) FROM {table.name}").fetchone()[0]
            assert found == min(table.count, SOME), table.name
    connection.close()


def _some(rows: Iterator[Any]) -> Iterator[Any]:
    return itertools.islice(rows, SOME)
