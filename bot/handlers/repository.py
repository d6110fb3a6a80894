"""`repository`: a rename or transfer keeps every link under the new name.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#repository
"""

from typing import Any

from gidgethub.routing import Router
from gidgethub.sansio import Event

from bot.domain import items, repositories
from bot.handlers import payloads
from bot.handlers.dispatch import Delivery
from bot.storage import facts

router = Router()


@router.register("repository", action="renamed")
@router.register("repository", action="transferred")
async def renamed(event: Event, delivery: Delivery) -> None:
    payload = payloads.read(event.data, payloads.RepositoryEvent)
    old_name = _old_name(event.data.get("changes"), payload.repository.full_name)
    if old_name is not None and payload.repository.id is not None:
        # One that was only known by its old name so far is known by its id from now on.
        repositories.identify(delivery.transaction, delivery.host, old_name, payload.repository.id)
    delivery.repository(payload.repository, is_rename=True)


@router.register("repository", action="publicized")
async def publicized(event: Event, delivery: Delivery) -> None:
    """What the bot has written there is looked over, unless newer deliveries have told already.

    That it became private needs no haste: any next delivery tells.
    """
    payload = payloads.read(event.data, payloads.RepositoryEvent)
    repository_id = delivery.repository(payload.repository)
    row = facts.get_repository(delivery.transaction, repository_id)
    at = delivery.time(payload.repository.updated_at)
    repositories.observe_visibility(delivery.transaction, row, "public", at)


@router.register("repository", action="deleted")
async def deleted(event: Event, delivery: Delivery) -> None:
    payload = payloads.read(event.data, payloads.RepositoryEvent)
    repository_id = delivery.repository(payload.repository)
    at = delivery.time(payload.repository.updated_at) or delivery.received_at
    actor = payload.sender.login if payload.sender else None
    facts.set_repository_deleted(delivery.transaction, repository_id, at)
    items.close_all_of_repository(
        delivery.transaction, repository_id, delivery.received_at, actor, delivery.guid
    )


def _old_name(changes: Any, new_name: str) -> str | None:
    """Return the full name before a rename or transfer, as far as `changes` tells."""
    owner, name = new_name.split("/")
    try:
        if "repository" in changes:
            return f"{owner}/{changes['repository']['name']['from']}"
        (account,) = changes["owner"]["from"].values()
        return f"{account['login']}/{name}"
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
