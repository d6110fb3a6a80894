"""The worker: runs the outbox, has deliveries tried again or recovered, clears away what is old.

Clearing goes in small steps between which deliveries get their turn.
"""

import asyncio
from contextlib import suppress
from functools import partial

from bot import storage as store
from bot import times
from bot.deliveries import life
from bot.domain import code_sweeps, reconciliation, recovery
from bot.domain.audit import KEPT_DAYS
from bot.domain.passing import LONG, Passing
from bot.domain.sessions import oldest
from bot.log import logger
from bot.outbox.loop import Outbox, look_on_commits
from bot.services import Services
from bot.stopping import stop_event

_PAUSE = 1.0  # seconds between looks for deliveries to be retried, at least
_LONGEST_PAUSE = 60.0  # the same while one is to be retried later, since clocks are set
_STEP_PAUSE = 0.05  # seconds between steps while there is something to clear away
_CLEARING_PAUSE = 600.0  # the same while there is nothing
_LOOKING_PAUSE = 120.0  # the same between looks for what is to be read again
_STEP = 200  # deliveries cleared in one step
_CLEAR_SECONDS = 60.0  # for such a step: nobody waits for it
_STOP_SECONDS = 2.5  # for calls to GitHub in hand when the worker is told to stop
_BACK_SECONDS = 0.7  # more, to give queues back: whoever stops us kills us after ten in all
_SWEEP_PAUSE = 5.0  # seconds between looks for integrations that are to be swept, at least
_MINUTE, _DAY = 60 * times.SECOND, 86_400 * times.SECOND


async def retry_deliveries(services: Services) -> float | None:
    """Retry the deliveries that are due; return after how many seconds the next one is."""
    await life.retry_due(services)
    next_due = await services.database.read(store.deliveries.next_due)
    if next_due is None:
        return None
    return min(max((next_due - times.now()) / times.SECOND, 0.0), _LONGEST_PAUSE)


async def clear(services: Services) -> None:
    """Clear away what is not kept, in small steps, until cancelled."""
    passing, is_told = services.shared(Passing), False
    while True:
        busy = False
        try:
            busy = await clear_some(services)
        except store.StorageUnavailable as error:
            logger.warning("storage unavailable", reason=str(error))
        except Exception:  # a fault in one round must not end all later ones
            logger.exception("the worker failed")
        unsure = passing.unsure()
        if unsure > LONG and not is_told:
            logger.warning("clearing away less than the clock says", days=round(unsure / _DAY, 1))
        is_told = unsure > LONG
        await asyncio.sleep(_STEP_PAUSE if busy else _CLEARING_PAUSE)


async def order_sweeps(services: Services, began: int) -> float | None:
    """Have deliveries recovered that are due to be; return after how many seconds more are.

    `began` is when this process did.
    """
    every = services.settings.recovery_minutes * _MINUTE
    if not every:
        return None
    if await services.database.read(lambda tx: recovery.due(tx, every, began)):
        await services.database.write(lambda tx: recovery.order_due(tx, every, began))
    earliest = await services.database.read(store.sweeps.earliest)
    if earliest is None:
        return None
    return min(max((earliest + every - times.now()) / times.SECOND, 0.0), _LONGEST_PAUSE)


async def reconcile(services: Services) -> float:
    """Look, once an hour, for what nobody has told of for long; return when to look again."""
    if await services.database.read(reconciliation.next_look) <= times.now():
        await services.database.write(reconciliation.look, heavy=True)
        await look_at_code(services)
    return _LOOKING_PAUSE


async def look_at_code(services: Services) -> None:
    """Have default branches looked at of which nobody has told for a day, some at a time."""
    await services.database.write(code_sweeps.begin_some, heavy=True)
    for integration_id in await services.database.read(store.code_maps.readers):
        look = partial(code_sweeps.look, integration_id=integration_id)
        while await services.database.write(look, heavy=True):
            pass  # deliveries have their turn between the writes


class Worker:
    """The worker of a process: it works from when it is made until it is stopped."""

    def __init__(self, services: Services) -> None:
        self._outbox = Outbox(services)
        retrying = look_on_commits(services, partial(self._retry, services), _PAUSE)
        sweeping = partial(order_sweeps, services, times.now())
        recovering = look_on_commits(services, sweeping, _SWEEP_PAUSE)
        reconciling = look_on_commits(services, partial(reconcile, services), _LOOKING_PAUSE)
        tasks = (self._outbox.run(), retrying, recovering, reconciling, clear(services))
        self._tasks = [asyncio.create_task(one) for one in tasks]

    async def stop(self) -> None:
        """End it: calls in hand may end, what is being stored commits or is undone as a whole."""
        for task in self._tasks:
            task.cancel()
        with suppress(TimeoutError):  # leases run out by themselves
            async with asyncio.timeout(_STOP_SECONDS + _BACK_SECONDS):
                await asyncio.gather(*self._tasks, return_exceptions=True)
                await self._outbox.stop(_STOP_SECONDS)

    async def _retry(self, services: Services) -> float | None:
        # The outbox may have nothing to do, and does not look then.
        await self._outbox.hasten()
        return await retry_deliveries(services)


async def clear_some(services: Services) -> bool:
    """Take one step in clearing away; True if there is likely more to do.

    Goes: the deliveries of deleted integrations, payloads older than PAYLOAD_DAYS, deliveries and
    finished actions older than DELIVERY_DAYS, sweeps that ended a day ago, what has been
    live no longer for so many days, sessions that have run out, what the audit has of more than a
    year ago. Facts, links and feed stay. What is old goes by the time that is sure to have passed,
    whatever the clock says.
    """
    settings, passing = services.settings, services.shared(Passing)

    def job(tx: store.Transaction) -> bool:
        old = passing.keep(tx)
        before = old.before(settings.delivery_days)
        cleared = store.deliveries.drop_payloads(tx, old.before(settings.payload_days), _STEP)
        cleared += store.deliveries.remove_old(tx, before, _STEP)
        cleared += store.actions.remove_old(tx, before, _STEP)
        swept = recovery.KIND.name, old.before(recovery.KEPT_DAYS)
        cleared += store.actions.remove_done(tx, *swept, _STEP)
        cleared += store.merge_groups.remove_old(tx, before, _STEP)
        cleared += store.live.remove_old(tx, before, _STEP)
        store.integrations.clear_old_errors(tx, before)
        cleared += store.audit.remove_old(tx, old.before(KEPT_DAYS), _STEP)
        store.sessions.remove_ended(tx, *oldest(old.certain))
        for seq in store.integrations.deleted(tx):
            removed = store.deliveries.remove_some(tx, seq, _STEP)
            if removed == 0:
                store.integrations.remove(tx, seq)
            cleared += removed
        return cleared >= _STEP

    return await services.database.write(job, heavy=True, seconds=_CLEAR_SECONDS)


async def run_until_stopped(services: Services) -> None:
    """Work in a process of its own until SIGTERM or SIGINT."""
    stopped = stop_event()
    working = Worker(services)
    logger.info("working")
    await stopped.wait()
    await working.stop()
