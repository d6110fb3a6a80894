"""Decides which commits of an experiment are counted: those that were not replaced by others.

A commit is replaced by a force push without it, unless it has come to the base. Its link stays,
with a state that says so.
"""

from collections.abc import Sequence

from bot import storage as store
from bot.domain import branches

REPLACED = "replaced"  # the state of a commit's link that is not counted


def settle(tx: store.Transaction, commit_ids: Sequence[int]) -> None:
    """Decide which links of some commits count, and which were replaced.

    A link through pull requests counts while it counts for one of them, one by the message while
    one of the branches that the commit was pushed to has it.
    """
    commit_ids = sorted(set(commit_ids))
    linked = store.links.places_of_commits(tx, commit_ids)
    if not linked:
        return
    counts, gone = _as_pull_requests_see(tx, commit_ids)
    alive = {
        place.commit_id
        for place in store.rewrites.places_of(tx, commit_ids)
        if not place.is_gone and (place.commit_id, place.repository_id, place.ref) not in gone
    }
    for (commit_id, key), link in linked.items():
        if link.via_item_id is None:
            is_counted = commit_id in alive
        else:
            is_counted = counts.get((commit_id, key), True)
        state = None if is_counted else REPLACED
        if link.state != state:
            store.links.change(tx, link, state=state)


def untold_by_message(tx: store.Transaction, pull: store.Item) -> list[store.HeadCommit]:
    """Return the commits of a pull request that have links of their own, where it is not known if
    a force push has replaced them.
    """
    untold = branches.commits_of(tx, pull).untold
    linked = store.links.places_of_commits(tx, sorted(commit.id for commit in untold))
    ids = {commit_id for commit_id, _ in linked}
    return [commit for commit in untold if commit.id in ids]


def _as_pull_requests_see(
    tx: store.Transaction, commit_ids: Sequence[int]
) -> tuple[dict[tuple[int, str], bool], set[tuple[int, int, str]]]:
    """Return whether commits count for an experiment, and the heads that have them no more."""
    pulls = that_may_have(tx, commit_ids)
    keys = store.links.keys_of_targets(tx, "pull_request", [pull.id for pull in pulls])
    counts: dict[tuple[int, str], bool] = {}
    gone: set[tuple[int, int, str]] = set()
    for pull in pulls:
        found = branches.commits_of(tx, pull, commit_ids)
        for commit in found.mine:
            is_replaced = commit.id in found.replaced
            if is_replaced and pull.head_repository_id is not None and pull.head_ref is not None:
                gone.add((commit.id, pull.head_repository_id, pull.head_ref))
            for key in keys[pull.id]:
                place = (commit.id, key)
                counts[place] = counts.get(place, False) or not is_replaced
    return counts, gone


def that_may_have(
    tx: store.Transaction, commit_ids: Sequence[int], base: tuple[int, str] | None = None
) -> list[store.Item]:
    """Return the linked pull requests, with `base` those into it, to whose heads commits came.

    Without `base` those that landed with some of the commits, too.
    """
    heads: dict[int, list[store.Head]] = {}
    for head in store.branches.heads_of(tx, commit_ids):
        if (head.repository_id, head.ref) != base:
            heads.setdefault(head.repository_id, []).append(head)
    found = []
    for repository_id, rows in heads.items():
        between = (min(row.earliest for row in rows), max(row.latest for row in rows))
        refs = sorted({row.ref for row in rows})
        found += store.branches.linked_between(tx, repository_id, refs, between, base)
    if base is None:
        known = {pull.id for pull in found}
        landed = store.branches.landed_beside(tx, store.rewrites.places_of(tx, commit_ids))
        found += [pull for pull in landed if pull.id not in known]
    return found
