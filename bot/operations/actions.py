"""Actions: what the bot owes GitHub, tried again when somebody asks for it."""

from bot import storage as store
from bot.domain import actions
from bot.domain.actors import Actor, log_change
from bot.domain.errors import Conflict
from bot.operations import found
from bot.services import Services


async def retry(services: Services, actor: Actor, action_id: str) -> store.ListedAction:
    """Try an action again now: a failed one gets three more days.

    Raises Conflict if it is running or done, or if a newer one that is pending does the same.
    """

    def job(tx: store.Transaction) -> store.ListedAction:
        action = found(store.actions.find(tx, action_id), "action")
        if action.status in ("running", "done"):
            raise Conflict("not_waiting", action.status)
        if not actions.retry(tx, action):
            raise Conflict("superseded")
        return found(store.actions.find(tx, action_id), "action")

    retried = await services.database.write(job)
    log_change(actor, "action to be retried", action=action_id)
    return retried
