"""Queries for the audit: rows are added and grow old, and nothing changes one."""

from collections.abc import Mapping
from typing import Any

import msgspec

from bot.storage import query
from bot.storage.access_rows import Audit
from bot.storage.database import Transaction
from bot.storage.known_rows import add_rows
from bot.storage.query import Part, Place

_BY = {"seq": "seq"}


def add(tx: Transaction, columns: Mapping[str, Any]) -> None:
    add_rows(tx, Audit, [columns])


def listed(
    tx: Transaction, actor: str | None, type: str | None, before: Place | None, limit: int
) -> Part[Audit]:
    """Return a part of the audit, the newest first. `actor` is an id or a name."""
    if actor is None:
        return _page(tx, None, None, type, before, limit)
    # Each by its index: one query for both would read all that there is, or sort it.
    parts = [_page(tx, name, actor, type, before, limit) for name in ("actor_id", "actor_name")]
    found = {row.seq: row for part in parts for row in part}
    rows = sorted(found.values(), key=lambda row: -row.seq)
    shown = rows[:limit]
    more = len(rows) > limit or any(part.next is not None for part in parts)
    return Part(shown, (shown[-1].seq,) if more else None)


def _page(
    tx: Transaction,
    column: str | None,
    actor: str | None,
    type: str | None,
    before: Place | None,
    limit: int,
) -> Part[Audit]:
    where = [f"{column} = :actor" if column else None, "type = :type" if type else None]
    sql = "SELECT * FROM audit"
    return query.page(tx, Audit, sql, where, _BY, before, limit, actor=actor, type=type)


def is_recorded(tx: Transaction, type: str, target_id: str, since: int) -> bool:
    """Tell whether a change was recorded after a time, other than by a command in a comment."""
    sql = """SELECT 1 FROM audit WHERE type = :type AND target_id = :target_id AND at > :since
        AND actor_kind <> 'login' LIMIT 1"""
    return query.exists(tx, sql, type=type, target_id=target_id, since=since)


def remove_old(tx: Transaction, before: int, limit: int) -> int:
    """Remove up to `limit` of the oldest rows, recorded before a time; return how many went."""
    sql = """DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE at < :before
        ORDER BY at LIMIT :limit)"""
    return tx.run(sql, {"before": before, "limit": limit})


def last_at(tx: Transaction) -> int | None:
    """Return when something was last recorded."""
    return query.number(tx, "SELECT MAX(at) FROM audit")


def settings(tx: Transaction) -> dict[str, Any]:
    """Return the settings that were recorded last, by name."""
    rows = tx.all("SELECT name, value FROM recorded_settings")
    return {row["name"]: msgspec.json.decode(row["value"]) for row in rows}


def set_settings(tx: Transaction, values: Mapping[str, Any]) -> None:
    tx.run("DELETE FROM recorded_settings")
    rows = [
        {"name": name, "value": msgspec.json.encode(value).decode()}
        for name, value in values.items()
    ]
    tx.run_many("INSERT INTO recorded_settings (name, value) VALUES (:name, :value)", rows)
