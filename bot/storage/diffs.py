"""Queries for what was read of the diffs of pull requests, and the references in them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from bot.storage import query
from bot.storage.database import Transaction
from bot.storage.diff_rows import Diff, DiffReference
from bot.storage.rows import Item


def find(tx: Transaction, item_id: int) -> Diff | None:
    """Return what was read of a pull request's diff, None if nothing ever was."""
    return query.by_key(tx.stored, Diff, item_id=item_id)


def references_of(tx: Transaction, item_id: int) -> list[DiffReference]:
    """Return what a pull request adds, removes and moves, by path and line."""
    sql = """SELECT * FROM diff_references WHERE item_id = :item_id
        ORDER BY path, line, experiment_key, change, alias"""
    return query.select(tx, DiffReference, sql, item_id=item_id)


def keep(tx: Transaction, columns: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> None:
    """Keep a reading, and its references, instead of what was read before."""
    key = {"item_id": columns["item_id"]}
    if not query.insert_new(tx, Diff, columns):
        query.change(tx, Diff, key, {k: v for k, v in columns.items() if k not in key})
        tx.run("DELETE FROM diff_references WHERE item_id = :item_id", key)
    query.insert_many(tx, DiffReference, [{**key, **one} for one in found])


def of_repository(tx: Transaction, repository_id: int) -> list[Diff]:
    """Return what was read of the open pull requests of a repository."""
    sql = """SELECT diffs.* FROM items JOIN diffs ON diffs.item_id = items.id
        WHERE items.repository_id = :id AND items.kind = 'pull_request'
            AND items.state = 'open' AND items.gone_at IS NULL"""
    return query.select(tx, Diff, sql, id=repository_id)


def open_with(tx: Transaction, key: str) -> list[Item]:
    """Return the open pull requests that change references to an experiment."""
    sql = """SELECT * FROM items WHERE kind = 'pull_request' AND state = 'open'
        AND gone_at IS NULL AND id IN (SELECT item_id FROM diff_references
            WHERE experiment_key = :key) ORDER BY id"""
    return query.select(tx, Item, sql, key=key)


def forget(tx: Transaction, item_id: int, key: str, aliases: Collection[str] | None) -> None:
    """Forget references of a pull request to an experiment; with aliases only those by these."""
    found = [
        one
        for one in references_of(tx, item_id)
        if one.experiment_key == key and (aliases is None or one.alias in aliases)
    ]
    sql = """DELETE FROM diff_references WHERE item_id = :item_id AND path = :path
        AND line = :line AND experiment_key = :experiment_key AND change = :change
        AND alias = :alias"""
    tx.run_many(sql, [msgspec.structs.asdict(one) for one in found])
