"""Queries for places on allow-lists: which repositories have come under which entry."""

from collections.abc import Sequence

from bot.storage.database import Row, Transaction


def of_repository(tx: Transaction, integration_id: str, repository_id: int) -> Sequence[str]:
    """Return the entries of an integration under which a repository has come."""
    rows = tx.all(
        """SELECT entry FROM allowed_repositories
            WHERE integration_id = :integration_id AND repository_id = :repository_id""",
        {"integration_id": integration_id, "repository_id": repository_id},
    )
    return [row["entry"] for row in rows]


def holders(tx: Transaction, integration_id: str, entry: str) -> Sequence[Row]:
    """Return the repositories that have come under an entry and are still there."""
    return tx.all(
        """SELECT repositories.* FROM allowed_repositories
            JOIN repositories ON repositories.id = allowed_repositories.repository_id
            WHERE integration_id = :integration_id AND entry = :entry AND deleted_at IS NULL""",
        {"integration_id": integration_id, "entry": entry},
    )


def all_of(tx: Transaction, integration_id: str) -> Sequence[Row]:
    """Return the repositories of an integration that have come under any entry, with `entry`."""
    return tx.all(
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
    rows = tx.all(
        "SELECT DISTINCT entry FROM allowed_repositories WHERE integration_id = :integration_id",
        {"integration_id": integration_id},
    )
    for row in rows:
        if row["entry"] not in entries:
            tx.run(
                """DELETE FROM allowed_repositories
                    WHERE integration_id = :integration_id AND entry = :entry""",
                {"integration_id": integration_id, "entry": row["entry"]},
            )
