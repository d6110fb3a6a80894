"""The activity feed: what happened to an experiment, in the order in which it happened."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot import storage as store
from bot import times

# Every type of item, with its rank among items of one moment: what was opened was then linked.
TYPES = {
    "experiment.created": 0,
    "experiment.status_changed": 1,
    "pull_request.opened": 2,
    "issue.created": 2,
    "pull_request.linked": 3,
    "issue.linked": 3,
    "pull_request.updated": 4,
    "issue.labeled": 4,
    "pull_request.ready_for_review": 5,
    "pull_request.merged": 6,
    "pull_request.closed": 6,
    "pull_request.reopened": 6,
    "issue.closed": 6,
    "issue.reopened": 6,
    "pull_request.unlinked": 7,
    "issue.unlinked": 7,
    "commit.pushed": 8,
    "command.executed": 9,
    "command.refused": 9,
}

# An item's id is a UUID of version 8 (RFC 9562) that holds its place in the order of recording,
# so the id alone tells a live stream where to go on.
_ID = "ac717171-0000-8000-8000-"
ID_PATTERN = f"^{_ID}[0-9a-f]{{12}}$"
_ID_OF_SEQ = re.compile(rf"{_ID}([0-9a-f]{{12}})")


@dataclass(frozen=True, slots=True)
class News:
    """Something to tell the followers of an experiment. `guid` is the delivery that told us."""

    type: str
    experiment_key: str
    occurred_at: int
    actor: str | None
    summary: str
    html_url: str | None = None
    repository_id: int | None = None
    item_id: int | None = None
    commit_id: int | None = None
    guid: str | None = None

    @property
    def position(self) -> int:
        return self.occurred_at // times.MILLISECOND * times.MILLISECOND + TYPES[self.type]


def record(tx: store.Transaction, news: Sequence[News]) -> None:
    """Add `news` to the feed."""
    if not news:
        return
    recorded_at = times.now()
    store.activity.add(
        tx,
        [
            {
                "type": item.type,
                "experiment_key": item.experiment_key,
                "position": item.position,
                "recorded_at": recorded_at,
                "actor": item.actor,
                "summary": item.summary,
                "html_url": item.html_url,
                "repository_id": item.repository_id,
                "item_id": item.item_id,
                "commit_id": item.commit_id,
                "guid": item.guid,
            }
            for item in news
        ],
    )


def replace(
    tx: store.Transaction, item_id: int, guids: Sequence[str], news: Sequence[News]
) -> None:
    """Make `news` all that the deliveries `guids` have to say of an item; keep what stands."""
    wanted = {
        (one.type, one.experiment_key, one.guid, one.position, one.summary, one.actor): one
        for one in news
    }
    outdated = []
    told_by = set(guids)
    for row in store.activity.of_item(tx, item_id):
        if row.guid in told_by:
            identity = (
                row.type,
                row.experiment_key,
                row.guid,
                row.position,
                row.summary,
                row.actor,
            )
            if wanted.pop(identity, None) is None:
                outdated.append(row.seq)
    store.activity.remove(tx, outdated)
    record(tx, list(wanted.values()))


def id_of_seq(seq: int) -> str:
    """Return the public id of the feed item with the order number `seq`."""
    return f"{_ID}{seq:012x}"


def seq_of_id(text: str) -> int | None:
    """Return the order number in a public id, None if it is not one."""
    match = _ID_OF_SEQ.fullmatch(text)
    return int(match[1], 16) if match else None
