"""`check`: what GitHub shows on the head commit of a pull request, and may require for a merge.

A check run where the bot acts as an App, a commit status where it acts with a token: those may not
use the Checks API. https://docs.github.com/en/rest/checks/runs,
https://docs.github.com/en/rest/commits/statuses
"""

import hashlib
from typing import Any

from bot.domain.actions import CHECK as KIND
from bot.domain.actions import CHECK_NAME as NAME
from bot.domain.verdicts import Verdict, verdict_of
from bot.outbox import audience
from bot.outbox.job import Job
from bot.storage import actions as storage
from bot.storage import facts, links
from bot.storage.database import Row, Transaction

__all__ = ["KIND", "run", "set_check_run", "set_status"]

REFRESH = "refresh"  # identifies the button that checks again
_STATES = {
    "success": "success",
    "neutral": "success",
    "action_required": "failure",
    "failure": "failure",
}


async def run(job: Job) -> dict[str, Any]:
    item_id = job.item_id
    assert item_id is not None

    def state(transaction: Transaction) -> tuple[Row, Verdict | None]:
        item = facts.get_item(transaction, item_id)
        linked = links.of_targets_with_experiments(transaction, "pull_request", item_id)
        # None where none is named, but a check of before is not left as it was.
        is_there = bool(item["head_sha"]) and post["check_sha"] == item["head_sha"]
        setting = job.integration.check
        return item, verdict_of(transaction, linked, setting, is_there=is_there, is_told=is_told)

    is_told = await audience.is_told(job, item_id)
    post = await job.write(lambda transaction: storage.see_to_post(transaction, item_id))
    item, verdict = await job.read(state)
    sha = item["head_sha"]
    is_checked = item["state"] == "open" and job.integration.check != "off"
    if job.request.get("rewrite"):  # what stands there, whatever has become of it
        is_checked = post["check_sha"] == sha
    if verdict is None or not sha or not is_checked or item["gone_at"] is not None:
        return {"changed": False}
    digest = hashlib.sha256(repr(verdict).encode()).hexdigest()
    again = bool(job.request.get("again"))
    if not again and (post["check_sha"], post["check_digest"]) == (sha, digest):
        return {"conclusion": verdict.conclusion, "changed": False}
    address = f"{job.services.settings.public_url}/pull-requests/{job.repository}/{job.number}"
    if job.integration.token is None:
        check_run_id = await set_check_run(job, post, sha, verdict, address, again=again)
    else:
        check_run_id = None
        await set_status(job, sha, verdict, address)
    await job.write(
        lambda transaction: storage.change_post(
            transaction,
            item_id,
            integration_id=job.integration.id,
            check_sha=sha,
            check_run_id=check_run_id,
            check_digest=digest,
        )
    )
    return {"conclusion": verdict.conclusion, "head_sha": sha, "changed": True}


async def set_status(job: Job, sha: str, verdict: Verdict, address: str) -> None:
    """Set the commit status of a commit; it stands for those before it."""
    await job.client.post(
        "/repos/{+repository}/statuses/{sha}",
        {"repository": job.repository, "sha": sha},
        data={
            "state": _STATES[verdict.conclusion],
            "context": NAME,
            "description": verdict.title,
            "target_url": address,
        },
    )


async def set_check_run(
    job: Job, post: Row, sha: str, verdict: Verdict, address: str, *, again: bool
) -> int:
    """Create the check run of a commit, or bring the one that is there up to date.

    `post` tells of that one: what is kept of a pull request's posts, or of a merge group.
    """
    run_id = post["check_run_id"] if post["check_sha"] == sha else None
    if run_id is None and job.may_be_done:
        run_id = await _find(job, post["marker"], sha)
    content: dict[str, Any] = {
        "name": NAME,
        "status": "completed",
        "conclusion": verdict.conclusion,
        "details_url": address,
        "external_id": post["marker"],
        "output": {"title": verdict.title, "summary": verdict.summary},
        "actions": [
            {
                "label": "Check again",
                "description": "Look at the experiments once more",
                "identifier": REFRESH,
            }
        ],
    }
    # A re-run is a new check run: GitHub shows the newest of a name.
    if run_id is None or (again and not job.may_be_done):
        answer = await job.client.post(
            "/repos/{+repository}/check-runs",
            {"repository": job.repository},
            data={**content, "head_sha": sha},
        )
    else:
        answer = await job.client.patch(
            "/repos/{+repository}/check-runs/{run}",
            {"repository": job.repository, "run": str(run_id)},
            data=content,
        )
    return int(answer["id"])


async def _find(job: Job, marker: str, sha: str) -> int | None:
    """Return the check run that an earlier attempt has made."""
    answer = await job.client.getitem(
        "/repos/{+repository}/commits/{sha}/check-runs?check_name={name}&per_page=100",
        {"repository": job.repository, "sha": sha, "name": NAME},
    )
    found = [one["id"] for one in answer["check_runs"] if one.get("external_id") == marker]
    return max(found, default=None)
