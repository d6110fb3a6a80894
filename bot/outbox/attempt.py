"""One attempt at an action: who acts, what it runs with, and what became of it.

An action that has parts is tried part by part: each succeeds or fails by itself, until GitHub
itself is in trouble, which the next part would fare no better with.
"""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from bot import storage as store
from bot import times
from bot.domain import actions, after, commands, installations, parts, repositories
from bot.domain.after import Attempt, Unknown, Waiting
from bot.domain.integrations import Integration
from bot.domain.parts import Outcome
from bot.github import CallFailed, Client, NotListed, Refused, Temporary
from bot.log import logger
from bot.outbox import queue
from bot.outbox.queue import Held, LeaseLost
from bot.outbox.registry import Job, Runner
from bot.services import Services

T = TypeVar("T")


async def carry_out(
    services: Services, runners: Mapping[str, Runner], held: Held, action: store.ListedAction
) -> None:
    """Run an action that has been begun, or its parts, and keep what became of it."""
    kind = actions.KINDS.get(action.kind)
    job = await _safely(action.kind, _job(services, held, action))
    outcomes: list[Outcome] = []
    in_parts = False
    if isinstance(job, CallFailed):
        outcomes.append(_outcome(held.failures, action, action.kind, job))
    elif kind is not None and kind.has_parts:
        in_parts = True
        for name in parts.due(action, times.now()):
            failures = outcomes[-1].decision.failures if outcomes else held.failures
            outcomes.append(await _run(runners, failures, job.for_part(name), name))
            if outcomes[-1].ends_attempt:
                break
    else:
        outcomes.append(await _run(runners, held.failures, job, action.kind))
    await services.database.write(lambda tx: _keep(tx, held, action, outcomes, in_parts=in_parts))
    held.failures = outcomes[-1].decision.failures
    held.not_before = max(held.not_before, outcomes[-1].decision.not_before)
    for outcome in outcomes:
        _report(services, action, outcome)


async def _run(runners: Mapping[str, Runner], failures: int, job: Job, name: str) -> Outcome:
    """Run an action, or one of its parts."""
    if name in runners:
        ended = await _safely(name, runners[name](job))
    else:
        ended = _unknown(name)
    return _outcome(failures, job.action, name, ended, job.doubts)


async def _safely(name: str, work: Awaitable[T]) -> T | CallFailed:
    """Return what becomes of it, or why nothing does: a fault of our own is as if GitHub failed."""
    try:
        return await work
    except CallFailed as error:
        return error
    except (LeaseLost, store.StorageUnavailable):
        raise
    except Exception as error:
        logger.exception("an action failed", kind=name)
        return Temporary(f"the bot failed: {type(error).__name__}")


def _unknown(name: str) -> Unknown:
    return Unknown(f"this version of the bot knows no action of the kind {name}")


def _outcome(
    failures: int,
    action: store.Action,
    name: str,
    ended: Mapping[str, Any] | CallFailed,
    doubts: Sequence[Refused] = (),
) -> Outcome:
    """Decide what follows for an action or a part; `failures` are those of its queue until now."""
    failure = ended if isinstance(ended, CallFailed) else None
    attempt = Attempt(
        number=(action.attempts if name == action.kind else parts.attempts_of(action, name)) + 1,
        now=times.now(),
        told_at=after.told_at(action),
        give_up_at=parts.give_up_at(action, name),
        failures=failures,
        prompt=_is_prompt(action),
    )
    result = {} if isinstance(ended, CallFailed) else ended
    return Outcome(name, after.after(failure, attempt, doubts), result)


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


async def _job(services: Services, held: Held, action: store.ListedAction) -> Job:
    """Return what the action runs with. Raises CallFailed; Waiting if people are waited for."""
    if action.kind not in actions.KINDS:
        raise _unknown(action.kind)
    integration = await services.integration(action.integration_id, fresh=True)
    if integration is None:
        raise Refused(404, "the integration was deleted")
    is_allowed, state = await services.database.read(lambda tx: _known(tx, integration, action))
    if not is_allowed:
        raise Refused(403, "the integration does not allow this repository")
    if integration.api_url not in services.settings.github_api_urls:
        raise NotListed(integration.api_url)
    wait = None
    if not integration.is_active:
        wait = "the integration is not active"
    elif state == "removed":
        raise Refused(404, "the App is no longer installed there: install it again")
    elif state is not None:
        wait = f"installation {action.installation_id} is suspended"
    if wait is not None:
        # Nobody expects what somebody waits for to run days later.
        raise Refused(403, wait) if _is_prompt(action) else Waiting(wait)
    client = await _client(services, integration, action)

    async def before_write(method: str, path: str) -> None:
        left = await held.before_write(method, path)
        for window, count in zip(("minute", "hour"), left, strict=True):
            services.metrics.content_remaining.labels(client.label, window).set(count)

    client.before_write = before_write
    is_news = after.look_again(after.told_at(action), times.now()) is not None
    again, rewrite = (bool(action.request.get(name)) for name in ("again", "rewrite"))
    return Job(services, integration, client, action, is_news, again, rewrite)


def _known(
    tx: store.Transaction, integration: Integration, action: store.ListedAction
) -> tuple[bool, str | None]:
    """Return whether the repository is allowed, and why the installation must not be called."""
    repository = store.repositories.get(tx, action.repository_id)
    is_allowed = repositories.allows(tx, integration.scope, repository)
    if action.installation_id is None:
        return is_allowed, None
    return is_allowed, installations.cannot_act(tx, integration.id, action.installation_id)


def _is_prompt(action: store.Action) -> bool:
    kind = actions.KINDS.get(action.kind)
    return kind is not None and kind.prompt


async def _client(
    services: Services, integration: Integration, action: store.ListedAction
) -> Client:
    """Return who acts. An installation that no delivery has told of is asked for."""
    installation_id = action.installation_id
    if integration.token is None and installation_id is None:
        found = await services.github.installation_of(integration.credentials, action.repository)
        where = integration.id, action.repository_id, found
        await services.database.write(lambda tx: installations.observe_repository(tx, *where))
        installation_id = found
    return services.github.client(integration.credentials, installation_id)


# --- What became of it


def _keep(
    tx: store.Transaction,
    held: Held,
    action: store.ListedAction,
    outcomes: Sequence[Outcome],
    *,
    in_parts: bool,
) -> None:
    """Write what was decided; it changes nothing in memory, since it may be run again."""
    if not store.actions.change_queue(tx, held.name, held.owner, writes=held.pace.writes):
        raise LeaseLost
    now = times.now()
    went_well = [one for one in outcomes if one.decision.went_well]
    if went_well and held.failures >= after.OUTAGE:
        # GitHub is back: what failed meanwhile waits no longer.
        store.actions.hasten(tx, held.name, now)
    for one in went_well:
        store.integrations.clear_last_error(tx, action.integration_id, _where(action, one))
    current = store.actions.find(tx, action.id)
    # Its own delivery, or the deletion of its integration, may have settled it meanwhile.
    if current is not None and current.status == "running":
        _settle(tx, action, outcomes, in_parts=in_parts)
        for one in outcomes:
            if one.decision.is_told:
                where = _where(action, one)
                number = f"#{action.number}" if action.number else ""
                message = f"{where}{number}: {one.decision.error}"
                store.integrations.set_last_error(tx, action.integration_id, message, where)
    actions.wake_order(tx, action.lane, now)


def _where(action: store.ListedAction, outcome: Outcome) -> str:
    """Return what an error of an integration is about."""
    return f"{outcome.name} in {action.repository}"


def _settle(
    tx: store.Transaction, action: store.Action, outcomes: Sequence[Outcome], *, in_parts: bool
) -> None:
    result: Mapping[str, Any] = {}
    if in_parts:
        action, decision = parts.after_attempt(action, outcomes)
    else:
        decision = outcomes[0].decision
        errors = {name: getattr(decision, name) for name in ("reason", "remedy")}
        action = msgspec.structs.replace(action, last_error=decision.error, **errors)
        status = decision.refused_with
        result = outcomes[0].result if status is None else {"status": status}
    attempts = action.attempts + (1 if decision.counts else 0)
    action = msgspec.structs.replace(action, attempts=attempts)
    if decision.status == "pending":
        queue.put_back(tx, action, decision.at, aside=decision.aside)
        return
    queue.end(tx, action, decision.status, result)
    if decision.error is not None:
        commands.action_failed(tx, action.request, decision.error)
