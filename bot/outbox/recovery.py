"""`recovery`: one sweep: what GitHub could not deliver to an integration is read and taken in.

First the lists of its webhooks are read, page by page, then what is missed, by its time. Each step
commits how far it is. What an App's own webhook delivered, the one integration reads that it leads
to. https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries
"""

from collections import Counter
from typing import Any

from bot import storage as store
from bot import times
from bot.deliveries import listing
from bot.deliveries import recovery as reading
from bot.deliveries.records import NOT_ALLOWED, PROCESSED, Outcome
from bot.domain import recovery
from bot.domain.after import Waiting
from bot.domain.integrations import scope_of
from bot.github import Refused, Temporary, hooks
from bot.github.hooks import Lost, Place
from bot.handlers import dispatcher
from bot.log import logger
from bot.outbox import webhooks
from bot.outbox.registry import Job, carries_out

_GONE = (404, 410)
_MOST_PAGES = 20_000  # of a list
_REFUSALS = 3  # after which nothing more is asked for of a webhook


@carries_out(recovery.KIND)
async def run(job: Job) -> dict[str, Any]:
    days, by_hand = job.services.settings.delivery_days, bool(job.action.request.get("by_hand"))
    of = (job.integration.id, job.action.id, days)
    begun = await job.write(recovery.begin, *of, by_hand=by_hand)
    if begun is None:
        return {}
    troubles = await webhooks.find(job, begun)
    if await _read_lists(job):
        await _take_in_all(job)
    ended = await job.write(recovery.end, job.integration.id, troubles)
    if ended is None:
        return {}
    counts = {name: getattr(ended, name) for name in store.sweeps.COUNTS}
    logger.info("sweep", integration=job.integration.id, note=ended.note, **counts)
    return {**counts, **({"note": ended.note} if ended.note else {})}


# --- The lists


async def _read_lists(job: Job) -> bool:
    """Read the lists that are to be read; False if GitHub does not take the credential.

    One that GitHub fails to give a few times in a row is left to the next sweep, so that the others
    do not wait for it. If it fails to give more of them, GitHub is down.
    """
    failed = 0
    for hook in await job.read(store.hooks.of_integration, job.integration.id):
        if hook.is_read:
            continue
        try:
            if not await _read_list(job, hook):
                return False
        except Temporary as failure:
            failed += 1
            if failed > 1 or job.action.attempts + 1 < recovery.TRIES:
                raise
            await job.write(_left, hook, failure)
    return True


async def _read_list(job: Job, hook: store.Hook) -> bool:
    """Read what a webhook has delivered, from where an earlier attempt was; False: see above."""
    found = await _address(job, hook)
    if found is None:
        await job.write(store.hooks.change, hook, is_read=True, reason=None, remedy=None)
        return True
    try:
        if not await webhooks.leads_here(job, hook, found[1]):
            return True
    except Refused as refusal:
        await job.write(_refused, hook, refusal, is_gone=False)
        return refusal.status != 401
    known, days = job.services.shared(dispatcher), job.services.settings.delivery_days
    is_more, seen = True, {hook.page}
    while is_more:
        try:
            rows, cursor = await hooks.listed(job.client, *found, hook.page)
        except Refused as refusal:
            is_gone = refusal.status in _GONE and await webhooks.is_gone(job, hook, found[1])
            await job.write(_refused, hook, refusal, is_gone=is_gone)
            return refusal.status != 401
        page = listing.Page(hook, rows, cursor)
        is_more = await job.write(listing.note, known, page, days, 1)
        kept = await job.read(store.hooks.find, hook.integration_id, hook.hook_id)
        if kept is None:
            return True
        hook = kept
        if is_more and (hook.page in seen or len(seen) == _MOST_PAGES):
            raise Temporary("GitHub's pages have no end")
        seen.add(hook.page)
    return True


async def _address(job: Job, hook: store.Hook) -> tuple[str, Place] | None:
    """Return where a webhook's deliveries are; None if it is not to be asked any more."""
    name = await job.read(recovery.present_name, hook) if hook.kind != "app" else ""
    if name is None:
        return None
    return hooks.deliveries_of(hook.kind, hook.hook_id, name)


def _refused(tx: store.Transaction, hook: store.Hook, refusal: Refused, *, is_gone: bool) -> None:
    """Keep that a list cannot be read, and why. A webhook that is gone is forgotten."""
    store.sweeps.count(tx, hook.integration_id, calls=1)
    if is_gone or (refusal.status in (403, 404) and recovery.is_forgotten(hook)):
        store.hooks.remove(tx, hook)
        return
    store.hooks.change(
        tx, hook, is_read=True, asked_at=times.now(), page=None, **_told(hook, refusal)
    )


def _told(hook: store.Hook, refusal: Refused) -> dict[str, str | None]:
    """Return what is kept of why nothing is had of a webhook, and what to do about it."""
    remedy = hooks.REMEDIES[hook.kind] if refusal.status in (403, 404) else refusal.remedy
    return {"reason": refusal.reason, "remedy": remedy or None}


def _left(tx: store.Transaction, hook: store.Hook, failure: Temporary) -> None:
    """Leave a list to the next sweep, which reads it from where the last one began."""
    store.sweeps.count(tx, hook.integration_id, calls=1)
    told = {"reason": failure.reason, "remedy": None}
    store.hooks.change(tx, hook, is_read=True, asked_at=times.now(), page=None, **told)


# --- What is missed


async def _take_in_all(job: Job) -> None:
    """Take in what is missed, by its time.

    A payload that cannot be read a few times in a row is left to the next sweep. So is all that
    came through a webhook of which several are refused: others do not wait for its permission.
    """
    integration_id, refusals = job.integration.id, Counter[int]()
    while True:
        missed = await job.read(store.missed.first, integration_id, recovery.TRIES)
        if missed is None:
            return
        refusal = await _take_in(job, missed)
        if refusal is not None:
            refusals[missed.hook_id] += 1
            all_of_it = refusals[missed.hook_id] >= _REFUSALS
            await job.write(_set_aside, missed, refusal, all_of_it=all_of_it)


async def _take_in(job: Job, missed: store.Missed) -> Refused | None:
    """Take one in, or keep why not; return GitHub's refusal of what may be had another time."""
    services, integration_id = job.services, job.integration.id
    integration = await services.integration(integration_id)
    if integration is None or not integration.is_active:
        raise Waiting("the integration is not active")
    hook = await job.read(store.hooks.find, integration_id, missed.hook_id)
    at = await _address(job, hook) if hook is not None else None
    if hook is None or at is None:
        is_deleted = hook is None and missed.hook_id != store.OF_APP
        if is_deleted:
            await _lose(job, missed, 0, "its webhook was deleted")
        else:  # it is another integration's by now, or of what is not allowed
            await job.write(_dropped, missed)
        return None
    try:
        outcome = await reading.take_in(services, integration, job.client, missed, at)
        await job.write(_called, missed, outcome)
    except Lost as lost:
        await _lose(job, missed, 1, str(lost))
    except Refused as refusal:
        if refusal.status not in _GONE or hook.reason is not None:
            return refusal  # of a webhook that may not be read, GitHub says that it has nothing
        await _lose(job, missed, 1, refusal.reason)
    except Temporary:
        await job.write(_failed, missed)
        if missed.attempts + 1 < recovery.TRIES:
            raise
    return None


def _set_aside(
    tx: store.Transaction, missed: store.Missed, refusal: Refused, *, all_of_it: bool
) -> None:
    """Leave a delivery, or all that is missed of its webhook, to the next sweep, and say why."""
    store.sweeps.count(tx, missed.integration_id, calls=1)
    store.missed.set_aside(tx, missed, recovery.TRIES, all_of_it=all_of_it)
    hook = store.hooks.find(tx, missed.integration_id, missed.hook_id)
    if hook is not None and hook.reason is None:
        store.hooks.change(tx, hook, **_told(hook, refusal))


async def _lose(job: Job, missed: store.Missed, calls: int, why: str) -> None:
    """Count a delivery as lost: it cannot be read any more."""
    job.services.metrics.recovered.labels(missed.event, "lost").inc()
    await job.write(_lost, missed, calls, why)


def _lost(tx: store.Transaction, missed: store.Missed, calls: int, why: str) -> None:
    store.missed.lost(tx, missed, times.now())
    store.sweeps.count(tx, missed.integration_id, lost=1, calls=calls)
    of = {"integration": missed.integration_id, "delivery": missed.guid}
    told = {**of, "github_event": missed.event, "reason": why}
    tx.afterwards(lambda: logger.warning("delivery lost", **told))


def _dropped(tx: store.Transaction, missed: store.Missed) -> None:
    store.missed.done(tx, missed.integration_id, missed.guid)
    store.sweeps.count(tx, missed.integration_id, not_allowed=1)


def _failed(tx: store.Transaction, missed: store.Missed) -> None:
    store.missed.tried(tx, missed)
    store.sweeps.count(tx, missed.integration_id, calls=1)


def _called(tx: store.Transaction, missed: store.Missed, outcome: Outcome | None) -> None:
    """Count the call. What else is missed of a repository is not read if it is not allowed.

    That goes for one that nothing else is known of: GitHub's list has only its id. Where its name
    was told, the list is read again from there: what it has of it may be allowed by now.
    """
    store.sweeps.count(tx, missed.integration_id, calls=1)
    github_id, row = missed.repository_id, store.integrations.find(tx, missed.integration_id)
    if missed.event == "repository" and outcome is PROCESSED:
        recovery.read_again(tx, missed)
    if (
        outcome is not NOT_ALLOWED
        or row is None
        or github_id is None
        or missed.event == "repository"
    ):
        return
    if store.repositories.by_github_id(tx, scope_of(row).host, github_id) is None:
        dropped = store.missed.drop_repository(tx, missed.integration_id, github_id)
        store.sweeps.count(tx, missed.integration_id, not_allowed=dropped)
