"""Takes in what was read from GitHub of pull requests and issues, as if deliveries had told it.

What a delivery has told later stands, and what is known already is passed over. Of an item that
nothing was known of, the story begins when it was made (history.py).
"""

import hashlib

import msgspec

from bot import storage as store
from bot import times
from bot.domain import items, locks, moments, snapshots, stories
from bot.domain.history import History, apply, carried_forward
from bot.github import payloads
from bot.storage import Item, Kind, Snapshot
from bot.storage.columns import MADE
from bot.storage.commit_rows import FETCHED

# For so long GitHub's API may answer what an item was before its last delivery in the same second.
_LAGS = 60 * times.SECOND


def observe_pull_request(
    source: snapshots.Told,
    about: payloads.Repository,
    repository_id: int,
    pull: payloads.PullRequest,
    read_at: int,
) -> Item:
    """Take in a pull request as GitHub has answered at `read_at`; return it as it is then."""
    assert pull.number is not None
    snapshot = snapshots.of_pull_request(source, about, repository_id, pull, "", None)
    return _observe(source, repository_id, "pull_request", pull.number, snapshot, pull, read_at)


def observe_issue(
    source: snapshots.Told, repository_id: int, issue: payloads.Issue, read_at: int
) -> Item:
    """Take in an issue as GitHub has answered at `read_at`; return it as it is then."""
    snapshot = snapshots.of_issue(source, issue)
    return _observe(source, repository_id, "issue", issue.number, snapshot, issue, read_at)


def _observe(
    source: snapshots.Told,
    repository_id: int,
    kind: Kind,
    number: int,
    snapshot: Snapshot,
    answer: payloads.Item,
    read_at: int,
) -> Item:
    tx = source.tx
    # A delivery of the same second may still come, and goes before it unless that fits worse.
    rank = moments.CONTESTED
    snapshot = msgspec.structs.replace(snapshot, guid=_guid(snapshot), fetched=True, rank=rank)
    row = store.items.find(tx, repository_id, kind, number)
    if row is None:
        _first(tx, repository_id, kind, number, snapshot)
    elif _is_news(tx, row, snapshot, read_at):
        items.observe(tx, repository_id, kind, number, snapshot)
    elif row.integration_id != snapshot.integration_id:
        store.speakers.told_too(tx, "item", [row.id], snapshot.integration_id)
    locks.observe(tx, repository_id, kind, number, answer.locked, snapshot.at)
    found = store.items.find(tx, repository_id, kind, number)
    assert found is not None
    return found


def _guid(snapshot: Snapshot) -> str:
    """Return what tells a version from others: the same answer twice is the same version."""
    told = msgspec.structs.replace(snapshot, guid="", integration_id="")
    digest = hashlib.blake2b(msgspec.json.encode(told), digest_size=16)
    return f"{FETCHED}{digest.hexdigest()}"


def _is_news(tx: store.Transaction, row: Item, snapshot: Snapshot, read_at: int) -> bool:
    """Tell whether GitHub's answer says of an item what is not known yet."""
    if snapshot.at < row.version_at or (row.gone_at is not None and snapshot.at <= row.gone_at):
        return False
    known = stories.facts_of(row)
    now = carried_forward(known, snapshot)
    if stories.facts_in(now) == stories.facts_in(known) and snapshot.keys == stories.named_in(
        tx, row
    ):
        return False
    return snapshot.at > row.version_at or read_at > snapshot.at + _LAGS


def _first(
    tx: store.Transaction, repository_id: int, kind: Kind, number: int, snapshot: Snapshot
) -> None:
    """Take in an item that nothing was known of."""
    now = carried_forward(None, snapshot)
    item = items.add(tx, repository_id, kind, number, now)
    history = History()
    for version in (_beginning(now), snapshot):
        apply(history, item, version)
        stories.keep(tx, item, version, history)
    items.begin(tx, item, now, history, fetched=True)


def _beginning(now: Snapshot) -> Snapshot:
    """Return the version that says when an item was made; it goes before all others."""
    assert now.created_at is not None
    return Snapshot(
        guid=f"{now.guid}:made",
        at=now.created_at - 1,
        action=MADE,
        integration_id=now.integration_id,
        keys={},
        created_at=now.created_at,
        fetched=True,
    )
