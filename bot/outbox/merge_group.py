"""`merge_group_check`: the check on the commit that a merge queue is about to merge.

It gets the verdict of the pull request that the group's branch names. A queue waits for a required
check, so one that names none, or a number that the bot does not know, succeeds.
https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/configuring-pull-request-merges/managing-a-merge-queue
"""

from typing import Any

from bot import storage as store
from bot.domain import merge_groups
from bot.domain.verdicts import Verdict, verdict_of
from bot.outbox import audience
from bot.outbox.check import show
from bot.outbox.job import Job
from bot.outbox.registry import carries_out

_UNKNOWN = Verdict(
    "success",
    "Unknown pull request",
    "The merge group's branch names no pull request that the bot knows, so nothing speaks "
    "against it.",
)


@carries_out(merge_groups.CHECK)
async def run(job: Job) -> dict[str, Any]:
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
        return verdict_of(tx, linked, setting, is_told=is_told)

    async def keep(**values: Any) -> None:
        await job.write(lambda tx: store.merge_groups.change(tx, repository_id, sha, **values))

    group, item = await job.read(state)
    if group is None or job.integration.check == "off":
        return {"changed": False}
    verdict = None
    if item is not None:
        is_told = await audience.is_told(job, item.id)
        verdict = await job.read(of_item, item.id, is_told=is_told)
    # Without a digest a call was begun whose answer was lost: it is not known what stands there.
    is_unsure = group.check_sha is not None and group.check_digest is None
    number = item.number if item else None
    return await show(
        job, group, sha, verdict or _UNKNOWN, number, is_unsure=is_unsure, begin=keep, done=keep
    )
