"""Actions: what the bot owes GitHub, tried again when somebody asks for it."""

from bot import storage as store
from bot.domain import actions
from bot.domain.actors import Actor, log_change
from bot.domain.errors import Conflict, NotFound
from bot.services import Services


async def retry(services: Services, actor: Actor, action_id: str) -> store.ListedAction:
    """Try an action again now: a failed one gets three more days.

    Raises Conflict if it is running or done, or if a newer one that is pending does the same.
    """

    def job(tx: store.Transaction) -> store.ListedAction | None:
        action = store.actions.find(tx, action_id)
        if action is None:
            return None
        if action.status in ("running", "done"):
            raise Conflict("not_waiting", action.status)
        if not actions.retry(tx, action):
            raise Conflict("superseded")
        return store.actions.find(tx, action_id)

    found = await services.database.write(job)
    if found is None:
        raise NotFound("action")
    log_change(actor, "action to be retried", action=action_id)
    return found
