"""`tracking_issue`: an issue that tracks an experiment, created once however often it is tried.

Its body carries the action's id, by which an attempt that follows one of unknown outcome, or the
issue's own delivery, recognises it if it is by the bot's own account. https://docs.github.com/en/rest/issues/issues#create-an-issue
"""

from typing import Any

from bot import storage as store
from bot import times
from bot.domain import sizes, snapshots, tracking
from bot.github import Refused
from bot.github.payloads import CreatedIssue
from bot.outbox.label import see_to_label
from bot.outbox.registry import Job, carries_out

_ISSUES = "/repos/{+repository}/issues"
_ANY = f"{_ISSUES}?state=all&sort=created&direction=asc&per_page=100&since={{since}}"
_SLACK = 3600 * times.SECOND  # by which GitHub's clock may differ from ours


@carries_out(tracking.ISSUE)
async def run(job: Job) -> dict[str, Any]:
    action = job.action
    issue = None
    if job.may_be_done:
        since = times.render(action.created_at - _SLACK)[:19] + "Z"
        marker = tracking.marker(action.id)
        issue = await job.made_before(CreatedIssue, _ANY, marker, since=since)
    if issue is None:
        await _note_login(job)
        for label in action.request.get("labels") or []:
            await see_to_label(job, label, is_plain=True)
        data = {"title": sizes.shortened(action.request["title"], sizes.TITLE)}
        data["body"] = tracking.body_of(action.request, action.id)
        for name in ("labels", "assignees"):
            if action.request.get(name):
                data[name] = action.request[name]
        issue = await job.client.create(CreatedIssue, _ISSUES, job.at(), data)

    def done(tx: store.Transaction, issue: CreatedIssue) -> None:
        source = snapshots.by_answer(tx, job.integration.scope)
        tracking.created(source, action.id, action.repository_id, issue)

    await job.write(done, issue)
    return tracking.result_of(issue)


async def _note_login(job: Job) -> None:
    """Keep who the issue will be by; where GitHub does not say, no delivery will tell of it."""
    try:
        login = await job.services.github.login(job.integration.credentials)
    except Refused:
        return
    if login is not None:
        await job.write(tracking.creating_as, job.action, login)
