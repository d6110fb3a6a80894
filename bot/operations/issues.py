"""Tracking issues ordered from the platform's side: each is created once, by an action."""

import asyncio
from collections.abc import Mapping, Sequence, Set
from typing import Any

from bot import storage as store
from bot import times
from bot.deliveries import admission
from bot.domain import allowed, naming, parts, repositories, tracking
from bot.domain.actors import Actor
from bot.domain.errors import Code, Conflict, FieldError, Invalid
from bot.github import payloads
from bot.operations import experiments, found, linking
from bot.services import Services

# What it means for the field that an order names if GitHub refuses it so
_CODES: Mapping[int, Code] = {404: "not_on_github", 410: "issues_off"}
ANSWER_SECONDS = 8.0  # how long is waited for GitHub to have created an issue


async def create(
    services: Services,
    actor: Actor,
    key: str,
    *,
    integration_id: str,
    repository: str,
    title: str,
    body: str | None,
    labels: Sequence[str],
    assignees: Sequence[str],
    type: str | None,
    idempotency_key: str | None,
) -> store.ListedAction:
    """Order a tracking issue, and wait a while for it; return the action as it is then.

    Ordered again by the same actor with the same idempotency key, the same issue is meant. It is
    linked to the experiment, and labels that the repository lacks are created.
    """
    if idempotency_key is not None:  # whoever guesses another's key gets nothing by it
        idempotency_key = f"{actor.id}:{idempotency_key}"
    integration = await linking.acting(services, integration_id, repository)
    about = payloads.Repository(full_name=repository)
    request = {
        "title": title,
        "body": body,
        "labels": list(dict.fromkeys(labels)),
        "assignees": list(dict.fromkeys(assignees)),
        "type": type,
        "experiment_keys": [key],
        "made_by": "api",
        "actor": actor.name,
    }

    def job(tx: store.Transaction, confirmed: Set[tuple[str, int]]) -> str:
        experiments.existing(tx, key)
        repository_id = repositories.resolve(
            tx, integration.scope, about, naming.Word(times.now()), confirmed=confirmed
        )
        if idempotency_key is not None:
            earlier = store.actions.by_idempotency_key(tx, idempotency_key)
            if earlier is not None:
                _same_request(earlier, request, integration.id, repository_id)
                return earlier.id
        row = store.integrations.find(tx, integration.id)
        if row is None:
            raise Invalid.field("integration_id", "no_integration")
        return tracking.enqueue_issue(tx, row, repository_id, request, actor, idempotency_key)

    try:
        locks = store.locks_of_repository(integration.host, None, repository)
        action_id = await admission.write(services, integration.id, job, locks=locks)
    except allowed.NotAllowed:  # the list was changed this very moment, or GitHub says so
        raise linking.not_allowed() from None
    except admission.Waiting:
        raise linking.unclear(repository) from None
    return await _outcome(services.database, action_id)


def refusal_of(order: store.ListedAction) -> FieldError | None:
    """Return which field of an order that has failed GitHub refuses; None if it is about none."""
    result = order.result or {}
    if order.status != "failed" or "field" not in result:
        return None
    return FieldError(result["field"], _CODES.get(result["status"], "refused"), order.last_error)


def goes_on(order: store.ListedAction) -> bool:
    """Tell whether an order that has failed is done by itself once what kept it is mended."""
    return bool(order.waits) or 401 in parts.refused_with(order)


def _same_request(
    earlier: store.Action, request: dict[str, Any], integration_id: str, repository_id: int
) -> None:
    """Raise Conflict if an idempotency key came with another request before."""
    was = {name: earlier.request.get(name) for name in request} | {"actor": request["actor"]}
    if (was, earlier.integration_id, earlier.repository_id) != (
        request,
        integration_id,
        repository_id,
    ):
        raise Conflict("key_reused")


async def _outcome(database: store.Database, action_id: str) -> store.ListedAction:
    """Wait for an action's end, but not for long, nor for people; return it as it is then."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + ANSWER_SECONDS
    while True:
        left = min(0.5, max(0.0, deadline - loop.time()))
        committed = asyncio.ensure_future(database.wait_for_commit(left))
        try:
            row = found(await database.read(lambda tx: store.actions.find(tx, action_id)), "action")
            if row.status in ("done", "failed") or row.waits or loop.time() >= deadline:
                return row
            await committed
        finally:
            committed.cancel()
