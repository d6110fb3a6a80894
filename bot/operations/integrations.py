"""Integrations: create, list, read, change, delete."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot import commands
from bot import storage as store
from bot.deliveries.refusals import Refusals
from bot.domain import clean_ups, code_maps, integrations
from bot.domain.actors import Actor
from bot.domain.errors import Invalid
from bot.operations import found
from bot.services import Services

# Raises if what is there is not what is to be changed.
Condition = Callable[[store.Integration], None]


@dataclass(frozen=True, slots=True)
class Installed:
    """An installation of the App, as far as it is known: `repositories` counts what is told of.

    `permissions` and `events` are what it was granted.
    """

    installation_id: int
    account: str | None = None
    repository_selection: str | None = None
    repositories: int = 0
    suspended_at: int | None = None
    permissions: Mapping[str, str] | None = None
    events: Sequence[str] | None = None
    html_url: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """An integration, and what its deliveries have told of it."""

    row: store.Integration
    installations: Sequence[Installed]
    last_delivery_at: int | None


def always(_: store.Integration) -> None:
    """The condition that is always met."""


async def create(services: Services, actor: Actor, values: Mapping[str, Any]) -> Known:
    """Create an integration from validated values; its secrets are stored encrypted."""
    _check_commands(services, values)

    def job(tx: store.Transaction) -> Known:
        api_urls = services.settings.github_api_urls
        return _known(tx, [integrations.create(tx, services.vault, api_urls, values, actor)])[0]

    return await services.database.write(job)


def listed(tx: store.Transaction, before: store.Place | None, limit: int) -> store.Part[Any]:
    """Return a part of all integrations, as Known, the newest first."""
    part = store.integrations.listed(tx, before, limit)
    return store.Part(_known(tx, part.rows), part.next)


async def up_to_date(services: Services) -> None:
    """Let what is read next tell all that this process has counted."""
    await services.shared(Refusals).write()


async def get(services: Services, integration_id: str) -> Known:
    await up_to_date(services)
    return await services.database.read(lambda tx: _known(tx, [find(tx, integration_id)])[0])


async def change(
    services: Services,
    actor: Actor,
    integration_id: str,
    values: Mapping[str, Any],
    condition: Condition = always,
) -> Known:
    """Change what `values` names and keep the rest.

    A replaced webhook secret goes on verifying for `secret_grace_seconds`, a day unless given.
    """
    _check_commands(services, values)

    def job(tx: store.Transaction) -> Known:
        before = find(tx, integration_id)
        condition(before)
        row = integrations.change(
            tx, services.vault, services.settings.github_api_urls, integration_id, values, actor
        )
        assert row is not None
        code_maps.setting_changed(tx, before, row)
        if row.config.cleanup == "on" and before.config != row.config:
            clean_ups.setting_changed(tx, row)
        return _known(tx, [row])[0]

    changed = await services.database.write(job)
    services.forget_integration(integration_id)
    return changed


async def delete(
    services: Services, actor: Actor, integration_id: str, condition: Condition = always
) -> None:
    """Delete an integration: its secrets and deliveries go, what it told of stays."""

    def job(tx: store.Transaction) -> None:
        condition(find(tx, integration_id))
        integrations.delete(tx, services.vault, integration_id, actor)
        code_maps.integration_left(tx, integration_id)

    await services.database.write(job)
    services.forget_integration(integration_id)


def find(tx: store.Transaction, integration_id: str) -> store.Integration:
    """Return an integration; raises NotFound if there is none."""
    return found(store.integrations.find(tx, integration_id), "integration")


def _known(tx: store.Transaction, rows: Sequence[store.Integration]) -> list[Known]:
    installed = _installed(tx, rows)
    return [
        Known(row, installed[row.id], store.deliveries.last_received(tx, row.seq)) for row in rows
    ]


def _installed(
    tx: store.Transaction, rows: Sequence[store.Integration]
) -> dict[str, list[Installed]]:
    """Return the installations of integrations: those that events have told of, and the others.

    One that is older than the bot is known by the deliveries that came through it, or because it
    is the default; an account is then whose repository it was.
    """
    found: dict[str, list[Installed]] = {row.id: [] for row in rows}
    for one in store.installations.of_integrations(tx, list(found)):
        known = (one.account, one.repository_selection, one.repositories, one.suspended_at)
        granted = (one.permissions, one.events, one.html_url)
        found[one.integration_id].append(Installed(one.installation_id, *known, *granted))
    for heard in store.installations.only_heard_of(tx, list(found)):
        owner = heard.full_name.partition("/")[0]
        one_more = Installed(heard.installation_id, owner, repositories=heard.repositories)
        found[heard.integration_id].append(one_more)
    for row in rows:
        default = row.config.installation_id
        is_new = default not in {one.installation_id for one in found[row.id]}
        # One that is found all the same has been removed.
        if default and is_new and store.installations.find(tx, row.id, default) is None:
            found[row.id].append(Installed(default))
    return found


def _check_commands(services: Services, values: Mapping[str, Any]) -> None:
    """Raise Invalid if the configuration names a command that there is not."""
    named = values.get("config", {}).get("commands") or {}
    known = [one.name for one in services.shared(commands.registered)]
    if not set(named) <= set(known):
        raise Invalid.field("config.commands", "unknown_command", ", ".join(known))
