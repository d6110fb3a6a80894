"""Pull requests linked and unlinked by hand, from the platform's side."""

import uuid
from collections.abc import Sequence
from contextlib import suppress

from bot import storage as store
from bot.deliveries import admission
from bot.domain import allowed, installations, integrations, items, snapshots
from bot.domain.actors import Actor
from bot.domain.errors import Conflict, Invalid, NotFound
from bot.domain.integrations import Integration
from bot.github import CallFailed, Client, NotListed, NoToken, Refused, Temporary, payloads
from bot.operations import experiments
from bot.services import Services

_TRIED = 5  # integrations that are asked for a pull request


async def link(
    services: Services, actor: Actor, key: str, integration_id: str, repository: str, number: int
) -> store.ListedItem:
    """Ask GitHub for a pull request, link it, and bring its status comment up to date.

    The link stays whatever the description says, until it is deleted.
    """
    await services.database.read(lambda tx: experiments.existing(tx, key))
    integration = await acting(services, integration_id, repository)
    fetched = await _fetch(services, integration, repository, number)

    def job(tx: store.Transaction, _: object) -> store.ListedItem:
        experiments.existing(tx, key)
        item = snapshots.pull_request(tx, integration.scope, repository, number, fetched)
        items.link(tx, item, key, _hand(actor, integration.id), actor)
        row = store.linked.item_of_experiment(tx, key, "pull_request", item.id)
        assert row is not None
        (shown,) = store.live.with_places(tx, store.Part([row], None))
        found: store.ListedItem = shown
        return found

    try:
        locks = store.locks_of_repository(integration.host, None, repository)
        return await admission.write(services, integration.id, job, locks=locks)
    except allowed.NotAllowed:
        raise not_allowed() from None
    except admission.Waiting:
        raise unclear(repository) from None
    except payloads.InvalidPayload:
        raise Conflict("unreadable") from None


async def link_from(
    services: Services, actor: Actor, key: str, host: str, repository: str, number: int
) -> store.ListedItem:
    """Link a pull request through whichever integration for its host reaches it."""
    candidates = await _candidates(services, host, repository)
    for candidate in candidates[:-1]:
        with suppress(Invalid, Conflict, CallFailed):
            return await link(services, actor, key, candidate.id, repository, number)
    try:
        return await link(services, actor, key, candidates[-1].id, repository, number)
    except Invalid:
        raise Invalid.field("number", "not_reached", f"{repository}#{number}") from None


async def unlink(services: Services, actor: Actor, key: str, full_name: str, number: int) -> None:
    """Unlink a pull request.

    A key that still stands in the description stays unlinked until its line goes and comes back.
    """

    row = await services.database.read(lambda tx: store.repositories.find(tx, full_name))
    if row is None:
        raise NotFound("link between this experiment and this pull request")

    def job(tx: store.Transaction) -> None:
        item = store.items.by_name(tx, full_name, "pull_request", number)
        if item is None:
            raise NotFound("link between this experiment and this pull request")
        if not items.unlink(tx, item, key, _hand(actor, item.integration_id), actor):
            raise NotFound("link between this experiment and this pull request")

    locks = store.locks_of_repository(row.host, row.github_id, row.full_name)
    await services.database.write(job, locks=locks)


async def acting(services: Services, integration_id: str, repository: str | None) -> Integration:
    """Return the integration that is to act on a repository; raises Invalid if it cannot.

    None for what it serves.
    """
    found = await services.integration(integration_id.lower(), fresh=True)
    if found is None:
        raise Invalid.field("integration_id", "no_integration")
    if not found.is_active:
        raise Invalid.field("integration_id", "inactive_integration")
    if found.api_url not in services.settings.github_api_urls:
        why = str(NotListed(found.api_url))
        raise Invalid.field("integration_id", "unlisted_integration", why)
    if repository is not None and not await services.database.read(
        lambda tx: allowed.allows_name(tx, found.scope, repository)
    ):
        raise not_allowed()
    return found


def not_allowed() -> Invalid:
    return Invalid.field("repository", "repository_not_allowed")


def unclear(repository: str) -> Temporary:
    return Temporary(f"GitHub does not say now which repository {repository} is, or whose")


async def _candidates(services: Services, host: str, repository: str) -> Sequence[Integration]:
    """Return the integrations to ask, those that name the repository in their rules first."""
    rows = await services.database.read(lambda tx: store.integrations.listed(tx, None, 200))
    active = [integrations.load(row, services.vault) for row in rows if row.is_active]
    there = [one for one in active if one.host == host]

    def allowing(tx: store.Transaction) -> list[Integration]:
        return [one for one in there if allowed.allows_name(tx, one.scope, repository)]

    found = await services.database.read(allowing)
    if not there:
        hosts = ", ".join(sorted({one.host for one in active}))
        raise Invalid.field("host", "host_not_served" if hosts else "no_host_served", hosts)
    if not found:
        raise Invalid.field("repository", "repository_not_served", repository)
    return sorted(found, key=lambda one: one.repositories is None)[:_TRIED]


async def _fetch(
    services: Services, integration: Integration, repository: str, number: int
) -> object | None:
    """Return a pull request as GitHub has it; None if it cannot be reached but is known here."""

    def job(tx: store.Transaction) -> tuple[int | None, int | None, bool]:
        rows = store.repositories.by_name(tx, integration.host, repository)
        if not rows:
            return integration.installation_id, None, False
        known = store.items.find(tx, rows[0].id, "pull_request", number)
        is_known = known is not None and known.gone_at is None
        serves = installations.serving(tx, integration.id, rows[0]) or integration.installation_id
        return serves, installations.granted(tx, integration.id, serves), is_known

    serves, granted, is_known = await services.database.read(job)
    try:
        client = await _client(services, integration, repository, serves, granted)
        return await _pull_request(client, repository, number)
    except Refused:
        raise
    except CallFailed:
        if is_known:
            return None
        raise


async def _client(
    services: Services,
    integration: Integration,
    repository: str,
    installation_id: int | None,
    granted: int | None,
) -> Client:
    """Return who asks about a repository; raises Invalid where an App is not installed."""
    try:
        return await services.github.client_in(
            integration.credentials, repository, installation_id, granted
        )
    except Refused as error:
        if error.status == 404:
            raise Invalid.field("repository", "not_on_github") from None
        raise


async def _pull_request(client: Client, repository: str, number: int) -> object:
    """Ask for a pull request; raises Invalid, which says what of it GitHub does not know."""
    at = {"repository": repository, "number": str(number)}
    try:
        return await client.getitem("/repos/{+repository}/pulls/{number}", at)
    except NoToken:
        raise
    except Refused as error:
        if error.status not in (404, 410, 422):
            raise
    try:
        await client.getitem("/repos/{+repository}", at)
    except Refused as error:
        if error.status != 404:
            raise
        raise Invalid.field("repository", "not_on_github") from None
    raise Invalid.field("number", "no_pull_request")


def _hand(actor: Actor, integration_id: str) -> items.Hand:
    return items.Hand(f"api:{uuid.uuid4()}", "api", actor.name, integration_id)
