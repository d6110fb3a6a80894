"""Integrations: create, list, read, change, delete."""

from collections.abc import Sequence
from typing import Any

import msgspec

from bot import commands, times
from bot import storage as store
from bot.api import models
from bot.api.routing import Call, Operations, log_change
from bot.domain import integrations
from bot.emails import without_emails
from bot.github import NotListed
from bot.github.reach import webhook_url
from bot.services import Services
from bot.web.problems import invalid, not_found

operations = Operations("Integrations")
PATH = "/api/v1/integrations"


@operations.add(
    "POST",
    PATH,
    role="admin",
    summary="Create an integration",
    body=models.IntegrationCreate,
    answers={201: models.Integration},
)
async def create(call: Call) -> Any:
    """Secrets are stored encrypted and never shown again. Put `webhook_url` into GitHub."""
    services = call.services

    def job(tx: store.Transaction) -> models.Integration:
        row = integrations.create(
            tx,
            services.vault,
            services.settings.github_api_urls,
            msgspec.to_builtins(call.body),
        )
        return _shown(services, tx, [row])[0]

    created = await _written(call, job)
    log_change(call, "integration created", integration=created.id)
    return 201, created


@operations.add(
    "GET",
    PATH,
    role="developer",
    summary="List integrations",
    query=models.Paged,
    answers={200: models.Page[models.Integration]},
)
async def list_all(call: Call) -> Any:
    """The newest first."""
    query: models.Paged = call.query
    before = call.position(1)

    def job(tx: store.Transaction) -> Any:
        rows = store.integrations.listed(tx, before, query.limit)
        shown = {one.id: one for one in _shown(call.services, tx, rows.rows)}
        return call.page(rows, lambda row: shown[row.id])

    return await call.services.database.read(job)


@operations.add(
    "GET",
    f"{PATH}/{{integration_id}}",
    role="developer",
    summary="Get an integration",
    answers={200: models.Integration},
    problems=(404,),
)
async def get(call: Call) -> Any:
    """Secrets are masked."""
    integration_id = call.path("integration_id").lower()

    def job(tx: store.Transaction) -> models.Integration | None:
        row = store.integrations.find(tx, integration_id)
        return _shown(call.services, tx, [row])[0] if row else None

    found = await call.services.database.read(job)
    if found is None:
        raise not_found("integration")
    return found


async def change(call: Call) -> Any:
    """Changes what is sent and keeps the rest.

    A replaced webhook secret goes on verifying for `secret_grace_seconds`, a day unless given.
    """
    services, integration_id = call.services, call.path("integration_id").lower()

    def job(tx: store.Transaction) -> models.Integration | None:
        _check(call, tx, integration_id)
        row = integrations.change(
            tx,
            services.vault,
            services.settings.github_api_urls,
            integration_id,
            msgspec.to_builtins(call.body),
        )
        return _shown(services, tx, [row])[0] if row else None

    changed = await _written(call, job)
    if changed is None:
        raise not_found("integration")
    services.forget_integration(integration_id)
    log_change(call, "integration changed", integration=integration_id)
    return changed


for _method in ("PUT", "PATCH"):
    operations.add(
        _method,
        f"{PATH}/{{integration_id}}",
        role="admin",
        summary="Change an integration",
        body=models.IntegrationChange,
        answers={200: models.Integration},
        problems=(404,),
    )(change)


@operations.add(
    "DELETE",
    f"{PATH}/{{integration_id}}",
    role="admin",
    summary="Delete an integration",
    answers={204: None},
    problems=(404,),
)
async def delete(call: Call) -> Any:
    """Its secrets and deliveries go; pull requests, commits, issues, links and feed stay."""
    integration_id = call.path("integration_id").lower()

    def job(tx: store.Transaction) -> bool:
        _check(call, tx, integration_id)
        return integrations.delete(tx, integration_id)

    if not await call.services.database.write(job):
        raise not_found("integration")
    call.services.forget_integration(integration_id)
    log_change(call, "integration deleted", integration=integration_id)
    return 204, None


def _check(call: Call, tx: store.Transaction, integration_id: str) -> None:
    """Raise Problem (412) if an integration is not as a form has shown it."""
    row = store.integrations.find(tx, integration_id)
    if row is not None:
        call.conditions.check(integrations.version(row))


async def _written(call: Call, job: Any) -> Any:
    named = call.body.config.commands if call.body.config is not msgspec.UNSET else None
    known = [one.name for one in call.services.shared(commands.registered)]
    if isinstance(named, dict) and not set(named) <= set(known):
        names = ", ".join(known)
        raise invalid(
            [("config.commands", f"names a command that there is not; there are {names}")]
        )
    try:
        return await call.services.database.write(job)
    except integrations.Invalid as error:
        raise invalid(error.errors) from None


def _shown(
    services: Services, tx: store.Transaction, rows: Sequence[store.Integration]
) -> list[models.Integration]:
    installed: dict[str, list[models.Installation]] = {row.id: [] for row in rows}
    for row in store.installations.of_integrations(tx, list(installed)):
        installed[row.integration_id].append(
            models.Installation(
                installation_id=row.installation_id,
                account=row.account,
                repository_selection=row.repository_selection,
                repositories=row.repositories,
                suspended_at=times.render(row.suspended_at),
            )
        )
    return [_integration(services, tx, row, installed[row.id]) for row in rows]


def _integration(
    services: Services,
    tx: store.Transaction,
    row: store.Integration,
    installed: list[models.Installation],
) -> models.Integration:
    config = row.config
    credential = "token" if config.auth == "token" else "private_key"
    until = row.previous_secret_until
    last_error = without_emails(row.last_error) if row.last_error else None
    if config.api_url not in services.settings.github_api_urls:
        last_error = str(NotListed(config.api_url))
    return models.Integration(
        id=row.id,
        name=row.name,
        integration_type=row.integration_type,
        description=row.description,
        is_active=row.is_active,
        created_at=times.render(row.created_at),
        updated_at=times.render(row.updated_at),
        webhook_url=webhook_url(services.settings.public_url, row.id),
        config=models.Config(
            auth=config.auth,
            webhook_secret=integrations.MASK,
            api_url=config.api_url,
            repositories=list(config.repositories) if config.repositories is not None else None,
            comments=config.comments,
            label=config.label,
            check=config.check,
            commands=config.commands,
            app_id=_or_unset(config.app_id),
            installation_id=_or_unset(config.installation_id),
            **{credential: integrations.MASK},
        ),
        previous_secret_until=times.render(until if until and until > times.now() else None),
        last_delivery_at=times.render(store.deliveries.last_received(tx, row.seq)),
        last_error=last_error,
        installations=installed,
    )


def _or_unset(number: int | None) -> int | msgspec.UnsetType:
    return msgspec.UNSET if number is None else number
