"""`issue_comment.created`: a new comment on a pull request or issue may hold commands.

Edited and deleted comments run nothing, and have no handler.
https://docs.github.com/en/webhooks/webhook-events-and-payloads#issue_comment
"""

import re

from gidgethub.routing import Router

from bot import storage as store
from bot.commands import parser
from bot.domain import commands, installations, locks, snapshots
from bot.github import payloads
from bot.github.delivered import DeliveredEvent
from bot.github.events import ISSUES, Heard
from bot.handlers.dispatch import Delivery, repository_told

HEARS = Heard(
    "issue_comment",
    "commands such as /experiment status",
    ISSUES,
    webhook="Issue comments",
    reads=payloads.IssueCommentEvent,
)
router = Router()

_ADDRESS = re.compile(r"https?://[!-;=?-~]{1,500}")
_CANNOT_ACT = {
    "suspended": "The installation of the App is suspended.",
    "removed": "The App is no longer installed here.",
}


@router.register("issue_comment", action="created")
async def created(event: DeliveredEvent, delivery: Delivery) -> None:
    payload = event.read(payloads.IssueCommentEvent)
    comment, issue = payload.comment, payload.issue
    author = _author(payload)
    if author is None:
        return
    invocations = parser.parse(comment.body)
    if not invocations:
        return
    about = repository_told(payload.repository, issue.html_url)
    repository_id = delivery.repository(about)
    is_pull_request = issue.pull_request is not None
    if not is_pull_request:
        issue = snapshots.in_its_place(delivery, issue, about)
        snapshots.observe_issue(delivery, repository_id, issue, actor=author)
    else:
        _see_to_lock(delivery, repository_id, issue)
    page = f"issues/{issue.number}#issuecomment-{comment.id}"
    address = delivery.address(comment.html_url, about, page) or ""
    commands.take_in(
        delivery.tx,
        commands.Comment(
            repository_id=repository_id,
            kind="pull_request" if is_pull_request else "issue",
            number=issue.number,
            comment_id=comment.id,
            html_url=address if _ADDRESS.fullmatch(address) else None,
            author=author,
            integration_id=delivery.integration_id,
            created_at=delivery.received_at,
        ),
        invocations,
        _reason_not_to(delivery),
    )


def _see_to_lock(delivery: Delivery, repository_id: int, issue: payloads.Issue) -> None:
    """A pull request's own events say when it is locked; that it is not any more is heard here too.

    So nothing waits on because the event of the end was missed.
    """
    if issue.locked is False:
        at = delivery.time(issue.updated_at) or delivery.received_at
        place: tuple[int, store.Kind, int] = (repository_id, "pull_request", issue.number)
        locks.observe(delivery.tx, *place, False, at, is_news=True)


def _author(payload: payloads.IssueCommentEvent) -> str | None:
    """Return who wrote the comment; None if that is a bot, or nobody any more."""
    user, sender = payload.comment.user, payload.sender or payloads.User()
    if user is None or user.login is None or user.login.endswith("[bot]"):
        return None
    return None if "Bot" in (user.type, sender.type) else user.login


def _reason_not_to(delivery: Delivery) -> str | None:
    if delivery.installation_id is None:
        return None
    state = installations.cannot_act(delivery.tx, delivery.integration_id, delivery.installation_id)
    return _CANNOT_ACT[state] if state else None
