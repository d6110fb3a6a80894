"""One attempt at an action: who acts, what it runs with, and what became of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from bot import storage as store
from bot import times
from bot.domain import actions, after, allowed, backfills, commands, installations, parts, speaking
from bot.domain.after import Waiting
from bot.domain.integrations import Integration, scope_of
from bot.domain.parts import Outcome
from bot.github import CallFailed, Client, Hindrance, NotListed, Refused, Shut
from bot.github.failures import ARCHIVED, LOCKED
from bot.log import logger
from bot.outbox import identity, pull_request, queue, rules, seen
from bot.outbox.outcomes import is_prompt, outcome_of, safely, unknown
from bot.outbox.queue import Held
from bot.outbox.registry import Job, Registered
from bot.outbox.seen import Seen
from bot.services import Services

Keep = Callable[[store.Transaction], None]


async def carry_out(
    services: Services, known: Registered, held: Held, action: store.ListedAction
) -> None:
    """Run an action that has been begun, keep what became of it, and begin the next."""
    kind, failures = actions.KINDS.get(action.kind), held.failures
    found = await safely(action.kind, services.database.read(lambda tx: _known(tx, action)))
    job: Job | CallFailed
    if isinstance(found, CallFailed):
        job, standing = found, None
    else:
        job, standing = (
            await safely(action.kind, _job(services, held, action, found)),
            found.standing,
        )
    shown: pull_request.CarriedOut | None = None
    if isinstance(job, CallFailed):
        outcomes = [outcome_of(services, failures, action, action.kind, job)]
    elif kind is not None and kind.has_parts:
        shown = await pull_request.carry_out(known.planners, job, failures)
        outcomes = shown.outcomes
    else:
        ended = await safely(action.kind, known.runners[action.kind](job))
        outcomes = [outcome_of(services, failures, action, action.kind, ended, job.doubts)]
    last = outcomes[-1].decision
    await held.settle(
        lambda tx: _keep(tx, held, action, standing, outcomes, shown),
        last.failures,
        last.not_before,
    )
    for outcome in outcomes:
        _report(services, action, outcome)


def _report(services: Services, action: store.ListedAction, outcome: Outcome) -> None:
    decision = outcome.decision
    word = "done" if decision.went_well else type(decision.failure).__name__.lower()
    services.metrics.actions.labels(outcome.name, word).inc()
    logger.info(
        "action",
        kind=outcome.name,
        outcome=word,
        attempt=action.attempts + 1,
        repository=action.repository,
        number=action.number,
        integration=action.integration_id,
        reason=None if decision.went_well else str(decision.failure),
    )


# --- What it runs with


@dataclass(frozen=True, slots=True)
class _Standing:
    """What people may end that keeps an action from being done, as deliveries told.

    `state`: why the installation must not be called. `granted`: see store.Installation.
    """

    state: str | None
    granted: int | None
    is_archived: bool
    is_locked: bool


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of who acts where; `repository` is None of what concerns none."""

    integration: store.Integration | None
    repository: store.Repository | None
    is_allowed: bool
    standing: _Standing
    seen: Seen | None
    rules: store.RepositoryRules | None = None


async def _job(services: Services, held: Held, action: store.ListedAction, known: _Known) -> Job:
    """Return what the action runs with. Raises CallFailed; Waiting if people are waited for."""
    if action.kind not in actions.KINDS:
        raise unknown(action.kind)
    if known.integration is None:
        raise Refused(404, "the integration was deleted")
    integration = services.opened(known.integration)
    if known.repository is not None and known.repository.host != integration.host:
        raise Refused(403, "the repository is on another GitHub than the integration")
    if not known.is_allowed:
        raise Refused(403, "the integration does not allow this repository")
    if integration.api_url not in services.settings.github_api_urls:
        raise NotListed(integration.api_url)
    _see_to_waits(action, known)
    standing = known.standing
    client = await _client(services, integration, action, standing.granted)
    wanted_at = action.news_at or action.created_at

    async def before_write(method: str, path: str) -> None:
        if method != "GET":
            assert known.repository is not None
            await identity.confirm(services, client, known.repository, wanted_at)
        left = await held.before_write(method, path)
        for window, count in zip(("minute", "hour"), left, strict=True):
            services.metrics.content_remaining.labels(client.label, window).set(count)

    client.before_write = before_write
    if known.repository is not None:
        place = known.repository, known.rules, action
        integration = await rules.bounded(services, client, integration, *place)
    is_news = after.look_again(after.told_at(action), times.now()) is not None
    again, rewrite = (bool(action.request.get(name)) for name in ("again", "rewrite"))
    return Job(
        services,
        integration,
        client,
        action,
        is_news,
        known.seen,
        again=again,
        rewrite=rewrite,
        shut=None if action.by_hand else _shut(standing),
    )


def _see_to_waits(action: store.ListedAction, known: _Known) -> None:
    """Raise Waiting if people have to do something first; Refused if that may not be waited for."""
    assert known.integration is not None
    state, hindrance = known.standing.state, Hindrance.ACCESS
    is_archived = known.standing.is_archived and actions.KINDS[action.kind].writes
    if action.by_hand:  # what deliveries told may be over
        state, is_archived = None, False
    if not known.integration.is_active:
        wait, hindrance = "the integration is not active", Hindrance.NONE
    elif known.repository is not None and known.repository.named_at == store.repositories.LOST:
        wait, hindrance = identity.another(known.repository), Hindrance.NONE
    elif state == "removed":
        gone = "the App is no longer installed there: install it again"
        raise Refused(404, gone, hindrance=hindrance)
    elif state == "suspended":
        wait = f"installation {action.installation_id} is suspended"
    elif state == "lost":
        wait = (
            f"the App has no access to {action.repository}: the action waits until its "
            f"installation {action.installation_id} is given the repository"
        )
    elif is_archived:
        raise Waiting(ARCHIVED, hindrance=Hindrance.ARCHIVED)
    else:
        return
    is_ended = state == "lost" and action.kind == backfills.BACKFILL.name
    # Nobody expects it to run days later, but to be told why it did not.
    if is_ended or is_prompt(action):
        raise Refused(403, wait, hindrance=hindrance)
    raise Waiting(wait, hindrance=hindrance)


def _shut(standing: _Standing) -> Waiting | None:
    """Return why nobody can comment."""
    if standing.is_archived:
        return Waiting(ARCHIVED, hindrance=Hindrance.ARCHIVED)
    return Waiting(LOCKED, hindrance=Hindrance.LOCKED) if standing.is_locked else None


def _known(tx: store.Transaction, action: store.ListedAction) -> _Known:
    """Read at once all that an action needs to begin with."""
    integration = store.integrations.find(tx, action.integration_id)
    if not _is_somewhere(action):
        return _Known(integration, None, True, _Standing(None, None, False, False), None)
    repository = store.repositories.get(tx, action.repository_id)
    standing = _standing(tx, action, repository)
    if integration is None:
        return _Known(None, repository, False, standing, None)
    is_allowed = allowed.allows(tx, scope_of(integration), repository)
    kind, looked = actions.KINDS.get(action.kind), None
    if kind is not None and kind.has_parts and action.item_id is not None:
        looked = seen.look(tx, repository, action.item_id)
    said = store.rules.find(tx, repository.id)
    return _Known(integration, repository, is_allowed, standing, looked, said)


def _is_somewhere(action: store.Action) -> bool:
    return action.repository_id != store.actions.NOWHERE


def _standing(
    tx: store.Transaction, action: store.Action, repository: store.Repository
) -> _Standing:
    whose = action.integration_id, action.installation_id
    state, granted = installations.standing(tx, *whose, repository)
    number = action.number
    is_locked = number is not None and store.items.is_locked(tx, repository.id, number)
    return _Standing(state, granted, repository.archived == store.rows.TOLD, is_locked)


async def _client(
    services: Services,
    integration: Integration,
    action: store.ListedAction,
    granted: int | None,
) -> Client:
    """Return who acts. An installation that no delivery has told of is asked for.

    What concerns no repository an App does as itself.
    """
    installation_id, background = action.installation_id, actions.KINDS[action.kind].background
    if not _is_somewhere(action) and integration.token is None:
        return services.github.app(integration.credentials, background=background)
    if integration.token is None and installation_id is None:
        found = await _installation(services, integration, action)
        where = integration.id, action.repository_id, found
        await services.database.write(
            lambda tx: installations.observe_repository(tx, *where), locks=()
        )
        installation_id = found
    return services.github.client(
        integration.credentials, installation_id, granted, background=background
    )


async def _installation(
    services: Services, integration: Integration, action: store.ListedAction
) -> int:
    """Ask which installation serves the repository; whoever has named it may have been wrong."""
    try:
        return await services.github.installation_of(integration.credentials, action.repository)
    except Refused as error:
        if error.status == 404 and action.request.get("made_by") == "api":
            error.field = "repository"
        raise


# --- What became of it


def _keep(
    tx: store.Transaction,
    held: Held,
    action: store.ListedAction,
    standing: _Standing | None,
    outcomes: Sequence[Outcome],
    shown: pull_request.CarriedOut | None,
) -> None:
    """Write what was decided; it changes nothing in memory, since it may be run again.

    `standing` is what the attempt began with, and `shown` what is kept of the parts that a pull
    request shows.
    """
    now = times.now()
    went_well = [one for one in outcomes if one.decision.went_well]
    if went_well and held.failures >= after.OUTAGE:
        # GitHub is back: what failed meanwhile waits no longer.
        store.actions.hasten(tx, held.name, now)
    if went_well:
        # What kept the action as a whole does so no more, either.
        about = {
            actions.about(action, name) for name in (action.kind, *(one.name for one in went_well))
        }
        if action.item_id is not None:  # whichever integration has failed at it before
            store.integrations.clear_errors_about(tx, *about)
        else:
            store.integrations.clear_last_error(tx, action.integration_id, *about)
    if shown is not None:
        shown.keep(tx, action)
    if _is_somewhere(action) and any(_may_have_lost(one.decision.failure) for one in outcomes):
        speaking.ask_again(tx, action.repository_id, action.integration_id)
    if _settle(tx, action, outcomes, in_parts=shown is not None):
        for one in outcomes:
            if one.decision.is_told:
                _tell(tx, action, one)
    if action.waits or any(one.decision.waits for one in outcomes):
        _note_refusals(tx, action, outcomes)
        _see_to_end(tx, action, standing)
    actions.wake_order(tx, action.lane, now)


def _may_have_lost(failure: object) -> bool:
    """Tell whether GitHub's answer may mean that there is no right to the repository any more."""
    return isinstance(failure, Refused) and failure.status in (401, 403, 404)


def _note_refusals(
    tx: store.Transaction, action: store.Action, outcomes: Sequence[Outcome]
) -> None:
    """Note what GitHub alone has told is shut, so that any delivery that says otherwise ends it."""
    for failure in [one.decision.failure for one in outcomes]:
        if isinstance(failure, Shut) and failure.hindrance is Hindrance.ARCHIVED:
            store.repositories.note_archive(tx, action.repository_id)
        elif isinstance(failure, Shut) and action.number is not None:
            store.items.note_lock(tx, action.repository_id, action.number)


def _see_to_end(
    tx: store.Transaction, action: store.ListedAction, standing: _Standing | None
) -> None:
    """Try it again at once if what it waits for has ended while it was in hand."""
    kept = store.actions.find(tx, action.id)
    if standing is None or kept is None or not kept.waits or not _is_somewhere(action):
        return
    repository = store.repositories.get(tx, action.repository_id)
    has_changed = _standing(tx, action, repository) != standing
    if kept.status in ("pending", "failed") and (
        has_changed or _is_open_again(tx, kept, repository)
    ):
        actions.retry(tx, kept)


def _is_open_again(tx: store.Transaction, kept: store.Action, repository: store.Repository) -> bool:
    """Tell whether nothing is shut any more of what an action waits for.

    That may have been told when it had been begun already, and only its other parts were due.
    """
    is_locked = bool(kept.waits & Hindrance.LOCKED) and (
        kept.number is None or not store.items.is_unlocked(tx, kept.repository_id, kept.number)
    )
    is_archived = bool(kept.waits & Hindrance.ARCHIVED) and bool(repository.archived)
    is_shut = bool(kept.waits & (Hindrance.LOCKED | Hindrance.ARCHIVED))
    return is_shut and not is_locked and not is_archived


def _tell(tx: store.Transaction, action: store.ListedAction, outcome: Outcome) -> None:
    """Show with its integration that an action, or a part of it, has failed."""
    number = f"#{action.number}" if action.number else ""
    place = f" in {action.repository}{number}" if action.repository else ""
    message = f"{outcome.name}{place}: {outcome.decision.error}"
    about = actions.about(action, outcome.name)
    where = action.integration_id, message, about, action.repository_id or None
    store.integrations.set_last_error(tx, *where)


def _settle(
    tx: store.Transaction, action: store.Action, outcomes: Sequence[Outcome], *, in_parts: bool
) -> bool:
    """Let an action be done, fail or wait.

    False if its own delivery, or the deletion of its integration, has settled it meanwhile.
    """
    result: Mapping[str, Any] = {}
    if in_parts:
        action, decision = parts.after_attempt(action, outcomes)
    else:
        decision = outcomes[0].decision
        errors = {name: getattr(decision, name) for name in ("reason", "remedy", "waits")}
        action = msgspec.structs.replace(action, last_error=decision.error, **errors)
        refusal = decision.refusal
        result = outcomes[0].result if refusal is None else actions.refused(refusal)
    attempts = action.attempts + (1 if decision.counts else 0)
    action = msgspec.structs.replace(action, attempts=attempts, by_hand=False)
    if decision.status == "pending":
        return queue.put_back(tx, action, decision.at, aside=decision.aside)
    is_settled = queue.end(tx, action, decision.status, result)
    if is_settled and decision.error is not None:
        commands.action_failed(tx, action.request, decision.error)
        backfills.action_failed(tx, action, decision.error)
    return is_settled
