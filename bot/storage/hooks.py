"""Queries for the webhooks that bring an integration's deliveries."""

from typing import Any

from bot.storage import query
from bot.storage.database import Transaction
from bot.storage.recovery_rows import Hook

# Of an integration: their ids come in headers, which nobody signs, and each is asked four times an
# hour.
MOST = 500


def of_integration(tx: Transaction, integration_id: str) -> list[Hook]:
    sql = "SELECT * FROM hooks WHERE integration_id = :integration_id ORDER BY hook_id"
    return query.select(tx, Hook, sql, integration_id=integration_id)


def find(tx: Transaction, integration_id: str, hook_id: int) -> Hook | None:
    return query.by_key(tx, Hook, integration_id=integration_id, hook_id=hook_id)


def keep(tx: Transaction, hook: Hook) -> bool:
    """Keep what is told of a webhook, new or known.

    False if there are too many already, or if its integration was deleted.
    """
    told: dict[str, Any] = {"kind": hook.kind, "target": hook.target}
    more = {name: getattr(hook, name) for name in ("target_id", "heard_at", "confirmed_at")}
    told |= {name: value for name, value in more.items() if value is not None}
    key = {"integration_id": hook.integration_id, "hook_id": hook.hook_id}
    if query.change(tx, Hook, key, told):
        return True
    is_there = "SELECT 1 FROM integrations WHERE id = :id AND deleted_at IS NULL"
    if not query.exists(tx, is_there, id=hook.integration_id):
        return False
    sql = "SELECT COUNT(*) FROM hooks WHERE integration_id = :integration_id"
    if (query.number(tx, sql, integration_id=hook.integration_id) or 0) >= MOST:
        return False
    return query.insert_new(tx, Hook, {**key, **told})


def change(tx: Transaction, hook: Hook, /, **columns: Any) -> None:
    key = {"integration_id": hook.integration_id, "hook_id": hook.hook_id}
    query.change(tx, Hook, key, columns)


def remove(tx: Transaction, hook: Hook) -> None:
    sql = "DELETE FROM hooks WHERE integration_id = :integration_id AND hook_id = :hook_id"
    tx.run(sql, {"integration_id": hook.integration_id, "hook_id": hook.hook_id})


def login_of(tx: Transaction, host: str, owner_id: int) -> str | None:
    """Return what an owner is called now, as far as repositories tell."""
    sql = """SELECT full_name FROM repositories WHERE host = :host AND owner_id = :owner_id
        AND deleted_at IS NULL ORDER BY named_at DESC LIMIT 1"""
    full_name = query.value(tx, sql, host=host, owner_id=owner_id)
    return full_name.partition("/")[0] if full_name is not None else None
