"""`label`: the integration's label, on a pull request while it is linked to an experiment.

Put on when the first link comes and taken off when the last one goes; a person who changes it in
between is not fought over. https://docs.github.com/en/rest/issues/labels
"""

from typing import Any

from bot import storage as store
from bot.domain import posts
from bot.github import Client, Refused
from bot.outbox.job import Job
from bot.outbox.registry import carries_out

COLOR = "5319e7"
DESCRIPTION = "Part of an experiment"
_ABSENT = "Label does not exist"  # GitHub's words; of a pull request that it lacks: Not Found


@carries_out(posts.LABEL)
async def run(job: Job) -> dict[str, Any]:
    item_id = job.item_id
    assert item_id is not None

    def state(tx: store.Transaction) -> tuple[bool, store.Post | None]:
        item = store.items.get(tx, item_id)
        linked = bool(store.links.of_target(tx, "pull_request", item_id))
        return linked and item.gone_at is None, store.actions.post(tx, item_id)

    is_linked, post = await job.read(state)
    present = post.label if post else None
    is_unsure = post is not None and post.label_writing is not None
    wanted = job.integration.label if is_linked else None
    if wanted == present and not is_unsure:
        return {"label": wanted, "changed": False}
    if present is not None and present != wanted:
        await job.begin("label", label=present)
        await _take_off(job, present)
        await job.done("label", label=None)
    if wanted is not None:
        await see_to_label(job.client, job.repository, wanted)
        await job.begin("label", label=wanted)
        await job.client.post(
            "/repos/{+repository}/issues/{number}/labels",
            {"repository": job.repository, "number": str(job.number)},
            data={"labels": [wanted]},
        )
        await job.done("label", label=wanted)
    return {"label": wanted, "changed": True}


async def _take_off(job: Job, label: str) -> None:
    try:
        await job.client.delete(
            "/repos/{+repository}/issues/{number}/labels/{label}",
            {"repository": job.repository, "number": str(job.number), "label": label},
        )
    except Refused as error:
        if error.status not in (404, 410):
            raise
        if error.lags and job.is_news and _ABSENT not in str(error):
            raise
        # Somebody took it off before.


async def see_to_label(client: Client, repository: str, name: str) -> None:
    """Create a label of a repository if it is missing."""
    try:
        await client.getitem(
            "/repos/{+repository}/labels/{name}", {"repository": repository, "name": name}
        )
    except Refused as error:
        if error.status != 404:
            raise
    else:
        return
    try:
        await client.post(
            "/repos/{+repository}/labels",
            {"repository": repository},
            data={"name": name, "color": COLOR, "description": DESCRIPTION},
        )
    except Refused as error:
        if error.status != 422:  # another one was first
            raise
