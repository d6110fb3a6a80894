"""Links that somebody makes or cuts by hand: one rule, whether a command asks or the API."""

from dataclasses import dataclass
from typing import Any

from bot import storage as store
from bot import times
from bot.domain import items, snapshots
from bot.domain.repositories import Scope
from bot.domain.story import Decision, Item


@dataclass(frozen=True, slots=True)
class Hand:
    """Who links or unlinks. What has the same `guid` counts once."""

    guid: str
    made_by: str  # api, command
    actor: str | None
    integration_id: str


def link(tx: store.Transaction, item: Item, key: str, hand: Hand) -> None:
    """Link an item to an experiment, whatever its text says, until it is unlinked by hand.

    A link that was made by hand before stays as it is.
    """
    linked = store.linked.item_of_experiment(tx, key, item.kind, item.id)
    if linked is None or linked.linked_by not in items.BY_HAND:
        _decide(tx, item, "link", key, hand)


def unlink(tx: store.Transaction, item: Item, key: str, hand: Hand) -> bool:
    """Cut a link; False if there is none.

    A key that the text still names stays unlinked until it is taken out and written again.
    """
    if store.linked.item_of_experiment(tx, key, item.kind, item.id) is None:
        return False
    _decide(tx, item, "unlink", key, hand)
    return True


def pull_request(
    tx: store.Transaction, scope: Scope, repository: str, number: int, answer: Any | None
) -> Item:
    """Return the pull request to link: as GitHub has answered, else as it is known.

    Raises InvalidPayload, NotAllowed.
    """
    if answer is not None:
        return snapshots.observe_answer(tx, scope, repository, number, answer)
    known = store.repositories.by_name(tx, scope.host, repository)[0]
    row = store.items.find(tx, known.id, "pull_request", number)
    assert row is not None
    return Item(row.id, known.id, "pull_request", number)


def _decide(tx: store.Transaction, item: Item, verb: str, key: str, hand: Hand) -> None:
    decision = Decision(
        guid=hand.guid,
        verb=verb,
        key=key,
        made_by=hand.made_by,
        actor=hand.actor,
        integration_id=hand.integration_id,
        made_at=times.now(),
    )
    items.decide(tx, item, decision)
