"""Copies a whole installation from one database to another, and checks the copy.

All is read in one snapshot. A copy is marked as incomplete from when its tables are made until it
is checked; till then it can only be begun anew. Engines and collations put texts into orders of
their own, so none is relied on from one database to the other.
"""

import asyncio
import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from bot.log import logger
from bot.storage import query, schema
from bot.storage.database import (
    LONG_SECONDS,
    Database,
    StorageRefused,
    StorageUnavailable,
    Transaction,
)

# Every table with the columns of its primary key, in whose order it is read.
TABLES: Mapping[str, tuple[str, ...]] = {
    "api_tokens": ("id",),
    "integrations": ("seq",),
    "integration_errors": ("integration_id", "about"),
    "deliveries": ("seq",),
    "experiments": ("seq",),
    "vocabulary": ("id",),
    "vocabulary_changes": ("version",),
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
    "diffs": ("item_id",),
    "diff_references": ("item_id", "path", "line", "experiment_key", "change", "alias"),
    "posts": ("item_id",),
    "merge_groups": ("repository_id", "head_sha"),
    "environments": ("id",),
    "live": ("item_id", "environment_id"),
    "command_comments": ("id",),
    "commands": ("seq",),
    "sessions": ("seq",),
    "audit": ("seq",),
    "recorded_settings": ("name",),
    "clock": ("id",),
    "hooks": ("integration_id", "hook_id"),
    "sweeps": ("integration_id",),
    "missed": ("integration_id", "guid"),
    "backfill_runs": ("integration_id",),
    "backfills": ("integration_id", "name_key"),
    "backfill_paces": ("credential",),
    "reconciled": ("repository_id", "number"),
    "clean_ups": ("repository_id", "experiment_key"),
    "code_maps": ("repository_id",),
    "code_references": ("repository_id", "path", "line", "experiment_key", "alias"),
    "repository_rules": ("repository_id",),
    "rules_problems": ("item_id",),
}
_NEVER_TWICE = ("activity", "audit")  # ids that deleted rows had are not given out again
_NEVER_EMPTY = ("vocabulary",)  # what it has the migration has put there
_PROBE = "transfer_probe"
_STEP = 500
_MODULUS = 2**128

Advance = Callable[[str, int], None]


class TransferRefused(Exception):
    """Source or target is not fit for it, or the copy is not the same as the source."""


class Contents(NamedTuple):
    """How many rows there are, and a checksum of them in any order."""

    rows: int = 0
    checksum: int = 0

    def and_also(self, rows: Sequence[Mapping[str, Any]]) -> "Contents":
        checksum = (self.checksum + sum(map(_checksum, rows))) % _MODULUS
        return Contents(self.rows + len(rows), checksum)


def _checksum(row: Mapping[str, Any]) -> int:
    written = msgspec.json.encode(row, order="sorted")
    return int.from_bytes(hashlib.blake2b(written, digest_size=16).digest())


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
        target.migrate(incomplete=True)
    except (StorageRefused, StorageUnavailable) as error:
        raise TransferRefused(f"TO: {error}") from None


async def size(source: Database) -> int:
    """Return how many rows there are to copy; raises TransferRefused for a source without any."""
    found = await counts(source)
    if not any(rows for table, rows in found.items() if table not in _NEVER_EMPTY):
        raise TransferRefused("FROM: the database holds nothing at all; is it the right one?")
    return sum(found.values())


async def copy(
    source: Database, target: Database, *, overwrite: bool, advance: Advance
) -> dict[str, int]:
    """Copy every row; return how many of each table.

    Both must be started and migrated. A target with rows of its own is refused, unless `overwrite`
    empties it first; what an interrupted copy has left goes. `advance(table, rows)` tells of
    progress. Raises TransferRefused.
    """
    await size(source)
    ours = uuid.uuid4().hex
    if await _are_the_same(source, target, ours):
        raise TransferRefused("source and target are the same database")
    await target.write(lambda tx: _mark(tx, ours, overwrite))
    for table in TABLES:
        await target.write(
            partial(_empty, ours=ours, table=table), heavy=True, seconds=LONG_SECONDS
        )
    given = {table: await source.last_id(table) for table in _NEVER_TWICE}
    read = await _Copying(source, target, ours, advance).run()
    await target.continue_ids({table: key[0] for table, key in TABLES.items()}, given)
    await _verify(target, read, ours)
    await _see_that_none_has_changed(source, read)
    await target.write(partial(_finish, ours=ours))
    return {table: contents.rows for table, contents in read.items()}


async def counts(database: Database) -> dict[str, int]:
    """Return the number of rows in each table."""
    return {table: await database.read(partial(count, table=table), heavy=True) for table in TABLES}


def count(tx: Transaction, table: str) -> int:
    return query.number(tx, f"SELECT COUNT(*) FROM {table}") or 0


async def _are_the_same(source: Database, target: Database, ours: str) -> bool:
    """Tell whether what is written to one shows in the other, whatever they are called.

    Nothing is marked before that is known: killed here, the installation is still whole.
    """

    def probe(tx: Transaction) -> None:
        tx.run(f"DROP TABLE IF EXISTS {_PROBE}")
        tx.run(f"CREATE TABLE {_PROBE} (note TEXT)")
        tx.run(f"INSERT INTO {_PROBE} (note) VALUES (:ours)", {"ours": ours})

    def shows(tx: Transaction) -> bool:
        return tx.has_table(_PROBE) and query.value(tx, f"SELECT note FROM {_PROBE}") == ours

    await target.write(probe)
    try:
        return await source.read(shows)
    finally:
        await target.write(lambda tx: tx.run(f"DROP TABLE IF EXISTS {_PROBE}"))


def _mark(tx: Transaction, ours: str, overwrite: bool) -> None:
    """Mark the target as ours and incomplete; raises TransferRefused if it holds something else."""
    if not (overwrite or tx.has_table(schema.INCOMPLETE)) and any(
        count(tx, one) for one in TABLES if one not in _NEVER_EMPTY
    ):
        raise TransferRefused(
            "the target is not empty; copy to an empty database, or empty it with --overwrite"
        )
    tx.run(schema.MARK)
    tx.run(f"DELETE FROM {schema.INCOMPLETE}")
    tx.run(f"INSERT INTO {schema.INCOMPLETE} (note) VALUES (:ours)", {"ours": ours})


def _see_that_it_is_ours(tx: Transaction, ours: str) -> None:
    has_begun = tx.has_table(schema.INCOMPLETE)  # else another has come to its end
    if not has_begun or query.value(tx, f"SELECT note FROM {schema.INCOMPLETE}") != ours:
        raise TransferRefused("another copy to the same database has begun")


def _empty(tx: Transaction, ours: str, table: str) -> None:
    _see_that_it_is_ours(tx, ours)
    tx.run(f"DELETE FROM {table}")


def _insert(tx: Transaction, ours: str, table: str, rows: list[dict[str, Any]]) -> None:
    _see_that_it_is_ours(tx, ours)
    names = list(rows[0])
    tx.run_many(
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{n}' for n in names)})",
        rows,
    )


def _finish(tx: Transaction, ours: str) -> None:
    _see_that_it_is_ours(tx, ours)
    tx.run(f"DROP TABLE {schema.INCOMPLETE}")


class _Copying:
    """Rows on their way: a thread reads them in one transaction, the event loop writes them."""

    def __init__(self, source: Database, target: Database, ours: str, advance: Advance) -> None:
        self._source, self._target, self._ours, self._advance = source, target, ours, advance
        self._loop = asyncio.get_running_loop()

    async def run(self) -> dict[str, Contents]:
        """Copy every table, and return what was read of each."""
        return await self._source.read(self._read_all, heavy=True)

    def _read_all(self, tx: Transaction) -> dict[str, Contents]:
        return {table: self._read(tx, table) for table in TABLES}

    def _read(self, tx: Transaction, table: str) -> Contents:
        contents = Contents()
        for rows in _pages(tx, table):
            writing = asyncio.run_coroutine_threadsafe(self._write(table, rows), self._loop)
            writing.result()
            contents = contents.and_also(rows)
        return contents

    async def _write(self, table: str, rows: list[dict[str, Any]]) -> None:
        try:
            await self._insert(table, rows)
        except (StorageUnavailable, TransferRefused):
            raise
        except Exception as error:  # the engines have many: the row that it is about is looked for
            logger.warning("writing row by row", table=table, reason=_first_line(error))
            for row in rows:
                await self._insert_one(table, row)
        self._advance(table, len(rows))

    async def _insert(self, table: str, rows: list[dict[str, Any]]) -> None:
        job = partial(_insert, ours=self._ours, table=table, rows=rows)
        await self._target.write(job, heavy=True, seconds=LONG_SECONDS)

    async def _insert_one(self, table: str, row: dict[str, Any]) -> None:
        """Write a row of which the target refuses one; raises TransferRefused for that one."""
        try:
            await self._insert(table, [row])
        except (StorageUnavailable, TransferRefused):
            raise
        except Exception as error:
            key = ", ".join(f"{name} = {row[name]!r}" for name in TABLES[table])
            raise TransferRefused(
                f"{table}: TO cannot take the row whose {key}: {_first_line(error)}. Correct "
                "that row in FROM, and run the same command again"
            ) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _pages(tx: Transaction, table: str) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of a table, some at a time; raises TransferRefused."""
    key, last = TABLES[table], None
    try:
        while rows := _rows_after(tx, table, key, last):
            yield rows
            last = tuple(rows[-1][name] for name in key)
    except TransferRefused:
        raise
    except Exception as error:
        behind = "at its beginning" if last is None else f"behind {last!r}"
        raise TransferRefused(f"{table} cannot be read {behind}: {_first_line(error)}") from None


def _rows_after(
    tx: Transaction, table: str, key: tuple[str, ...], after: query.Place | None
) -> list[dict[str, Any]]:
    is_behind, place = query.behind(key, after, ">")
    sql = f"""SELECT * FROM {table} {query.where_all(is_behind)}
        ORDER BY {", ".join(key)} LIMIT :limit"""
    return [dict(row) for row in tx.all(sql, {"limit": _STEP, **place})]


async def _verify(target: Database, read: Mapping[str, Contents], ours: str) -> None:
    """Compare number and checksum of the rows of every table; raises TransferRefused."""
    for table, expected in read.items():
        found = await target.read(partial(_contents, table=table), heavy=True)
        if found != expected:
            await target.read(partial(_see_that_it_is_ours, ours=ours))
            raise TransferRefused(
                f"{table}: {expected.rows} rows were written, and {found.rows} are in TO, or their "
                "contents differ: something there changes what is written, such as a trigger or "
                "another program. What is in TO cannot be used until a copy succeeds"
            )


async def _see_that_none_has_changed(source: Database, read: Mapping[str, Contents]) -> None:
    """Raise TransferRefused if rows are not what was read, be there as many of them or not.

    An action that was carried out meanwhile would be carried out again from the copy.
    """
    now = {
        table: await source.read(partial(_contents, table=table), heavy=True) for table in TABLES
    }
    if changed := [table for table, contents in now.items() if contents != read[table]]:
        raise TransferRefused(
            f"FROM was written to while it was copied ({', '.join(changed)}): stop the service, "
            "and run the same command again"
        )


def _contents(tx: Transaction, table: str) -> Contents:
    contents = Contents()
    for rows in _pages(tx, table):
        contents = contents.and_also(rows)
    return contents
