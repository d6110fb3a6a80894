"""Actions: what the bot owes GitHub, tried again when somebody asks for it."""

from bot import storage as store
from bot.domain import actions, audit
from bot.domain.actors import Actor
from bot.domain.errors import Conflict
from bot.operations import found
from bot.services import Services


def open_of(tx: store.Transaction, integration_id: str, *kinds: actions.Kind) -> list[store.Action]:
    """Return what an integration still has to do of some kinds, in order."""
    names = {one.name for one in kinds}
    found_open = store.actions.open_of_integration(tx, integration_id)
    return [one for one in found_open if one.kind in names]


async def retry(services: Services, actor: Actor, action_id: str) -> store.ListedAction:
    """Try an action again now: a failed one gets three more days.

    Raises Conflict if it is running or done, or if a newer one that is pending does the same.
    """

    def job(tx: store.Transaction) -> store.ListedAction:
        action = found(store.actions.find(tx, action_id), "action")
        if action.status in ("running", "done"):
            raise Conflict("not_waiting", action.status)
        if not actions.retry(tx, action, by_hand=True):
            raise Conflict("superseded")
        retried = found(store.actions.find(tx, action_id), "action")
        target = audit.Target("action", action_id, actions.title_of(action.kind))
        states = [{"status": one.status} for one in (action, retried)]
        if action.status == retried.status:  # tried sooner, and that is all
            states = []
        audit.record(tx, actor, audit.ACTION_RETRIED, target, *states)
        return retried

    return await services.database.write(job)
