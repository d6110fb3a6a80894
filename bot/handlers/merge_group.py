"""`merge_group`: a merge queue waits for the check on the commit that it is about to merge.

An App hears of a group by this event and by the push that creates its branch, in either order; a
webhook that sends no merge groups, by the push alone. Both make one check.
https://docs.github.com/en/webhooks/webhook-events-and-payloads#merge_group
"""

import re

from gidgethub.routing import Router

from bot import storage as store
from bot.domain import posts
from bot.github import payloads
from bot.github.delivered import DeliveredEvent
from bot.github.events import MERGE_QUEUES, Heard
from bot.handlers.dispatch import Delivery

HEARS = Heard(
    "merge_group",
    "a merge queue waits for the check on the commit that it is to merge",
    MERGE_QUEUES,
    reads=payloads.MergeGroupEvent,
)
router = Router()

BRANCH = "refs/heads/gh-readonly-queue/"
_SHA = re.compile(r"[0-9A-Za-z]{1,64}")
# The pull request is named by the last segment: the base branch before it may hold anything.
_NUMBER = re.compile(r"pr-([1-9][0-9]{0,9})-[0-9A-Za-z]+")
_MAX_NUMBER = 2**31 - 1


@router.register("merge_group")
async def told(event: DeliveredEvent, delivery: Delivery) -> None:
    """Every action is taken in; what but `checks_requested` there is only tells of the end."""
    if event.action != "checks_requested":
        return
    payload = event.read(payloads.MergeGroupEvent)
    group = payload.merge_group
    if payload.repository is not None:
        check(delivery, delivery.repository(payload.repository), group.head_sha, group.head_ref)


@router.register("merge_group", action="destroyed")
async def ended(event: DeliveredEvent, delivery: Delivery) -> None:
    """Merged, or taken out of the queue: its check follows its pull request no longer."""
    payload = event.read(payloads.MergeGroupEvent)
    if payload.repository is not None and payload.merge_group.head_ref:
        repository_id = delivery.repository(payload.repository)
        end(delivery, repository_id, payload.merge_group.head_ref)


def check(
    delivery: Delivery, repository_id: int, head_sha: str | None, head_ref: str | None
) -> None:
    """Have the commit of a group checked, once."""
    if head_sha is None or not _SHA.fullmatch(head_sha) or not head_sha.strip("0"):
        return
    posts.enqueue_group_check(
        delivery.tx,
        repository_id,
        head_sha,
        head_ref or "",
        number_of(head_ref or ""),
        delivery.integration_id,
    )


def end(delivery: Delivery, repository_id: int, head_ref: str) -> None:
    store.merge_groups.end(delivery.tx, repository_id, head_ref, delivery.received_at)


def number_of(head_ref: str) -> int | None:
    """Return the number of the pull request that a group's branch names, None if it names none."""
    found = _NUMBER.fullmatch(head_ref.rpartition("/")[2])
    return int(found[1]) if found and int(found[1]) <= _MAX_NUMBER else None
