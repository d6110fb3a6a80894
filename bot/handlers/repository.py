"""`repository`: a rename or transfer keeps every link under the new name.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#repository
"""

import msgspec
from gidgethub.routing import Router

from bot import storage as store
from bot.domain import code_maps, items, repositories, rules_reading, speaking
from bot.github import payloads
from bot.github.delivered import DeliveredEvent
from bot.github.events import METADATA, Heard
from bot.handlers.dispatch import Delivery, old_name_in

HEARS = Heard(
    "repository",
    "renames and transfers keep the links",
    METADATA,
    webhook="Repositories",
    reads=payloads.RepositoryEvent,
)
router = Router()


@router.register("repository", action="renamed")
@router.register("repository", action="transferred")
async def renamed(event: DeliveredEvent, delivery: Delivery) -> None:
    payload, old_name = event.read(payloads.RepositoryEvent), old_name_in(event)
    repository_id = delivery.repository(payload.repository, is_rename=True, old_name=old_name)
    if event.action == "transferred":
        speaking.ask_again(delivery.tx, repository_id)
        # It may have gone by the file of its former owner.
        rules_reading.may_have_changed(delivery.tx, delivery.integration_id, repository_id)


@router.register("repository", action="publicized")
async def publicized(event: DeliveredEvent, delivery: Delivery) -> None:
    """What the bot has written there is looked over, unless newer deliveries have told already.

    That it became private needs no haste: any next delivery tells.
    """
    payload = event.read(payloads.RepositoryEvent)
    repository_id = delivery.repository(payload.repository)
    row = store.repositories.get(delivery.tx, repository_id)
    at = delivery.time(payload.repository.updated_at)
    repositories.observe_visibility(delivery.tx, row, "public", at)


@router.register("repository", action="archived")
@router.register("repository", action="unarchived")
async def archived(event: DeliveredEvent, delivery: Delivery) -> None:
    """Nothing can be written in one that is archived; what waited for its end goes on."""
    payload = event.read(payloads.RepositoryEvent)
    told = msgspec.structs.replace(payload.repository, archived=event.action == "archived")
    delivery.repository(told)


@router.register("repository", action="deleted")
async def deleted(event: DeliveredEvent, delivery: Delivery) -> None:
    payload = event.read(payloads.RepositoryEvent)
    repository_id = delivery.repository(payload.repository)
    at = delivery.time(payload.repository.updated_at) or delivery.received_at
    actor = payload.sender.login if payload.sender else None
    store.repositories.change(delivery.tx, repository_id, deleted_at=at)
    speaking.ask_again(delivery.tx, repository_id)
    code_maps.leave(delivery.tx, repository_id)
    store.integrations.clear_errors_in(delivery.tx, repository_id)
    items.close_all_of_repository(
        delivery.tx, repository_id, delivery.received_at, actor, delivery.guid
    )
