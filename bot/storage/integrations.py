"""Queries for integrations. Secrets come and go sealed (vault.py)."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage.database import Row, Transaction

_COLUMNS = (
    "id",
    "name",
    "integration_type",
    "description",
    "is_active",
    "config",
    "credential",
    "secrets",
    "previous_secret_until",
    "created_at",
    "updated_at",
)


def add(tx: Transaction, values: Mapping[str, Any]) -> None:
    tx.run(
        f"""INSERT INTO integrations ({", ".join(_COLUMNS)})
            VALUES ({", ".join(f":{name}" for name in _COLUMNS)})""",
        values,
    )


def find(tx: Transaction, integration_id: str) -> Row | None:
    return tx.one(
        "SELECT * FROM integrations WHERE id = :id AND deleted_at IS NULL",
        {"id": integration_id},
    )


def all_secrets(tx: Transaction) -> list[str]:
    """Return the sealed secrets of every integration."""
    rows = tx.all("SELECT secrets FROM integrations WHERE deleted_at IS NULL")
    return [row["secrets"] for row in rows]


def listed(tx: Transaction, before: int | None, limit: int) -> Sequence[Row]:
    """Return integrations, newest first; `before` is a seq."""
    return tx.all(
        f"""SELECT * FROM integrations WHERE deleted_at IS NULL
                {"AND seq < :before" if before is not None else ""}
            ORDER BY seq DESC LIMIT :limit""",
        {"before": before, "limit": limit},
    )


def change(tx: Transaction, integration_id: str, values: Mapping[str, Any]) -> None:
    """Set the columns that `values` names."""
    assert values.keys() <= set(_COLUMNS)
    tx.run(
        f"UPDATE integrations SET {', '.join(f'{name} = :{name}' for name in values)} "
        "WHERE id = :the_id",
        {**values, "the_id": integration_id},
    )


def set_last_error(tx: Transaction, integration_id: str, error: str | None) -> None:
    tx.run(
        "UPDATE integrations SET last_error = :error WHERE id = :id",
        {"id": integration_id, "error": error},
    )


def clear_last_error(tx: Transaction, integration_id: str, prefix: str) -> None:
    """Forget the last error if it begins with `prefix`: what it tells of works again."""
    tx.run(
        """UPDATE integrations SET last_error = NULL
            WHERE id = :id AND SUBSTR(last_error, 1, :length) = :prefix""",
        {"id": integration_id, "length": len(prefix), "prefix": prefix},
    )


def secret_used(
    tx: Transaction,
    integration_id: str,
    updated_at: int,
    at: int,
    before: int,
    *,
    previous: bool,
) -> None:
    """Note that a delivery was signed with the webhook secret, or with a `previous` one.

    Not if that was noted at or after `before`, or if the integration was changed after
    `updated_at`.
    """
    column = "previous_secret_used_at" if previous else "secret_used_at"
    tx.run(
        f"""UPDATE integrations SET {column} = :at WHERE id = :id AND updated_at = :updated_at
            AND ({column} IS NULL OR {column} < :before)""",
        {"id": integration_id, "updated_at": updated_at, "at": at, "before": before},
    )


def forget_secret_use(tx: Transaction, integration_id: str) -> None:
    """Forget when deliveries came that webhook secrets have signed: there is a new one."""
    tx.run(
        """UPDATE integrations SET secret_used_at = NULL, previous_secret_used_at = NULL
            WHERE id = :id""",
        {"id": integration_id},
    )


def mark_deleted(tx: Transaction, integration_id: str, at: int) -> bool:
    """Take an integration out of service and wipe its secrets; its deliveries go later."""
    return (
        tx.run(
            """UPDATE integrations SET deleted_at = :at, secrets = '', config = '{}',
                previous_secret_until = NULL WHERE id = :id AND deleted_at IS NULL""",
            {"id": integration_id, "at": at},
        )
        == 1
    )


def deleted(tx: Transaction) -> Sequence[Row]:
    return tx.all("SELECT seq, id FROM integrations WHERE deleted_at IS NOT NULL")


def remove(tx: Transaction, seq: int) -> None:
    tx.run("DELETE FROM integrations WHERE seq = :seq", {"seq": seq})
