"""`merge_group_check`: the check on the commit that a merge queue is about to merge.

It gets the verdict of the pull request that the group's branch names. A queue waits for a required
check, so one that names none, or a number that the bot does not know, succeeds.
https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/configuring-pull-request-merges/managing-a-merge-queue
"""

import hashlib
from typing import Any

from bot import storage as store
from bot.domain import posts
from bot.domain.verdicts import Verdict, verdict_of
from bot.outbox import audience
from bot.outbox.check import run_to_edit, set_check_run, set_status
from bot.outbox.job import Job
from bot.outbox.registry import carries_out

_UNKNOWN = Verdict(
    "success",
    "Unknown pull request",
    "The merge group's branch names no pull request that the bot knows, so nothing speaks "
    "against it.",
)


@carries_out(posts.GROUP_CHECK)
async def run(job: Job) -> dict[str, Any]:
    sha = job.request["head_sha"]

    def state(tx: store.Transaction) -> tuple[store.MergeGroup | None, store.Item | None]:
        group = store.merge_groups.find(tx, job.repository_id, sha)
        if group is None or group.number is None:
            return group, None
        number = group.number
        return group, store.items.find(tx, job.repository_id, "pull_request", number)

    def of_item(tx: store.Transaction, item_id: int) -> Verdict | None:
        linked = store.links.of_targets_with_experiments(tx, "pull_request", item_id)
        # Silence would block the queue, also where pull requests that name none have no check.
        setting = "required" if job.integration.check == "required" else "always"
        return verdict_of(tx, linked, setting, is_told=is_told)

    group, item = await job.read(state)
    if group is None or job.integration.check == "off":
        return {"changed": False}
    verdict, address = None, f"{job.services.settings.public_url}/"
    if item is not None:
        is_told = await audience.is_told(job, item.id)
        verdict = await job.read(lambda tx: of_item(tx, item.id))
        address = f"{address}pull-requests/{job.repository}/{item.number}"
    verdict = verdict or _UNKNOWN
    digest = hashlib.sha256(repr(verdict).encode()).hexdigest()
    again = bool(job.request.get("again"))
    if not again and group.check_digest == digest:
        return {"conclusion": verdict.conclusion, "changed": False}
    # Without a digest a call was begun whose answer was lost: it is not known what stands there.
    is_unsure = group.check_sha is not None and group.check_digest is None
    run_id = None
    if job.integration.token is None:
        run_id = await run_to_edit(job, group, sha, again=again, is_unsure=is_unsure)
    await _keep(job, sha, check_sha=sha, check_run_id=run_id, check_digest=None)
    if job.integration.token is None:
        run_id = await set_check_run(job, run_id, sha, verdict, address, group.marker)
    else:
        await set_status(job, sha, verdict, address)
    await _keep(job, sha, check_run_id=run_id, check_digest=digest)
    return {"conclusion": verdict.conclusion, "head_sha": sha, "changed": True}


async def _keep(job: Job, sha: str, **values: Any) -> None:
    await job.write(lambda tx: store.merge_groups.change(tx, job.repository_id, sha, **values))
