"""`clean_up`: the issue that lists what is left of an experiment in a repository's code.

Made once: its body carries a marker, by which what an attempt of unknown outcome has made is found
again. Before it is changed it is looked at, so that one that people have closed, deleted or
transferred is left as it is. https://docs.github.com/en/rest/issues/issues
"""

import re
from typing import Any

from bot import storage as store
from bot import times
from bot.domain import allowed, clean_up_life, clean_up_texts, clean_ups, snapshots, texts
from bot.domain.clean_up_life import Plan
from bot.github import Refused
from bot.github.names import place_in
from bot.github.payloads import CreatedIssue
from bot.outbox.label import see_to_label
from bot.outbox.registry import Job, carries_out

_ISSUES = "/repos/{+repository}/issues"
_ISSUE = f"{_ISSUES}/{{number}}"
_ANY = f"{_ISSUES}?state=all&sort=created&direction=asc&per_page=100&since={{since}}"
_OFF = re.compile(r"\bdisabled\b", re.I)
_SLACK = 3600 * times.SECOND  # by which GitHub's clock may differ from ours
_STATES: dict[store.Goal, dict[str, str]] = {
    "open": {"state": "open"},
    "completed": {"state": "closed", "state_reason": "completed"},
    "not_planned": {"state": "closed", "state_reason": "not_planned"},
}


@carries_out(clean_ups.KIND)
async def run(job: Job) -> dict[str, Any]:
    planned = await _planned(job)
    if planned is None:
        return await _end(job)
    if planned.home.id != job.action.repository_id:
        return await _hand_on(job)
    try:
        if planned.row.number is None:
            await _make(job, planned)
        await _bring_up_to_date(job)
    except Refused as error:
        if not _is_off(error):
            raise
        await job.write(clean_up_life.refused, planned.row, clean_up_life.ISSUES_OFF)
        raise _of_repository(error) from None
    return await _end(job)


def _about(job: Job) -> tuple[int, str]:
    """Return whose code, and what experiment, the issue is about."""
    (key,) = job.action.request["experiment_keys"]
    return job.action.request["repository_id"], key


async def _planned(job: Job) -> Plan | None:
    return await job.read(clean_up_life.plan, *_about(job), job.integration.id)


async def _hand_on(job: Job) -> dict[str, Any]:
    """The issue was transferred since: it is gone on with in its repository."""
    request, asked = job.action.request, dict[str, Any]()
    if request["made_by"] != "setting":
        names = ("made_by", "actor", "command_id")
        asked = {name: request[name] for name in names if name in request}

    def enqueue(tx: store.Transaction) -> None:
        row = store.clean_ups.find(tx, *_about(job))
        clean_ups.enqueue(tx, *_about(job), row, **asked)

    await job.write(enqueue)
    return {"transferred": True}


# --- Made


async def _make(job: Job, planned: Plan) -> None:
    """Make the issue, unless an earlier attempt has, or nothing is left meanwhile."""
    row = planned.row
    mark = clean_up_life.marker(row)
    issue = None
    if row.writing is not None:
        since = times.render(row.asked_at - _SLACK)[:19] + "Z"
        issue = await job.made_before(CreatedIssue, _ANY, mark, since=since)
    digest = None
    if issue is None:
        if planned.goal != "open":
            return
        label = job.integration.label
        if label is not None:
            await see_to_label(job, label)
        await job.write(clean_up_life.creating, row, job.attempt, await _login(job))
        public_url = job.services.settings.public_url
        digest = clean_up_texts.digest_of(planned.content, public_url)
        data = {
            "title": clean_up_texts.title_of(row.experiment_key),
            "body": clean_up_texts.body_of(planned.content, public_url, mark),
            **({"labels": [label]} if label is not None else {}),
        }
        issue = await job.client.create(CreatedIssue, _ISSUES, job.at(), data)

    def made(tx: store.Transaction) -> None:
        source = snapshots.by_answer(tx, job.integration.scope)
        clean_up_life.made(source, row.marker, job.action.repository_id, issue)
        store.actions.change(tx, job.action.id, number=issue.number)
        kept = store.clean_ups.by_marker(tx, row.marker)
        if kept is not None and digest is not None:
            clean_up_life.change(tx, kept, digest=digest, writing=None)

    await job.write(made)


async def _login(job: Job) -> str | None:
    """Return who the issue will be by; where GitHub does not say, no delivery will tell of it."""
    try:
        return await job.services.github.login(job.integration.credentials)
    except Refused:
        return None


# --- Brought up to date


async def _bring_up_to_date(job: Job) -> None:
    """Write what is to be there, unless it is, or people have closed the issue."""
    planned = await _planned(job)
    if planned is None:
        return
    await job.write(clean_up_life.cleaned, planned)
    public_url = job.services.settings.public_url
    digest = clean_up_texts.digest_of(planned.content, public_url)
    if planned.row.number is None or planned.row.by_people or planned.stands(digest):
        return
    issue = await _look(job, planned)
    if issue is None:
        return
    at = times.told(issue.updated_at, times.now()) or times.now()
    row = await job.write(clean_up_life.heard, planned.row, issue, at)
    if row.by_people:
        return
    body = clean_up_texts.body_of(planned.content, public_url, clean_up_life.marker(row))
    data: dict[str, Any] = {} if issue.body == body else {"body": body}
    wanted = _STATES[planned.goal]
    if planned.is_new_state and issue.state != wanted["state"]:
        data |= wanted
    if data:
        await job.write(clean_up_life.writing, planned, job.attempt)
        issue = await job.client.update(CreatedIssue, _ISSUE, _at(job, row), data)
        at = times.told(issue.updated_at, times.now()) or at
    await job.write(clean_up_life.written, planned, issue, digest, at)


def _at(job: Job, row: store.CleanUp) -> dict[str, str]:
    return job.at(number=row.number)


async def _look(job: Job, planned: Plan) -> CreatedIssue | None:
    """Return the issue as it is; None if it is where it cannot be changed, or is no more."""
    row = planned.row
    try:
        issue = await job.client.fetch(CreatedIssue, _ISSUE, _at(job, row), is_kept=False)
    except Refused as error:
        if error.status not in (404, 410) or _is_off(error) or (error.lags and job.is_news):
            raise
        if error.status == 404:  # raises if it is the repository that cannot be reached
            await job.client.getitem("/repos/{+repository}", job.at())
        await job.write(clean_up_life.gone, row, times.now())
        return None
    if row.issue_id is None or issue.id in (None, row.issue_id):
        return issue
    await job.write(_follow_transfer, job, row, issue)
    return None


def _follow_transfer(
    tx: store.Transaction, job: Job, row: store.CleanUp, issue: CreatedIssue
) -> None:
    """GitHub has led to another issue: it was transferred, and no delivery has told of it."""
    place, scope = place_in(issue.html_url), job.integration.scope
    known = store.repositories.by_name(tx, scope.host, place[0]) if place is not None else []
    if not known or not allowed.allows(tx, scope, known[0]):
        clean_up_life.gone(tx, row, times.now(), clean_up_life.AWAY)
        return
    assert row.home_id is not None and row.number is not None
    source = snapshots.by_answer(tx, scope)
    snapshots.observe_issue(source, known[0].id, issue)
    old = row.home_id, row.number
    clean_up_life.moved(tx, clean_up_life.marker(row), old, (known[0].id, issue))
    clean_ups.follow(tx, row.repository_id, [row.experiment_key])


def _is_off(error: Refused) -> bool:
    """Tell whether GitHub says that the repository has no issues, rather than that one is gone."""
    return error.status == 410 and _OFF.search(error.reason) is not None


def _of_repository(error: Refused) -> Refused:
    """Return a refusal as one of what was asked for, which is no trouble of the integration's."""
    return Refused(error.status, error.reason, error.remedy, field="repository")


# --- Told


async def _end(job: Job) -> dict[str, Any]:
    """Return what has become of the issue, and tell whoever has asked for it by a command."""
    row, page = await job.read(_kept, job)
    result: dict[str, Any] = {"number": None}
    if row is None or row.number is None:
        said, told = "There is nothing to be cleaned up any more.", "nothing"
    else:
        result = {"number": row.number, "state": row.state, "html_url": page}
        said, told = _said(row), f"clean-up issue {row.number}"
    if job.action.request.get("command_id"):
        await job.write(clean_up_life.answer, job.action.request, told, said)
    return result


def _kept(tx: store.Transaction, job: Job) -> tuple[store.CleanUp | None, str | None]:
    """Return what is kept of an issue, and its address."""
    row = store.clean_ups.find(tx, *_about(job))
    if row is None or row.home_id is None or row.number is None:
        return row, None
    item = store.items.find(tx, row.home_id, "issue", row.number)
    return row, item.html_url if item is not None else None


def _said(row: store.CleanUp) -> str:
    """Return what a reply says; no address of the issue, which would leave a mark in it."""
    key = texts.code(row.experiment_key)
    if row.state == "gone":
        return f"The clean-up issue of {key} is gone: ask again to have another made."
    return f"The clean-up issue of {key} has the number {row.number}, and is {row.state}."
