"""Copies a whole installation from one database to another, checks it, and can be resumed."""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from bot.storage import query, schema
from bot.storage.database import (
    LONG_SECONDS,
    Database,
    Job,
    StorageRefused,
    StorageUnavailable,
    Transaction,
)

# Every table with the columns of its primary key, in whose order it is copied.
TABLES: Mapping[str, tuple[str, ...]] = {
    "api_tokens": ("id",),
    "integrations": ("seq",),
    "integration_errors": ("integration_id", "about"),
    "deliveries": ("seq",),
    "experiments": ("seq",),
    "repositories": ("id",),
    "former_names": ("repository_id", "full_name"),
    "speakers": ("repository_id", "integration_id"),
    "tellers": ("kind", "target_id", "integration_id"),
    "items": ("id",),
    "versions": ("id",),
    "commits": ("id",),
    "branch_commits": ("id",),
    "branch_starts": ("repository_id", "ref", "started_at"),
    "rewrites": ("repository_id", "ref", "pushed_at", "before_sha", "after_sha"),
    "listed_commits": ("item_id", "commit_id"),
    "links": ("id",),
    "activity": ("seq",),
    "installations": ("id",),
    "installation_repositories": ("installation_row", "github_id"),
    "repository_installations": ("integration_id", "repository_id"),
    "allowed_repositories": ("id",),
    "decisions": ("id",),
    "actions": ("seq",),
    "queues": ("queue",),
    "posts": ("item_id",),
    "merge_groups": ("repository_id", "head_sha"),
    "command_comments": ("id",),
    "commands": ("seq",),
    "sessions": ("seq",),
    "audit": ("seq",),
    "recorded_settings": ("name",),
    "clock": ("id",),
}
_NEVER_TWICE = ("activity", "audit")  # ids that deleted rows had are not given out again
_STEP = 500
_MARK = "transfer_in_progress"  # a table in the target while it is not complete


class TransferRefused(Exception):
    """Source or target is not fit for it, or the copy is not the same as the source."""


def refuse_unfit(source: Database) -> None:
    """Raise TransferRefused if there is nothing to copy from, and create and change nothing.

    The source is not brought up to date: it is the way back to the version that it is of.
    Blocking.
    """
    try:
        found = source.existing_version()
    except (StorageRefused, StorageUnavailable) as error:
        raise TransferRefused(f"FROM: {error}") from None
    if found != schema.VERSION:
        raise TransferRefused(
            f"FROM: the database has schema version {found}, of an older Experiment Bot; this one "
            f"has {schema.VERSION}. Start the service on it once, which brings it up to date, stop "
            "it, and copy then"
        )


def prepare(target: Database) -> None:
    """Give a target its tables, as the service would; raises TransferRefused. Blocking."""
    try:
        target.migrate()
    except (StorageRefused, StorageUnavailable) as error:
        raise TransferRefused(f"TO: {error}") from None


async def size(source: Database) -> int:
    """Return how many rows there are to copy; raises TransferRefused for a source without any."""
    if await source.read(lambda tx: tx.has_table(_MARK)):
        raise TransferRefused("FROM: the database is itself a copy that was not completed")
    if not (rows := sum((await counts(source)).values())):
        raise TransferRefused("FROM: the database holds nothing at all; is it the right one?")
    return rows


async def copy(
    source: Database, target: Database, *, overwrite: bool, advance: Callable[[str, int], None]
) -> dict[str, int]:
    """Copy every row; return how many of each table.

    Both must be started and migrated, and nothing else may write to them meanwhile. A target
    with rows of its own is refused, unless `overwrite` empties it first; one that an interrupted
    copy has left is completed. `advance(table, rows)` tells of progress. Raises TransferRefused.
    """
    await size(source)
    await _write(target, lambda tx: _mark(tx, overwrite))
    if await source.read(lambda tx: tx.has_table(_MARK)):
        await target.write(lambda tx: tx.run(f"DROP TABLE {_MARK}"))
        raise TransferRefused("source and target are the same database")
    if overwrite:
        for table in TABLES:
            await _write(target, partial(_empty, table=table))
    for table, key in TABLES.items():
        last = await target.read(partial(_last_key, table=table, key=key))
        advance(table, await target.read(partial(count, table=table), heavy=True))
        async for rows in _pages(source, table, key, last):
            await _write(target, partial(_insert, table=table, rows=rows))
            advance(table, len(rows))
    given = {table: await source.last_id(table) for table in _NEVER_TWICE}
    await target.continue_ids({table: key[0] for table, key in TABLES.items()}, given)
    counts = await _verify(source, target)
    await target.write(lambda tx: tx.run(f"DROP TABLE {_MARK}"))
    return counts


async def _write(target: Database, job: Job[None]) -> None:
    await target.write(job, heavy=True, seconds=LONG_SECONDS)


async def counts(database: Database) -> dict[str, int]:
    """Return the number of rows in each table."""
    return {table: await database.read(partial(count, table=table), heavy=True) for table in TABLES}


def count(tx: Transaction, table: str) -> int:
    return query.number(tx, f"SELECT COUNT(*) FROM {table}") or 0


def _mark(tx: Transaction, overwrite: bool) -> None:
    """Mark the target as incomplete; raises TransferRefused if it holds something else."""
    if not (overwrite or tx.has_table(_MARK)) and any(count(tx, table) for table in TABLES):
        raise TransferRefused(
            "the target is not empty; copy to an empty database, or empty it with --overwrite"
        )
    tx.run(f"CREATE TABLE IF NOT EXISTS {_MARK} (note TEXT)")


def _empty(tx: Transaction, table: str) -> None:
    tx.run(f"DELETE FROM {table}")


def _last_key(tx: Transaction, table: str, key: tuple[str, ...]) -> query.Place | None:
    columns = ", ".join(key)
    descending = ", ".join(f"{name} DESC" for name in key)
    row = tx.one(f"SELECT {columns} FROM {table} ORDER BY {descending} LIMIT 1")
    return None if row is None else tuple(row[name] for name in key)


async def _pages(
    source: Database, table: str, key: tuple[str, ...], last: query.Place | None = None
) -> AsyncIterator[list[dict[str, Any]]]:
    """Yield the rows of a table behind a key in their order, some at a time."""
    while rows := await source.read(
        partial(_rows_after, table=table, key=key, after=last), heavy=True
    ):
        yield rows
        last = tuple(rows[-1][name] for name in key)


def _rows_after(
    tx: Transaction, table: str, key: tuple[str, ...], after: query.Place | None
) -> list[dict[str, Any]]:
    is_behind, place = query.behind(key, after, ">")
    sql = f"""SELECT * FROM {table} {query.where_all(is_behind)}
        ORDER BY {", ".join(key)} LIMIT :limit"""
    return [dict(row) for row in tx.all(sql, {"limit": _STEP, **place})]


def _insert(tx: Transaction, table: str, rows: list[dict[str, Any]]) -> None:
    names = list(rows[0])
    tx.run_many(
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{n}' for n in names)})",
        rows,
    )


async def _verify(source: Database, target: Database) -> dict[str, int]:
    """Compare number and checksum of the rows of every table; raises TransferRefused."""
    verified = {}
    for table, key in TABLES.items():
        original, copied = [await _checksum(one, table, key) for one in (source, target)]
        if original != copied:
            raise TransferRefused(
                f"{table}: {original[0]} rows in the source, {copied[0]} in the target, "
                "or their contents differ; stop whatever writes to either, and copy again"
            )
        verified[table] = original[0]
    return verified


async def _checksum(database: Database, table: str, key: tuple[str, ...]) -> tuple[int, str]:
    digest, rows = hashlib.sha256(), 0
    async for page in _pages(database, table, key):
        for row in page:
            digest.update(msgspec.json.encode(row, order="sorted"))
        rows += len(page)
    return rows, digest.hexdigest()
