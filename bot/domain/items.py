"""Takes in what deliveries say of pull requests and issues; state, links and feed follow."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from bot import storage as store
from bot import times
from bot.domain import (
    activity,
    audit,
    diffs,
    landing,
    links,
    live_late,
    moments,
    posts,
    stories,
)
from bot.domain.actors import Actor
from bot.domain.history import CARRIED, History, apply, carried_forward
from bot.storage import Item, Kind, Snapshot, Tie

BY_HAND = frozenset({"command", "api"})  # links that stay, whatever the text says
_BY_TEXT = frozenset({"body", "title"})
_LISTED_BY = ("state", "version_at", "closed_at", "merged_at")  # where links stand in lists
# What decides which pushes belong to a pull request.
_PUSHES_BY = (
    "head_repository_id",
    "head_ref",
    "base_ref",
    "base_since",
    "created_at",
    "closed_at",
    "merge_sha",
)


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
        return _first(tx, repository_id, kind, number, snapshot)
    if row.integration_id != snapshot.integration_id:
        store.speakers.told_too(tx, "item", [row.id], snapshot.integration_id)
    if row.gone_at is not None and snapshot.at <= row.gone_at:
        return row
    before = links.of_item(tx, row)
    is_concerned = row.decided or bool(before)
    if is_concerned and store.items.has_version(tx, row.id, stories.guid_of(snapshot)):
        return row
    if _goes_before(row, before, snapshot):
        _observe_late(tx, row, before, snapshot, is_concerned=is_concerned)
        return row
    if snapshot.at == row.version_at and snapshot.order[1] < row.version_rank:
        snapshot = msgspec.structs.replace(snapshot, rank=row.version_rank)
    is_loose = row.loose
    if not row.decided:
        history = History(stories.facts_of(row), dict(before))
    elif row.loose:
        stories.collect(tx, row)
        history, is_loose = stories.tell_anew(tx, row), False
        history.news.clear()
    else:
        history = stories.end_of(tx, row)
    apply(history, row, snapshot)
    activity.record(tx, history.news)
    is_concerned = is_concerned or bool(history.named)
    if is_concerned or not stories.keep_aside(tx, row, snapshot):
        stories.keep(tx, row, snapshot, history)
    else:
        is_loose = True
    told_by = snapshot.integration_id
    _settle(tx, row, before, history, told_by, is_loose=is_loose, fetched=snapshot.fetched)
    return row


def _goes_before(row: Item, before: Mapping[str, Tie], snapshot: Snapshot) -> bool:
    """Tell whether a version goes before what is known of an item, or may go before it.

    What comes behind versions that have been put in order may tell better how they go.
    """
    is_contested = row.version_rank >= moments.CONTESTED
    if snapshot.at != row.version_at:
        return snapshot.at < row.version_at or is_contested
    named = {key: one.linked_by for key, one in before.items() if one.linked_by in _BY_TEXT}
    return row.decided or not moments.is_next(row, named, snapshot)


def _first(
    tx: store.Transaction, repository_id: int, kind: Kind, number: int, snapshot: Snapshot
) -> Item:
    """Take in the first version of an item that is heard of; return the item."""
    now = carried_forward(None, snapshot)
    item = add(tx, repository_id, kind, number, now)
    history = History()
    apply(history, item, snapshot, now)
    if history.named or not stories.keep_aside(tx, item, snapshot):
        stories.keep(tx, item, snapshot, history)
    else:
        item = store.items.change(tx, item, loose=True)
    begin(tx, item, now, history)
    return item


def add(tx: store.Transaction, repository_id: int, kind: Kind, number: int, now: Snapshot) -> Item:
    """Add an item that nothing was known of, as a version says that is complete."""
    place = {"repository_id": repository_id, "kind": kind, "number": number}
    more = {"integration_id": now.integration_id, "gone_at": None}
    flags = {"decided": False, "loose": False, "locked": 0}
    return store.items.add(tx, {**_columns(now), **place, **more, **flags})


def begin(
    tx: store.Transaction, item: Item, now: Snapshot, history: History, *, fetched: bool = False
) -> None:
    """See to what the first that is known of an item amounts to; `fetched`: see `_settle`."""
    links.set_of_item(tx, item, {}, history.links)
    activity.record(tx, history.news)
    if not fetched:
        _see_to_live(tx, item, None, {}, history.links, now.integration_id)
    elif item.state == "merged" and history.links:
        live_late.fetched(tx, item, now.integration_id)
    if item.kind == "pull_request" and now.closed_at is not None:
        links.time_changed(tx, item, None)
    if history.links:
        landing.ask_where_untold(tx, item, now.integration_id)
    diffs.item_changed(tx, item, None, now.integration_id, fetched=fetched)
    posts.item_changed(tx, item, None, now, {}, history.links, fetched=fetched)


def _observe_late(
    tx: store.Transaction,
    row: Item,
    before: Mapping[str, Tie],
    snapshot: Snapshot,
    *,
    is_concerned: bool,
) -> None:
    """Take in a version that is older than what is known of an item, or may be."""
    is_news = is_concerned or bool(snapshot.keys) or _adds_to(row, snapshot)
    is_news = is_news or snapshot.at >= row.version_at or row.version_rank >= moments.CONTESTED
    # It may have been linked before what is known now: then this may be what has ended that.
    is_news = is_news or store.items.has_versions(tx, row.id)
    if not is_news and stories.keep_aside(tx, row, snapshot):
        if not row.loose:
            store.items.change(tx, row, loose=True)
        return
    history = stories.insert(tx, row, snapshot)
    if history is not None:
        told_by = snapshot.integration_id
        _settle(tx, row, before, history, told_by, is_loose=False, fetched=snapshot.fetched)


def _adds_to(row: Item, snapshot: Snapshot) -> bool:
    """Tell whether an older version knows of an item what the newer ones are silent about."""
    return (
        any(
            getattr(snapshot, name) is not None and getattr(row, name) in (None, "")
            for name in CARRIED
        )
        or snapshot.base_ref != row.base_ref
        or snapshot.created_at != row.created_at
        or (snapshot.state == row.state != "open" and snapshot.closed_at is None)
    )


def link(tx: store.Transaction, item: Item, key: str, hand: Hand, by: Actor | None = None) -> None:
    """Link an item to an experiment, whatever its text says, until it is unlinked by hand.

    A link that was made by hand before stays as it is, but for one of the API's that a command asks
    for too: that is the stronger. `by` is who has just asked for it, None if it follows from what
    was asked for before.
    """
    linked = store.linked.item_of_experiment(tx, key, item.kind, item.id)
    is_stronger = linked is not None and (linked.linked_by, hand.made_by) == ("api", "command")
    if linked is None or is_stronger or linked.linked_by not in BY_HAND:
        _decide(tx, item, "link", key, hand, times.now())
        if by is not None:
            made = {"experiment_key": key, "linked_by": hand.made_by}
            audit.record(tx, by, audit.LINK_CREATED, _target(tx, item), None, made)


def unlink(tx: store.Transaction, item: Item, key: str, hand: Hand, by: Actor) -> bool:
    """Cut a link; False if there is none.

    A key that the text still names stays unlinked until it is taken out and written again.
    """
    linked = store.linked.item_of_experiment(tx, key, item.kind, item.id)
    if linked is None:
        return False
    _decide(tx, item, "unlink", key, hand, times.now())
    cut = {"experiment_key": key, "linked_by": linked.linked_by}
    audit.record(tx, by, audit.LINK_DELETED, _target(tx, item), cut)
    return True


def _target(tx: store.Transaction, item: Item) -> audit.Target:
    """Return an item as the audit names it, which holds on to what it was called."""
    repository = store.repositories.get(tx, item.repository_id)
    name = f"{repository.full_name}#{item.number}"
    return audit.Target(item.kind, f"{repository.host}/{name}", name)


def _decide(
    tx: store.Transaction, item: Item, verb: str, key: str, hand: Hand, made_at: int
) -> None:
    """Link or unlink an item by hand. One that was taken in before changes nothing."""
    decide(tx, item, [(verb, key)], hand, made_at)


def decide(
    tx: store.Transaction,
    item: Item,
    decided: Sequence[tuple[str, str]],
    hand: Hand,
    made_at: int,
) -> None:
    """Take in what was decided of some keys, or found of them (see Decision), each with its verb.

    What was taken in before changes nothing.
    """
    row = store.items.get(tx, item.id)
    before = links.of_item(tx, row)
    columns = {
        **asdict(hand),
        "item_id": row.id,
        "made_at": made_at,
        "version_at": row.version_at,
        "version_rank": row.version_rank,
        "known": None,
    }
    history = None if row.loose or not decided else stories.end_of(tx, row)
    guids = []
    for number, (verb, key) in enumerate(decided):
        guid = hand.guid if len(decided) == 1 else f"{hand.guid}:{number}"
        more = {"guid": guid, "verb": verb, "experiment_key": key}
        if store.items.add_decision(tx, {**columns, **more}):
            guids.append(guid)
    if not guids:
        return
    if history is None:
        stories.collect(tx, row)
        history = stories.tell_anew(tx, row)
    else:
        stories.decide_now(tx, row, history, guids)
    row = store.items.change(tx, row, decided=True)
    _settle(tx, row, before, history, hand.integration_id, is_loose=False)


def _settle(
    tx: store.Transaction,
    row: Item,
    before: Mapping[str, Tie],
    history: History,
    integration_id: str,
    *,
    is_loose: bool,
    fetched: bool = False,
) -> None:
    """Keep what an item's history amounts to; `row` and `before` are what was kept until now.

    `fetched`: no delivery has told of it, it was read from GitHub.
    """
    now = history.facts
    assert now is not None
    item = store.items.change(tx, row, **_columns(now), gone_at=None, loose=is_loose)
    links.set_of_item(tx, item, before, history.links)
    if before and any(getattr(row, name) != getattr(item, name) for name in _LISTED_BY):
        store.links.follow_item(tx, item)
    if row.kind == "pull_request" and any(
        getattr(row, name) != getattr(item, name) for name in _PUSHES_BY
    ):
        links.time_changed(tx, item, row)
    _see_to_live(tx, item, row, before, history.links, integration_id)
    if history.links:
        landing.ask_where_untold(tx, item, integration_id)
    now = msgspec.structs.replace(now, integration_id=integration_id)
    diffs.item_changed(tx, item, row, integration_id)
    posts.item_changed(tx, row, row, now, before, history.links, fetched=fetched)


def _see_to_live(
    tx: store.Transaction,
    item: Item,
    row: Item | None,
    before: Mapping[str, Tie],
    after: Mapping[str, Tie],
    integration_id: str,
) -> None:
    """Look where a pull request is live that is merged, or linked, only now; `row` is as before."""
    if item.kind != "pull_request" or item.state != "merged":
        return
    is_known = row is not None and (row.state, row.merge_sha) == (item.state, item.merge_sha)
    new = [key for key in after if not (is_known and key in before)]
    if new:
        live_late.linked(tx, item, new, integration_id)
    elif before and not after:
        live_late.unlinked(tx, item)


def forget(tx: store.Transaction, repository_id: int, kind: Kind, number: int, at: int) -> None:
    """An item is gone: its last links go, and nothing older than `at` brings it back."""
    row = store.items.find(tx, repository_id, kind, number)
    if row is None or (row.gone_at is not None and row.gone_at >= at):
        return
    links.set_of_item(tx, row, links.of_item(tx, row), {})
    if row.state == "merged":
        live_late.unlinked(tx, row)
    store.items.change(tx, row, gone_at=max(at, row.version_at))


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
    links.set_of_item(tx, item, before, {**before, **named})
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
                if link.linked_by in _BY_TEXT
            },
            actor=actor,
            state="closed",
            title=row.title,
        )
        observe(tx, repository_id, row.kind, row.number, snapshot)


def _columns(now: Snapshot) -> dict[str, Any]:
    """Return what the items table holds of a version that is complete."""
    version_at, version_rank = now.order
    return {
        **stories.facts_in(now),
        "title": now.title or "",
        "html_url": now.html_url or "",
        "draft": now.draft or False,
        "labels": tuple(now.labels or ()),
        "version_at": version_at,
        "version_rank": version_rank,
    }
