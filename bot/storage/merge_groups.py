"""Queries for the commits of merge queues, and the check that the bot has put on them."""

from collections.abc import Sequence
from typing import Any

import msgspec

from bot.storage import query
from bot.storage.database import Transaction
from bot.storage.rows import MergeGroup


def add(tx: Transaction, group: MergeGroup) -> bool:
    """Add a merge group; False if its commit is known already."""
    return query.insert_new(tx, MergeGroup, msgspec.structs.asdict(group))


def find(tx: Transaction, repository_id: int, head_sha: str) -> MergeGroup | None:
    return query.by_key(tx, MergeGroup, repository_id=repository_id, head_sha=head_sha)


def waiting(tx: Transaction, repository_id: int, number: int, since: int) -> list[MergeGroup]:
    """Return the groups of a pull request that have come since a time and have not ended."""
    known, place = _waiting(tx), (repository_id, number)
    if place not in known:
        query.load(tx.stored, [loading(tx, [place])])
    return [group for group in known[place] if group.created_at >= since]


def loading(tx: Transaction, places: Sequence[tuple[int, int]]) -> query.Load | None:
    """Return how to read the groups that have not ended of some pull requests.

    By repository and number; None if all are known.
    """
    known = _waiting(tx)
    missing = [place for place in dict.fromkeys(places) if place not in known]
    if not missing:
        return None

    def accept(rows: list[MergeGroup]) -> None:
        known.update(dict.fromkeys(missing, ()))
        for group in rows:
            if group.number is not None:
                known[group.repository_id, group.number] += (group,)

    sql = """SELECT merge_groups.* FROM {keys} AS wanted CROSS JOIN merge_groups
        WHERE merge_groups.repository_id = wanted.repository_id
            AND merge_groups.number = wanted.number AND merge_groups.ended_at IS NULL
        ORDER BY merge_groups.created_at"""
    return query.Load(MergeGroup, sql, ("repository_id", "number"), missing, accept)


def _waiting(tx: Transaction) -> dict[tuple[int, int], tuple[MergeGroup, ...]]:
    """Return the groups that have not ended, as far as a transaction knows."""
    known: dict[tuple[int, int], tuple[MergeGroup, ...]]
    known = tx.kept.setdefault("merge_groups", {})
    return known


def end(tx: Transaction, repository_id: int, head_ref: str, at: int) -> None:
    """Mark the groups of a branch as ended; one that is told of later begins anew."""
    sql = """UPDATE merge_groups SET ended_at = :at WHERE repository_id = :repository_id
        AND head_ref = :head_ref AND ended_at IS NULL"""
    tx.run(sql, {"repository_id": repository_id, "head_ref": head_ref, "at": at})


def change(tx: Transaction, repository_id: int, head_sha: str, **columns: Any) -> None:
    key = {"repository_id": repository_id, "head_sha": head_sha}
    query.change(tx, MergeGroup, key, columns)


def remove_old(tx: Transaction, before: int, limit: int) -> int:
    """Remove up to `limit` groups that came before a time; return how many."""
    sql = """DELETE FROM merge_groups WHERE (repository_id, head_sha) IN (
        SELECT repository_id, head_sha FROM merge_groups WHERE created_at < :before
        ORDER BY created_at LIMIT :limit)"""
    return tx.run(sql, {"before": before, "limit": limit})
