"""`installation` and `installation_repositories`: where the App is installed, and what it may see.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#installation
"""

from collections.abc import Sequence

from gidgethub.routing import Router
from gidgethub.sansio import Event

from bot.domain import installations, retries
from bot.github import payloads
from bot.github.events import Heard
from bot.handlers.dispatch import Delivery

INSTALLATION = Heard("installation", "where the App is installed")
REPOSITORIES = Heard("installation_repositories", "which repositories it may see there")
router = Router()


@router.register("installation")
async def changed(event: Event, delivery: Delivery) -> None:
    payload = payloads.read(event.data, payloads.InstallationEvent)
    row_id = _remember(delivery, payload.installation, payload.action or "")
    if payload.repositories is not None:
        installations.set_repositories(
            delivery.tx,
            row_id,
            _listed(delivery, payload.repositories),
            [],
            _time(delivery, payload.installation),
        )


@router.register("installation_repositories")
async def repositories_changed(event: Event, delivery: Delivery) -> None:
    payload = payloads.read(event.data, payloads.InstallationEvent)
    row_id = _remember(delivery, payload.installation, payload.action or "")
    installations.set_repositories(
        delivery.tx,
        row_id,
        _listed(delivery, payload.repositories_added or ()),
        _listed(delivery, payload.repositories_removed or ()),
        _time(delivery, payload.installation),
    )


def _listed(
    delivery: Delivery, named: Sequence[payloads.InstalledRepository]
) -> list[tuple[int, str]]:
    """Return id and name of those that the integration may hear of; the others are not kept."""
    return [(one.id, one.full_name) for one in named if delivery.scope.lists(one.full_name)]


def _remember(delivery: Delivery, installation: payloads.Installation, action: str) -> int:
    if action in ("unsuspend", "created", "new_permissions_accepted"):
        retries.resume(delivery.tx, delivery.integration_id, installation.id)
    return installations.observe(
        delivery.tx,
        installations.Observed(
            host=delivery.host,
            installation_id=installation.id,
            integration_id=delivery.integration_id,
            account=installation.account.login if installation.account else None,
            repository_selection=installation.repository_selection,
            updated_at=_time(delivery, installation),
            suspended_at=delivery.time(installation.suspended_at),
        ),
        is_deleted=action == "deleted",
        is_suspended=action == "suspend" or installation.suspended_at is not None,
    )


def _time(delivery: Delivery, installation: payloads.Installation) -> int:
    return delivery.time(installation.updated_at) or delivery.received_at
