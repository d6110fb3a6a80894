"""Recovery: what GitHub could not deliver is read from its API, sweep by sweep.

A sweep is an action. How far it is stands in tables (storage/sweeps.py, hooks.py, missed.py), so
whoever goes on with it, after a kill or an outage, begins where the last commit was.
"""

from collections.abc import Sequence

from bot import storage as store
from bot import times
from bot.domain import actions, allowed, audit
from bot.domain.actors import Actor
from bot.domain.errors import Conflict
from bot.domain.integrations import scope_of, target_of
from bot.github.hooks import PERMISSIONS, REMEDIES

KIND = actions.Kind("recovery", title="Recovery of deliveries", priority=5, background=True)
ABOUT = "recovery"  # what an error of an integration is about
TRIES = 3  # at a payload in a sweep
_DAY = 86_400 * times.SECOND
_DAYS = 3  # for which GitHub keeps what it delivered
_OVERLAP = 600 * times.SECOND  # of what two sweeps read: attempts are not listed quite in order
_SILENT, _SELDOM = _DAY, 3_600 * times.SECOND  # a webhook that is silent is asked more seldom
_FORGOTTEN = 7 * _DAY
_AHEAD = 60 * times.SECOND  # by which the clocks of two machines may differ
KEPT_DAYS = 1  # for which a sweep that is done is kept among the actions
_TOLD = 5  # of what could not be had, in an error
_TOO_MANY = "what the others could not deliver is not recovered"
_ONE_FOR_ALL = "let one webhook of the organisation, or a GitHub App, deliver for all repositories"
_LOST_REMEDY = "what they told of shows again when it changes, or when GitHub can redeliver them"


def lane(integration_id: str) -> str:
    """Return the key of what is done in its order, and once, for an integration."""
    return f"{KIND.name}:{integration_id}"


def order(tx: store.Transaction, integration: store.Integration, *, by_hand: bool) -> str:
    """Have a sweep made; return the action's id. One that is pending does, and is hastened.

    With `by_hand` webhooks of which no delivery has told are looked for, too.
    """
    key = lane(integration.id)
    pending = store.actions.pending_like(tx, key)
    request = {"made_by": "api", "by_hand": True} if by_hand else {"made_by": "clock"}
    if pending is not None:
        if by_hand:
            store.actions.change(tx, pending.id, request=request)
            sweep = store.sweeps.find(tx, integration.id)
            if sweep is not None and (sweep.ended_at, sweep.action_id) == (None, pending.id):
                store.sweeps.change(tx, integration.id, searched=False)
        actions.retry(tx, pending, by_hand=by_hand)
        return pending.id
    wanted = actions.Wanted(kind=KIND, request=request, ordering_key=key, dedup_key=key)
    actions.enqueue(tx, integration, store.actions.NOWHERE, wanted)
    return wanted.id


def order_by(tx: store.Transaction, integration_id: str, actor: Actor) -> str | None:
    """Do as `order` does because somebody asks for it; None if there is no such integration.

    Raises Conflict where it is not active.
    """
    integration = store.integrations.find(tx, integration_id)
    if integration is None:
        return None
    if not integration.is_active:
        raise Conflict("integration_inactive")
    audit.record(tx, actor, audit.RECOVERY_ORDERED, target_of(integration))
    return order(tx, integration, by_hand=True)


def due(tx: store.Transaction, every: int, began: int) -> list[str]:
    """Return the integrations that are to be swept: so long after the last time.

    And once for a process that `began` since: nothing was taken in while there was none.
    """
    now = times.now()
    return store.sweeps.due(tx, KIND.name, max(began, now - every), now + _AHEAD)


def order_due(tx: store.Transaction, every: int, began: int) -> None:
    """Have those swept that are due, unless another process has done so."""
    for integration_id in due(tx, every, began):
        integration = store.integrations.find(tx, integration_id)
        if integration is not None:
            order(tx, integration, by_hand=False)


# --- A sweep


def begin(
    tx: store.Transaction, integration_id: str, action_id: str, days: int, *, by_hand: bool
) -> store.Sweep | None:
    """Go on with the sweep that is under way, else begin one; None if there is no integration.

    `days` is how long deliveries are kept: what was removed since is not missed.
    """
    integration = store.integrations.find(tx, integration_id)
    if integration is None:
        return None
    known, now = store.sweeps.find(tx, integration_id), times.now()
    if known is None or known.ended_at is not None:
        store.sweeps.begin(tx, integration_id, action_id, now)
        before = now - _DAYS * _DAY
        lost = store.missed.refresh(
            tx, integration_id, integration.seq, now=now, before=before, again=TRIES - 1
        )
        _begin_reading(tx, integration_id, now, days, by_hand=by_hand)
        store.sweeps.change(tx, integration_id, searched=not by_hand, lost=lost)
    elif known.action_id != action_id:
        # Asked for while an earlier one was under way, in whose place it has come.
        more = {"searched": False} if by_hand else {}
        store.sweeps.change(tx, integration_id, action_id=action_id, **more)
    return store.sweeps.find(tx, integration_id)


def _begin_reading(
    tx: store.Transaction, integration_id: str, now: int, days: int, *, by_hand: bool
) -> None:
    floors = []
    for hook in store.hooks.of_integration(tx, integration_id):
        is_due = by_hand or _is_due(hook, now)
        if is_due:
            floors.append(floor_of(hook, now, days))
        store.hooks.change(tx, hook, page=None, newest_at=None, is_read=not is_due)
    store.sweeps.change(tx, integration_id, since=min(floors, default=None))


def _is_due(hook: store.Hook, now: int) -> bool:
    last = max(hook.heard_at or 0, hook.read_to or 0)
    is_silent = hook.kind != "app" and last < now - _SILENT
    return not is_silent or hook.asked_at is None or hook.asked_at <= now - _SELDOM


def floor_of(hook: store.Hook, now: int, days: int) -> int:
    """Return from when on the deliveries of a webhook are read."""
    floor = now - min(_DAYS, days) * _DAY
    return max(floor, hook.read_to - _OVERLAP) if hook.read_to is not None else floor


def found_hook(
    tx: store.Transaction, hook: store.Hook, days: int | None = None
) -> store.Hook | None:
    """Keep a webhook that was found to lead here; None if it is not to be kept.

    With `days` it is read in the sweep that is under way (see `begin`).
    """
    known = store.hooks.find(tx, hook.integration_id, hook.hook_id)
    if not store.hooks.keep(tx, hook):
        return None
    kept = store.hooks.find(tx, hook.integration_id, hook.hook_id)
    assert kept is not None
    if known is None and days is not None:
        store.hooks.change(tx, kept, is_read=False)
        since = floor_of(kept, times.now(), days)
        sweep = store.sweeps.find(tx, hook.integration_id)
        if sweep is not None and (sweep.since is None or sweep.since > since):
            store.sweeps.change(tx, hook.integration_id, since=since)
    return store.hooks.find(tx, hook.integration_id, hook.hook_id)


def read_again(tx: store.Transaction, missed: store.Missed) -> None:
    """Have the next sweep read a webhook's list from a delivery on."""
    hook = store.hooks.find(tx, missed.integration_id, missed.hook_id)
    if hook is not None and hook.read_to is not None and hook.read_to > missed.first_at:
        store.hooks.change(tx, hook, read_to=missed.first_at)


def is_forgotten(hook: store.Hook) -> bool:
    """Tell whether nothing was heard of a webhook for long: its repository may be gone."""
    last = max(hook.heard_at or 0, hook.confirmed_at or 0, hook.read_to or 0)
    return last < times.now() - _FORGOTTEN


def _lacking(hook: store.Hook) -> str | None:
    """Return the permission that it takes to read a webhook, if it is that which is missing."""
    return PERMISSIONS.get(hook.kind) if hook.remedy == REMEDIES[hook.kind] else None


def present_name(tx: store.Transaction, hook: store.Hook) -> str | None:
    """Return what a webhook's repository or organisation is called now.

    None of a repository that the integration may not hear of (any more), or that was deleted.
    """
    integration = store.integrations.find(tx, hook.integration_id)
    if integration is None:
        return None
    scope = scope_of(integration)
    if hook.kind == "organization":
        known = hook.target_id and store.hooks.login_of(tx, scope.host, hook.target_id)
        return known or hook.target
    row = (
        store.repositories.by_github_id(tx, scope.host, hook.target_id) if hook.target_id else None
    )
    if row is None:
        return hook.target if scope.lists(hook.target) else None
    is_there = row.deleted_at is None and row.named_at != store.repositories.LOST
    return row.full_name if is_there and allowed.allows(tx, scope, row) else None


def end(
    tx: store.Transaction, integration_id: str, troubles: Sequence[store.Trouble]
) -> store.Sweep | None:
    """End a sweep, and tell of what could not be had; None if its integration has gone."""
    now = times.now()
    all_of_them = store.hooks.of_integration(tx, integration_id)
    for_hooks = [
        store.Trouble(hook.name, hook.reason, hook.remedy, _lacking(hook))
        for hook in all_of_them
        if hook.reason is not None
    ]
    sweep = store.sweeps.find(tx, integration_id)
    searching = sweep.troubles if sweep is not None else ()
    found = list(dict.fromkeys([*searching, *troubles, *for_hooks]))
    if len(all_of_them) >= store.hooks.MOST:
        found.append(
            store.Trouble(f"more than {store.hooks.MOST} webhooks", _TOO_MANY, _ONE_FOR_ALL)
        )
    if lost := store.missed.count_lost(tx, integration_id):
        what = (
            f"{lost} {'delivery' if lost == 1 else 'deliveries'} of the last days could not be had"
        )
        found.append(store.Trouble(what, "GitHub has no payload of them any more", _LOST_REMEDY))
    store.sweeps.change(tx, integration_id, ended_at=now, troubles=found)
    told = [
        *map(str, found[:_TOLD]),
        *([f"and {more} more"] if (more := len(found) - _TOLD) > 0 else []),
    ]
    text = f"recovery: {'; '.join(told)}"
    if not found:
        store.integrations.clear_last_error(tx, integration_id, ABOUT)
    elif store.integrations.error_about(tx, integration_id, ABOUT) != text:
        # Told once: what else goes wrong is newer then, and not hidden by it every time.
        store.integrations.set_last_error(tx, integration_id, text, ABOUT)
    return store.sweeps.find(tx, integration_id)
