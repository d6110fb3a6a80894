"""`issues`: every action carries the whole issue; a transfer takes the links along.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#issues
"""

import msgspec
from gidgethub.routing import Router
from gidgethub.sansio import Event

from bot.domain import items, keys, tracking
from bot.domain.story import Snapshot
from bot.github import payloads
from bot.github.events import ISSUES, Heard
from bot.handlers.dispatch import Delivery, repository_told

HEARS = Heard("issues", "issues link by a key line or by their title", ISSUES, webhook="Issues")
router = Router()

_STATES = {"opened": "open", "reopened": "open", "closed": "closed"}


@router.register("issues")
async def observed(event: Event, delivery: Delivery) -> None:
    payload = payloads.read(event.data, payloads.IssuesEvent)
    changes = payload.changes or payloads.IssueChanges()
    about = repository_told(payload.repository, payload.issue.html_url)
    repository_id = delivery.repository(about)
    issue = in_its_place(delivery, payload.issue, about)
    at = delivery.time(issue.updated_at) or delivery.received_at
    actor = payload.sender.login if payload.sender else None
    here = (repository_id, issue.number)
    if action_id := tracking.action_of(issue.body):
        _recognise(delivery, repository_id, issue, action_id)
    _observe(delivery, repository_id, issue, payload, actor)
    if payload.action == "deleted":
        items.forget(delivery.tx, repository_id, "issue", issue.number, at)
    if payload.action == "transferred" and changes.new_issue and changes.new_repository:
        there = delivery.other_repository(changes.new_repository)
        if there is not None:
            moved = in_its_place(delivery, changes.new_issue, changes.new_repository)
            _observe(delivery, there, moved, payload, actor)
            items.move(delivery.tx, here, (there, moved.number), at)
    if payload.action == "opened" and changes.old_issue and changes.old_repository:
        there = delivery.other_repository(changes.old_repository)
        if there is not None:
            items.move(delivery.tx, (there, changes.old_issue.number), here, at)


def in_its_place(
    delivery: Delivery, issue: payloads.Issue, repository: payloads.Repository
) -> payloads.Issue:
    """Return an issue with an address in its own repository."""
    page = delivery.address(issue.html_url, repository, f"issues/{issue.number}")
    return msgspec.structs.replace(issue, html_url=page)


def _recognise(
    delivery: Delivery, repository_id: int, issue: payloads.Issue, action_id: str
) -> None:
    """An issue that the bot itself creates may be delivered before GitHub answers the bot."""
    created_at = delivery.time(issue.created_at) or delivery.received_at
    created = tracking.Created(
        number=issue.number,
        html_url=issue.html_url or "",
        title=issue.title or "",
        state=issue.state or "open",
        labels=[label.name for label in issue.labels or ()],
        author=issue.user.login if issue.user else None,
        created_at=created_at,
        updated_at=delivery.time(issue.updated_at) or created_at,
    )
    tracking.created(delivery.tx, action_id, repository_id, created)


def _observe(
    delivery: Delivery,
    repository_id: int,
    issue: payloads.Issue,
    payload: payloads.IssuesEvent,
    actor: str | None,
) -> None:
    label = payload.label.name if payload.label else None
    take_in(delivery, repository_id, issue, payload.action or "", actor, label)


def take_in(
    delivery: Delivery,
    repository_id: int,
    issue: payloads.Issue,
    action: str,
    actor: str | None,
    label: str | None = None,
) -> None:
    """Take in what a payload says of its issue."""
    # A deleted issue names nothing any more, whatever its last text was.
    is_gone = action == "deleted"
    named = {} if is_gone else keys.keys_of_issue(issue.body, issue.title)
    snapshot = Snapshot(
        guid=delivery.guid,
        at=delivery.time(issue.updated_at) or delivery.received_at,
        action=action,
        integration_id=delivery.integration_id,
        keys=named,
        title=issue.title,
        html_url=issue.html_url,
        state=issue.state or _STATES.get(action),
        author=issue.user.login if issue.user else None,
        actor=actor,
        labels=None if issue.labels is None else [one.name for one in issue.labels],
        label=label,
        created_at=delivery.time(issue.created_at),
        closed_at=delivery.time(issue.closed_at),
    )
    items.observe(delivery.tx, repository_id, "issue", issue.number, snapshot)
