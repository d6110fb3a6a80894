"""The clients of a process, made as needed: one HTTP session, and one memory of tokens, for all."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec
from cachetools import TTLCache
from msgspec import Struct
from yarl import URL

from bot.github import payloads
from bot.github.auth import AppToken, Auth, FixedToken, InstallationToken, explain_mint
from bot.github.client import CALL_SECONDS, Client
from bot.github.failures import NotListed, Refused, Temporary
from bot.metrics import Metrics

_TIMEOUT = aiohttp.ClientTimeout(total=CALL_SECONDS, sock_connect=5.0)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A credential. `label` names it in logs and metrics; the secrets are never shown."""

    label: str
    api_url: str
    app_id: int | None
    token: str | None = field(repr=False)
    private_key: str | None = field(repr=False)

    @property
    def is_app(self) -> bool:
        """Tell whether it is an App's, which acts as one of its installations."""
        return self.token is None


class UserToken(Struct):
    """A person's token. One that expires comes with another that is good for the next, once.

    https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/refreshing-user-access-tokens
    """

    access_token: str
    expires_in: int | None = None  # seconds
    refresh_token: str | None = None


class GitHub:
    """The clients of a process.

    `api_urls` are GITHUB_API_URLS: no other is called, whatever is stored.
    """

    def __init__(self, metrics: Metrics, api_urls: Collection[str]) -> None:
        self._metrics = metrics
        self._api_urls = frozenset(api_urls)
        self._open: aiohttp.ClientSession | None = None
        # A changed credential is another key, and makes a new client.
        self._clients: TTLCache[tuple[Credentials, str, int, bool], Client] = TTLCache(
            4096, ttl=7200
        )
        self._granted: TTLCache[tuple[Credentials, int], int] = TTLCache(4096, ttl=7200)
        self._logins: TTLCache[Credentials, str | None] = TTLCache(maxsize=4096, ttl=3600)

    def client(
        self,
        credentials: Credentials,
        installation_id: int | None,
        granted: int | None = None,
        *,
        background: bool = False,
    ) -> Client:
        """Return the client that acts with a credential: as its token, or an installation.

        Its tokens know of what the installation was `granted` up to this time, or as far as this
        process has heard. Raises Refused if an App's installation is not known.
        """
        auth: Auth
        if credentials.token is not None:
            auth = FixedToken(credentials.token)
            return self._made(credentials, "token", auth, background=background)
        if installation_id is None:
            raise Refused(404, "it is not known which installation of the App serves it")
        known = (credentials, installation_id)
        if granted is None:
            granted = self._granted.get(known, 0)
        else:
            self._granted[known] = granted
        role = f"installation {installation_id}"
        if background:  # both act with one token
            auth = self.client(credentials, installation_id, granted).auth
        else:
            auth = InstallationToken(lambda: self._mint(credentials, installation_id))
        return self._made(credentials, role, auth, granted, background=background)

    async def client_in(
        self,
        credentials: Credentials,
        repository: str,
        installation_id: int | None = None,
        granted: int | None = None,
    ) -> Client:
        """Return the client that acts in a repository; raises CallFailed.

        GitHub is asked which of an App's installations that is, where it is not known.
        """
        if credentials.is_app and installation_id is None:
            installation_id = await self.installation_of(credentials, repository)
        return self.client(credentials, installation_id, granted)

    def app(self, credentials: Credentials, *, background: bool = False) -> Client:
        """Return the client that acts as the App itself, by JWT. Only for an App's credentials."""
        assert credentials.app_id is not None and credentials.private_key is not None
        auth = AppToken(credentials.app_id, credentials.private_key)
        return self._made(credentials, "app", auth, background=background)

    async def installation_of(self, credentials: Credentials, repository: str) -> int:
        """Return which installation of an App serves a repository; raises CallFailed."""
        app, at = self.app(credentials), {"repository": repository}
        try:
            path = "/repos/{+repository}/installation"
            return (await app.fetch(payloads.Installation, path, at)).id
        except Refused as error:
            if error.status != 404:
                raise
            reason = "the App is not installed on this repository"
            raise Refused(404, reason, lags=error.lags, hindrance=error.hindrance) from None

    async def login(self, credentials: Credentials) -> str | None:
        """Return the login under which a credential writes; None if GitHub does not say.

        A pasted installation token may not ask who it is.
        """
        if credentials not in self._logins:
            self._logins[credentials] = await self._ask_login(credentials)
        return self._logins[credentials]

    async def _ask_login(self, credentials: Credentials) -> str | None:
        if credentials.is_app:
            app = await self.app(credentials).fetch(payloads.App, "/app")
            return f"{app.slug}[bot]"
        try:
            user = await self.client(credentials, None).fetch(payloads.User, "/user")
        except Refused as error:
            if error.status != 403:
                raise
            return None
        if user.login is None:
            raise Temporary("GitHub's answer does not say who we are")
        return user.login

    async def close(self) -> None:
        if self._open is not None:
            await self._open.close()

    def anonymous(self, api_url: str) -> Client:
        """Return a client without a credential, for the exchange of a manifest's code."""
        return self._new(api_url, FixedToken(None), "none")

    def user(self, api_url: str, token: str) -> Client:
        """Return a client that acts as a person who signs in, or has. It is not kept."""
        return self._new(api_url, FixedToken(token), "somebody")

    async def user_token(
        self, api_url: str, web_origin: str, fields: Mapping[str, str]
    ) -> UserToken:
        """Exchange the code, or the refresh token, of a person for a token; raises CallFailed.

        `web_origin` is that of the pages of the GitHub at `api_url`, which is where this is
        asked. https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-user-access-token-for-a-github-app
        """
        if api_url not in self._api_urls:
            raise NotListed(api_url)
        url = URL(f"{web_origin}/login/oauth/access_token")
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        body = json.dumps(dict(fields)).encode()
        status, _, content = await self.anonymous(api_url).send("POST", url, headers, body)
        if status >= 500 or status == 429:
            raise Temporary(f"GitHub answered {status}")
        try:
            answer = json.loads(content.strip() or b"null")
        except ValueError:
            raise Temporary("GitHub's answer is not JSON") from None
        told = answer if isinstance(answer, dict) else {}
        if not isinstance(told.get("access_token"), str) or not told["access_token"]:
            raise Refused(401, str(told.get("error") or "GitHub gave no token")[:100])
        try:
            return msgspec.convert(told, UserToken)
        except msgspec.ValidationError:
            raise Temporary("GitHub's answer cannot be read") from None

    def _made(
        self,
        credentials: Credentials,
        role: str,
        auth: Auth,
        granted: int = 0,
        *,
        background: bool = False,
    ) -> Client:
        key = (credentials, role, granted, background)
        known = self._clients.get(key)
        if known is None:
            label = f"{credentials.label} {role}"
            known = self._new(credentials.api_url, auth, label, background=background)
            self._clients[key] = known
        return known

    def _new(self, api_url: str, auth: Auth, label: str, *, background: bool = False) -> Client:
        return Client(
            self._session,
            api_url,
            auth,
            self._metrics,
            label,
            is_listed=api_url in self._api_urls,
            background=background,
        )

    async def _mint(self, credentials: Credentials, installation_id: int) -> Any:
        path = f"/app/installations/{installation_id}/access_tokens"
        try:
            return await self.app(credentials).post(path, data=b"")
        except Refused as error:
            raise explain_mint(error, installation_id) from None

    def _session(self) -> aiohttp.ClientSession:
        if self._open is None or self._open.closed:
            self._open = aiohttp.ClientSession(
                timeout=_TIMEOUT,
                cookie_jar=aiohttp.DummyCookieJar(),
                # As many as there are callers: the outbox makes one call at a time for each
                # credential, and calls that hang must not keep others waiting.
                connector=aiohttp.TCPConnector(limit=0),
            )
        return self._open
