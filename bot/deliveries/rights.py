"""Asks GitHub whether an integration has a right to a repository, with its own credential.

That a public repository can be read proves nothing. What counts is an App's installation there
(https://docs.github.com/en/rest/apps/apps#get-a-repository-installation-for-the-authenticated-app),
the permissions of a token's owner (https://docs.github.com/en/rest/repos/repos#get-a-repository),
and for an installation token the list of what it was given
(https://docs.github.com/en/rest/apps/installations#list-repositories-accessible-to-the-app-installation).
"""

import asyncio
from functools import partial

from cachetools import TTLCache

from bot import storage as store
from bot.domain.integrations import Integration
from bot.domain.speaking import Answer, Answers, Claim
from bot.github import CallFailed, Client, NotListed, Refused, Temporary, payloads
from bot.services import CACHE_SECONDS, Services
from bot.together import Once

SECONDS = 6.0  # for GitHub to answer; it waits for us for ten itself
_UNREACHABLE = 10.0  # seconds in which an integration is not asked again, after it could not be
_MAY_WRITE = ("push", "maintain", "admin")


class Denials:
    """Knows, to within seconds, which integrations have no right to some repository.

    What nobody handles is answered without a look at its repository, except for these.
    """

    def __init__(self, services: Services) -> None:
        self._database = services.database
        self._known: TTLCache[str, bool] = TTLCache(1024, CACHE_SECONDS)

    async def concern(self, integration_id: str) -> bool:
        if integration_id not in self._known:
            denied = await self._database.read(
                lambda tx: store.speakers.denied(tx, integration_id, 1)
            )
            self._known[integration_id] = bool(denied)
        return self._known.get(integration_id, False)

    def forget(self, integration_id: str) -> None:
        self._known.pop(integration_id, None)


class Rights:
    """Asks once where many deliveries ask the same."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._silent: TTLCache[str, bool] = TTLCache(1024, _UNREACHABLE)
        self._asking: Once[payloads.Repository | Answer] = Once()

    async def ask(self, claims: tuple[Claim, ...]) -> Answers:
        """Return what GitHub says of each of some claims."""
        asking = [self._asking.get(one, partial(self._ask, one)) for one in claims]
        return list(zip(claims, await asyncio.gather(*asking), strict=True))

    async def _ask(self, claim: Claim) -> payloads.Repository | Answer:
        integration = await self._services.integration(claim.integration_id)
        if integration is not None and integration.updated_at != claim.changed_at:
            # Another process has stored another credential.
            integration = await self._services.integration(claim.integration_id, fresh=True)
        if integration is None or claim.integration_id in self._silent:
            return Answer.NONE
        try:
            async with asyncio.timeout(SECONDS):
                return await self._found(integration, claim) or Answer.NO
        except (CallFailed, TimeoutError):
            self._silent[claim.integration_id] = True
            return Answer.NONE

    async def _found(self, integration: Integration, claim: Claim) -> payloads.Repository | None:
        """Return the repository as GitHub has it, if there is a right to it.

        By its names, and by its id where these are another's: to that address GitHub leads whoever
        asks for one that was renamed. https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#follow-redirects
        """
        by_id, is_another = f"/repositories/{claim.github_id}", claim.is_lost
        for path in [*(f"/repos/{name}" for name in claim.names), by_id]:
            if path == by_id and not is_another:
                break
            try:
                found, client = await self._seen(integration, path)
                if claim.github_id in (None, found.id):
                    return found if await may(client, integration, found) else None
                is_another = True
            except NotListed:
                raise  # nobody was asked
            except Refused:
                continue  # it knows no such repository, or none that this credential may see
        return None

    async def _seen(
        self, integration: Integration, path: str
    ) -> tuple[payloads.ServedRepository, Client]:
        """Return a repository, and who has seen it: the token, or the App's installation there.

        Raises Refused for what it may not see. An installation that is suspended has its right, but
        cannot look.
        """
        github, credentials = self._services.github, integration.credentials
        if not credentials.is_app:
            client = github.client(credentials, None)
            return await client.fetch(payloads.ServedRepository, path), client
        app = github.app(credentials)
        installation = await app.fetch(payloads.Installation, f"{path}/installation")
        client = github.client(credentials, installation.id)
        try:
            return await client.fetch(payloads.ServedRepository, path), client
        except Refused as error:
            raise Temporary(f"the installation cannot look at it ({error})") from None


async def may(client: Client, integration: Integration, found: payloads.ServedRepository) -> bool:
    """Tell whether who has asked for a repository may do more there than read.

    Raises Refused for a person's token that may not.
    """
    permissions = found.permissions or {}
    if integration.credentials.is_app or any(permissions.get(name) for name in _MAY_WRITE):
        return True
    return await _was_given(client, found)


async def _was_given(client: Client, wanted: payloads.Repository) -> bool:
    """Tell whether a repository is among those that an installation token was given.

    Raises Refused for any other token.
    """
    path = "/installation/repositories?per_page=100"
    async for one in client.getiter(path, iterable_key="repositories"):
        if isinstance(one, dict) and one.get("id") == wanted.id:
            return True
    return False
