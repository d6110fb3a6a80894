"""`tracking_issue`: an issue that tracks an experiment, created once however often it is tried.

Its body carries the action's id, by which an attempt that follows one of unknown outcome, or the
issue's own delivery, recognises it if it is by the bot's own account. https://docs.github.com/en/rest/issues/issues#create-an-issue
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bot import characters, times
from bot import storage as store
from bot.domain import sizes, snapshots, tracking
from bot.github import NoToken, Refused
from bot.github.payloads import CreatedIssue
from bot.outbox.label import see_to_label
from bot.outbox.registry import Job, carries_out

_ISSUES = "/repos/{+repository}/issues"
_ANY = f"{_ISSUES}?state=all&sort=created&direction=asc&per_page=100&since={{since}}"
_TYPES = ("type", "issue_type", "issue_type_id")  # what GitHub may call that field
_ABOUT_TYPE = re.compile(r"issue ?type", re.I)
_SLACK = 3600 * times.SECOND  # by which GitHub's clock may differ from ours


@carries_out(tracking.ISSUE)
async def run(job: Job) -> dict[str, Any]:
    action = job.action
    issue = None
    if job.may_be_done:
        since = times.render(action.created_at - _SLACK)[:19] + "Z"
        marker = tracking.marker(action.id)
        with _naming(job):
            issue = await job.made_before(CreatedIssue, _ANY, marker, since=since)
    if issue is None:
        await _note_login(job)
        issue = await _create(job)

    def done(tx: store.Transaction, issue: CreatedIssue) -> None:
        source = snapshots.by_answer(tx, job.integration.scope)
        tracking.created(source, action.id, action.repository_id, issue)

    await job.write(done, issue)
    return tracking.result_of(issue, action.request)


async def _create(job: Job) -> CreatedIssue:
    request = job.action.request
    for position, label in enumerate(request.get("labels") or []):
        with _naming(job, f"labels[{position}]"):
            await see_to_label(job, label, is_plain=True)
    data = {"title": characters.shortened(request["title"], sizes.TITLE)}
    data["body"] = tracking.body_of(request, job.action.id)
    for name in ("labels", "assignees", "type"):
        if request.get(name):
            data[name] = request[name]
    with _naming(job):
        return await job.client.create(CreatedIssue, _ISSUES, job.at(), data)


@contextmanager
def _naming(job: Job, field: str = "") -> Iterator[None]:
    """Say of a refusal which field of the order it is about: `field`, else what GitHub names."""
    try:
        yield
    except NoToken:
        raise
    except Refused as error:
        named = _named(error, job.action.request, field)
        if not named:
            raise
        raise Refused(
            error.status, error.reason, error.remedy, hindrance=error.hindrance, field=named
        ) from None


def _named(error: Refused, request: Mapping[str, Any], field: str) -> str:
    """Return which field of an order a refusal is about, nothing if it is about none.

    A command names no repository: it stands in the one that is meant, which may take no issues.
    """
    if error.status == 422:
        if request.get("type") and _ABOUT_TYPE.search(error.reason):
            field = field or "type"
        named = (_field(one, request) for one in error.errors)
        return field or next(filter(None, named), "repository")
    is_away = error.status == 404 and request["made_by"] == "api"
    return "repository" if is_away or error.status == 410 else ""


def _field(error: Mapping[str, Any], request: Mapping[str, Any]) -> str:
    """Return the field of an order that GitHub calls wrong, nothing if it is none."""
    name = "labels" if error.get("resource") == "Label" else str(error.get("field"))
    name = "type" if name in _TYPES else name
    if name not in ("title", "body", "labels", "assignees", "type"):
        return ""
    given, value = request.get(name), error.get("value")
    if isinstance(given, list) and value in given:
        return f"{name}[{given.index(value)}]"
    return name


async def _note_login(job: Job) -> None:
    """Keep who the issue will be by; where GitHub does not say, no delivery will tell of it."""
    try:
        login = await job.services.github.login(job.integration.credentials)
    except Refused:
        return
    if login is not None:
        await job.write(tracking.creating_as, job.action, login)
