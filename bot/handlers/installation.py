"""`installation`, `installation_repositories`: where the App is and what it may see; and `ping`.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#installation
"""

from collections.abc import Sequence

from gidgethub.routing import Router

from bot import storage as store
from bot.domain import actions, backfills, code_maps, grants, installations
from bot.github import payloads
from bot.github.delivered import DeliveredEvent
from bot.github.events import Heard
from bot.handlers.dispatch import Delivery

PING = Heard("ping", "GitHub reaches the bot", None)
INSTALLATION = Heard(
    "installation", "where the App is installed", None, reads=payloads.InstallationEvent
)
REPOSITORIES = Heard(
    "installation_repositories",
    "which repositories it may see there",
    None,
    reads=payloads.InstallationEvent,
)
router = Router()
# What gives an installation something that it did not have.
_GIVES = ("created", "unsuspend", "new_permissions_accepted", "added")


@router.register("ping")
async def reached(event: DeliveredEvent, delivery: Delivery) -> None:
    """Storing the delivery is all there is to do: the integration shows its last one."""


@router.register("installation")
async def changed(event: DeliveredEvent, delivery: Delivery) -> None:
    payload = event.read(payloads.InstallationEvent)
    _remember(delivery, payload.installation, payload.action, payload.repositories or (), ())


@router.register("installation_repositories")
async def repositories_changed(event: DeliveredEvent, delivery: Delivery) -> None:
    payload = event.read(payloads.InstallationEvent)
    added, removed = payload.repositories_added or (), payload.repositories_removed or ()
    _remember(delivery, payload.installation, payload.action, added, removed)


def _remember(
    delivery: Delivery,
    installation: payloads.Installation,
    action: str | None,
    added: Sequence[payloads.InstalledRepository],
    removed: Sequence[payloads.InstalledRepository],
) -> None:
    """Keep an installation, a deleted one as deleted, what it was granted, and what it sees of
    what we may hear of.

    Where several speak for a repository, GitHub is asked again who has a right there.
    """
    store.speakers.ask_again_for(delivery.tx, delivery.integration_id)
    at = delivery.time(installation.updated_at) or delivery.received_at
    suspended_at = delivery.time(installation.suspended_at) or at
    is_suspended = action == "suspend" or installation.suspended_at is not None
    row_id = store.installations.put(
        delivery.tx,
        grants.row_of(
            delivery.integration_id,
            delivery.host,
            installation,
            at,
            suspended_at if is_suspended else None,
            at if action == "deleted" else None,
        ),
    )
    store.installations.put_repositories(
        delivery.tx,
        [
            {
                "installation_row": row_id,
                "github_id": one.id,
                "full_name": one.full_name,
                "changed_at": at,
                "removed": is_removed,
            }
            for is_removed, repositories in ((0, added), (1, removed))
            for one in repositories
            if delivery.scope.lists(one.full_name)
        ],
    )
    if action in _GIVES:
        if action != "new_permissions_accepted":  # it names what was there before
            _read_past(delivery, added)
            code_maps.installed(delivery.tx, delivery.integration_id)
        _go_on(delivery, installation.id, [one.id for one in added])
    elif action == "deleted":
        _leave_to_others(delivery, installation.id)


def _read_past(delivery: Delivery, added: Sequence[payloads.InstalledRepository]) -> None:
    """Let what repositories had before be read, also of those that have come back."""
    named = [(one.full_name, one.id) for one in added if delivery.scope.lists(one.full_name)]
    backfills.heard_of(delivery.tx, delivery.integration_id, named, is_back=True)


def _go_on(delivery: Delivery, installation_id: int, github_ids: Sequence[int]) -> None:
    """Let what had failed for what an installation was now given be tried again."""
    tx, integration_id = delivery.tx, delivery.integration_id
    row = store.installations.find(tx, integration_id, installation_id)
    if row is not None and row.deleted_at is None:
        installations.given(tx, integration_id, row, github_ids)
        actions.resume(tx, integration_id, installation_id)


def _leave_to_others(delivery: Delivery, installation_id: int) -> None:
    """Let another installation, which has come before this one went, do what it owed."""
    tx, integration_id = delivery.tx, delivery.integration_id
    row = store.installations.find(tx, integration_id, installation_id)
    if row is not None:
        for other in sorted(installations.replacing(tx, integration_id, row)):
            actions.resume(tx, integration_id, other)
