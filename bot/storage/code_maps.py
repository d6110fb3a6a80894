"""Queries for what is known of the default branches: how far each was read."""

from collections.abc import Sequence
from typing import Any

import msgspec

from bot.storage import query
from bot.storage.code_rows import CodeMap, Unheard
from bot.storage.database import Transaction
from bot.storage.rows import Repository


def find(tx: Transaction, repository_id: int) -> CodeMap | None:
    return query.by_key(tx, CodeMap, repository_id=repository_id)


def add(
    tx: Transaction, repository_id: int, integration_id: str, version: int, now: int
) -> CodeMap:
    """Keep that a default branch is to be read, and return that."""
    row = CodeMap(
        repository_id=repository_id,
        integration_id=integration_id,
        status="pending",
        branch=None,
        sha=None,
        is_wanted=True,
        anew=True,
        pushes=(),
        turned_at=0,
        unread=(),
        version=0,
        wanted_version=version,
        digest=None,
        files=0,
        tree_files=0,
        read_at=None,
        checked_at=now,
        step=0,
    )
    query.insert_new(tx, CodeMap, msgspec.structs.asdict(row))
    return row


def change(tx: Transaction, repository_id: int, **columns: Any) -> None:
    query.change(tx, CodeMap, {"repository_id": repository_id}, columns)


def take_step(tx: Transaction, row: CodeMap, **columns: Any) -> bool:
    """Set columns, unless another has taken a step meanwhile; False then."""
    key = {"repository_id": row.repository_id, "step": row.step}
    return query.change(tx, CodeMap, key, {**columns, "step": row.step + 1}) == 1


def remove(tx: Transaction, repository_ids: Sequence[int]) -> None:
    """Forget what was read of some repositories."""
    for table in ("code_references", "code_maps"):
        query.run_in_parts(
            tx, f"DELETE FROM {table} WHERE repository_id IN ({{names}})", repository_ids
        )


def drop(tx: Transaction, integration_id: str, repository_id: int) -> None:
    """Forget what an integration has read of a repository."""
    row = find(tx, repository_id)
    if row is not None and row.integration_id == integration_id:
        remove(tx, [repository_id])


def read_by(tx: Transaction, integration_id: str) -> Sequence[int]:
    """Return the repositories whose default branch an integration reads."""
    sql = "SELECT repository_id FROM code_maps WHERE integration_id = :id ORDER BY repository_id"
    return query.values(tx, sql, id=integration_id)


def unread(tx: Transaction, integration_id: str, host: str, limit: int) -> list[Repository]:
    """Return repositories that an integration speaks for, and whose default branch nobody reads."""
    sql = """SELECT repositories.* FROM repositories
        WHERE host = :host AND deleted_at IS NULL AND full_name <> '' AND (speaker_id = :id
            OR id IN (SELECT repository_id FROM speakers WHERE integration_id = :id
                AND COALESCE(has_right, 1) <> 0))
            AND NOT EXISTS (SELECT 1 FROM code_maps WHERE repository_id = repositories.id)
        ORDER BY last_activity DESC, id LIMIT :limit"""
    return query.select(tx, Repository, sql, id=integration_id, host=host, limit=limit)


def unheard(
    tx: Transaction, integration_id: str, host: str, after: int, limit: int
) -> list[Unheard]:
    """Return repositories that installations may see, and of which nothing was told yet.

    They go by GitHub's ids, from behind one on.
    """
    sql = """SELECT installation_id, seen.github_id, seen.full_name
        FROM installation_repositories AS seen
        JOIN installations ON installations.id = seen.installation_row
        WHERE integration_id = :id AND installations.host = :host AND removed = 0
            AND seen.github_id > :after AND deleted_at IS NULL AND suspended_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM repositories
                LEFT JOIN code_maps ON code_maps.repository_id = repositories.id
                WHERE repositories.host = :host AND repositories.github_id = seen.github_id
                AND (speaker_id IS NOT NULL OR code_maps.repository_id IS NOT NULL))
        ORDER BY seen.github_id LIMIT :limit"""
    where = {"id": integration_id, "host": host, "after": after}
    return query.select(tx, Unheard, sql, **where, limit=limit)


def outdated(tx: Transaction, integration_id: str, version: int, limit: int) -> list[CodeMap]:
    """Return what an integration reads and is not to be read yet by a version of the vocabulary."""
    sql = """SELECT * FROM code_maps WHERE integration_id = :id AND wanted_version < :version
        ORDER BY wanted_version, repository_id LIMIT :limit"""
    return query.select(tx, CodeMap, sql, id=integration_id, version=version, limit=limit)


def unchecked(tx: Transaction, integration_id: str, before: int, limit: int) -> list[CodeMap]:
    """Return what an integration has not compared since a time, the longest ago first."""
    sql = """SELECT * FROM code_maps WHERE integration_id = :id AND checked_at < :before
        ORDER BY checked_at, repository_id LIMIT :limit"""
    return query.select(tx, CodeMap, sql, id=integration_id, before=before, limit=limit)


def readers(tx: Transaction) -> dict[str, int]:
    """Return who reads default branches, and how many."""
    sql = "SELECT integration_id, COUNT(*) AS number FROM code_maps GROUP BY integration_id"
    return {row["integration_id"]: row["number"] for row in tx.all(sql)}
