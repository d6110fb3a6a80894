"""`label`: the integration's label, on a pull request while it is linked to an experiment.

Put on when the first link comes and taken off when the last one goes; a person who changes it in
between is not fought over. https://docs.github.com/en/rest/issues/labels
"""

from typing import Any

from bot import storage as store
from bot.domain import posts
from bot.github import Refused
from bot.outbox.registry import Job, carries_out

COLOR = "5319e7"
DESCRIPTION = "Part of an experiment"
_LABELS = "/repos/{+repository}/labels"
_ON_ITEM = "/repos/{+repository}/issues/{number}/labels"
_ABSENT = "Label does not exist"  # GitHub's words; of a pull request that it lacks: Not Found


@carries_out(posts.LABEL)
async def run(job: Job) -> dict[str, Any]:
    def state(tx: store.Transaction) -> tuple[bool, store.Post | None]:
        item = store.items.get(tx, job.item_id)
        linked = bool(store.links.of_target(tx, "pull_request", item.id))
        return linked and item.gone_at is None, store.actions.post(tx, item.id)

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
        await see_to_label(job, wanted)
        await job.begin("label", label=wanted)
        await job.client.post(_ON_ITEM, job.at(), data={"labels": [wanted]})
        await job.done("label", label=wanted)
    return {"label": wanted, "changed": True}


async def _take_off(job: Job, label: str) -> None:
    try:
        await job.client.delete(f"{_ON_ITEM}/{{label}}", job.at(label=label))
    except Refused as error:
        is_early = error.lags and job.is_news and _ABSENT not in str(error)
        if error.status not in (404, 410) or is_early:
            raise  # else somebody took it off before


async def see_to_label(job: Job, name: str) -> None:
    """Create a label of the repository if it is missing."""
    try:
        await job.client.getitem(f"{_LABELS}/{{name}}", job.at(name=name))
        return
    except Refused as error:
        if error.status != 404:
            raise
    data = {"name": name, "color": COLOR, "description": DESCRIPTION}
    try:
        await job.client.post(_LABELS, job.at(), data=data)
    except Refused as error:
        if error.status != 422:  # another one was first
            raise
