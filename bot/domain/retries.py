"""When what waits or has failed is tried again, because somebody asks or something has changed."""

from bot import storage as store
from bot import times
from bot.domain.actions import GIVE_UP_AFTER, queue_of, superseding, wake_order


def retry(tx: store.Transaction, action: store.Action) -> bool:
    """Try a failed action again now, or a pending one sooner.

    False if another that is pending does the same.
    """
    now = times.now()
    if action.status == "failed" and superseding(tx, action) is not None:
        return False
    store.actions.change(
        tx,
        action.id,
        status="pending",
        next_attempt_at=now,
        give_up_at=now + GIVE_UP_AFTER,
        finished_at=None,
        aside=False,
    )
    store.actions.wake(tx, action.queue, now)
    return True


def integration_changed(tx: store.Transaction, integration: store.Integration) -> None:
    """A credential or a setting was changed: what waits for it is tried with the new one.

    That goes for actions that GitHub refused in the last three days because of the old
    credential as well.
    """
    now = times.now()
    for action in store.actions.failed_of(tx, integration.id, now - GIVE_UP_AFTER):
        if (action.result or {}).get("status") == 401:
            retry(tx, action)
    for action in store.actions.open_of_integration(tx, integration.id):
        repository = store.repositories.get(tx, action.repository_id)
        queue, installation_id = queue_of(tx, integration, repository)
        if action.status == "pending":
            store.actions.change(
                tx,
                action.id,
                queue=queue,
                installation_id=installation_id,
                next_attempt_at=now,
            )
        store.actions.wake(tx, queue, now)


def integration_deleted(tx: store.Transaction, integration_id: str) -> None:
    """What a deleted integration still owed will not be done."""
    now = times.now()
    for action in store.actions.open_of_integration(tx, integration_id):
        store.actions.set_error(tx, action.id, "the integration was deleted")
        store.actions.change(
            tx,
            action.id,
            status="failed",
            next_attempt_at=None,
            finished_at=now,
        )
        wake_order(tx, action.lane, now)


def resume(tx: store.Transaction, integration_id: str, installation_id: int) -> None:
    """An installation may be called again: what waits for it is tried now."""
    now = times.now()
    for action in store.actions.open_of_integration(tx, integration_id):
        if action.installation_id == installation_id and action.status == "pending":
            store.actions.change(tx, action.id, next_attempt_at=now)
            store.actions.wake(tx, action.queue, now)
