"""Queries for places on allow-lists: which repositories have come under which entry."""

from collections.abc import Sequence

from bot.storage import query
from bot.storage.database import Transaction
from bot.storage.joined import PlacedRepository
from bot.storage.rows import Repository


def of_repository(tx: Transaction, integration_id: str, repository_id: int) -> list[str]:
    """Return the entries of an integration under which a repository has come."""
    sql = """SELECT entry FROM allowed_repositories
        WHERE integration_id = :integration_id AND repository_id = :repository_id"""
    place = {"integration_id": integration_id, "repository_id": repository_id}
    return tx.looked_up(
        "allowed_repositories",
        (integration_id, repository_id),
        lambda: query.values(tx.stored, sql, **place),
    )


def holders(tx: Transaction, integration_id: str, entry: str) -> list[Repository]:
    """Return the repositories that have come under an entry and are still there."""
    sql = """SELECT repositories.* FROM allowed_repositories
        JOIN repositories ON repositories.id = allowed_repositories.repository_id
        WHERE integration_id = :integration_id AND entry = :entry AND deleted_at IS NULL"""
    return query.select(tx, Repository, sql, integration_id=integration_id, entry=entry)


def all_of(tx: Transaction, integration_id: str) -> list[PlacedRepository]:
    """Return the repositories of an integration that have come under any entry, with `entry`."""
    sql = """SELECT allowed_repositories.entry, repositories.* FROM allowed_repositories
        JOIN repositories ON repositories.id = allowed_repositories.repository_id
        WHERE integration_id = :integration_id ORDER BY repositories.id"""
    return query.select(tx, PlacedRepository, sql, integration_id=integration_id)


def hold(tx: Transaction, integration_id: str, entry: str, repository_id: int) -> None:
    held = of_repository(tx, integration_id, repository_id)
    sql = """INSERT INTO allowed_repositories (integration_id, entry, repository_id)
        VALUES (:integration_id, :entry, :repository_id) ON CONFLICT DO NOTHING"""
    place = {"integration_id": integration_id, "repository_id": repository_id}
    tx.later("allowed_repositories", sql, {**place, "entry": entry})
    known = tx.kept["allowed_repositories"]
    tx.put(known, (integration_id, repository_id), [*held, entry])


def keep_only(tx: Transaction, integration_id: str, entries: Sequence[str]) -> None:
    """Forget who came under entries that are not on the list any more."""
    sql = "SELECT DISTINCT entry FROM allowed_repositories WHERE integration_id = :integration_id"
    known = query.values(tx, sql, integration_id=integration_id)
    for entry in known:
        if entry not in entries:
            sql = """DELETE FROM allowed_repositories
                WHERE integration_id = :integration_id AND entry = :entry"""
            tx.run(sql, {"integration_id": integration_id, "entry": entry})
