"""Queries for integrations. Secrets come and go sealed (vault.py)."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot import times
from bot.storage import query
from bot.storage.columns import Refused
from bot.storage.database import Transaction
from bot.storage.query import Part, Place
from bot.storage.rows import Integration

HOST = "the host of deliveries"  # what an error is about where another GitHub delivers


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


def active(tx: Transaction) -> list[Integration]:
    """Return the integrations that are active."""
    sql = "SELECT * FROM integrations WHERE deleted_at IS NULL AND is_active = 1 ORDER BY seq"
    return query.select(tx, Integration, sql)


def change(tx: Transaction, integration_id: str, columns: Mapping[str, Any]) -> None:
    query.change(tx, Integration, {"id": integration_id}, columns)


def set_last_error(
    tx: Transaction,
    integration_id: str,
    error: str,
    about: str,
    repository_id: int | None = None,
) -> None:
    """Keep what went wrong last; `about` names what has to work again for it to be forgotten."""
    sql = """INSERT INTO integration_errors (integration_id, about, error, at, repository_id)
        VALUES (:integration_id, :about, :error, :at, :repository_id)
        ON CONFLICT (integration_id, about) DO UPDATE SET
            error = excluded.error, at = excluded.at, repository_id = excluded.repository_id"""
    one = {"integration_id": integration_id, "about": about, "error": error, "at": times.now()}
    tx.run(sql, {**one, "repository_id": repository_id})
    _show_errors(tx, [integration_id])


def error_about(tx: Transaction, integration_id: str, about: str) -> str | None:
    """Return what went wrong with something, None if nothing has since it worked."""
    sql = """SELECT error FROM integration_errors
        WHERE integration_id = :integration_id AND about = :about"""
    return query.value(tx, sql, integration_id=integration_id, about=about)  # type: ignore[no-any-return]


def clear_last_error(tx: Transaction, integration_id: str, *about: str) -> None:
    """Forget the errors that are `about` what works again; what is left is shown."""
    names = {f"about{number}": one for number, one in enumerate(about)}
    sql = f"""DELETE FROM integration_errors WHERE integration_id = :integration_id
        AND about IN ({", ".join(f":{name}" for name in names)})"""
    if tx.run(sql, {"integration_id": integration_id, **names}):
        _show_errors(tx, [integration_id])


def clear_errors_about(tx: Transaction, *about: str) -> None:
    """Forget the errors of all integrations that are `about` what one of them has done."""
    names = {f"about{number}": one for number, one in enumerate(about)}
    clear_errors(tx, f"about IN ({', '.join(f':{name}' for name in names)})", **names)


def clear_errors(tx: Transaction, where: str, **params: Any) -> None:
    """Forget all errors that meet a condition: what they are about is gone, or long ago."""
    sql = f"SELECT DISTINCT integration_id FROM integration_errors WHERE {where}"
    integration_ids = query.values(tx, sql, **params)
    if integration_ids:
        tx.run(f"DELETE FROM integration_errors WHERE {where}", params)
        _show_errors(tx, integration_ids)


def clear_errors_in(tx: Transaction, repository_id: int, integration_id: str | None = None) -> None:
    """Forget what went wrong in a repository: for one integration, or for all."""
    whose = "" if integration_id is None else " AND integration_id = :integration_id"
    where = f"repository_id = :repository_id{whose}"
    params = {} if integration_id is None else {"integration_id": integration_id}
    clear_errors(tx, where, repository_id=repository_id, **params)


def clear_asking(tx: Transaction, integration_id: str) -> None:
    """Forget that it could not be asked who may use commands: the next to write one will show."""
    where = "integration_id = :integration_id AND about LIKE 'asking %'"
    clear_errors(tx, where, integration_id=integration_id)


def clear_old_errors(tx: Transaction, before: int) -> None:
    """Forget what went wrong before a time: neither actions nor deliveries are kept for so long.

    That an integration has no right to a repository stays true.
    """
    clear_errors(tx, "at < :before AND about NOT LIKE 'speaking for %'", before=before)


def _show_errors(tx: Transaction, integration_ids: Sequence[str]) -> None:
    """Let integrations show the newest of their errors; a wrong host is more than all others.

    Who changes them at the same time is waited for first, so that the newest is seen.
    """
    held = "UPDATE integrations SET last_error = last_error WHERE id IN ({names})"
    query.run_in_parts(tx, held, integration_ids)
    newest = f"""FROM integration_errors WHERE integration_id = integrations.id
        ORDER BY CASE WHEN about = '{HOST}' THEN 0 ELSE 1 END, at DESC, about DESC LIMIT 1"""
    sql = f"""UPDATE integrations SET last_error = (SELECT error {newest}),
        last_error_about = (SELECT about {newest}) WHERE id IN ({{names}})"""
    query.run_in_parts(tx, sql, integration_ids)


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
    """Add to the deliveries that were refused for their signature since the last good one.

    They were counted a moment ago: a good one may have come through another process since then.
    """
    last_good = """SELECT received_at FROM deliveries
        WHERE integration_seq = integrations.seq AND recovered = 0"""
    sql = f"""UPDATE integrations SET refused_count = refused_count + :count, refused_at = :at,
            refused_for = :why WHERE id = :id AND deleted_at IS NULL
            AND COALESCE(({last_good} ORDER BY seq DESC LIMIT 1), 0) <= :at"""
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
    tx.run("DELETE FROM integration_errors WHERE integration_id = :id", {"id": integration_id})
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
