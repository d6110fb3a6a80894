"""Puts versions of one second in the order in which they were made.

GitHub's `updated_at` has whole seconds, so two edits may have the same. Each version shows what the
item was after it, and tells, by `changes.….from` or by its action, what it was before: a version
goes behind the one that left the item as it found it. What was known before that second, and what
came after it, tells where the row begins and ends. What was read from GitHub goes behind what
deliveries tell, unless that fits worse. Where nothing of that decides, as between two
edits that do not say from what, nobody can know, and they go in the order in which they came.
"""

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

from bot.storage import Item, Snapshot

CONTESTED = 10  # the lowest rank in a second whose versions were put in order
_MOST = 6  # versions of which every order is tried; of more the next one is the one that fits best
# Seen once, the item may have been so before and after: what follows may have come before.
_REVERSIBLE = frozenset(
    {"edited", "closed", "reopened", "converted_to_draft", "ready_for_review", "unlabeled"}
)
_FIELDS = ("title", "body", "state", "draft", "head_sha", "base_ref", "labels")
_BEFORE: Mapping[str, Mapping[str, Any]] = {
    "closed": {"state": "open"},
    "reopened": {"state": "closed"},
    "ready_for_review": {"draft": True},
    "converted_to_draft": {"draft": False},
    "synchronize": {"head_sha": None},
}

Scene = Mapping[str, Any]  # what an item is like; what is not known is None


def is_next(row: Item, named: Mapping[str, str], snapshot: Snapshot) -> bool:
    """Tell whether a version of the same second as the newest is sure to come behind it.

    `named` are the keys that the text is known to name, and by what. One that leaves everything as
    it is changes nothing wherever it goes.
    """
    if row.version_rank >= CONTESTED or snapshot.keys != named:
        return False
    now = _shown(row, None)
    if snapshot.action in _REVERSIBLE:
        return not named and _distance(now, _scene(snapshot)) == 0
    if snapshot.action == "opened":
        return row.version_rank == 0 and _distance(now, _scene(snapshot)) == 0
    return _distance(now, _before(snapshot)) == 0 or _distance(now, _scene(snapshot)) == 0


def in_order(
    before: Snapshot | None, versions: Sequence[Snapshot], after: Snapshot | None
) -> list[Snapshot]:
    """Return the versions of one second in their order; they are given as they came.

    `before` and `after` are the version right before that second and the one right after it.
    """
    rows = _together(versions)
    begin = [row for row in rows if row[0].action == "opened"]
    end = [row for row in rows if row[0].action == "deleted"]
    middle = [row for row in rows if row[0].action not in ("opened", "deleted")]
    start = _scene(begin[-1][0]) if begin else _scene(before) if before is not None else {}
    goal = _before(after) if after is not None else {}
    return [one for row in [*begin, *_chained(start, middle, goal), *end] for one in row]


def _together(versions: Sequence[Snapshot]) -> list[list[Snapshot]]:
    """Return versions in rows, each with what several integrations have told of one event."""
    rows: dict[tuple[Any, ...], list[Snapshot]] = {}
    told: dict[tuple[Any, ...], int] = {}
    for one in sorted(versions, key=lambda one: (one.fetched, one.natural_rank)):
        event = (one.action, *_values(_scene(one)), *_values(_before(one)))
        which = told[event, one.integration_id] = told.get((event, one.integration_id), 0) + 1
        rows.setdefault((event, which), []).append(one)
    return list(rows.values())


def _chained(start: Scene, rows: Sequence[list[Snapshot]], goal: Scene) -> Sequence[list[Snapshot]]:
    """Return rows in the order in which each finds the item as the one before has left it."""
    if len(rows) < 2:
        return rows
    if len(rows) <= _MOST:
        return min(permutations(rows), key=lambda order: _breaks(start, order, goal))
    left, ordered = list(rows), []
    while left:
        best = min(left, key=lambda row: _distance(start, _before(row[0])))
        left.remove(best)
        ordered.append(best)
        start = _scene(best[0])
    return ordered


def _breaks(start: Scene, order: Sequence[list[Snapshot]], goal: Scene) -> int:
    """Return in how much versions in an order do not fit to each other."""
    found = 0
    for row in order:
        found += _distance(start, _before(row[0]))
        start = _scene(row[0])
    return found + _distance(start, goal)


def _scene(snapshot: Snapshot) -> Scene:
    """Return what an item is like after a version."""
    return _shown(snapshot, snapshot.body)


def _shown(told: Snapshot | Item, body: str | None) -> Scene:
    return {
        "title": told.title,
        "body": body,
        "state": told.state,
        "draft": told.draft,
        "head_sha": told.head_sha,
        "base_ref": told.base_ref,
        "labels": None if told.labels is None else tuple(sorted(told.labels)),
    }


def _before(snapshot: Snapshot) -> Scene:
    """Return what an item was like before a version, as it tells."""
    scene = {**_scene(snapshot), **_BEFORE.get(snapshot.action, {}), **snapshot.was}
    if snapshot.labels is not None and snapshot.label is not None:
        others = [name for name in snapshot.labels if name != snapshot.label]
        if snapshot.action == "labeled":
            scene["labels"] = tuple(sorted(others))
        elif snapshot.action == "unlabeled":
            scene["labels"] = tuple(sorted([*others, snapshot.label]))
    if snapshot.action == "edited" and not snapshot.was:
        scene.update(title=None, body=None, base_ref=None)  # it does not say what it has changed
    return scene


def _values(scene: Scene) -> tuple[Any, ...]:
    return tuple([scene[name] for name in _FIELDS])


def _distance(one: Scene, other: Scene) -> int:
    """Return in how many of the things that are known of both they differ."""
    return sum(
        one.get(name) is not None
        and other.get(name) is not None
        and one.get(name) != other.get(name)
        for name in _FIELDS
    )
