"""Reads what a batch of deliveries will look at: so many statements, however many deliveries."""

from collections.abc import Sequence

from bot.storage import (
    actions,
    deliveries,
    integrations,
    items,
    links,
    merge_groups,
    repositories,
)
from bot.storage.database import Touched
from bot.storage.rows import Item
from bot.storage.transaction import Transaction


def load(tx: Transaction, touched: Sequence[Touched]) -> None:
    """Read what some deliveries will look at, so that their handlers find it in memory."""
    integrations.load(tx, [one.integration_id for one in touched])
    deliveries.known(tx).load([(one.integration_seq, one.guid) for one in touched])
    repositories.load(tx, [(one.host, one.github_id) for one in touched if one.github_id])
    repositories.load_named(tx, [(one.host, one.full_name) for one in touched if one.full_name])
    _load_items(tx, touched)


def _load_items(tx: Transaction, touched: Sequence[Touched]) -> None:
    """Read the items that deliveries tell of, their links and whether they have told already."""
    wanted: dict[tuple[int, str, int], list[str]] = {}
    for one in touched:
        row = repositories.told(tx, one.host, one.github_id, one.full_name)
        if row is not None and one.kind is not None and one.number is not None:
            wanted.setdefault((row.id, one.kind, one.number), []).append(one.guid)
    here = items.known(tx)
    here.load(list(wanted))
    found: list[tuple[Item, list[str]]] = [
        (item, guids) for place, guids in wanted.items() if (item := here.rows[place]) is not None
    ]
    links.load(tx, [(item.id, item.kind) for item, _ in found])
    pulls = [item for item, _ in found if item.kind == "pull_request"]
    actions.known_posts(tx).load([(item.id,) for item in pulls])
    merge_groups.load(tx, [(item.repository_id, item.number) for item in pulls])
    items.load_versions(tx, [(item.id, guid) for item, guids in found for guid in guids])
