"""One attempt at an action: who acts, what it runs with, and what became of it."""

from collections.abc import Mapping
from typing import Any

from bot import storage as store
from bot import times
from bot.domain import actions, after, commands, installations, repositories
from bot.domain.after import Attempt, Decision, Unknown, Waiting
from bot.domain.integrations import Integration
from bot.github import CallFailed, Client, NotListed, Refused, Temporary
from bot.log import logger
from bot.outbox import queue
from bot.outbox.queue import Held, LeaseLost
from bot.outbox.registry import Job, Runner
from bot.services import Services


async def carry_out(
    services: Services, runners: Mapping[str, Runner], held: Held, action: store.ListedAction
) -> None:
    """Run an action that has been begun, and keep what became of it."""
    result: dict[str, Any] = {}
    failure: CallFailed | None = None
    doubts: list[Refused] = []
    try:
        if action.kind not in runners:
            raise Unknown(f"this version of the bot knows no action of the kind {action.kind}")
        job = await _job(services, held, action)
        doubts = job.doubts
        result = await runners[action.kind](job)
    except CallFailed as error:
        failure = error
    except (LeaseLost, store.StorageUnavailable):
        raise
    except Exception as error:
        logger.exception("an action failed", kind=action.kind)
        failure = Temporary(f"the bot failed: {type(error).__name__}")
    attempt = Attempt(
        number=action.attempts + 1,
        now=times.now(),
        told_at=after.told_at(action),
        give_up_at=action.give_up_at,
        failures=held.failures,
        prompt=_is_prompt(action),
    )
    decision = after.after(failure, attempt, doubts)
    await services.database.write(lambda tx: _keep(tx, held, action, attempt, decision, result))
    held.failures = decision.failures
    held.not_before = max(held.not_before, decision.not_before)
    outcome = "done" if failure is None else type(failure).__name__.lower()
    services.metrics.actions.labels(action.kind, outcome).inc()
    logger.info(
        "action",
        kind=action.kind,
        outcome=outcome,
        attempt=attempt.number,
        repository=action.repository,
        number=action.number,
        integration=action.integration_id,
        reason=str(failure) if failure else None,
    )


# --- What it runs with


async def _job(services: Services, held: Held, action: store.ListedAction) -> Job:
    """Return what the action runs with. Raises CallFailed; Waiting if people are waited for."""
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
    return Job(services, integration, client, action, is_news)


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
    attempt: Attempt,
    decision: Decision,
    result: Mapping[str, Any],
) -> None:
    """Write what was decided; it changes nothing in memory, since it may be run again."""
    if not store.actions.change_queue(tx, held.name, held.owner, writes=held.pace.writes):
        raise LeaseLost
    where = f"{action.kind} in {action.repository}"
    if decision.went_well and attempt.failures >= after.OUTAGE:
        # GitHub is back: what failed meanwhile waits no longer.
        store.actions.hasten(tx, held.name, attempt.now)
    if decision.went_well:
        store.integrations.clear_last_error(tx, action.integration_id, where)
    current = store.actions.find(tx, action.id)
    # Its own delivery, or the deletion of its integration, may have settled it meanwhile.
    if current is not None and current.status == "running":
        _settle(tx, action, decision, result)
        if decision.is_told:
            number = f"#{action.number}" if action.number else ""
            message = f"{where}{number}: {decision.error}"
            store.integrations.set_last_error(tx, action.integration_id, message, where)
    actions.wake_order(tx, action.lane, attempt.now)


def _settle(
    tx: store.Transaction, action: store.Action, decision: Decision, result: Mapping[str, Any]
) -> None:
    error = decision.error
    store.actions.set_error(tx, action.id, error, decision.reason, decision.remedy)
    if not decision.counts:
        store.actions.change(tx, action.id, attempts=action.attempts)
    if decision.status == "pending":
        queue.put_back(tx, action, decision.at, aside=decision.aside)
        return
    status = decision.refused_with
    queue.end(tx, action, decision.status, result if status is None else {"status": status})
    if error is not None:
        commands.action_failed(tx, action.request, error)
