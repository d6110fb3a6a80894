"""`installation_target`, `organization`: an organisation or user that is renamed keeps its links.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#installation_target
"""

from gidgethub.routing import Router

from bot import storage as store
from bot.domain import owners
from bot.domain.naming import Word
from bot.github import names, payloads
from bot.github.delivered import DeliveredEvent
from bot.github.events import Heard
from bot.handlers.dispatch import Delivery

TARGET = Heard(
    "installation_target",
    "an account that is renamed keeps its links",
    None,
    reads=payloads.InstallationTargetEvent,
)
ORGANIZATION = Heard(
    "organization",
    "the same, from a webhook of the organisation",
    None,
    reads=payloads.OrganizationEvent,
)
router = Router()


@router.register("installation_target", action="renamed")
async def account_renamed(event: DeliveredEvent, delivery: Delivery) -> None:
    payload = event.read(payloads.InstallationTargetEvent)
    _renamed(delivery, payload.account, payload.changes)


@router.register("organization", action="renamed")
async def organization_renamed(event: DeliveredEvent, delivery: Delivery) -> None:
    payload = event.read(payloads.OrganizationEvent)
    _renamed(delivery, payload.organization, payload.changes)


def _renamed(
    delivery: Delivery, owner: payloads.Account, changes: payloads.AccountChanges | None
) -> None:
    told = changes.login.old if changes is not None and changes.login is not None else None
    old = told if names.is_owner(told) else None
    if owner.login is None or not names.is_owner(owner.login):
        raise payloads.InvalidPayload("the new login is missing or cannot be read")
    scope = delivery.scope.on(names.host_in_api(owner.url))
    word = Word(delivery.received_at)
    owners.renamed(delivery.tx, scope, (owner.id, owner.login), old, word, delivery.confirmed)
    is_own = scope.host == delivery.host
    if is_own and delivery.installation_id is not None and old is not None:
        where = delivery.integration_id, delivery.installation_id
        store.installations.rename(delivery.tx, *where, old, owner.login)
