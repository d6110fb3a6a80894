"""`pull_request_commits`: GitHub's own list of a pull request's commits, where pushes do not tell.

A push that calls a commit not `distinct` may bring it from the base branch, whose commits are none
of the pull request's, or from the branch below a stacked one. If no push to the base has told
which, GitHub is asked, once for all commits that wait for it, and its answer is kept. So it is of
what the head had before a force push, which tells by itself no more than the last commit of it.
https://docs.github.com/en/rest/pulls/pulls#list-commits-on-a-pull-request
"""

from collections.abc import Sequence, Set
from typing import Any

from bot import storage as store
from bot import times
from bot.domain import branches, counted, links
from bot.github.payloads import PullRequestCommit
from bot.outbox.registry import Job, carries_out

_COMMITS = "/repos/{+repository}/pulls/{number}/commits?per_page=100"
_MOST = 250  # commits that GitHub lists; the page of the pull request shows no more either
# GitHub's API lags behind its webhooks: so long after an answer for an older head it is asked anew.
_WAITS = tuple(seconds * times.SECOND for seconds in (3, 7, 15, 35))


@carries_out(links.COMMITS)
async def run(job: Job) -> dict[str, Any]:
    def question(tx: store.Transaction) -> tuple[store.Item, branches.Commits]:
        pull = store.items.get(tx, job.item_id)
        if store.links.of_target(tx, "pull_request", pull.id):
            return pull, branches.commits_of(tx, pull)
        return pull, branches.Commits(untold=counted.untold_by_message(tx, pull))

    pull, wanted = await job.read(question)
    asked = len(wanted.unclear) + len(wanted.untold)
    if not asked:
        return {"asked": 0}
    commits = job.client.fetch_all(PullRequestCommit, _COMMITS, job.at())
    listed = {commit.sha async for commit in commits}
    look = job.action.request.get("look", 1)

    def answered(tx: store.Transaction) -> bool:
        is_final = look > len(_WAITS) or len(listed) >= _MOST or _is_new(tx, pull, listed)
        told = [one for one in wanted.unclear if is_final or one.sha in listed]
        belong = {one.id: one.sha in listed for one in told}
        # What an older head had it may have no more.
        links.answered(tx, pull, belong, _has_still(wanted.untold, listed) if is_final else {})
        if is_final or len(told) == asked:
            return True
        wait = _WAITS[look - 1]
        links.ask_for_commits(tx, pull, job.integration.id, look=look + 1, after=wait)
        return False

    is_final = await job.write(answered)
    return {"asked": asked, "listed": len(listed), "asked_again": not is_final}


def _has_still(untold: Sequence[store.HeadCommit], listed: Set[str]) -> dict[int, tuple[int, bool]]:
    """Return, of commits that a head had before a force push, when that was and if it has them.

    A list that is full tells nothing of those that are not in it.
    """
    return {
        one.id: (one.rewritten_at, one.sha in listed or len(listed) >= _MOST)
        for one in untold
        if one.rewritten_at is not None
    }


def _is_new(tx: store.Transaction, pull: store.Item, listed: set[str]) -> bool:
    """Tell whether a list is not of an older head than the pushes of which we know."""
    until = store.branches.FOREVER if pull.closed_at is None else pull.closed_at
    if pull.head_repository_id is None or pull.head_ref is None:
        return True
    place = (pull.head_repository_id, pull.head_ref)
    newest = store.branches.newest_on_branch(tx, *place, until)
    rewrites = store.rewrites.last(tx, place, until)
    if rewrites and (not newest or newest[0].on_branch_at <= rewrites[0].pushed_at):
        return any(one.after_sha in listed for one in rewrites)
    if not newest or newest[0].sha in listed:
        return True
    # In whatever order a push tells its commits, what it was the first to bring came with it.
    if any(one.is_new and one.sha in listed for one in newest):
        return True
    # A push that brings nothing, back to an older commit, is told by the pull request alone.
    return pull.version_at > newest[0].on_branch_at and pull.head_sha in listed
