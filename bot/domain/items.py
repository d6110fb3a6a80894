"""Takes in what deliveries say of pull requests and issues; state, links and feed follow."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from bot import storage as store
from bot.domain import activity, links, posts
from bot.domain.actions import Cause
from bot.domain.story import Decision, Item, Link, Story, carried_forward, retell, step
from bot.storage import Kind, Snapshot

BY_HAND = frozenset({"command", "api"})  # links that stay, whatever the text says
_LISTED_BY = ("state", "version_at", "closed_at", "merged_at")  # where links stand in lists
# What decides which pushes belong to a pull request.
_TIME_ON_BRANCH = (
    "head_repository_id",
    "head_ref",
    "base_ref",
    "base_since",
    "created_at",
    "closed_at",
)
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def observe(
    tx: store.Transaction, repository_id: int, kind: Kind, number: int, snapshot: Snapshot
) -> Item:
    """Take in one version of an item.

    A delivery that was taken in before, through whichever integration, changes nothing; neither
    does one that is older than the item's deletion or transfer.
    """
    row = store.items.find(tx, repository_id, kind, number)
    if row is None:
        columns = _columns(carried_forward(None, snapshot))
        columns.update(
            repository_id=repository_id,
            kind=kind,
            number=number,
            integration_id=snapshot.integration_id,
        )
        item_id = store.items.add(tx, columns)
        if item_id is not None:
            item = Item(item_id, repository_id, kind, number)
            _add_version(tx, item, snapshot)
            story = Story()
            step(story, item, snapshot)
            assert story.facts is not None
            now = story.facts
            links.set_of_item(tx, item, now, {}, story.links)
            activity.record(tx, story.news)
            if kind == "pull_request" and now.closed_at is not None:
                links.time_changed(tx, item_id, None)
            _enqueue_posts(tx, item, None, now, {}, story.links)
            return item
        row = store.items.find(tx, repository_id, kind, number)
        assert row is not None

    item = Item(row.id, repository_id, kind, number)
    if row.gone_at is not None and snapshot.at <= row.gone_at:
        return item
    if not _add_version(tx, item, snapshot):
        return item
    before = links.of_item(tx, item)
    if snapshot.order >= (row.version_at, row.version_rank) and not row.decided:
        story = Story(_facts(row), dict(before))
        step(story, item, snapshot)
        activity.record(tx, story.news)
    else:
        story = _retold(tx, item)
    _settle(tx, item, row, before, story, snapshot.integration_id)
    return item


def decide(tx: store.Transaction, item: Item, decision: Decision) -> None:
    """Link or unlink an item by hand. One that was taken in before changes nothing."""
    row = store.items.get(tx, item.id)
    added = store.items.add_decision(
        tx,
        {
            "item_id": item.id,
            "guid": decision.guid,
            "verb": decision.verb,
            "experiment_key": decision.key,
            "made_by": decision.made_by,
            "actor": decision.actor,
            "integration_id": decision.integration_id,
            "made_at": decision.made_at,
            "version_at": row.version_at,
            "version_rank": row.version_rank,
        },
    )
    if not added:
        return
    store.items.change(tx, item.id, {"decided": True})
    before = links.of_item(tx, item)
    story = _retold(tx, item)
    _settle(tx, item, row, before, story, decision.integration_id)


def _retold(tx: store.Transaction, item: Item) -> Story:
    """Return the whole story of an item, and bring the feed in line with it."""
    versions = [version.snapshot for version in store.items.versions_of(tx, item.id)]
    decisions = [
        Decision(
            guid=row.guid,
            verb=row.verb,
            key=row.experiment_key,
            made_by=row.made_by,
            actor=row.actor,
            integration_id=row.integration_id,
            made_at=row.made_at,
            after=(row.version_at, row.version_rank),
        )
        for row in store.items.decisions_of(tx, item.id)
    ]
    story = retell(item, decisions, versions)
    told_by = [*(one.guid for one in versions), *(one.guid for one in decisions)]
    activity.replace(tx, item.id, told_by, story.news)
    return story


def _settle(
    tx: store.Transaction,
    item: Item,
    row: store.Item,
    before: Mapping[str, Link],
    story: Story,
    integration_id: str,
) -> None:
    """Keep what an item's story amounts to; `row` and `before` are what was kept until now."""
    now = story.facts
    assert now is not None
    columns = _columns(now)
    store.items.change(tx, item.id, {**columns, "gone_at": None})
    links.set_of_item(tx, item, now, before, story.links)
    if before and any(getattr(row, name) != columns[name] for name in _LISTED_BY):
        store.links.follow_item(tx, item.kind, item.id)
    if item.kind == "pull_request" and any(
        getattr(row, name) != columns[name] for name in _TIME_ON_BRANCH
    ):
        links.time_changed(tx, item.id, row)
    now = msgspec.structs.replace(now, integration_id=integration_id)
    _enqueue_posts(tx, item, row, now, before, story.links)


def _enqueue_posts(
    tx: store.Transaction,
    item: Item,
    row: store.Item | None,
    now: Snapshot,
    before: Mapping[str, Link],
    after: Mapping[str, Link],
) -> None:
    """Enqueue what a pull request's change calls for; `row` is what it was before, if it was."""
    if item.kind != "pull_request":
        return
    has_new_head = row is None or row.head_sha != now.head_sha
    is_reopened = row is not None and row.state != "open" and now.state == "open"
    is_elsewhere = row is not None and row.base_ref != now.base_ref
    is_ready = row is not None and row.draft and not now.draft
    if before.keys() != after.keys():
        cause = Cause.LINKS
    elif after and is_reopened:
        cause = Cause.REOPENED
    elif now.state == "open" and (has_new_head or is_reopened or is_elsewhere or is_ready):
        cause = Cause.VERSION
    else:
        return
    if before.keys() == after.keys() and not after:
        first = row.integration_id if row is not None else now.integration_id
        is_checked = is_reopened and posts.is_checked(tx, item.id)
        if not is_checked and not posts.checks_all(tx, item.id, first, now.integration_id):
            return
    kept = store.items.get(tx, item.id)
    posts.follow(tx, kept, cause, now.integration_id)


def forget(tx: store.Transaction, repository_id: int, kind: Kind, number: int, at: int) -> None:
    """An item is gone: its last links go, and nothing older than `at` brings it back."""
    row = store.items.find(tx, repository_id, kind, number)
    if row is None or (row.gone_at is not None and row.gone_at >= at):
        return
    item = Item(row.id, repository_id, kind, number)
    before = links.of_item(tx, item)
    links.set_of_item(tx, item, _facts(row), before, {})
    store.items.change(tx, item.id, {"gone_at": max(at, row.version_at)})


def move(
    tx: store.Transaction,
    old: tuple[int, int],
    new: tuple[int, int],
    at: int,
) -> None:
    """An issue was transferred from `old` to `new` (repository id, number): its links go along.

    The new issue must have been observed. Safe to repeat, and in either order of the two
    deliveries that tell of a transfer.
    """
    row = store.items.find(tx, old[0], "issue", old[1])
    target = store.items.find(tx, new[0], "issue", new[1])
    if row is None or target is None or row.id == target.id:
        return
    source = Item(row.id, old[0], "issue", old[1])
    item = Item(target.id, new[0], "issue", new[1])
    before = links.of_item(tx, item)
    brought = links.of_item(tx, source)
    named = {key: link for key, link in brought.items() if link.linked_by not in BY_HAND}
    links.set_of_item(tx, item, _facts(target), before, {**before, **named})
    for key, link in brought.items():
        if link.linked_by in BY_HAND:
            decision = Decision(
                guid=f"moved:{source.id}:{item.id}:{key}",
                verb="link",
                key=key,
                made_by=link.linked_by,
                actor=None,
                integration_id=link.integration_id,
                made_at=link.linked_at,
            )
            decide(tx, item, decision)
    forget(tx, old[0], "issue", old[1], at)


def close_all_of_repository(
    tx: store.Transaction, repository_id: int, at: int, actor: str | None, guid: str
) -> None:
    """A repository was deleted: what was open in it is closed; links and feed stay as history."""
    for row in store.items.open_in(tx, repository_id):
        now = _facts(row)
        snapshot = Snapshot(
            guid=guid,
            at=max(at, row.version_at),
            action="closed",
            integration_id=row.integration_id,
            keys={
                key: link.linked_by
                for key, link in links.of_item(
                    tx, Item(row.id, repository_id, row.kind, row.number)
                ).items()
                if link.linked_by not in BY_HAND
            },
            actor=actor,
            state="closed",
            title=now.title,
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
        "title": now.title or "",
        "html_url": now.html_url or "",
        "state": now.state,
        "draft": now.draft or False,
        "author": now.author,
        "author_writes": now.author_writes,
        "head_repository_id": now.head_repository_id,
        "head_ref": now.head_ref,
        "head_sha": now.head_sha,
        "base_ref": now.base_ref,
        "base_since": now.base_since,
        "labels": now.labels or [],
        "created_at": now.created_at,
        "closed_at": now.closed_at,
        "merged_at": now.merged_at,
        "version_at": version_at,
        "version_rank": version_rank,
    }


def _facts(row: store.Item) -> Snapshot:
    """Return the newest version of an item as the items table holds it."""
    return Snapshot(
        guid="",
        at=row.version_at,
        action="opened" if row.version_rank == 0 else "",
        integration_id=row.integration_id,
        keys={},
        title=row.title,
        html_url=row.html_url,
        state=row.state,
        draft=row.draft,
        author=row.author,
        author_writes=row.author_writes,
        head_repository_id=row.head_repository_id,
        head_ref=row.head_ref,
        head_sha=row.head_sha,
        base_ref=row.base_ref,
        base_since=row.base_since,
        labels=list(row.labels),
        created_at=row.created_at,
        closed_at=row.closed_at,
        merged_at=row.merged_at,
    )
