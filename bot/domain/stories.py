"""Keeps an item's story: its versions and decisions in their order, and what was known after each.

One that is newer than all others is one step on from what is known. One that arrives late is put in
its place, and those behind it are told again only until they end where they ended before: that is
mostly after the next. A version of an item that concerns no experiment is kept beside its delivery
alone; until one like that is needed the story is `loose`, and then told once from its beginning.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from bot import storage as store
from bot.domain import activity, moments
from bot.domain.history import CARRIED, History, apply, decide
from bot.storage import Decision, Item, Known, Snapshot, Version

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LAST_RANK, _NO_ID = 2**15 - 1, store.branches.FOREVER  # behind all of a second
_NEVER = (store.branches.FOREVER, 0)  # the place in a story that nothing comes behind
_FACTS = (
    *CARRIED,
    "base_since",
    "closed_at",
    "merged_at",
    "merge_sha",
)  # of a version, in the items table
_values = attrgetter(*_FACTS)
_AT_ONCE = 50  # versions that are read together

Entry = Version | Decision


def guid_of(snapshot: Snapshot) -> str:
    """Return what tells a version from others: the event's GUID, whichever integration got it.

    Another id than GitHub's is the sender's own.
    """
    guid = snapshot.guid
    return guid if ":" in guid or _GUID.fullmatch(guid) else f"{snapshot.integration_id}:{guid}"


def keep(tx: store.Transaction, item: Item, snapshot: Snapshot, history: History) -> None:
    """Keep the newest version of an item, whose history now goes up to it."""
    known = history.known(snapshot)
    store.items.add_version(tx, item.id, guid_of(snapshot), snapshot, known)
    if known.facts is None:
        known = msgspec.structs.replace(known, facts=history.facts)
    tx.put(_ends(tx), item.id, known)


def keep_aside(tx: store.Transaction, item: Item, snapshot: Snapshot) -> bool:
    """Keep a version beside its delivery alone; False if there is no delivery for it."""
    return store.deliveries.tell(tx, item.id, snapshot)


def end_of(tx: store.Transaction, item: Item) -> History:
    """Return the whole history of an item whose story is not loose."""
    ends = _ends(tx)
    if item.id not in ends:
        # None of its versions is still to be written: those that are have left their end.
        last = _last_before(tx.stored, item.id, _NEVER)
        ends[item.id] = _history_of(last).known(None)
    return History.of(ends[item.id], None)


def named_in(tx: store.Transaction, item: Item) -> dict[str, str]:
    """Return the keys that the newest text of an item names, each with what names it.

    One that was unlinked by hand is among them: its line stands there still.
    """
    if not item.decided:
        found = store.links.of_target(tx, item.kind, item.id)
        return {one.experiment_key: one.linked_by for one in found}
    if item.loose:
        collect(tx, item)
        history = tell_anew(tx, item)
    else:
        history = end_of(tx, item)
    return dict(history.facts.keys) if history.facts is not None else {}


def end_here(tx: store.Transaction, item: Item, history: History) -> None:
    """Note that this is the whole history of an item."""
    tx.put(_ends(tx), item.id, history.known(None))


def _ends(tx: store.Transaction) -> dict[int, Known]:
    """Return what is known at the end of stories, as far as a transaction has seen to it."""
    ends: dict[int, Known] = tx.kept.setdefault("ends of stories", {})
    return ends


def decide_now(tx: store.Transaction, item: Item, history: History, guids: Collection[str]) -> None:
    """Take the whole history of an item on by decisions, which were just kept."""
    made = [one for one in store.items.decisions_of(tx, item.id) if one.guid in set(guids)]
    for decision in made:
        decide(history, item, decision)
    # What comes next goes on from the last of them.
    store.items.change_decision(tx, made[-1].guid, history.known(None))
    end_here(tx, item, history)
    activity.record(tx, history.news)


def insert(tx: store.Transaction, item: Item, snapshot: Snapshot) -> History | None:
    """Put a version that arrives late in its place, and bring the feed in line.

    Returns the whole history of the item; None if it ends as it did before.
    """
    guid = guid_of(snapshot)
    if item.loose:
        collect(tx, item)
    if store.items.has_version(tx, item.id, guid):
        return tell_anew(tx, item) if item.loose else None
    store.items.add_version(tx, item.id, guid, snapshot, None)
    since, until = _put_in_place(tx, item, snapshot.at)
    return tell_anew(tx, item) if item.loose else _tell_on(tx, item, since, until)


def _put_in_place(tx: store.Transaction, item: Item, at: int) -> tuple[int, int]:
    """Put the versions of a second in their order, to which one has been added.

    It may also tell how those of the second before or after it go. Returns the first and the last
    moment that is told otherwise now.
    """
    since = until = at
    before = store.items.last_version_up_to(tx, item.id, (at, -1))
    if before is not None and before.version_rank >= moments.CONTESTED:
        since = before.version_at
        _put_in_order(tx, item, since)
    _put_in_order(tx, item, at)
    for after in store.items.versions_after(tx, item.id, (at, _LAST_RANK), _NO_ID, 1):
        if after.version_rank >= moments.CONTESTED:
            until = after.version_at
            _put_in_order(tx, item, until)
    return since, until


def _put_in_order(tx: store.Transaction, item: Item, at: int) -> None:
    """Put the versions of one second in the order in which they were made, if there are several."""
    versions = store.items.versions_at(tx, item.id, at)
    if len(versions) < 2:
        return
    rows = {id(one.snapshot): one for one in versions}
    before = store.items.last_version_up_to(tx, item.id, (at, -1))
    after = store.items.versions_after(tx, item.id, (at, _LAST_RANK), _NO_ID, 1)
    ordered = moments.in_order(
        before.snapshot if before else None,
        [one.snapshot for one in versions],
        after[0].snapshot if after else None,
    )
    for rank, told in enumerate(ordered, moments.CONTESTED):
        placed = msgspec.structs.replace(told, rank=None if told.action == "opened" else rank)
        if placed != told:
            store.items.rank_version(tx, rows[id(told)], placed)
    store.items.rank_decisions(tx, item.id, at, moments.CONTESTED + len(ordered) - 1)


def _tell_on(tx: store.Transaction, item: Item, since: int, until: int) -> History | None:
    """Tell again what there is from a moment on, until it ends as before; None if it does.

    At least up to the moment `until`.
    """
    history = _history_of(_last_before(tx, item.id, (since, -1)))
    guids, is_same = [], False
    for entry in _after(tx, item.id, (since, -1)):
        guids.append(_step(history, item, entry))
        known = history.known(_told_by(entry))
        if known == entry.known and entry.version_at > until:
            is_same = True
            break
        _change(tx, entry, known)
    activity.replace(tx, item.id, guids, history.news)
    if is_same:
        return None
    end_here(tx, item, history)
    return history


def collect(tx: store.Transaction, item: Item) -> None:
    """Put the versions that are kept beside deliveries with the others.

    Deliveries that have gone meanwhile leave what the newest has made of the item.
    """
    orders = [(-1, 0)]
    for delivery in store.deliveries.told_of(tx, item.id):
        guid = guid_of(delivery.told)
        orders.append(delivery.told.order)
        if not store.items.has_version(tx, item.id, guid):
            store.items.add_version(tx, item.id, guid, delivery.told, None)
    last = store.items.last_version_up_to(tx, item.id, _NEVER)
    if last is not None:
        orders.append(order_of(last))
    if max(orders) < (item.version_at, item.version_rank):
        facts = msgspec.structs.replace(facts_of(item), guid=f"kept:{item.id}:{item.version_at}")
        store.items.add_version(tx, item.id, facts.guid, facts, None)


def facts_in(told: Snapshot | Item) -> dict[str, Any]:
    """Return the facts that a version and the items table have in common."""
    return dict(zip(_FACTS, _values(told), strict=True))


def facts_of(row: Item) -> Snapshot:
    """Return the newest version of an item as the items table holds it."""
    return Snapshot(
        guid="",
        at=row.version_at,
        action="opened" if row.version_rank == 0 else "",
        integration_id=row.integration_id,
        keys={},
        rank=row.version_rank,
        **{**facts_in(row), "labels": list(row.labels)},
    )


def tell_anew(tx: store.Transaction, item: Item) -> History:
    """Tell an item's story from its beginning, keep what is known after each part; return it all.

    The feed is brought in line with it.
    """
    history = History()
    guids: list[str] = []
    versions = store.items.versions_of(tx, item.id)
    for entry in in_order(versions, store.items.decisions_of(tx, item.id)):
        guids.append(_step(history, item, entry))
        known = history.known(_told_by(entry))
        if known != entry.known:
            _change(tx, entry, known)
    activity.replace(tx, item.id, guids, history.news)
    end_here(tx, item, history)
    return history


def in_order(versions: Sequence[Version], decisions: Sequence[Decision]) -> Iterator[Entry]:
    """Yield versions and decisions, each in their order, as one story, which a version begins."""
    coming = list(decisions)
    for number, version in enumerate(versions):
        while number and coming and order_of(coming[0]) < order_of(version):
            yield coming.pop(0)
        yield version
    yield from coming


def order_of(entry: Entry) -> tuple[int, int]:
    return entry.version_at, entry.version_rank


def _step(history: History, item: Item, entry: Entry) -> str:
    """Take a history one step on; return the guid by which the feed knows the step."""
    if isinstance(entry, Version):
        apply(history, item, entry.snapshot)
        return entry.snapshot.guid
    decide(history, item, entry)
    return entry.guid


def _told_by(entry: Entry) -> Snapshot | None:
    return entry.snapshot if isinstance(entry, Version) else None


def _history_of(entry: Entry | None) -> History:
    if entry is None:
        return History()
    assert entry.known is not None
    return History.of(entry.known, _told_by(entry))


def _last_before(tx: store.Reader, item_id: int, order: tuple[int, int]) -> Entry | None:
    """Return what a version of an order comes behind."""
    version = store.items.last_version_up_to(tx, item_id, order)
    decisions = [one for one in store.items.decisions_of(tx, item_id) if order_of(one) < order]
    if version is None or not decisions or order_of(decisions[-1]) < order_of(version):
        return version
    return decisions[-1]


def _after(tx: store.Transaction, item_id: int, order: tuple[int, int]) -> Iterator[Entry]:
    """Yield what comes behind a version of an order that was put in its place last."""
    decisions = [one for one in store.items.decisions_of(tx, item_id) if order_of(one) >= order]
    place: tuple[tuple[int, int], int] = (order, store.branches.FOREVER)
    while True:
        versions = store.items.versions_after(tx, item_id, *place, _AT_ONCE)
        if not versions:
            break
        for version in versions:
            while decisions and order_of(decisions[0]) < order_of(version):
                yield decisions.pop(0)
            yield version
        place = order_of(versions[-1]), versions[-1].id
    yield from decisions


def _change(tx: store.Transaction, entry: Entry, known: Known) -> None:
    if isinstance(entry, Version):
        store.items.change_version(tx, entry, known)
    else:
        store.items.change_decision(tx, entry.guid, known)
