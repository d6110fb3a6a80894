"""`pull_request`: every action carries the whole pull request, so every action is a version.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#pull_request
"""

from gidgethub.routing import Router

from bot.domain import snapshots
from bot.github import payloads
from bot.github.delivered import DeliveredEvent
from bot.github.events import PULL_REQUESTS, Heard
from bot.handlers.dispatch import Delivery, repository_told

HEARS = Heard(
    "pull_request",
    "pull requests link by the key line in their text",
    PULL_REQUESTS,
    webhook="Pull requests",
    reads=payloads.PullRequestEvent,
)
router = Router()


@router.register("pull_request")
async def observed(event: DeliveredEvent, delivery: Delivery) -> None:
    payload = event.read(payloads.PullRequestEvent)
    pull = payload.pull_request
    about = repository_told(payload.repository, pull.html_url)
    actor = payload.sender.login if payload.sender else None
    before = payload.before if payload.action == "synchronize" else None
    was = snapshots.was_before(payload.changes, before)
    snapshots.observe_pull_request(delivery, about, pull, payload.action or "", actor, was)
