"""`check` and `merge_group_check`: what GitHub shows on a commit, and may require for a merge.

That is the head of a pull request, or what a merge queue is about to merge. It is a check run where
the bot acts as an App, a commit status where it acts with a token: those may not use the Checks
API. https://docs.github.com/en/rest/checks/runs, https://docs.github.com/en/rest/commits/statuses,
https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/configuring-pull-request-merges/managing-a-merge-queue
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from bot import storage as store
from bot.domain import diffs, posts, rules, suggestions
from bot.domain.verdicts import Annotation, Verdict, verdict_of
from bot.github.payloads import Id
from bot.outbox import audience
from bot.outbox.registry import Change, Job, Made, carries_out, shows

_RUNS = "/repos/{+repository}/check-runs"
_MOST_ANNOTATIONS = 50  # of one request
REFRESH = "refresh"  # identifies the button that checks again
_STATES = {
    "success": "success",
    "neutral": "success",
    "action_required": "failure",
    "failure": "failure",
}
_UNKNOWN = Verdict(
    "success",
    "Unknown pull request",
    "The merge group's branch names no pull request that the bot knows, so nothing speaks "
    "against it.",
)


class CheckRunApp(Struct):
    id: Any = None


class CheckRunOutput(Struct):
    annotations_count: int = 0


class CheckRun(Struct):
    id: Id
    external_id: str | None = None
    app: CheckRunApp | None = None
    output: CheckRunOutput | None = None


class CheckRuns(Struct):
    check_runs: list[CheckRun]


class _Found(NamedTuple):
    """A check run that stands on a commit, and how many annotations it has."""

    id: int
    annotations: int


@shows(posts.CHECK)
async def check_pull_request(job: Job) -> Change | dict[str, Any]:
    seen, setting = job.seen, job.integration.check
    item, post = seen.item, seen.post
    sha = item.head_sha
    is_told = await audience.is_told_on(job, seen)
    # None where none is named, but a check of before is not left as it was.
    is_there = bool(sha) and post.check_sha == sha
    verdict = verdict_of(
        seen.close,
        seen.linked,
        setting,
        is_there=is_there,
        is_told=is_told,
        problems=seen.problems,
        code=seen.code,
    )
    is_checked = item.state == "open" and setting != "off"
    if job.rewrite:  # what stands there as well, whatever has become of it
        is_checked = is_checked or post.check_sha == sha
    if verdict is None or not sha or not is_checked or item.gone_at is not None:
        return {"changed": False}
    # Nothing is named, and perhaps nothing was ever said of this commit. With a token it is set
    # all the same: a status too many harms nobody, one that says no for good does.
    is_quiet = verdict.conclusion == "neutral" and post.check_digest is None
    is_app = job.integration.token is None
    if is_quiet and is_app and await _find(job, post.marker, sha) is None:
        return {"changed": False}
    if post.check_writing is not None:  # an earlier attempt may have set it without our knowing
        post = msgspec.structs.replace(post, check_digest=None)
    kept = {"integration_id": job.integration.id}
    return await _change(job, post, sha, verdict, job.action.number, kept)


@carries_out(posts.GROUP_CHECK)
async def check_merge_group(job: Job) -> dict[str, Any]:
    """Give a merge group's commit the verdict of the pull request that its branch names.

    A queue waits for a required check, so a branch that names none, or a number that the bot does
    not know, succeeds.
    """
    repository_id, sha = job.action.repository_id, job.action.request["head_sha"]

    def state(tx: store.Transaction) -> tuple[store.MergeGroup | None, store.Item | None]:
        group = store.merge_groups.find(tx, repository_id, sha)
        if group is None or group.number is None:
            return group, None
        return group, store.items.find(tx, repository_id, "pull_request", group.number)

    def of_item(tx: store.Transaction, item_id: int, *, is_told: bool) -> Verdict | None:
        linked = store.links.of_targets_with_experiments(tx, "pull_request", item_id)
        # Silence would block the queue, also where pull requests that name none have no check.
        setting = "required" if job.integration.check == "required" else "always"
        close = partial(suggestions.close_keys, tx)
        item = store.items.get(tx, item_id)
        problems, code = rules.problems_at(tx, item), diffs.code_of(tx, item)
        found = verdict_of(close, linked, setting, is_told=is_told, problems=problems, code=code)
        # Its lines are those of the pull request's head, where they are annotated.
        return found and replace(found, annotations=())

    async def keep(columns: Mapping[str, Any]) -> None:
        await job.write(lambda tx: store.merge_groups.change(tx, repository_id, sha, **columns))

    group, item = await job.read(state)
    if group is None or job.integration.check == "off":
        return {"changed": False}
    verdict = None
    if item is not None:
        is_told = await audience.is_told(job, item.id)
        verdict = await job.read(of_item, item.id, is_told=is_told)
    number = item.number if item else None
    change = await _change(job, group, sha, verdict or _UNKNOWN, number, {})
    if not isinstance(change, Change):
        return change
    await keep(change.columns)
    made = await change.make()
    await keep(made.columns)
    return made.result


async def _change(
    job: Job,
    post: store.Post | store.MergeGroup,
    sha: str,
    verdict: Verdict,
    number: int | None,
    kept: Mapping[str, Any],
) -> Change | dict[str, Any]:
    """Let GitHub show a verdict on a commit, with a link to a pull request, unless it does.

    `post` tells of the check: what is kept of a pull request's posts, or of a merge group. `kept`
    are columns of the former.
    """
    # Without a digest a call was begun whose answer was lost: it is not known what stands there.
    # What may have been set on another commit does not matter any more.
    is_unsure = post.check_sha == sha and post.check_digest is None
    digest = _digest(verdict)
    if not job.again and not is_unsure and (post.check_sha, post.check_digest) == (sha, digest):
        return {"conclusion": verdict.conclusion, "changed": False}
    page = f"pull-requests/{job.action.repository}/{number}" if number else ""
    address = f"{job.services.settings.public_url}/{page}"
    annotated = _annotations_digest(verdict)
    run = _Run(None, ())
    if job.integration.token is None:
        run = await _run(job, post, sha, verdict, is_unsure=is_unsure)

    async def make() -> Made:
        made_id: int | None = None
        if job.integration.token is None:
            made_id = await _set_check_run(job, run, sha, verdict, address, post.marker)
        else:
            await _set_status(job, sha, verdict, address)
        columns = {"check_sha": sha, "check_run_id": made_id, "check_digest": digest, **kept}
        if isinstance(post, store.Post):
            columns["check_annotated"] = annotated
        result = {"conclusion": verdict.conclusion, "head_sha": sha, "changed": True}
        return Made(columns, result)

    columns: dict[str, Any] = {"check_sha": sha, "check_run_id": run.id, "check_digest": None}
    if run.id is None and isinstance(post, store.Post):
        columns["check_annotated"] = None
    return Change("check", columns, make)


@dataclass(frozen=True, slots=True)
class _Run:
    """The check run that is brought up to date, None for a new one, and what it does not have.

    GitHub adds what an update annotates to what stands there, and takes nothing away.
    """

    id: int | None
    annotations: Sequence[Annotation]


async def _run(
    job: Job, post: store.Post | store.MergeGroup, sha: str, verdict: Verdict, *, is_unsure: bool
) -> _Run:
    new = _Run(None, verdict.annotations)
    known = post.check_annotated if isinstance(post, store.Post) else None
    run_id = post.check_run_id if post.check_sha == sha else None
    is_same = known == _annotations_digest(verdict)
    if not is_unsure:
        # A re-run is a new check run: GitHub shows the newest of a name.
        is_kept = run_id is not None and not job.again and (known is None or is_same)
        return _Run(run_id, () if is_same else verdict.annotations) if is_kept else new
    if run_id is not None and known is None and not verdict.annotations:
        return _Run(run_id, ())
    found = await _find(job, post.marker, sha)
    if found is None:
        return new
    if found.annotations == len(verdict.annotations) and (known is None or is_same):
        return _Run(found.id, ())
    return _Run(found.id, verdict.annotations) if found.annotations == 0 else new


def _annotations_digest(verdict: Verdict) -> str | None:
    if not verdict.annotations:
        return None
    return hashlib.sha256(repr(verdict.annotations).encode()).hexdigest()


def _digest(verdict: Verdict) -> str:
    said = repr(verdict) + (repr(verdict.annotations) if verdict.annotations else "")
    return hashlib.sha256(said.encode()).hexdigest()


async def _set_status(job: Job, sha: str, verdict: Verdict, address: str) -> None:
    """Set the commit status; it stands for those before it."""
    await job.client.post(
        "/repos/{+repository}/statuses/{sha}",
        job.at(sha=sha),
        data={
            "state": _STATES[verdict.conclusion],
            "context": posts.CHECK_NAME,
            "description": verdict.title,
            "target_url": address,
        },
    )


async def _set_check_run(
    job: Job, run: _Run, sha: str, verdict: Verdict, address: str, marker: str
) -> int:
    """Create the check run of a commit, or bring `run` up to date; return its id."""
    button = {
        "label": "Check again",
        "description": "Check the experiments again",
        "identifier": REFRESH,
    }
    content: dict[str, Any] = {
        "name": posts.CHECK_NAME,
        "status": "completed",
        "conclusion": verdict.conclusion,
        "details_url": address,
        "external_id": marker,
        "output": {"title": verdict.title, "summary": verdict.summary},
        "actions": [button],
    }
    output, left = content["output"], [_annotated(one) for one in run.annotations]
    first, left = left[:_MOST_ANNOTATIONS], left[_MOST_ANNOTATIONS:]
    if first:
        content["output"] = {**output, "annotations": first}
    path, run_id = f"{_RUNS}/{{run}}", run.id
    if run_id is None:
        content["head_sha"] = sha
        run_id = (await job.client.create(CheckRun, _RUNS, job.at(), content)).id
    else:
        await job.client.update(CheckRun, path, job.at(run=run_id), content)
    while left:  # it takes so many at once
        first, left = left[:_MOST_ANNOTATIONS], left[_MOST_ANNOTATIONS:]
        more = {"output": {**output, "annotations": first}}
        await job.client.update(CheckRun, path, job.at(run=run_id), more)
    return run_id


def _annotated(one: Annotation) -> dict[str, Any]:
    return {
        "path": one.path,
        "start_line": one.line,
        "end_line": one.line,
        "annotation_level": one.level,
        "message": one.message,
    }


async def _find(job: Job, marker: str, sha: str) -> _Found | None:
    """Return the check run that an earlier attempt has made, the newest if there are several."""
    answer = await job.client.fetch(
        CheckRuns,
        "/repos/{+repository}/commits/{sha}/check-runs?check_name={name}&per_page=100",
        job.at(sha=sha, name=posts.CHECK_NAME),
    )
    app_id = job.integration.app_id
    found = [
        _Found(one.id, one.output.annotations_count if one.output is not None else 0)
        for one in answer.check_runs
        if one.external_id == marker and (one.app is None or one.app.id == app_id)
    ]
    return max(found, default=None)
