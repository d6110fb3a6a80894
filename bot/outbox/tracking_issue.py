"""`tracking_issue`: an issue that tracks an experiment, created once however often it is tried.

Its body carries the action's id, by which an attempt that follows one of unknown outcome, or the
issue's own delivery, recognises it. https://docs.github.com/en/rest/issues/issues#create-an-issue
"""

from typing import Any

from bot import storage as store
from bot import times
from bot.domain import tracking
from bot.github import Temporary
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
        issue = await job.client.post(_ISSUES, {"repository": job.repository}, data=data)
    try:
        created = tracking.Created.of(issue)
    except (KeyError, TypeError, ValueError):
        raise Temporary("GitHub's answer does not describe the issue") from None

    def done(tx: store.Transaction) -> None:
        tracking.created(tx, job.id, job.repository_id, created)

    await job.write(done)
    return created.result


async def _find(job: Job) -> Any:
    """Return the issue that an earlier attempt has made, the oldest if there are several."""
    action = await job.read(lambda tx: store.actions.find(tx, job.id))
    assert action is not None
    marker = tracking.marker(job.id)
    query = "state=all&sort=created&direction=asc&per_page=100&since={since}"
    since = times.render(action.created_at - _SLACK)[:19] + "Z"
    variables = {"repository": job.repository, "since": since}
    async for issue in job.client.getiter(f"{_ISSUES}?{query}", variables):
        body = issue.get("body") or ""
        if marker in body and await job.is_own(issue.get("user")):
            return issue
    return None
