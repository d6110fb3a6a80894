"""Recovery: having GitHub asked what it could not deliver, and what came of it."""

from dataclasses import dataclass

from bot import storage as store
from bot import times
from bot.domain import recovery
from bot.domain.actors import Actor
from bot.operations import actions, found, integrations
from bot.services import Services


@dataclass(frozen=True, slots=True)
class State:
    """The sweep that is under way, else the last; and when the next one is due, if one is."""

    sweep: store.Sweep | None
    is_running: bool
    next_at: int | None
    waits_for: str | None


async def order(services: Services, actor: Actor, integration_id: str) -> str:
    """Have a sweep made now; return the id of its action. Raises NotFound, and Conflict where
    the integration is not active."""
    return found(
        await services.database.write(lambda tx: recovery.order_by(tx, integration_id, actor)),
        "integration",
    )


async def state(services: Services, integration_id: str) -> State:
    """Return how recovery does; raises NotFound."""
    every = services.settings.recovery_minutes * 60 * times.SECOND
    return await services.database.read(lambda tx: _state(tx, integration_id, every))


def _state(tx: store.Transaction, integration_id: str, every: int) -> State:
    integration = integrations.find(tx, integration_id)
    sweep = store.sweeps.find(tx, integration_id)
    open_ones = actions.open_of(tx, integration_id, recovery.KIND)
    next_at = None
    if every and integration.is_active:
        next_at = max(times.now(), sweep.started_at + every) if sweep is not None else times.now()
    is_running = bool(open_ones) and integration.is_active
    return State(sweep, is_running, next_at, open_ones[0].last_error if open_ones else None)
