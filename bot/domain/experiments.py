"""Experiments: created and changed through the API, and what that tells the feed."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from bot import times
from bot.domain import actions, activity
from bot.storage import experiments as storage
from bot.storage import links
from bot.storage.database import Row, Transaction

_SHOWN = {"name", "status", "owner"}  # on pull requests
STATUSES = ("draft", "active", "paused", "completed", "archived")


def create(tx: Transaction, values: dict[str, Any], actor: str) -> Row | None:
    """Create an experiment and resolve the links that waited for it; None if the key exists."""
    now = times.now()
    columns = _columns(values)
    columns["search"] = _search(columns)
    row = storage.add(tx, {**columns, "created_at": now, "updated_at": now})
    if row is None:
        return None
    links.set_resolved(tx, row["key"], resolved=True)
    _tell(tx, row, "experiment.created", f"Created experiment {row['name']}", actor)
    actions.refresh_experiment(tx, row["key"])
    return row


def change(tx: Transaction, key: str, values: dict[str, Any], actor: str) -> Row | None:
    """Change what `values` names, keep the rest; None if there is no such experiment.

    A change that changes nothing leaves `updated_at` and the feed alone.
    """
    old = storage.find(tx, key)
    if old is None:
        return None
    changed = {name: value for name, value in _columns(values).items() if old[name] != value}
    if not changed:
        return old
    changed["search"] = _search({**dict(old), **changed})
    storage.change(tx, key, {**changed, "updated_at": times.now()})
    row = storage.find(tx, key)
    assert row is not None
    if "status" in changed:
        summary = f"Status of {row['name']}: {old['status']} → {row['status']}"
        _tell(tx, row, "experiment.status_changed", summary, actor)
    if changed.keys() & _SHOWN:
        actions.refresh_experiment(tx, key)
    return row


def delete(tx: Transaction, key: str) -> bool:
    """Delete an experiment. Its links and feed stay: the links become unresolved."""
    if not storage.remove(tx, key):
        return False
    links.set_resolved(tx, key, resolved=False)
    actions.refresh_experiment(tx, key)
    return True


def version(row: Row) -> str:
    """Return what changes whenever an experiment is changed, and never with what is linked."""
    own = {name: row[name] for name in storage.COLUMNS}
    return hashlib.sha256(msgspec.json.encode(own, order="sorted")).hexdigest()[:20]


def _search(row: Mapping[str, Any]) -> str:
    return storage.folded(row["key"], row["name"], row["owner"])


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    if "tags" not in values:
        return dict(values)
    return {**values, "tags": msgspec.json.encode(values["tags"]).decode()}


def _tell(tx: Transaction, row: Row, type_: str, summary: str, actor: str) -> None:
    news = activity.News(
        type=type_,
        experiment_key=row["key"],
        occurred_at=row["updated_at"],
        actor=actor,
        summary=summary,
        html_url=row["url"],
    )
    activity.record(tx, [news])
