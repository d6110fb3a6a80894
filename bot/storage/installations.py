"""Queries for installations of the GitHub App and the repositories they may see."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage.database import Row, Transaction


def put(transaction: Transaction, values: Mapping[str, Any]) -> int:
    """Store an installation unless what is stored is newer; return its row's id."""
    transaction.run(
        """INSERT INTO installations (host, installation_id, integration_id, account,
                repository_selection, updated_at, suspended_at, deleted_at)
            VALUES (:host, :installation_id, :integration_id, :account, :repository_selection,
                :updated_at, :suspended_at, :deleted_at)
            ON CONFLICT (integration_id, installation_id) DO UPDATE SET
                account = COALESCE(excluded.account, installations.account),
                repository_selection = COALESCE(
                    excluded.repository_selection, installations.repository_selection),
                updated_at = excluded.updated_at,
                suspended_at = excluded.suspended_at,
                deleted_at = excluded.deleted_at
            WHERE installations.updated_at <= excluded.updated_at""",
        values,
    )
    row = transaction.one(
        """SELECT id FROM installations WHERE integration_id = :integration_id
            AND installation_id = :installation_id""",
        values,
    )
    assert row is not None
    return int(row["id"])


def put_repositories(transaction: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store which repositories an installation may see, each unless what is stored is newer."""
    transaction.run_many(
        """INSERT INTO installation_repositories
                (installation_row, github_id, full_name, changed_at, removed)
            VALUES (:installation_row, :github_id, :full_name, :changed_at, :removed)
            ON CONFLICT (installation_row, github_id) DO UPDATE SET
                full_name = excluded.full_name,
                changed_at = excluded.changed_at,
                removed = excluded.removed
            WHERE installation_repositories.changed_at <= excluded.changed_at""",
        rows,
    )


def of_integrations(transaction: Transaction, integration_ids: Sequence[str]) -> Sequence[Row]:
    """Return the installations of some integrations, with a count of their repositories."""
    if not integration_ids:
        return []
    names = {f"id{position}": one for position, one in enumerate(integration_ids)}
    return transaction.all(
        f"""SELECT installations.*,
                (SELECT COUNT(*) FROM installation_repositories
                    WHERE installation_row = installations.id AND removed = 0) AS repositories
            FROM installations WHERE deleted_at IS NULL
                AND integration_id IN ({", ".join(f":{name}" for name in names)})
            ORDER BY installations.id""",
        names,
    )
