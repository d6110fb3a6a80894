"""`issues`: every action carries the whole issue; a transfer takes the links along.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#issues
"""

from gidgethub.routing import Router

from bot.domain import clean_up_life, items, snapshots, tracking
from bot.github import payloads
from bot.github.delivered import DeliveredEvent
from bot.github.events import ISSUES, Heard
from bot.handlers.dispatch import Delivery, repository_told

HEARS = Heard(
    "issues",
    "issues link by a key line or by their title",
    ISSUES,
    webhook="Issues",
    reads=payloads.IssuesEvent,
)
router = Router()


@router.register("issues")
async def observed(event: DeliveredEvent, delivery: Delivery) -> None:
    payload = event.read(payloads.IssuesEvent)
    changes = payload.changes or payloads.IssueChanges()
    about = repository_told(payload.repository, payload.issue.html_url)
    repository_id = delivery.repository(about)
    issue = snapshots.in_its_place(delivery, payload.issue, about)
    at = delivery.time(issue.updated_at) or delivery.received_at
    actor = payload.sender.login if payload.sender else None
    here = (repository_id, issue.number)
    label = payload.label.name if payload.label else None
    said = (payload.action or "", actor, label)
    tracking.delivered(delivery, repository_id, issue)
    clean_up_life.delivered(delivery, repository_id, issue, payload.action, at)
    was = snapshots.was_before(payload.changes)
    snapshots.observe_issue(delivery, repository_id, issue, *said, was)
    if payload.action == "deleted":
        items.forget(delivery.tx, repository_id, "issue", issue.number, at)
    if payload.action == "transferred" and changes.new_issue and changes.new_repository:
        there = delivery.other_repository(changes.new_repository)
        if there is not None:
            moved = snapshots.in_its_place(delivery, changes.new_issue, changes.new_repository)
            snapshots.observe_issue(delivery, there, moved, *said)
            items.move(delivery.tx, here, (there, moved.number), at)
            clean_up_life.moved(delivery.tx, issue.body, here, (there, moved))
        else:
            clean_up_life.away(delivery.tx, issue.body, here, at)
    if payload.action == "opened" and changes.old_issue and changes.old_repository:
        there = delivery.other_repository(changes.old_repository)
        if there is not None:
            old = there, changes.old_issue.number
            items.move(delivery.tx, old, here, at)
            clean_up_life.moved(delivery.tx, issue.body, old, (repository_id, issue))
