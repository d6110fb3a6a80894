"""Takes in pushed commits, without anybody's e-mail address, and links them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot import storage as store
from bot.domain import counted, links
from bot.emails import name_without_email, without_emails
from bot.storage.commit_rows import FETCHED
from bot.times import SECOND

# So long before a pull request ends what it has is taken to be pushed: not when the base gets it.
_BEFORE_END = 5 * SECOND


@dataclass(frozen=True, slots=True)
class Push:
    """A push to a branch, `ref` without what stands before its name. Times in microseconds.

    `made_branch`: there was no such branch before. `rewrite`: the heads of the branch before and
    after it, of a force push.
    """

    repository_id: int
    ref: str
    actor: str | None
    pushed_at: int
    integration_id: str
    guid: str
    made_branch: bool
    rewrite: tuple[str, str] | None = None

    @property
    def place(self) -> tuple[int, str]:
        return self.repository_id, self.ref

    @property
    def is_fetched(self) -> bool:
        """Tell whether it stands for what GitHub lists, and no delivery told of it."""
        return self.guid.startswith(FETCHED)


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
    is_plain = push.rewrite is None and not any(one.keys for one in by_sha.values())
    if is_plain and store.pushes.concerns_nothing(
        tx, push.place, push.pushed_at, list(by_sha), made_branch=push.made_branch
    ):
        _keep(tx, push, list(by_sha.values()))
        return
    if push.rewrite is not None:
        store.rewrites.add(tx, push.place, push.pushed_at, *push.rewrite)
    if by_sha:
        _take_in(tx, push, by_sha)
    if push.rewrite is not None:
        _see_to_rewrite(tx, push, push.rewrite)
    elif store.heads.may_be_rewritten(tx, push.place, push.pushed_at):
        links.rewritten(tx, push.place, push.pushed_at, push.integration_id)
    if push.made_branch:
        links.branch_started(tx, push.repository_id, push.ref, push.pushed_at)


def observe_listed(
    tx: store.Transaction,
    pull: store.Item,
    listed: Sequence[Pushed],
    integration_id: str,
    guid: str,
) -> int:
    """Keep commits that GitHub lists for a pull request, of those that no push told to its head.

    They count as pushed when the pull request was last changed, or right before it ended: so a
    delivery that tells of their push later was there first, and says when that was. Returns how
    many are new. Those of forks are passed over, as no push to a fork is delivered.
    """
    if pull.head_ref is None or pull.head_repository_id != pull.repository_id:
        return 0
    known = store.branches.commits_by_sha(tx, pull.repository_id, [one.sha for one in listed])
    ids = [row.id for row in known.values()]
    there = store.branches.on_branch(tx, pull.repository_id, pull.head_ref, ids)
    on_head = {
        sha
        for sha, row in known.items()
        if row.id in there or (row.made_branch is not None and row.ref == pull.head_ref)
    }
    news = [one for one in listed if one.sha not in on_head]
    if news:
        at = pull.version_at if pull.closed_at is None else pull.closed_at - _BEFORE_END
        where = pull.repository_id, pull.head_ref
        push = Push(*where, None, at, integration_id, f"{FETCHED}{guid}", made_branch=False)
        observe(tx, push, news)
    return len(news)


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
    if store.heads.may_be_rewritten(tx, push.place, push.pushed_at):
        counted.settle(tx, [row.id for row in rows.values()])


def _see_to_rewrite(tx: store.Transaction, push: Push, rewrite: tuple[str, str]) -> None:
    """See to what the branch had before a force push, and has again."""
    heads = store.branches.commits_by_sha(tx, push.repository_id, rewrite)
    for commit in heads.values():
        store.pushes.place_apart(tx, push.place, commit.pushed_at, [commit])
    before, after = (heads.get(sha) for sha in rewrite)
    at = push.pushed_at
    seen = [{"commit_id": before.id, "again_at": at - 1, "gone_at": at}] if before else []
    seen += [{"commit_id": after.id, "again_at": at}] if after else []
    store.rewrites.set_seen(tx, push.place, seen)
    links.rewritten(tx, push.place, push.pushed_at, push.integration_id)
    counted.settle(tx, [commit.id for commit in heads.values()])


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
    seen = _seen_by_rewrites(tx, push, pushed)
    news: dict[int, dict[str, Any]] = {}
    times: dict[int, tuple[int, ...]] = {}
    for commit_id, one in pushed.items():
        old, now = (
            known.get(commit_id),
            _on_branch(push, commit_id, one, seen.get(one.sha, _UNSEEN)),
        )
        if old is None:
            news[commit_id], times[commit_id] = now, (push.pushed_at,)
            continue
        both = _with_old(now, old)
        if any(both[name] != getattr(old, name) for name in both):
            news[commit_id] = both
            times[commit_id] = tuple(dict.fromkeys((push.pushed_at, old.pushed_at)))
    if news:
        store.branches.set_on_branch(tx, list(news.values()))
    return times


_UNSEEN: tuple[int | None, int | None] = (None, None)


def _seen_by_rewrites(
    tx: store.Transaction, push: Push, pushed: Mapping[int, Pushed]
) -> dict[str, tuple[int | None, int | None]]:
    """Return, by SHA, when a force push to the branch last led to commits, and away from them."""
    if not store.heads.may_be_rewritten(tx, push.place, push.pushed_at):
        return {}
    found: dict[str, tuple[int | None, int | None]] = {}
    if push.rewrite is not None:  # it has brought them itself
        found = {one.sha: (push.pushed_at, None) for one in pushed.values()}
    for row in store.rewrites.of_shas(tx, push.place, [one.sha for one in pushed.values()]):
        to, away = found.get(row.after_sha, _UNSEEN)
        found[row.after_sha] = (_later(to, row.pushed_at), away)
        to, away = found.get(row.before_sha, _UNSEEN)
        found[row.before_sha] = (_later(to, row.pushed_at - 1), _later(away, row.pushed_at))
    return found


def _on_branch(
    push: Push, commit_id: int, one: Pushed, seen: tuple[int | None, int | None]
) -> dict[str, Any]:
    """Return what a push tells of a commit on its branch."""
    return {
        "repository_id": push.repository_id,
        "ref": push.ref,
        "commit_id": commit_id,
        "pushed_at": push.pushed_at,
        "is_new": one.is_new,
        "again_at": seen[0],
        "gone_at": seen[1],
    }


def _with_old(now: Mapping[str, Any], old: store.BranchCommit) -> dict[str, Any]:
    """Return what a push and those that are known tell of a commit on its branch."""
    first = min(now["pushed_at"], old.pushed_at)
    is_first = now["pushed_at"] < old.pushed_at or (
        now["pushed_at"] == old.pushed_at and _is_better(now["is_new"], old.is_new)
    )
    later = max(now["pushed_at"], old.pushed_at)
    again = _later(_later(now["again_at"], old.again_at), later if later > first else None)
    return {
        **now,
        "pushed_at": first,
        "is_new": now["is_new"] if is_first else old.is_new,
        "again_at": again,
        "gone_at": _later(now["gone_at"], old.gone_at),
    }


def _later(one: int | None, other: int | None) -> int | None:
    """Return the later of two times, of which either may not be known."""
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


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
    if push.is_fetched:
        return {}
    changed = [row.id for row in rows if row.is_fetched or this < (row.pushed_at, row.ref)]
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
