"""`label`: the integration's label, on a pull request while a known experiment is linked to it.

Put on when the first comes and taken off when the last one goes; a person who changes it in
between is not fought over, and one who has put it there before keeps it. https://docs.github.com/en/rest/issues/labels
"""

from collections.abc import Mapping, Sequence
from typing import Any

from cachetools import TTLCache

from bot import times
from bot.domain import posts
from bot.github import Refused
from bot.outbox.registry import Change, Job, Made, shows
from bot.services import Services

_OURS = {"color": "5319e7", "description": "Part of an experiment"}
PLAIN = "ededed"  # the color of labels for which nobody chose one
_LABELS = "/repos/{+repository}/labels"
_ON_ITEM = "/repos/{+repository}/issues/{number}/labels"
REMEMBERED = 900 * times.SECOND
_Labels = TTLCache[tuple[int, str], bool]
_ABSENT = "Label does not exist"  # GitHub's words; of a pull request that it lacks: Not Found


@shows(posts.LABEL)
async def plan(job: Job) -> Change | dict[str, Any]:
    seen, present = job.seen, job.seen.post.label
    is_linked = any(one.status is not None for one in seen.linked) and seen.item.gone_at is None
    wanted = job.integration.label if is_linked else None
    if not seen.post.labelled and _is_among(seen.item.labels, wanted):
        return {"label": wanted, "changed": False}
    if wanted == present and seen.post.label_writing is None:
        return {"label": wanted, "changed": False}

    async def make() -> Made:
        if present is not None and present != wanted:
            await _take_off(job, present)
            if wanted is not None:
                await job.note("label", label=None)
                await see_to_label(job, wanted)
                await job.note("label", label=wanted)
        elif wanted is not None:
            await see_to_label(job, wanted)
        if wanted is not None:
            await job.client.post(_ON_ITEM, job.at(), data={"labels": [wanted]})
        return Made({"label": wanted}, {"label": wanted, "changed": True})

    kept = wanted if present is None else present
    return Change("label", {"label": kept, "labelled": 1}, make)


def _is_among(labels: Sequence[str], name: str | None) -> bool:
    """Tell whether a label is among those that deliveries told of; GitHub does not mind case."""
    return name is not None and name.lower() in [one.lower() for one in labels]


async def _take_off(job: Job, label: str) -> None:
    try:
        await job.client.delete(f"{_ON_ITEM}/{{label}}", job.at(label=label))
    except Refused as error:
        is_early = error.lags and job.is_news and _ABSENT not in str(error)
        if error.status not in (404, 410) or is_early:
            raise  # else somebody took it off before


def _known_labels(_: Services) -> _Labels:
    """Which labels repositories have."""
    return TTLCache(maxsize=4096, ttl=REMEMBERED, timer=times.passed)


async def see_to_label(job: Job, name: str, *, is_plain: bool = False) -> None:
    """Create a label of the repository if it is missing, a plain one as GitHub itself would.

    One that was there lately is not asked for: GitHub makes one that was deleted since by itself,
    in a color of its own.
    """
    known, key = job.services.shared(_known_labels), (job.action.repository_id, name)
    if key not in known:
        await _see_to_label(job, name, {} if is_plain else _OURS)
        known[key] = True


async def _see_to_label(job: Job, name: str, more: Mapping[str, str]) -> None:
    try:
        await job.client.getitem(f"{_LABELS}/{{name}}", job.at(name=name))
        return
    except Refused as error:
        if error.status != 404:
            raise
    try:
        await job.client.post(_LABELS, job.at(), data={"name": name, "color": PLAIN, **more})
    except Refused as error:
        is_there = any(one.get("code") == "already_exists" for one in error.errors)
        if error.status != 422 or (error.errors and not is_there):
            raise  # else another one was first
