"""Takes in pushed commits, without anybody's e-mail address, and links them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bot import storage as store
from bot.domain import links
from bot.emails import name_without_email, without_emails


@dataclass(frozen=True, slots=True)
class Pushed:
    """A commit as a push brought it. `ref` is the branch's name, times are microseconds."""

    repository_id: int
    ref: str
    sha: str
    message: str
    author: str | None
    actor: str | None
    html_url: str
    committed_at: int
    pushed_at: int
    integration_id: str
    guid: str
    distinct: bool | None = None  # whether the push was the first to bring it; None if not said


def observe(tx: store.Transaction, pushed: Sequence[tuple[Pushed, Sequence[str]]]) -> None:
    """Keep the commits of one push, and link each to its keys and to what its branch belongs to.

    A commit that is known already, from this delivery or another branch, is kept once.
    """
    if not pushed:
        return
    by_sha: dict[str, tuple[Pushed, Sequence[str]]] = {}
    for one, keys in pushed:
        by_sha.setdefault(one.sha, (one, keys))
    branch = pushed[0][0]
    repository_id, ref = branch.repository_id, branch.ref
    store.branches.add_commits(tx, [_row(one) for one, _ in by_sha.values()])
    rows = store.branches.commits_by_sha(tx, repository_id, list(by_sha))
    times = _keep_on_branch(tx, branch, {rows[sha].id: one for sha, (one, _) in by_sha.items()})
    rows.update(_keep_first_push(tx, branch, list(rows.values())))
    links.link_messages(tx, [(rows[sha], keys) for sha, (_, keys) in by_sha.items() if keys])
    links.pushed(tx, repository_id, ref, times, branch.integration_id)
    news = [sha for sha, row in rows.items() if row.id in times]
    links.came_to_base(tx, repository_id, ref, news)


def _row(pushed: Pushed) -> dict[str, Any]:
    values = asdict(pushed)
    del values["distinct"]  # of the place on the branch
    values["message"] = without_emails(pushed.message)
    values["author"] = name_without_email(pushed.author)
    values["actor"] = name_without_email(pushed.actor)
    return values


def _keep_on_branch(
    tx: store.Transaction, branch: Pushed, pushed: Mapping[int, Pushed]
) -> dict[int, tuple[int, ...]]:
    """Keep when commits, by id, came to their branch first, and whether they were new then.

    Returns, of those for which that is news, the time now and, if there was one, the time before.
    """
    known = store.branches.on_branch(tx, branch.repository_id, branch.ref, list(pushed))
    times: dict[int, tuple[int, ...]] = {}
    news = []
    for commit_id, one in pushed.items():
        is_new = one.distinct
        old = known.get(commit_id)
        if old is None:
            times[commit_id] = (one.pushed_at,)
        elif one.pushed_at < old.pushed_at or (
            one.pushed_at == old.pushed_at and _is_better(is_new, old.is_new)
        ):
            times[commit_id] = (one.pushed_at, old.pushed_at)
        else:
            continue
        news.append(
            {
                "repository_id": branch.repository_id,
                "ref": branch.ref,
                "commit_id": commit_id,
                "pushed_at": one.pushed_at,
                "is_new": is_new,
            }
        )
    if news:
        store.branches.set_on_branch(tx, news)
    return times


def _is_better(is_new: bool | None, known: bool | None) -> bool:
    """Tell whether what one of two pushes in one second says of a commit goes before the other."""
    order = (None, False, True)
    return order.index(is_new) > order.index(known)


def _keep_first_push(
    tx: store.Transaction, branch: Pushed, rows: Sequence[store.Commit]
) -> dict[str, store.Commit]:
    """Let commits tell of this push if none brought them earlier, to whichever branch.

    Returns those that told of another, by SHA.
    """
    this = (branch.pushed_at, branch.ref)
    changed = [row.id for row in rows if this < (row.pushed_at, row.ref)]
    if not changed:
        return {}
    first_push = {
        "ref": branch.ref,
        "pushed_at": branch.pushed_at,
        "actor": branch.actor,
        "guid": branch.guid,
    }
    store.branches.set_first_push(tx, [{"id": one, **first_push} for one in changed])
    now = store.branches.commits_by_id(tx, changed)
    links.first_push_changed(tx, list(now.values()))
    return {row.sha: row for row in now.values()}
