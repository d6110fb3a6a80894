"""`check_run`, `check_suite`: somebody pressed a button to have the check set again.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#check_run
"""

from gidgethub.routing import Router

from bot import storage as store
from bot.domain import posts
from bot.github import payloads
from bot.github.delivered import DeliveredEvent
from bot.github.events import CHECKS, Heard
from bot.handlers.dispatch import Delivery

RUN = Heard(
    "check_run",
    'the check\'s buttons: "Re-run" and its own',
    CHECKS,
    reads=payloads.CheckRunEvent,
)
SUITE = Heard(
    "check_suite",
    '"Re-run all checks" sets the check again too',
    CHECKS,
    reads=payloads.CheckSuiteEvent,
)
router = Router()


@router.register("check_run", action="rerequested")
@router.register("check_run", action="requested_action")
async def pressed(event: DeliveredEvent, delivery: Delivery) -> None:
    payload = event.read(payloads.CheckRunEvent)
    if payload.check_run.name in (None, posts.CHECK_NAME):
        _check_again(delivery, payload.repository, payload.check_run.head_sha)


@router.register("check_suite", action="rerequested")
async def all_pressed(event: DeliveredEvent, delivery: Delivery) -> None:
    payload = event.read(payloads.CheckSuiteEvent)
    _check_again(delivery, payload.repository, payload.check_suite.head_sha)


def _check_again(delivery: Delivery, repository: payloads.Repository, sha: str) -> None:
    repository_id = delivery.repository(repository)
    for item in store.items.open_pull_requests_checked(delivery.tx, repository_id, sha):
        posts.check_again(delivery.tx, item, delivery.integration_id)
    posts.check_group_again(delivery.tx, repository_id, sha, delivery.integration_id)
