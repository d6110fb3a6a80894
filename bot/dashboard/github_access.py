"""What a person may do here, asked of GitHub with their own token.

Owners of SIGN_IN_ORGANIZATIONS are admins, members developers. Who merely works on a repository
that the App serves may as much as SIGN_IN_COLLABORATORS says.
https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-user-access-token-for-a-github-app
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from bot import storage as store
from bot import times
from bot.domain import allowed
from bot.domain.actors import ROLES
from bot.domain.integrations import scope_of
from bot.domain.sessions import subject_on_github
from bot.github import Client, Refused, Temporary
from bot.github.names import web_host, web_origin
from bot.services import Services

_MARGIN = 60 * times.SECOND  # before its end from which a token is not used any more
_MAX_INSTALLATIONS, _MAX_REPOSITORIES = 20, 500


class Credential(Struct, frozen=True):
    """A person's token, as texts to be sealed; those that it does not have are empty."""

    token: str
    refresh_token: str
    expires_at: str  # microseconds

    @property
    def is_over(self) -> bool:
        return bool(self.expires_at) and times.now() > int(self.expires_at) - _MARGIN

    @property
    def texts(self) -> dict[str, str]:
        texts: dict[str, str] = msgspec.to_builtins(self)
        return texts


class Person(Struct, frozen=True):
    """Somebody on GitHub; `role` is None if they may not in."""

    subject: str
    login: str
    role: str | None


async def refreshed(
    services: Services, app: store.Integration, credential: Credential
) -> Credential:
    """Return the token that follows one, which is no good from then on; raises CallFailed."""
    fields = {"grant_type": "refresh_token", "refresh_token": credential.refresh_token}
    return await exchanged(services, app, fields)


async def exchanged(
    services: Services, app: store.Integration, fields: Mapping[str, str]
) -> Credential:
    """Return the token that GitHub gives for a code, or another token; raises CallFailed."""
    api_url, now = app.config.api_url, times.now()
    opened = services.vault.open(app.secrets, store.integrations.about(app.id))
    client = {
        "client_id": app.config.client_id or "",
        "client_secret": opened.get("client_secret") or "",
    }
    given = await services.github.user_token(api_url, web_origin(api_url), {**client, **fields})
    expires_at = now + given.expires_in * times.SECOND if given.expires_in else ""
    return Credential(given.access_token, given.refresh_token or "", str(expires_at))


async def person(services: Services, app: store.Integration, token: str) -> Person:
    """Return whose a token is and what they may do; raises CallFailed."""
    try:
        return await _asked(services, app, token)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Temporary("GitHub's answer cannot be read") from None


async def _asked(services: Services, app: store.Integration, token: str) -> Person:
    api_url, settings = app.config.api_url, services.settings
    client = services.github.user(api_url, token)
    user = await client.getitem("/user")
    login = str(user["login"])
    # A login may be somebody else's one day, an id never.
    who = str(user["id"]) if user.get("id") else f"@{login.lower()}"
    subject = subject_on_github(web_host(api_url), who)
    organizations = settings.sign_in_organizations
    roles = [await _role_in_organization(client, one) for one in organizations]
    granted = [role for role in roles if role is not None]
    if not granted and settings.sign_in_collaborators != "off":
        by_repositories = await _role_by_repositories(
            services, app, client, settings.sign_in_collaborators
        )
        granted += [by_repositories] if by_repositories else []
    return Person(subject, login, max(granted, key=ROLES.index, default=None))


async def _role_in_organization(client: Client, organization: str) -> str | None:
    """Return what a membership is worth; one that is not accepted yet is worth nothing."""
    path = "/user/memberships/orgs/{organization}"
    try:
        found = await client.getitem(path, {"organization": organization})
    except Refused as error:
        if error.status in (403, 404):
            return None
        raise
    if found.get("state") != "active":
        return None
    return "admin" if found.get("role") == "admin" else "developer"


async def _role_by_repositories(
    services: Services, app: store.Integration, client: Client, most: str
) -> str | None:
    """Return what somebody's best permission on a repository that is served is worth.

    Who may push is a developer, if that is the `most`. Who may do more than everybody, if only to
    read what is private, is a viewer.
    """
    best: str | None = None
    repositories = 0
    async for repository in _repositories(client):
        repositories += 1
        if repositories > _MAX_REPOSITORIES:
            break
        may = repository.get("permissions") or {}
        role = None
        if any(may.get(name) for name in ("admin", "maintain", "push")):
            role = most
        elif may.get("triage") or (may.get("pull") and repository.get("private") is True):
            role = "viewer"
        if role not in (None, best) and await _is_served(services, app, repository):
            best = role
        if best == most:
            break
    return best


async def _repositories(client: Client) -> AsyncIterator[Mapping[str, Any]]:
    """Yield the repositories that somebody sees where the App is installed."""
    installations = 0
    of_person = "/user/installations?per_page=100"
    async for installation in client.getiter(of_person, iterable_key="installations"):
        installations += 1
        if installations > _MAX_INSTALLATIONS:
            break
        path = f"/user/installations/{int(installation['id'])}/repositories?per_page=100"
        try:
            async for repository in client.getiter(path, iterable_key="repositories"):
                yield repository
        except Refused as error:
            # Suspended, gone meanwhile, behind a single sign-on: that says nothing of the others.
            if error.status not in (403, 404):
                raise


async def _is_served(
    services: Services, app: store.Integration, repository: Mapping[str, Any]
) -> bool:
    """Tell whether the App's integration may hear of a repository: anybody can make one."""
    scope, full_name = scope_of(app), str(repository["full_name"])
    github_id = int(repository.get("id") or 0)

    def job(tx: store.Transaction) -> bool:
        known = store.repositories.by_github_id(tx, scope.host, github_id)
        return allowed.allows(tx, scope, known) if known else scope.lists(full_name)

    return await services.database.read(job)
