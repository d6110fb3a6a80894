"""`tracking_issue`: an issue that tracks an experiment, created once however often it is tried.

Its body carries the action's id, by which an attempt that follows one of unknown outcome, or the
issue's own delivery, recognises it. https://docs.github.com/en/rest/issues/issues#create-an-issue
"""

from typing import Any

from bot import storage as store
from bot import times
from bot.domain import snapshots, tracking
from bot.github.payloads import CreatedIssue
from bot.outbox.job import Job
from bot.outbox.label import see_to_label
from bot.outbox.registry import carries_out

_ISSUES = "/repos/{+repository}/issues"
_SLACK = 3600 * times.SECOND  # by which GitHub's clock may differ from ours


@carries_out(tracking.ISSUE)
async def run(job: Job) -> dict[str, Any]:
    issue = await _find(job) if job.may_be_done else None
    if issue is None:
        labels = job.request.get("labels") or []
        for label in labels:
            await see_to_label(job.client, job.repository, label)
        data = {"title": job.request["title"], "body": tracking.body_of(job.request, job.id)}
        for name in ("labels", "assignees"):
            if job.request.get(name):
                data[name] = job.request[name]
        issue = await job.client.create(CreatedIssue, _ISSUES, {"repository": job.repository}, data)

    def done(tx: store.Transaction) -> None:
        source = snapshots.by_answer(tx, job.integration.scope)
        tracking.created(source, job.id, job.repository_id, issue)

    await job.write(done)
    return tracking.result_of(issue)


async def _find(job: Job) -> CreatedIssue | None:
    """Return the issue that an earlier attempt has made, the oldest if there are several."""
    action = await job.read(lambda tx: store.actions.find(tx, job.id))
    assert action is not None
    marker = tracking.marker(job.id)
    query = "state=all&sort=created&direction=asc&per_page=100&since={since}"
    since = times.render(action.created_at - _SLACK)[:19] + "Z"
    variables = {"repository": job.repository, "since": since}
    async for issue in job.client.fetch_all(CreatedIssue, f"{_ISSUES}?{query}", variables):
        if marker in (issue.body or "") and await job.is_own(issue.user):
            return issue
    return None
