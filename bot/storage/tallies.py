"""What experiments know of their feed and links, so that no list counts or looks for the last one.

It is written once a batch, one statement for each experiment.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from bot.storage.database import Statements, Transaction, lock_of_experiment
from bot.storage.rows import Link

_Counts = tuple[int, int, int, int, int]
_COLUMNS = ("pull_request_count", "issue_count", "commit_count", "open_count", "merged_count")
_NONE: _Counts = (0, 0, 0, 0, 0)
_COUNTED: dict[tuple[str, str | None], _Counts] = {
    ("pull_request", "open"): (1, 0, 0, 1, 0),
    ("pull_request", "merged"): (1, 0, 0, 0, 1),
    ("pull_request", "closed"): (1, 0, 0, 0, 0),
    ("issue", "open"): (0, 1, 0, 0, 0),
    ("issue", "closed"): (0, 1, 0, 0, 0),
    ("commit", None): (0, 0, 1, 0, 0),
    ("commit", "replaced"): _NONE,
}
_LAST_MERGED = """COALESCE((SELECT MAX(state_at) FROM links
    WHERE links.experiment_key = experiments.key AND state = 'merged'
        AND kind = 'pull_request'), 0)"""


class _Tallies:
    """What has changed of some experiments, as far as it is still to be written."""

    def __init__(self) -> None:
        self.heard: dict[str, int] = {}  # when each was last heard of
        self.counts: dict[str, _Counts] = {}  # by how much they have changed
        self.merged: dict[str, int] = {}  # when something was merged
        self.unmerged: dict[str, bool] = {}  # something is no longer merged, or not then

    def flush(self, statements: Statements) -> None:
        # One after the other: in which order one statement takes rows, the server decides.
        keys = sorted(self.heard.keys() | self.counts.keys() | self.merged.keys())
        changes = [one for one in map(self._change, keys) if len(one[1]) > 1]
        for sql, some in itertools.groupby(changes, lambda one: one[0]):
            statements.run_many(sql, [params for _, params in some])
        if self.unmerged:
            sql = f"UPDATE experiments SET last_merged = {_LAST_MERGED} WHERE key = :key"
            statements.run_many(sql, [{"key": key} for key in sorted(self.unmerged)])
        for known in (self.heard, self.counts, self.merged, self.unmerged):
            known.clear()

    def _change(self, key: str) -> tuple[str, dict[str, Any]]:
        counts = zip(_COLUMNS, self.counts.get(key, _NONE), strict=True)
        params: dict[str, Any] = {name: count for name, count in counts if count}
        added = tuple(params)
        if key in self.heard:
            params["last_activity"] = self.heard[key]
        if key in self.merged:
            params["last_merged"] = self.merged[key]
        sql = _update(added, tuple(params)[len(added) :])
        return sql, {"key": key, **params}


@cache
def _update(added: Sequence[str], raised: Sequence[str]) -> str:
    """Return how some counts are added to, and some times set where they are later."""
    if not added and raised == ("last_activity",):  # what arrives late writes nothing
        return """UPDATE experiments SET last_activity = :last_activity
            WHERE key = :key AND last_activity < :last_activity"""
    later = "CASE WHEN {0} < :{0} THEN :{0} ELSE {0} END"
    values = [f"{name} = {name} + :{name}" for name in added]
    values += [f"{name} = {later.format(name)}" for name in raised]
    return f"UPDATE experiments SET {', '.join(values)} WHERE key = :key"


def _of(tx: Transaction) -> _Tallies:
    found: _Tallies | None = tx.kept.get("tallies")
    if found is None:
        found = tx.kept["tallies"] = _Tallies()
    return found


def heard(tx: Transaction, key: str, position: int) -> None:
    """Note when an experiment was last heard of."""
    here = _of(tx)
    if here.heard.get(key, 0) < position:
        tx.put(here.heard, key, position)
        tx.touch("experiments", here)


def linked(tx: Transaction, before: Link | None, now: Link | None) -> None:
    """Note that a link is made, changed or removed: how it was and is, None for not at all."""
    if before is not None and now is not None and _stands(before) == _stands(now):
        return
    here = _of(tx)
    key = (now or before).experiment_key  # type: ignore[union-attr]
    was, is_ = _counted(before), _counted(now)
    if was != is_:
        known = here.counts.get(key, _NONE)
        counts = tuple([a - b + c for a, b, c in zip(known, was, is_, strict=True)])
        tx.put(here.counts, key, counts)
    if now is not None and now.state == "merged":
        tx.put(here.merged, key, max(now.state_at, here.merged.get(key, 0)))
    if before is not None and before.state == "merged":
        tx.put(here.unmerged, key, True)
    tx.touch("experiments", here)


def _stands(link: Link) -> tuple[str | None, int]:
    """Return what of a link matters here: its state, and when it was merged."""
    return link.state, link.state_at if link.state == "merged" else 0


def _counted(link: Link | None) -> _Counts:
    return _NONE if link is None else _COUNTED[link.kind, link.state]


def to_lock(tx: Transaction) -> tuple[Iterable[str], Iterable[str]]:
    """Return the keys of experiments to whose links something is done, and of those from which a
    merged pull request is taken: what was merged last is then looked for, and nobody else may
    merge meanwhile.
    """
    here = _of(tx)
    return {*here.counts, *here.merged} - here.unmerged.keys(), here.unmerged


def of_links(tx: Transaction, key: str) -> dict[str, int]:
    """Return what is linked to an experiment, counted anew."""
    sql = """SELECT kind, state, COUNT(*) AS count, MAX(state_at) AS last FROM links
        WHERE experiment_key = :key GROUP BY kind, state"""
    found = {**dict.fromkeys(_COLUMNS, 0), "last_merged": 0}
    for row in tx.all(sql, {"key": key}):
        for name, one in zip(_COLUMNS, _COUNTED[row["kind"], row["state"]], strict=True):
            found[name] += one * row["count"]
        if row["state"] == "merged":
            found["last_merged"] = row["last"]
    return found


def commits_removed(tx: Transaction, removed: Mapping[str, int]) -> None:
    """Take off the commits whose links were removed of some experiments.

    Who makes one of them at that moment counts those links before or after that.
    """
    tx.stored.share([lock_of_experiment(key) for key in sorted(removed)])
    sql = "UPDATE experiments SET commit_count = commit_count - :count WHERE key = :key"
    tx.run_many(sql, [{"key": key, "count": removed[key]} for key in sorted(removed)])
