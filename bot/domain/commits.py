"""Takes in pushed commits, without anybody's e-mail address, and links them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot import storage as store
from bot.domain import links
from bot.emails import name_without_email, without_emails


@dataclass(frozen=True, slots=True)
class Push:
    """A push to a branch, `ref` without what stands before its name. Times in microseconds.

    `made_branch`: there was no such branch before.
    """

    repository_id: int
    ref: str
    actor: str | None
    pushed_at: int
    integration_id: str
    guid: str
    made_branch: bool

    @property
    def place(self) -> tuple[int, str]:
        return self.repository_id, self.ref


@dataclass(frozen=True, slots=True)
class Pushed:
    """A commit as a push brought it, and the keys that its message names."""

    sha: str
    message: str
    author: str | None
    html_url: str
    committed_at: int
    is_new: bool | None  # whether the push was the first to bring it; None if not said
    keys: Sequence[str]


def observe(tx: store.Transaction, push: Push, commits: Sequence[Pushed]) -> None:
    """Keep the commits of one push, and link each to its keys and to what its branch belongs to.

    A commit that is known already, from this delivery or another branch, is kept once.
    """
    by_sha: dict[str, Pushed] = {}
    for one in commits:
        by_sha.setdefault(one.sha, one)
    is_named = any(one.keys for one in by_sha.values())
    if not is_named and store.pushes.concerns_nothing(
        tx, push.place, push.pushed_at, list(by_sha), made_branch=push.made_branch
    ):
        _keep(tx, push, list(by_sha.values()))
        return
    if by_sha:
        _take_in(tx, push, by_sha)
    if push.made_branch:
        links.branch_started(tx, push.repository_id, push.ref, push.pushed_at)


def _keep(tx: store.Transaction, push: Push, commits: Sequence[Pushed]) -> None:
    """Keep a push that concerns nothing, with one row for each commit and no other."""
    made_branch = push.made_branch
    rows = []
    for one in commits:
        rows.append({**_row(push, one), "was_new": one.is_new, "made_branch": made_branch})
        made_branch = False  # one of them tells it for all
    if rows:
        store.pushes.add_alone(tx, push.place, rows)
    elif made_branch:
        store.pushes.add_start_alone(tx, push.place, push.pushed_at)


def _take_in(tx: store.Transaction, push: Push, by_sha: Mapping[str, Pushed]) -> None:
    """Keep the commits of one push, and see to all that it may concern."""
    repository_id, ref = push.place
    store.branches.add_commits(tx, [_row(push, one) for one in by_sha.values()])
    rows = store.branches.commits_by_sha(tx, repository_id, list(by_sha))
    known = [row.id for row in rows.values() if row.integration_id != push.integration_id]
    store.speakers.told_too(tx, "commit", known, push.integration_id)
    store.pushes.place_apart(tx, push.place, push.pushed_at, list(rows.values()))
    times = _keep_on_branch(tx, push, {rows[sha].id: one for sha, one in by_sha.items()})
    rows.update(_keep_first_push(tx, push, list(rows.values())))
    links.link_messages(tx, [(rows[sha], one.keys) for sha, one in by_sha.items() if one.keys])
    links.pushed(tx, repository_id, ref, times, push.integration_id)
    news = [sha for sha, row in rows.items() if row.id in times]
    links.came_to_base(tx, repository_id, ref, news)


def _row(push: Push, one: Pushed) -> dict[str, Any]:
    return {
        "repository_id": push.repository_id,
        "sha": one.sha,
        "message": without_emails(one.message),
        "author": name_without_email(one.author),
        "actor": name_without_email(push.actor),
        "html_url": one.html_url,
        "ref": push.ref,
        "committed_at": one.committed_at,
        "pushed_at": push.pushed_at,
        "integration_id": push.integration_id,
        "guid": push.guid,
    }


def _keep_on_branch(
    tx: store.Transaction, push: Push, pushed: Mapping[int, Pushed]
) -> dict[int, tuple[int, ...]]:
    """Keep when commits, by id, came to their branch first, and whether they were new then.

    Returns, of those for which that is news, the time now and, if there was one, the time before.
    """
    known = store.branches.on_branch(tx, push.repository_id, push.ref, list(pushed))
    place = {"repository_id": push.repository_id, "ref": push.ref, "pushed_at": push.pushed_at}
    times: dict[int, tuple[int, ...]] = {}
    for commit_id, one in pushed.items():
        old = known.get(commit_id)
        if old is None:
            times[commit_id] = (push.pushed_at,)
        elif push.pushed_at < old.pushed_at or (
            push.pushed_at == old.pushed_at and _is_better(one.is_new, old.is_new)
        ):
            times[commit_id] = (push.pushed_at, old.pushed_at)
    news = [{**place, "commit_id": one, "is_new": pushed[one].is_new} for one in times]
    if news:
        store.branches.set_on_branch(tx, news)
    return times


def _is_better(is_new: bool | None, known: bool | None) -> bool:
    """Tell whether what one of two pushes in one second says of a commit goes before the other."""
    order = (None, False, True)
    return order.index(is_new) > order.index(known)


def _keep_first_push(
    tx: store.Transaction, push: Push, rows: Sequence[store.Commit]
) -> dict[str, store.Commit]:
    """Let commits tell of this push if none brought them earlier, to whichever branch.

    Returns those that told of another, by SHA.
    """
    this = (push.pushed_at, push.ref)
    changed = [row.id for row in rows if this < (row.pushed_at, row.ref)]
    if not changed:
        return {}
    first_push = {
        "ref": push.ref,
        "pushed_at": push.pushed_at,
        "actor": name_without_email(push.actor),
        "guid": push.guid,
    }
    store.branches.set_first_push(tx, [{"id": one, **first_push} for one in changed])
    now = store.branches.commits_by_id(tx, changed)
    links.first_push_changed(tx, list(now.values()))
    return {row.sha: row for row in now.values()}
