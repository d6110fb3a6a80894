"""`live`: GitHub is asked what a deployment has brought: one comparison with the one before it.

Of a first deployment, or where nothing is known of the one before, the pull request that was merged
first is compared with it, and the commits behind that one tell of the others. What has gone with a
rollback, or with a branch that has gone another way, the comparison the other way round tells.
https://docs.github.com/en/rest/commits/commits#compare-two-commits
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from bot import storage as store
from bot.domain import live, live_late
from bot.domain.live import Question, Verdict
from bot.github import NoToken, Refused
from bot.github.comparisons import COMPARE, Comparison
from bot.outbox import identity
from bot.outbox.registry import Job, carries_out

_SIZE = 250  # commits of a page, as many as GitHub gives
_MOST_PAGES = 40
# Where nothing is known of before, and it is not production: each preview may be an environment.
_PAGES_OF_FIRST = 4
_HAS = ("ahead", "identical")  # what the head is of a base that it has


@dataclass(frozen=True, slots=True)
class _Compared:
    """What a head is of its base, and which commits were looked for and are the head's alone.

    `is_whole`: more that were looked for are none of its.
    """

    status: str
    found: frozenset[str]
    is_whole: bool


@carries_out(live.KIND)
async def run(job: Job) -> dict[str, Any]:
    environment_id = int(job.action.request["environment_id"])
    if "item_id" in job.action.request:
        return await _look_at(job, environment_id, int(job.action.request["item_id"]))
    if job.action.request.get("past"):
        return await _look_back(job, environment_id)
    question = await job.read(live.question, environment_id)
    if question is None:
        return {"asked": False}
    decide = _first if question.environment.settled_sha is None else _next
    verdict = await decide(job, question)
    come, gone = await job.write(live.settle, question.environment, verdict, job.integration.id)
    return {"asked": True, "known": verdict.is_known, "live": come, "no_longer_live": gone}


async def _look_at(job: Job, environment_id: int, item_id: int) -> dict[str, Any]:
    """Ask whether an environment has one pull request that was linked, or told of, late."""
    question = await job.read(live_late.question_of, environment_id, item_id)
    if question is None:
        return {"asked": False}
    environment, item = question
    compared = await _compare(job, str(item.merge_sha), environment.sha)
    is_live = compared is not None and compared.status in _HAS
    if is_live:
        await job.write(live_late.answered, environment, item, job.integration.id)
    return {"asked": True, "known": compared is not None, "live": int(is_live)}


async def _look_back(job: Job, environment_id: int) -> dict[str, Any]:
    """Ask which pull requests that were read late an environment has."""
    question = await job.read(live_late.question_of_past, environment_id)
    if question is None:
        return {"asked": False}
    verdict = await _first(job, question)
    come = await job.write(live_late.found, question.environment, verdict.come, job.integration.id)
    return {"asked": True, "known": verdict.is_known, "live": come}


async def _first(job: Job, question: Question) -> Verdict:
    head = question.environment.sha
    most = _MOST_PAGES if question.environment.is_production else _PAGES_OF_FIRST
    for at, base in enumerate(question.first[: live.FIRST]):
        wanted = question.waiting - {base.merge_sha}
        compared = await _compare(job, base.merge_sha, head, wanted, most)
        if compared is None:
            continue
        come = set(compared.found)
        if compared.status in _HAS:
            come.add(base.merge_sha)
        # Of those merged in one second, as a merge queue does, it may not be the first.
        for other in question.first[at + 1 :]:
            if other.merged_at == base.merged_at and other.merge_sha not in come:
                beside = await _compare(job, other.merge_sha, head)
                if beside is not None and beside.status in _HAS:
                    come.add(other.merge_sha)
        return Verdict(come, question.there - come)
    return Verdict((), None, is_known=not question.first)


async def _next(job: Job, question: Question) -> Verdict:
    before, now = str(question.environment.settled_sha), question.environment.sha
    compared = await _compare(job, before, now, question.waiting)
    if compared is None:
        return Verdict((), None, is_known=False)
    there = frozenset[str]()
    if compared.status not in _HAS:
        there = await job.read(live.may_have_gone, question.environment.id)
    if not there:
        return Verdict(compared.found, ())
    back = await _compare(job, now, before, there)
    return Verdict(compared.found, back.found if back is not None and back.is_whole else None)


async def _compare(
    job: Job, base: str, head: str, wanted: Collection[str] = (), most: int = _MOST_PAGES
) -> _Compared | None:
    """Return what a head has that its base has not, as far as somebody waits for it.

    Of many commits the first page is read and then the newest, up to `most` pages in all. None if
    GitHub does not know one of the two, or they have nothing in common. That another repository by
    the same name does not know them says nothing.
    """
    found: set[str] = set()
    status, listed, page, size = "", 0, 1, _SIZE if wanted else 1
    is_whole = False
    for _ in range(most):
        at = job.at(base=base, head=head, size=size, page=page)
        try:
            answer = await job.client.fetch(Comparison, COMPARE, at, is_kept=False)
        except NoToken:
            raise
        except Refused as error:
            if error.status != 404 or (error.lags and job.is_news):
                raise
            row = await job.read(store.repositories.get, job.action.repository_id)
            await identity.ask(job.services, job.client, row)
            return None
        status, listed = status or answer.status, listed + len(answer.commits)
        found.update(one.sha for one in answer.commits if one.sha in wanted)
        is_whole = listed >= answer.total_commits or len(found) == len(wanted)
        if is_whole or not answer.commits:
            break
        page = -(-answer.total_commits // size) if page == 1 else page - 1
    return _Compared(status, frozenset(found), is_whole)
