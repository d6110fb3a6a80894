"""Commits that one push alone has brought, to one branch: most commits there are.

Such a commit tells by itself where that was (`made_branch` is not null), and is the only row that
its push writes. A push that concerns nothing adds its commits in memory, with those of the others
of its batch. As soon as another push has the same commit, it is placed like all others, by a row in
`branch_commits`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage import heads, items, query, repositories
from bot.storage.commit_rows import BranchStart, Commit
from bot.storage.database import Transaction
from bot.storage.heads import Place
from bot.storage.joined import KnownSha, PlacedAlone
from bot.storage.known_rows import add_rows


def loading(tx: Transaction, shas: Sequence[str]) -> query.Load | None:
    """Return how to read which SHAs are known in any repository, None if that is known of all."""
    known, landed = _known(tx), heads.landed(tx)
    missing = [(sha,) for sha in dict.fromkeys(shas) if sha not in known]
    if not missing:
        return None

    def accept(rows: list[KnownSha]) -> None:
        known.update({row.sha: row.commit_id is not None for row in rows})
        for row in rows:
            landed.setdefault(row.sha, row.landed_id is not None)

    sql = """SELECT wanted.sha,
            (SELECT id FROM commits WHERE commits.sha = wanted.sha LIMIT 1) AS commit_id,
            (SELECT items.id FROM items WHERE items.merge_sha = wanted.sha
                AND (SELECT links.id FROM links WHERE links.target_id = items.id
                    AND links.kind = 'pull_request' LIMIT 1) IS NOT NULL LIMIT 1) AS landed_id
        FROM {keys} AS wanted"""
    return query.Load(KnownSha, sql, ("sha",), missing, accept)


def concerns_nothing(
    tx: Transaction, place: Place, pushed_at: int, shas: Sequence[str], *, made_branch: bool
) -> bool:
    """Tell whether a push is known to concern no pull request that is linked, nor a known commit.

    By what has been read for the batch and was changed since: nothing is asked here.
    """
    known, (repository_id, ref) = _known(tx), place
    is_made = repositories.is_made(tx, repository_id)
    if (
        any(known.get(sha, True) for sha in shas)
        or heads.may_land(tx, shas)
        or heads.may_be_rewritten(tx, place, pushed_at, unless_known=not is_made)
    ):
        return False
    if is_made:
        return not items.knows_any(tx, repository_id)
    head = heads.find(tx, place)
    if head is None or head.linked_id is not None:
        return False
    if head.last_end is not None and head.last_end >= pushed_at:
        return False  # one that has ended since may be linked
    if made_branch:
        return head.into_id is None and not items.leads_into(tx, repository_id, ref)
    return True


def add_alone(tx: Transaction, place: Place, commits: Sequence[Mapping[str, Any]]) -> None:
    """Add commits that nobody has, as one push to a branch has brought them, in its order."""
    add_rows(tx, Commit, commits)
    note(tx, commits)
    heads.pushed_to(tx, place)


def add_start_alone(tx: Transaction, place: Place, started_at: int) -> None:
    """Keep when a branch was made by a push that brought no commits."""
    row = {"repository_id": place[0], "ref": place[1], "started_at": started_at}
    add_rows(tx, BranchStart, [row], "ON CONFLICT DO NOTHING")


def note(tx: Transaction, commits: Sequence[Mapping[str, Any]]) -> None:
    """Some commits are known by now."""
    known = _known(tx)
    for one in commits:
        tx.put(known, one["sha"], True)


def place_apart(tx: Transaction, place: Place, pushed_at: int, commits: Sequence[Commit]) -> None:
    """Give commits that tell by themselves where they were pushed a place like all others'.

    So that another push of theirs, to a branch and at a time, can be told of too. What came with
    them follows, and what came to that branch in the same second: in the order in which it came.
    """
    pushes = {
        (one.repository_id, one.ref, one.pushed_at)
        for one in commits
        if one.made_branch is not None
    }
    pushes.add((*place, pushed_at))
    sql = """SELECT commits.id, commits.repository_id, commits.ref, commits.pushed_at
        FROM {keys} AS wanted CROSS JOIN commits
        WHERE commits.repository_id = wanted.repository_id
            AND commits.ref || '' = wanted.ref || '' AND commits.pushed_at = wanted.pushed_at
            AND commits.made_branch IS NOT NULL"""
    columns = ("repository_id", "ref", "pushed_at")
    found = query.select_keyed(tx.stored, PlacedAlone, sql, columns, sorted(pushes))
    ids = sorted(one.id for one in found)
    for statement in _PLACE_APART:
        query.run_in_parts(tx, statement, ids)


_PLACE_APART = (
    """INSERT INTO branch_commits (repository_id, ref, commit_id, pushed_at, is_new)
        SELECT repository_id, ref, id, pushed_at, was_new FROM commits
        WHERE id IN ({names}) ORDER BY id""",
    """INSERT INTO branch_starts (repository_id, ref, started_at)
        SELECT DISTINCT repository_id, ref, pushed_at FROM commits
        WHERE id IN ({names}) AND made_branch = 1 ON CONFLICT DO NOTHING""",
    "UPDATE commits SET made_branch = NULL, was_new = NULL WHERE id IN ({names})",
)


def _known(tx: Transaction) -> dict[str, bool]:
    """Return, by SHA, whether some repository has such a commit."""
    found: dict[str, bool] = tx.kept.setdefault("shas", {})
    return found
