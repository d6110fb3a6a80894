"""Queries for integrations. Secrets come and go sealed (vault.py)."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage import query
from bot.storage.columns import Refused
from bot.storage.database import Transaction
from bot.storage.query import Part, Place
from bot.storage.rows import Integration


def add(tx: Transaction, columns: Mapping[str, Any]) -> None:
    query.insert(tx, Integration, columns)


def find(tx: Transaction, integration_id: str) -> Integration | None:
    known = _known(tx)
    if integration_id not in known:
        query.load(tx.stored, [loading(tx, [integration_id])])
    return known[integration_id]


def loading(tx: Transaction, integration_ids: Sequence[str]) -> query.Load | None:
    """Return how to read some integrations, None if a transaction knows them."""
    known = _known(tx)
    missing = [(one,) for one in dict.fromkeys(integration_ids) if one not in known]
    if not missing:
        return None

    def accept(rows: list[Integration]) -> None:
        known.update(dict.fromkeys([one for (one,) in missing]))
        known.update({row.id: row for row in rows})

    sql = """SELECT integrations.* FROM {keys} AS wanted CROSS JOIN integrations
        WHERE integrations.id = wanted.id AND integrations.deleted_at IS NULL"""
    return query.Load(Integration, sql, ("id",), missing, accept)


def _known(tx: Transaction) -> dict[str, Integration | None]:
    """Return the integrations that a transaction knows, None for those that are not there."""
    known: dict[str, Integration | None] = tx.kept.setdefault("integrations", {})
    return known


def about(integration_id: str) -> str:
    """Return what the secrets of an integration are sealed about."""
    return f"integration:{integration_id}"


def all_secrets(tx: Transaction) -> list[tuple[str, str]]:
    """Return the id and the sealed secrets of every integration."""
    rows = tx.all("SELECT id, secrets FROM integrations WHERE deleted_at IS NULL")
    return [(row["id"], row["secrets"]) for row in rows]


def listed(tx: Transaction, before: Place | None, limit: int) -> Part[Integration]:
    """Return integrations, newest first."""
    sql = "SELECT * FROM integrations"
    return query.page(tx, Integration, sql, ["deleted_at IS NULL"], {"seq": "seq"}, before, limit)


def change(tx: Transaction, integration_id: str, columns: Mapping[str, Any]) -> None:
    query.change(tx, Integration, {"id": integration_id}, columns)


def set_last_error(tx: Transaction, integration_id: str, error: str, about: str) -> None:
    """Keep what went wrong last; `about` names what has to work again for it to be forgotten."""
    change(tx, integration_id, {"last_error": error, "last_error_about": about})


def clear_last_error(tx: Transaction, integration_id: str, *about: str) -> None:
    """Forget the last error if it is `about` what works again."""
    names = {f"about{number}": one for number, one in enumerate(about)}
    sql = f"""UPDATE integrations SET last_error = NULL, last_error_about = NULL
        WHERE id = :id AND last_error_about IN ({", ".join(f":{name}" for name in names)})"""
    tx.run(sql, {"id": integration_id, **names})


def secret_used(
    tx: Transaction, integration_id: str, updated_at: int, at: int, before: int, *, previous: bool
) -> None:
    """Note that a delivery was signed with the webhook secret, or with a `previous` one.

    Not if that was noted at or after `before`, or if the integration was changed after
    `updated_at`.
    """
    column = "previous_secret_used_at" if previous else "secret_used_at"
    sql = f"""UPDATE integrations SET {column} = :at WHERE id = :id AND updated_at = :updated_at
        AND ({column} IS NULL OR {column} < :before)"""
    tx.run(sql, {"id": integration_id, "updated_at": updated_at, "at": at, "before": before})


def forget_secret_use(tx: Transaction, integration_id: str) -> None:
    """Forget when deliveries came that webhook secrets have signed: there is a new one."""
    change(tx, integration_id, {"secret_used_at": None, "previous_secret_used_at": None})


def add_refused(tx: Transaction, integration_id: str, more: Refused) -> None:
    """Add to the deliveries that were refused for their signature since the last good one."""
    sql = """UPDATE integrations SET refused_count = refused_count + :count, refused_at = :at,
            refused_for = :why WHERE id = :id AND deleted_at IS NULL"""
    tx.run(sql, {"id": integration_id, "count": more.count, "at": more.at, "why": more.why})


def forget_refused(tx: Transaction, integration_id: str) -> None:
    """Count anew what is refused for its signature: a good delivery has come."""
    sql = """UPDATE integrations SET refused_count = 0, refused_at = NULL, refused_for = NULL
        WHERE id = :id AND refused_count > 0"""
    tx.run(sql, {"id": integration_id})


def mark_deleted(tx: Transaction, integration_id: str, at: int) -> bool:
    """Take an integration out of service and wipe its secrets; its deliveries go later."""
    sql = """UPDATE integrations SET deleted_at = :at, secrets = '', config = '{}',
            previous_secret_until = NULL WHERE id = :id AND deleted_at IS NULL"""
    return tx.run(sql, {"id": integration_id, "at": at}) == 1


def was_there(tx: Transaction, integration_id: str) -> bool:
    """Tell whether there is an integration, or was one that is not yet removed."""
    sql = "SELECT 1 FROM integrations WHERE id = :id"
    return query.exists(tx, sql, id=integration_id)


def deleted(tx: Transaction) -> list[int]:
    """Return the seq of the integrations that are out of service and not yet removed."""
    return query.values(tx, "SELECT seq FROM integrations WHERE deleted_at IS NOT NULL")


def remove(tx: Transaction, seq: int) -> None:
    tx.run("DELETE FROM integrations WHERE seq = :seq", {"seq": seq})
