"""Takes in what deliveries say of pull requests and issues; state, links and feed follow."""

from typing import Any

import msgspec

from bot.domain import activity, links
from bot.domain.story import (
    BY_HAND,
    Item,
    Kind,
    Snapshot,
    Story,
    carried_forward,
    retell,
    step,
)
from bot.storage import facts
from bot.storage import links as link_storage
from bot.storage.database import Row, Transaction

# What decides which pushes belong to a pull request.
_TIME_ON_BRANCH = ("head_repository_id", "head_ref", "created_at", "closed_at")


def observe(
    transaction: Transaction, repository_id: int, kind: Kind, number: int, snapshot: Snapshot
) -> None:
    """Take in one version of an item.

    A delivery that was taken in before, through whichever integration, changes nothing; neither
    does one that is older than the item's deletion or transfer.
    """
    row = facts.find_item(transaction, repository_id, kind, number)
    if row is None:
        columns = _columns(carried_forward(None, snapshot))
        columns.update(
            repository_id=repository_id,
            kind=kind,
            number=number,
            integration_id=snapshot.integration_id,
        )
        item_id = facts.add_item(transaction, columns)
        if item_id is not None:
            item = Item(item_id, repository_id, kind, number)
            _add_version(transaction, item, snapshot)
            story = Story()
            step(story, item, snapshot)
            assert story.facts is not None
            now = story.facts
            links.set_of_item(transaction, item, now, {}, story.links)
            activity.record(transaction, story.news)
            if now.closed_at is not None:  # where it ended, the next one on its branch begins
                links.follow_branch(transaction, now.head_repository_id, now.head_ref)
            return
        row = facts.find_item(transaction, repository_id, kind, number)
        assert row is not None

    item = Item(row["id"], repository_id, kind, number)
    if row["gone_at"] is not None and snapshot.at <= row["gone_at"]:
        return
    if not _add_version(transaction, item, snapshot):
        return
    before = links.of_item(transaction, item)
    by_hand = {key: link for key, link in before.items() if link.linked_by in BY_HAND}
    if snapshot.order >= (row["version_at"], row["version_rank"]):
        named = {key: link for key, link in before.items() if link.linked_by not in BY_HAND}
        story = Story(_facts(row), named, by_hand)
        step(story, item, snapshot)
        activity.record(transaction, story.news)
    else:
        versions = [
            msgspec.json.decode(text, type=Snapshot)
            for text in facts.versions_of_item(transaction, item.id)
        ]
        story = retell(item, by_hand, versions)
        activity.replace(transaction, item.id, [one.guid for one in versions], story.news)
    assert story.facts is not None
    columns = _columns(story.facts)
    facts.update_item(transaction, item.id, columns)
    links.set_of_item(transaction, item, story.facts, before, story.links)
    if before and row["state"] != columns["state"]:
        link_storage.set_state(transaction, kind, item.id, columns["state"])
    if kind == "pull_request" and any(row[name] != columns[name] for name in _TIME_ON_BRANCH):
        for state in (row, columns):
            links.follow_branch(transaction, state["head_repository_id"], state["head_ref"])


def forget(transaction: Transaction, repository_id: int, kind: Kind, number: int, at: int) -> None:
    """An item is gone: its last links go, and nothing older than `at` brings it back."""
    row = facts.find_item(transaction, repository_id, kind, number)
    if row is None or (row["gone_at"] is not None and row["gone_at"] >= at):
        return
    item = Item(row["id"], repository_id, kind, number)
    before = links.of_item(transaction, item)
    links.set_of_item(transaction, item, _facts(row), before, {})
    facts.set_item_gone(transaction, item.id, max(at, row["version_at"]))


def move(
    transaction: Transaction,
    old: tuple[int, int],
    new: tuple[int, int],
    at: int,
) -> None:
    """An issue was transferred from `old` to `new` (repository id, number): its links go along.

    The new issue must have been observed. Safe to repeat, and in either order of the two
    deliveries that tell of a transfer.
    """
    row = facts.find_item(transaction, old[0], "issue", old[1])
    target = facts.find_item(transaction, new[0], "issue", new[1])
    if row is None or target is None or row["id"] == target["id"]:
        return
    source = Item(row["id"], old[0], "issue", old[1])
    item = Item(target["id"], new[0], "issue", new[1])
    brought = links.of_item(transaction, source)
    before = links.of_item(transaction, item)
    links.set_of_item(transaction, item, _facts(target), before, {**before, **brought})
    forget(transaction, old[0], "issue", old[1], at)


def close_all_of_repository(
    transaction: Transaction, repository_id: int, at: int, actor: str | None, guid: str
) -> None:
    """A repository was deleted: what was open in it is closed; links and feed stay as history."""
    for row in facts.open_items(transaction, repository_id):
        now = _facts(row)
        snapshot = Snapshot(
            guid=guid,
            at=max(at, row["version_at"]),
            action="closed",
            integration_id=row["integration_id"],
            keys={
                key: link.linked_by
                for key, link in links.of_item(
                    transaction, Item(row["id"], repository_id, row["kind"], row["number"])
                ).items()
                if link.linked_by not in BY_HAND
            },
            actor=actor,
            state="closed",
            title=now.title,
        )
        observe(transaction, repository_id, row["kind"], row["number"], snapshot)


def _add_version(transaction: Transaction, item: Item, snapshot: Snapshot) -> bool:
    text = msgspec.json.encode(snapshot).decode()
    return facts.add_version(transaction, item.id, snapshot.guid, snapshot.order, text)


def _columns(now: Snapshot) -> dict[str, Any]:
    """Return what the items table holds of a version that is complete."""
    version_at, version_rank = now.order
    return {
        "title": now.title or "",
        "html_url": now.html_url or "",
        "state": now.state,
        "draft": int(now.draft or False),
        "author": now.author,
        "head_repository_id": now.head_repository_id,
        "head_ref": now.head_ref,
        "head_sha": now.head_sha,
        "base_ref": now.base_ref,
        "labels": msgspec.json.encode(now.labels or []).decode(),
        "created_at": now.created_at,
        "closed_at": now.closed_at,
        "merged_at": now.merged_at,
        "version_at": version_at,
        "version_rank": version_rank,
    }


def _facts(row: Row) -> Snapshot:
    """Return the newest version of an item as the items table holds it."""
    return Snapshot(
        guid="",
        at=row["version_at"],
        action="opened" if row["version_rank"] == 0 else "",
        integration_id=row["integration_id"],
        keys={},
        title=row["title"],
        html_url=row["html_url"],
        state=row["state"],
        draft=bool(row["draft"]),
        author=row["author"],
        head_repository_id=row["head_repository_id"],
        head_ref=row["head_ref"],
        head_sha=row["head_sha"],
        base_ref=row["base_ref"],
        labels=msgspec.json.decode(row["labels"]),
        created_at=row["created_at"],
        closed_at=row["closed_at"],
        merged_at=row["merged_at"],
    )
