"""Keeps what was read of the code of a pull request, and what follows from it.

What it adds or removes links it to experiments; history.py tells how that goes with other links.
The newest head counts: what was read of an older one, and arrives late, changes nothing.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bot import storage as store
from bot import times
from bot.code.settling import Settled
from bot.domain import items, posts, stories
from bot.domain.diffs import Target, target_of
from bot.domain.parts import Cause

_MOST_NAMED = 100  # of what was not read; the rest is counted
_MOST_KEYS = 500  # experiments that one pull request is linked to by its code
_MOST_REFERENCES = 20_000
_TOO_MANY = store.Unread(f"it has more than {_MOST_REFERENCES:,} references")
_TOO_WIDE = store.Unread(f"it touches more than {_MOST_KEYS} experiments")


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a diff. `base_sha` is the merge base, where that was asked for.

    `vocabulary` and `rules` are the version and the digest of what was looked for. See
    fingerprints.py for `words`.
    """

    of: Target
    vocabulary: int
    rules: str
    found: Sequence[Settled] = ()
    unread: Sequence[store.Unread] = ()
    words: bytes | None = None
    files: int = 0
    base_sha: str | None = None


def keep(tx: store.Transaction, item_id: int, reading: Reading, integration_id: str) -> bool:
    """Keep what was read of a pull request; False if it was closed, or goes on, meanwhile."""
    item = store.items.get(tx, item_id)
    if target_of(item) != reading.of:
        return False
    before = store.diffs.references_of(tx, item_id)
    unread, found = list(reading.unread), list(reading.found)
    if len(found) > _MOST_REFERENCES:
        found, unread = found[:_MOST_REFERENCES], [_TOO_MANY, *unread]
    touched = list(dict.fromkeys(one.key for one in found if one.change != "moved"))
    if len(touched) > _MOST_KEYS:
        touched, unread = touched[:_MOST_KEYS], [_TOO_WIDE, *unread]
    _store(tx, item_id, reading, found, unread, integration_id)
    linked = _found_before(tx, item)
    stays = set(linked) if any(one.path is None for one in unread) else _unsure(before, unread)
    came = [key for key in touched if key not in linked]
    went = [key for key in linked if key not in touched and key not in stays]
    _decide(tx, item, came, went, integration_id)
    if (found or before or unread) and store.links.of_target(tx, "pull_request", item_id):
        posts.follow(tx, store.items.get(tx, item_id), Cause.CODE, integration_id)
    return True


def forget_names(tx: store.Transaction, key: str, gone: Collection[str] | None) -> None:
    """An experiment is no more, or some of its aliases are: so are references in open diffs."""
    for item in store.diffs.open_with(tx, key):
        store.diffs.forget(tx, item.id, key, gone)
        left = [one for one in store.diffs.references_of(tx, item.id) if one.experiment_key == key]
        if not any(one.change != "moved" for one in left) and key in _found_before(tx, item):
            _decide(tx, item, [], [key], item.integration_id)
        if store.links.of_target(tx, "pull_request", item.id):
            posts.follow(tx, store.items.get(tx, item.id), Cause.CODE, item.integration_id)


def _decide(
    tx: store.Transaction,
    item: store.Item,
    came: Sequence[str],
    went: Sequence[str],
    integration_id: str,
) -> None:
    decided = [("lost", key) for key in went] + [("found", key) for key in came]
    by = items.Hand(f"code:{uuid.uuid4()}", "code", None, integration_id)
    items.decide(tx, item, decided, by, times.now())


def _found_before(tx: store.Transaction, item: store.Item) -> Sequence[str]:
    """Return the keys that the code of a pull request touches, as far as it was read."""
    if not item.decided:
        return ()
    if item.loose:
        stories.collect(tx, item)
        return list(stories.tell_anew(tx, item).code)
    return list(stories.end_of(tx, item).code)


def _store(
    tx: store.Transaction,
    item_id: int,
    reading: Reading,
    found: Sequence[Settled],
    unread: Sequence[store.Unread],
    integration_id: str,
) -> None:
    columns = {
        "item_id": item_id,
        "head_sha": reading.of.head_sha,
        "base_ref": reading.of.base_ref,
        "base_sha": reading.base_sha,
        "status": "partial" if unread else "read",
        "unread": tuple(unread[:_MOST_NAMED]),
        "unread_count": len(unread),
        "vocabulary": reading.vocabulary,
        "rules": reading.rules,
        "words": reading.words,
        "files": reading.files,
        "read_at": times.now(),
        "integration_id": integration_id,
    }
    rows = [
        {
            "experiment_key": one.key,
            "change": one.change,
            "path": one.path,
            "line": one.line,
            "alias": one.alias or "",
        }
        for one in found
    ]
    store.diffs.keep(tx, columns, rows)


def _unsure(before: Collection[store.DiffReference], unread: Collection[store.Unread]) -> set[str]:
    """Return the keys of references of before in files that could not be read now."""
    paths = {one.path for one in unread}
    return {one.experiment_key for one in before if one.path in paths}
