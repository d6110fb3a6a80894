"""Reads what a batch of deliveries will look at: so many statements, however many deliveries."""

from collections.abc import Sequence

from bot.storage import (
    actions,
    deliveries,
    heads,
    integrations,
    items,
    links,
    merge_groups,
    repositories,
)
from bot.storage.database import Touched
from bot.storage.transaction import Transaction


def load(tx: Transaction, touched: Sequence[Touched]) -> None:
    """Read what some deliveries will look at, so that their handlers find it in memory."""
    integrations.load(tx, [one.integration_id for one in touched])
    deliveries.known(tx).load([(one.integration_seq, one.guid) for one in touched])
    repositories.load(tx, [(one.host, one.github_id) for one in touched if one.github_id])
    unknown = [one for one in touched if not repositories.is_known(tx, one.host, one.github_id)]
    repositories.load_named(tx, [(one.host, one.full_name) for one in unknown if one.full_name])
    _load_items(tx, touched)


def _load_items(tx: Transaction, touched: Sequence[Touched]) -> None:
    """Read the items that deliveries tell of, and all that is looked up with an item."""
    wanted: dict[tuple[int, str, int], list[Touched]] = {}
    for one in touched:
        row = repositories.told(tx, one.host, one.github_id, one.full_name)
        if row is not None and one.kind is not None and one.number is not None:
            wanted.setdefault((row.id, one.kind, one.number), []).append(one)
    here = items.known(tx)
    here.load(list(wanted))
    pulls = [place for place in wanted if place[1] == "pull_request"]
    merge_groups.load(tx, [(repository_id, number) for repository_id, _, number in pulls])
    heads.load(
        tx, [(place[0], one.head_ref) for place in pulls for one in wanted[place] if one.head_ref]
    )
    found = [item for place in wanted if (item := here.rows[place]) is not None]
    links.load(tx, [(item.id, item.kind) for item in found])
    actions.known_posts(tx).load([(item.id,) for item in found if item.kind == "pull_request"])
    items.load_versions(
        tx, [(item.id, one.guid) for item in found for one in wanted[here.key_of(item)]]
    )
