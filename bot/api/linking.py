"""Links made from the platform's side: pull requests by hand, and tracking issues."""

import asyncio
import uuid
from typing import Any

from aiohttp import web

from bot import storage as store
from bot.api import models
from bot.api.links import EXPERIMENT, linked_pull_request
from bot.api.routing import Call, Operations, log_change
from bot.domain import actions, installations, linking, repositories
from bot.domain.integrations import Integration
from bot.domain.story import Item
from bot.github import CallFailed, NotListed, Refused, payloads
from bot.web.problems import Problem, invalid, not_found

operations = Operations("Links")
ANSWER_SECONDS = 8.0  # how long a request waits for GitHub to have created an issue
_IDEMPOTENCY_KEY = r"^[!-~]{1,255}$"
# What a form of ours says in place of the header.
IDEMPOTENCY_KEY: web.RequestKey[str] = web.RequestKey("idempotency_key", str)


@operations.add(
    "POST",
    f"{EXPERIMENT}/pull-requests",
    role="developer",
    summary="Link a pull request",
    body=models.LinkPullRequest,
    answers={201: models.LinkedPullRequest},
    problems=(404, 502, 503),
)
async def link(call: Call) -> Any:
    """Asks GitHub for the pull request, links it, and brings its status comment up to date.

    The link stays whatever the description says, until it is deleted.
    """
    body: models.LinkPullRequest = call.body
    key = call.path("key")
    if not await call.services.database.read(lambda tx: store.experiments.exists(tx, key)):
        raise not_found("experiment")
    integration = await _integration(call, body.integration_id, body.repository)
    fetched = await _fetch(call, integration, body.repository, body.number)

    def job(tx: store.Transaction) -> models.LinkedPullRequest | None:
        if not store.experiments.exists(tx, key):
            return None
        item = linking.pull_request(tx, integration.scope, body.repository, body.number, fetched)
        linking.link(tx, item, key, _hand(call, integration.id))
        row = store.links.item_of_experiment(tx, key, "pull_request", item.id)
        assert row is not None
        return linked_pull_request(row)

    try:
        linked = await call.services.database.write(job)
    except repositories.NotAllowed:
        raise _not_allowed() from None
    except payloads.InvalidPayload:
        raise Problem(
            502, "unreadable answer", "GitHub's answer does not describe a pull request."
        ) from None
    if linked is None:
        raise not_found("experiment")
    log_change(call, "linked", experiment=key, repository=linked.repository, number=linked.number)
    return 201, linked


@operations.add(
    "DELETE",
    f"{EXPERIMENT}/pull-requests/{{owner}}/{{repo}}/{{number}}",
    role="developer",
    summary="Unlink a pull request",
    answers={204: None},
    problems=(404,),
)
async def unlink(call: Call) -> Any:
    """A key that still stands in the description stays unlinked until its line goes and comes
    back."""
    key, number = call.path("key"), int(call.path("number"))
    full_name = f"{call.path('owner')}/{call.path('repo')}"

    def job(tx: store.Transaction) -> bool:
        row = store.facts.item_by_name(tx, full_name, "pull_request", number)
        if row is None:
            return False
        item = Item(row.id, row.repository_id, "pull_request", number)
        return linking.unlink(tx, item, key, _hand(call, row.integration_id))

    if not await call.services.database.write(job):
        raise not_found("link between this experiment and this pull request")
    log_change(call, "unlinked", experiment=key, repository=full_name, number=number)
    return 204, None


@operations.add(
    "POST",
    f"{EXPERIMENT}/issues",
    role="developer",
    summary="Create a tracking issue",
    body=models.IssueCreate,
    answers={201: models.CreatedIssue, 202: models.PromisedIssue},
    problems=(404, 502),
    headers={
        "Idempotency-Key": (
            _IDEMPOTENCY_KEY,
            "Sent again with the same body, the same issue is meant.",
        )
    },
)
async def create_issue(call: Call) -> Any:
    """201 once GitHub has created it; 202 if it takes longer: the bot goes on until it exists.

    It is linked to the experiment and never created twice. Labels that the repository lacks are
    created.
    """
    body: models.IssueCreate = call.body
    key = call.path("key")
    idempotency_key = _idempotency_key(call)
    integration = await _integration(call, body.integration_id, body.repository)
    request = {
        "title": body.title,
        "body": body.body,
        "labels": list(dict.fromkeys(body.labels)),
        "assignees": list(dict.fromkeys(body.assignees)),
        "experiment_keys": [key],
        "made_by": "api",
        "actor": call.actor.name,
    }

    def job(tx: store.Transaction) -> str | None:
        if not store.experiments.exists(tx, key):
            return None
        repository_id = repositories.resolve(tx, integration.scope, body.repository)
        if idempotency_key is not None:
            earlier = store.actions.by_idempotency_key(tx, idempotency_key)
            if earlier is not None:
                _same_request(earlier, request, integration.id, repository_id)
                return str(earlier.id)
        row = store.integrations.find(tx, integration.id)
        if row is None:
            raise invalid([("integration_id", "is no integration's id")])
        return actions.owe_issue(tx, row, repository_id, request, idempotency_key)

    try:
        action_id = await call.services.database.write(job)
    except repositories.NotAllowed:  # the list was changed this very moment
        raise _not_allowed() from None
    if action_id is None:
        raise not_found("experiment")
    log_change(call, "issue ordered", experiment=key, action=action_id)
    return await _outcome(call, action_id)


def _hand(call: Call, integration_id: str) -> linking.Hand:
    return linking.Hand(f"api:{uuid.uuid4()}", "api", call.actor.name, integration_id)


def _idempotency_key(call: Call) -> str | None:
    key = call.request.headers.get("Idempotency-Key", call.request.get(IDEMPOTENCY_KEY))
    if key is None:
        return None
    if not (1 <= len(key) <= 255 and key.isascii() and key.isprintable() and " " not in key):
        raise Problem(
            400,
            "invalid Idempotency-Key",
            "Send 1 to 255 printable ASCII characters without spaces, such as a UUID.",
        )
    return key


def _same_request(
    earlier: store.Action, request: dict[str, Any], integration_id: str, repository_id: int
) -> None:
    was = earlier.request
    same = {name: value for name, value in was.items() if name != "actor"} == {
        name: value for name, value in request.items() if name != "actor"
    }
    if not same or (earlier.integration_id, earlier.repository_id) != (
        integration_id,
        repository_id,
    ):
        raise Problem(
            422,
            "idempotency key reused",
            "This Idempotency-Key came with another request before; send a new one.",
        )


async def _outcome(call: Call, action_id: str) -> tuple[int, Any]:
    """Wait for an action's end; return the answer."""
    database = call.services.database
    loop = asyncio.get_running_loop()
    deadline = loop.time() + ANSWER_SECONDS
    while True:
        committed = asyncio.ensure_future(database.wait_for_commit(0.5))
        try:
            row = await database.read(lambda tx: store.actions.find(tx, action_id))
            if row is not None and row.status == "done":
                result = row.result or {}
                return 201, models.CreatedIssue(
                    action_id=action_id,
                    repository=row.repository,
                    number=result["number"],
                    html_url=result["html_url"],
                )
            if row is None or row.status == "failed":
                reason = row.last_error if row else "the action is gone"
                raise Problem(
                    502,
                    "refused by GitHub",
                    f"{reason}. Once that is mended, POST /api/v1/actions/{action_id}/retry.",
                )
            if loop.time() >= deadline:
                return 202, models.PromisedIssue(
                    action_id=action_id, status="running" if row.status == "running" else "pending"
                )
            await committed
        finally:
            committed.cancel()


async def _integration(call: Call, integration_id: str, repository: str) -> Integration:
    """Return the integration that is to act; raises a 422 if it cannot."""
    found = await call.services.integration(integration_id.lower(), fresh=True)
    if found is None:
        raise invalid([("integration_id", "is no integration's id")])
    if not found.is_active:
        raise invalid([("integration_id", "is that of an integration that is not active")])
    if found.api_url not in call.services.settings.github_api_urls:
        reason = f"is that of an integration that cannot act: {NotListed(found.api_url)}"
        raise invalid([("integration_id", reason)])
    if not await call.services.database.read(
        lambda tx: repositories.allows_name(tx, found.scope, repository)
    ):
        raise _not_allowed()
    return found


def _not_allowed() -> Problem:
    return invalid([("repository", "is not among the integration's repositories")])


async def _fetch(call: Call, integration: Integration, repository: str, number: int) -> Any | None:
    """Return a pull request as GitHub has it; None if it cannot be reached but is known here."""

    def job(tx: store.Transaction) -> tuple[int | None, bool]:
        rows = store.facts.repositories_by_name(tx, integration.host, repository)
        if not rows:
            return None, False
        known = store.facts.find_item(tx, rows[0].id, "pull_request", number)
        is_known = known is not None and known.gone_at is None
        return installations.serving(tx, integration.id, rows[0]), is_known

    installation_id, is_known = await call.services.database.read(job)
    try:
        client = await call.services.github.client_in(
            integration.credentials, repository, installation_id or integration.installation_id
        )
        return await client.getitem(
            "/repos/{+repository}/pulls/{number}",
            {"repository": repository, "number": str(number)},
        )
    except Refused as error:
        if error.status == 404:
            raise invalid(
                [("number", "is no pull request there that the integration's credential reaches")]
            ) from None
        raise Problem(502, "refused by GitHub", f"{error}.") from None
    except CallFailed as error:
        if is_known:
            return None
        raise Problem(
            503, "GitHub unavailable", f"{error}. Try again.", headers={"Retry-After": "30"}
        ) from None
