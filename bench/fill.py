"""Makes a large database in a few minutes, the same one on every run of one day.

It holds a million deliveries, 100,000 pull requests, as many issues, 200,000 commits, a million
feed items and 10,000 experiments, of which a few are very big. Rows go in straight, past the
rules of the service, in large batches.

    .venv/bin/python bench/fill.py sqlite:///filled/bot.db
    .venv/bin/python bench/fill.py postgresql://user:password@host/name

The database must be empty. Its integration has the id, secret and key of
`bench/rows.py`, which `bench/webhook.py` and `bench/lists.py` know.
"""

import itertools
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import psycopg

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.rows import Filling, Table  # noqa: E402
from bot import storage as store  # noqa: E402
from bot import times  # noqa: E402
from bot.settings import Settings  # noqa: E402

BATCH = 5_000

# What follows from the rows is worked out as it is for those of an older version. Actions there are
# none.
FOLLOWING = [
    statement
    for migration in store.schema.MIGRATIONS[3:]
    for statement in migration
    if statement.startswith("UPDATE") and not statement.startswith("UPDATE actions")
]


def fill_sqlite(url: str, tables: list[Table], advance: Callable[[int], None]) -> None:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -1000000")
    for table in tables:
        marks = ", ".join("?" * (table.columns.count(",") + 1))
        connection.execute("BEGIN")
        rows = table.rows()
        while batch := list(itertools.islice(rows, BATCH)):
            connection.executemany(
                f"INSERT INTO {table.name} ({table.columns}) VALUES ({marks})", batch
            )
            advance(len(batch))
        connection.execute("COMMIT")
    for statement in FOLLOWING:
        connection.execute(statement)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def fill_postgres(url: str, tables: list[Table], advance: Callable[[int], None]) -> None:
    with psycopg.connect(url) as connection:
        for table in tables:
            with connection.cursor().copy(
                f"COPY {table.name} ({table.columns}) FROM STDIN"
            ) as copy:
                for number, row in enumerate(table.rows(), start=1):
                    copy.write_row(row)
                    if number % BATCH == 0:
                        advance(BATCH)
            connection.execute(
                "SELECT setval(pg_get_serial_sequence(%s, %s), %s)",
                [table.name, store.transfer.TABLES[table.name][0], table.count],
            )
            connection.commit()
        for statement in FOLLOWING:
            connection.execute(statement)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")  # as the server does by itself in time


@click.command()
@click.argument("url")
def main(url: str) -> None:
    """Fill the empty database at URL."""
    url = Settings.from_environment({"DATABASE_URL": url}).database_url
    started = time.monotonic()
    store.engine(url).migrate()
    day = 86_400 * times.SECOND
    tables = Filling(times.now() // day * day).tables()
    total = sum(table.count for table in tables)
    fill = fill_sqlite if url.startswith("sqlite:") else fill_postgres
    with click.progressbar(length=total, label="Filling", file=sys.stderr) as bar:
        fill(url, tables, bar.update)
    for table in tables:
        print(f"{table.name:16} {table.count:>10,}")
    print(f"{'rows':16} {total:>10,} in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
