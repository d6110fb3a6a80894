"""Takes in what deliveries say of pull requests and issues; state, links and feed follow."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from bot import storage as store
from bot import times
from bot.domain import activity, links, posts
from bot.domain.history import CARRIED, History, Link, apply, carried_forward, rebuild
from bot.domain.parts import Cause
from bot.storage import Item, Kind, Snapshot

BY_HAND = frozenset({"command", "api"})  # links that stay, whatever the text says
_FACTS = (*CARRIED, "base_since", "closed_at", "merged_at")  # in the items table
_LISTED_BY = ("state", "version_at", "closed_at", "merged_at")  # where links stand in lists
# What decides which pushes belong to a pull request.
_PUSHES_BY = ("head_repository_id", "head_ref", "base_ref", "base_since", "created_at", "closed_at")
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Hand:
    """Who links or unlinks. What has the same `guid` counts once."""

    guid: str
    made_by: str  # api, command
    actor: str | None
    integration_id: str


def observe(
    tx: store.Transaction, repository_id: int, kind: Kind, number: int, snapshot: Snapshot
) -> Item:
    """Take in one version of an item; return the item as it was before, if it was.

    A delivery that was taken in before, through whichever integration, changes nothing; neither
    does one that is older than the item's deletion or transfer.
    """
    row = store.items.find(tx, repository_id, kind, number)
    if row is None:
        place = {"repository_id": repository_id, "kind": kind, "number": number}
        seen_by = {"integration_id": snapshot.integration_id}
        columns = _columns(carried_forward(None, snapshot))
        item = store.items.add(tx, {**columns, **place, **seen_by})
        if item is not None:
            _add_version(tx, item, snapshot)
            history = History()
            apply(history, item, snapshot)
            assert history.facts is not None
            now = history.facts
            links.set_of_item(tx, item, now.state, {}, history.links)
            activity.record(tx, history.news)
            if kind == "pull_request" and now.closed_at is not None:
                links.time_changed(tx, item, None)
            _enqueue_posts(tx, item, None, now, {}, history.links)
            return item
        row = store.items.find(tx, repository_id, kind, number)
        assert row is not None

    if row.gone_at is not None and snapshot.at <= row.gone_at:
        return row
    if not _add_version(tx, row, snapshot):
        return row
    before = links.of_item(tx, row)
    if snapshot.order >= (row.version_at, row.version_rank) and not row.decided:
        history = History(_facts(row), dict(before))
        apply(history, row, snapshot)
        activity.record(tx, history.news)
    else:
        history = _rebuilt(tx, row)
    _settle(tx, row, before, history, snapshot.integration_id)
    return row


def link(tx: store.Transaction, item: Item, key: str, hand: Hand) -> None:
    """Link an item to an experiment, whatever its text says, until it is unlinked by hand.

    A link that was made by hand before stays as it is.
    """
    linked = store.linked.item_of_experiment(tx, key, item.kind, item.id)
    if linked is None or linked.linked_by not in BY_HAND:
        _decide(tx, item, "link", key, hand, times.now())


def unlink(tx: store.Transaction, item: Item, key: str, hand: Hand) -> bool:
    """Cut a link; False if there is none.

    A key that the text still names stays unlinked until it is taken out and written again.
    """
    if store.linked.item_of_experiment(tx, key, item.kind, item.id) is None:
        return False
    _decide(tx, item, "unlink", key, hand, times.now())
    return True


def _decide(
    tx: store.Transaction, item: Item, verb: str, key: str, hand: Hand, made_at: int
) -> None:
    """Link or unlink an item by hand. One that was taken in before changes nothing."""
    row = store.items.get(tx, item.id)
    added = store.items.add_decision(
        tx,
        {
            **asdict(hand),
            "item_id": row.id,
            "verb": verb,
            "experiment_key": key,
            "made_at": made_at,
            "version_at": row.version_at,
            "version_rank": row.version_rank,
        },
    )
    if added:
        store.items.change(tx, row.id, {"decided": True})
        _settle(tx, row, links.of_item(tx, row), _rebuilt(tx, row), hand.integration_id)


def _rebuilt(tx: store.Transaction, item: Item) -> History:
    """Return the whole history of an item, and bring the feed in line with it."""
    versions = [version.snapshot for version in store.items.versions_of(tx, item.id)]
    decisions = store.items.decisions_of(tx, item.id)
    history = rebuild(item, decisions, versions)
    told_by = [*(one.guid for one in versions), *(one.guid for one in decisions)]
    activity.replace(tx, item.id, told_by, history.news)
    return history


def _settle(
    tx: store.Transaction,
    row: Item,
    before: Mapping[str, Link],
    history: History,
    integration_id: str,
) -> None:
    """Keep what an item's history amounts to; `row` and `before` are what was kept until now."""
    now = history.facts
    assert now is not None
    columns = _columns(now)
    item = msgspec.structs.replace(row, **columns, gone_at=None)
    store.items.change(tx, row.id, {**columns, "gone_at": None})
    links.set_of_item(tx, item, now.state, before, history.links)
    if before and any(getattr(row, name) != columns[name] for name in _LISTED_BY):
        store.links.follow_item(tx, row.kind, row.id)
    if row.kind == "pull_request" and any(
        getattr(row, name) != columns[name] for name in _PUSHES_BY
    ):
        links.time_changed(tx, item, row)
    now = msgspec.structs.replace(now, integration_id=integration_id)
    _enqueue_posts(tx, row, row, now, before, history.links)


def _enqueue_posts(
    tx: store.Transaction,
    item: Item,
    row: Item | None,
    now: Snapshot,
    before: Mapping[str, Link],
    after: Mapping[str, Link],
) -> None:
    """Enqueue what a pull request's change calls for; `row` is what it was before, if it was."""
    if item.kind != "pull_request":
        return
    is_reopened = row is not None and row.state != "open" and now.state == "open"
    is_another = row is None or (row.head_sha, row.base_ref) != (now.head_sha, now.base_ref)
    is_ready = row is not None and row.draft and not now.draft
    if before.keys() != after.keys():
        cause = Cause.LINKS
    elif after and is_reopened:
        cause = Cause.REOPENED
    elif now.state == "open" and (is_another or is_reopened or is_ready):
        cause = Cause.VERSION
    else:
        return
    if cause is Cause.VERSION and not after:
        is_checked = is_reopened and posts.is_checked(tx, item.id)
        if not is_checked and not posts.checks_all(tx, item, now.integration_id):
            return
    posts.follow(tx, item, cause, now.integration_id)


def forget(tx: store.Transaction, repository_id: int, kind: Kind, number: int, at: int) -> None:
    """An item is gone: its last links go, and nothing older than `at` brings it back."""
    row = store.items.find(tx, repository_id, kind, number)
    if row is None or (row.gone_at is not None and row.gone_at >= at):
        return
    links.set_of_item(tx, row, row.state, links.of_item(tx, row), {})
    store.items.change(tx, row.id, {"gone_at": max(at, row.version_at)})


def move(tx: store.Transaction, old: tuple[int, int], new: tuple[int, int], at: int) -> None:
    """An issue was transferred from `old` to `new` (repository id, number): its links go along.

    The new issue must have been observed. Safe to repeat, and in either order of the two
    deliveries that tell of a transfer.
    """
    source = store.items.find(tx, old[0], "issue", old[1])
    item = store.items.find(tx, new[0], "issue", new[1])
    if source is None or item is None or source.id == item.id:
        return
    before = links.of_item(tx, item)
    brought = links.of_item(tx, source)
    named = {key: link for key, link in brought.items() if link.linked_by not in BY_HAND}
    links.set_of_item(tx, item, item.state, before, {**before, **named})
    for key, link in brought.items():
        if link.linked_by in BY_HAND:
            guid = f"moved:{source.id}:{item.id}:{key}"
            hand = Hand(guid, link.linked_by, None, link.integration_id)
            _decide(tx, item, "link", key, hand, link.linked_at)
    forget(tx, old[0], "issue", old[1], at)


def close_all_of_repository(
    tx: store.Transaction, repository_id: int, at: int, actor: str | None, guid: str
) -> None:
    """A repository was deleted: what was open in it is closed; links and feed stay as history."""
    for row in store.items.open_in(tx, repository_id):
        snapshot = Snapshot(
            guid=guid,
            at=max(at, row.version_at),
            action="closed",
            integration_id=row.integration_id,
            keys={
                key: link.linked_by
                for key, link in links.of_item(tx, row).items()
                if link.linked_by not in BY_HAND
            },
            actor=actor,
            state="closed",
            title=row.title,
        )
        observe(tx, repository_id, row.kind, row.number, snapshot)


def _add_version(tx: store.Transaction, item: Item, snapshot: Snapshot) -> bool:
    # A GUID is the event's, whichever integration receives it; another id is the sender's own.
    guid = snapshot.guid
    if ":" not in guid and not _GUID.fullmatch(guid):
        guid = f"{snapshot.integration_id}:{guid}"
    return store.items.add_version(tx, item.id, guid, snapshot)


def _columns(now: Snapshot) -> dict[str, Any]:
    """Return what the items table holds of a version that is complete."""
    version_at, version_rank = now.order
    return {
        **{name: getattr(now, name) for name in _FACTS},
        "title": now.title or "",
        "html_url": now.html_url or "",
        "draft": now.draft or False,
        "labels": tuple(now.labels or ()),
        "version_at": version_at,
        "version_rank": version_rank,
    }


def _facts(row: Item) -> Snapshot:
    """Return the newest version of an item as the items table holds it."""
    facts = {name: getattr(row, name) for name in _FACTS}
    return Snapshot(
        guid="",
        at=row.version_at,
        action="opened" if row.version_rank == 0 else "",
        integration_id=row.integration_id,
        keys={},
        **{**facts, "labels": list(row.labels)},
    )
