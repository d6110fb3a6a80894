"""Queries for places on allow-lists: which repositories have come under which entry."""

from collections.abc import Sequence

from bot.storage import query
from bot.storage.database import Transaction
from bot.storage.joined import PlacedRepository
from bot.storage.rows import Repository


def of_repository(tx: Transaction, integration_id: str, repository_id: int) -> list[str]:
    """Return the entries of an integration under which a repository has come."""
    return query.values(
        tx,
        """SELECT entry FROM allowed_repositories
            WHERE integration_id = :integration_id AND repository_id = :repository_id""",
        {"integration_id": integration_id, "repository_id": repository_id},
    )


def holders(tx: Transaction, integration_id: str, entry: str) -> list[Repository]:
    """Return the repositories that have come under an entry and are still there."""
    return query.select(
        tx,
        Repository,
        """SELECT repositories.* FROM allowed_repositories
            JOIN repositories ON repositories.id = allowed_repositories.repository_id
            WHERE integration_id = :integration_id AND entry = :entry AND deleted_at IS NULL""",
        {"integration_id": integration_id, "entry": entry},
    )


def all_of(tx: Transaction, integration_id: str) -> list[PlacedRepository]:
    """Return the repositories of an integration that have come under any entry, with `entry`."""
    return query.select(
        tx,
        PlacedRepository,
        """SELECT allowed_repositories.entry, repositories.* FROM allowed_repositories
            JOIN repositories ON repositories.id = allowed_repositories.repository_id
            WHERE integration_id = :integration_id ORDER BY repositories.id""",
        {"integration_id": integration_id},
    )


def hold(tx: Transaction, integration_id: str, entry: str, repository_id: int) -> None:
    tx.run(
        """INSERT INTO allowed_repositories (integration_id, entry, repository_id)
            VALUES (:integration_id, :entry, :repository_id) ON CONFLICT DO NOTHING""",
        {"integration_id": integration_id, "entry": entry, "repository_id": repository_id},
    )


def keep_only(tx: Transaction, integration_id: str, entries: Sequence[str]) -> None:
    """Forget who came under entries that are not on the list any more."""
    known = query.values(
        tx,
        "SELECT DISTINCT entry FROM allowed_repositories WHERE integration_id = :integration_id",
        {"integration_id": integration_id},
    )
    for entry in known:
        if entry not in entries:
            tx.run(
                """DELETE FROM allowed_repositories
                    WHERE integration_id = :integration_id AND entry = :entry""",
                {"integration_id": integration_id, "entry": entry},
            )
