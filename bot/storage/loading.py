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
    pushes,
    query,
    repositories,
)
from bot.storage.database import Touched
from bot.storage.transaction import Transaction

_MOST_COMMITS = 64  # of a push that is decided in memory


def load(tx: Transaction, touched: Sequence[Touched]) -> None:
    """Read what some deliveries will look at, so that their handlers find it in memory."""
    ids = [(one.host, one.github_id) for one in touched if one.github_id is not None]
    nameless = [one for one in touched if one.github_id is None and one.full_name]
    query.load(
        tx.stored,
        [
            integrations.loading(tx, [one.integration_id for one in touched]),
            deliveries.known(tx).loading([(one.integration_seq, one.guid) for one in touched]),
            repositories.loading(tx, ids),
            repositories.loading_named(tx, [(one.host, one.full_name or "") for one in nameless]),
            pushes.loading(tx, [sha for one in touched for sha in _shas(one)]),
        ],
    )
    new = [one for one in touched if not repositories.is_known(tx, one.host, one.github_id)]
    named = [(one.host, one.full_name) for one in new if one.full_name is not None]
    query.load(tx.stored, [repositories.loading_named(tx, named)])
    _load_items(tx, touched)


def _shas(one: Touched) -> Sequence[str]:
    """Return the commits of a push that are looked up with those of others, none if it has many."""
    return one.pushed[1] if one.pushed is not None and len(one.pushed[1]) <= _MOST_COMMITS else ()


def _load_items(tx: Transaction, touched: Sequence[Touched]) -> None:
    """Read the items that deliveries tell of, and all that is looked up with an item.

    And the heads of pull requests that something was pushed to.
    """
    wanted: dict[tuple[int, str, int], list[Touched]] = {}
    of_heads: list[tuple[int, str | None]] = []
    for one in touched:
        row = repositories.told(tx, one.host, one.github_id, one.full_name)
        if row is not None and one.kind is not None and one.number is not None:
            wanted.setdefault((row.id, one.kind, one.number), []).append(one)
            of_heads += [(row.id, one.head_ref)] if one.kind == "pull_request" else []
        elif row is not None and one.pushed is not None:
            of_heads.append((row.id, one.pushed[0]))
    here = items.known(tx)
    pulls = [place for place in wanted if place[1] == "pull_request"]
    query.load(
        tx.stored,
        [
            here.loading(list(wanted)),
            merge_groups.loading(tx, [(place[0], place[2]) for place in pulls]),
            heads.loading(tx, [(where, ref) for where, ref in of_heads if ref is not None]),
        ],
    )
    found = [item for place in wanted if (item := here.rows[place]) is not None]
    told = [(item.id, one.guid) for item in found for one in wanted[here.key_of(item)]]
    query.load(
        tx.stored,
        [
            links.loading(tx, [(item.id, item.kind) for item in found]),
            actions.known_posts(tx).loading(
                [(item.id,) for item in found if item.kind == "pull_request"]
            ),
            items.loading_versions(tx, told),
        ],
    )
