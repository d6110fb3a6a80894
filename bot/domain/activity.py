"""The activity feed: what happened to an experiment, in the order in which it happened."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec

from bot import storage as store
from bot import times

TYPES: dict[str, "Type"] = {}
_RANKS = times.MILLISECOND  # an item's position is its moment, to the millisecond, and its rank

# An item's id is a UUID of version 8 (RFC 9562) that holds its place in the order of recording,
# so the id alone tells a live stream where to go on.
_ID = "ac717171-0000-8000-8000-"
ID_PATTERN = f"^{_ID}[0-9a-f]{{12}}$"
_ID_OF_SEQ = re.compile(rf"{_ID}([0-9a-f]{{12}})")


@dataclass(frozen=True, eq=False, slots=True)
class Type:
    """A type of item, which is known everywhere once it is made: declare it where it is told.

    `name` is what it is about and what has happened, as `issue.closed`. By `rank`, which is kept
    with each item and so must not be changed, the items of one moment are ordered: what was opened
    was then linked. `sign` stands before it on pages, `words` are its summary with gaps in braces.
    """

    name: str
    rank: int
    sign: str
    words: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z_]+\.[a-z_]+", self.name) or not 0 <= self.rank < _RANKS:
            raise ValueError(f"{self.name!r} with rank {self.rank} cannot be a type of the feed")
        if self.name in TYPES:
            raise ValueError(f"two types of the feed are called {self.name}")
        TYPES[self.name] = self

    def says(self, **values: object) -> str:
        """Return the summary of an item, with these values in the gaps of `words`."""
        return self.words.format(**values)


class News(msgspec.Struct, frozen=True):
    """Something to tell the followers of an experiment. `guid` is the delivery that told us.

    `backfilled`: no delivery told of it, it was read from GitHub later.
    """

    type: Type
    experiment_key: str
    occurred_at: int
    actor: str | None
    summary: str
    html_url: str | None = None
    repository_id: int | None = None
    item_id: int | None = None
    commit_id: int | None = None
    guid: str | None = None
    backfilled: bool = False

    @property
    def position(self) -> int:
        return self.occurred_at // _RANKS * _RANKS + self.type.rank

    def columns(self, recorded_at: int) -> dict[str, Any]:
        """Return what the activity table holds of it."""
        return {
            "type": self.type.name,
            "experiment_key": self.experiment_key,
            "actor": self.actor,
            "summary": self.summary,
            "html_url": self.html_url,
            "repository_id": self.repository_id,
            "item_id": self.item_id,
            "commit_id": self.commit_id,
            "guid": self.guid,
            "position": self.position,
            "recorded_at": recorded_at,
            "backfilled": self.backfilled,
        }


def record(tx: store.Transaction, news: Sequence[News]) -> None:
    """Add `news` to the feed."""
    if news:
        now = times.now()
        store.activity.add(tx, [one.columns(now) for one in news])


# With the type's name, what is the same in a row and in the news that it was recorded from.
_identity = attrgetter("experiment_key", "guid", "position", "summary", "actor", "backfilled")


def replace(
    tx: store.Transaction, item_id: int, guids: Sequence[str], news: Sequence[News]
) -> None:
    """Make `news` all that the deliveries `guids` have to say of an item; keep what stands."""
    wanted = {(one.type.name, _identity(one)): one for one in news}
    outdated = [
        row.seq
        for row in store.activity.told_of_item(tx, item_id, list(dict.fromkeys(guids)))
        if wanted.pop((row.type, _identity(row)), None) is None
    ]
    store.activity.remove(tx, outdated)
    record(tx, list(wanted.values()))


def id_of_seq(seq: int) -> str:
    """Return the public id of the feed item with the order number `seq`."""
    return f"{_ID}{seq:012x}"


def seq_of_id(text: str) -> int | None:
    """Return the order number in a public id, None if it is not one."""
    match = _ID_OF_SEQ.fullmatch(text)
    return int(match[1], 16) if match else None
