"""gidgethub's client, one per credential: Bearer, API version, timeouts, redirects, ETags, limits.

Redirects are followed as https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
asks, but never to another address than the integration's `api_url`.
"""

import asyncio
import hashlib
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
import gidgethub
from cachetools import LRUCache, TTLCache
from gidgethub.abc import GitHubAPI

from bot import __version__, times
from bot.domain.integrations import Integration
from bot.github import limits
from bot.github.auth import AppToken, Auth, FixedToken, InstallationToken, explain_mint
from bot.github.failures import CallFailed, Limited, Refused, Temporary
from bot.log import logger
from bot.metrics import Metrics

API_VERSION = "2022-11-28"
CALL_SECONDS = 12.0  # GitHub itself gives up after ten
_TIMEOUT = aiohttp.ClientTimeout(total=CALL_SECONDS, sock_connect=5.0)
_MAX_ANSWER = 16 * 1024 * 1024
_MAX_HOPS = 3
_REDIRECTS = (301, 302, 307, 308)
_CODE = re.compile("/app-manifests/[^/]+/")  # what stands there opens a new App's secrets
_REMEDIES = {
    401: "the credential is not valid (any more): store a new one in the integration",
    403: "the credential may not do this: give it the permission",
    404: "it does not exist, or the credential does not reach it",
    410: "it is gone, or switched off in the repository's settings",
}

BeforeWrite = Callable[[str, str], Awaitable[None]]


class Client(GitHubAPI):
    """Calls GitHub as one token, App or installation.

    Every method of gidgethub's client raises CallFailed: Temporary, Limited or Refused.
    `before_write`, if set, is awaited with the method and path of every call that is no GET.
    """

    def __init__(
        self,
        session: Callable[[], aiohttp.ClientSession],
        api_url: str,
        auth: Auth,
        metrics: Metrics,
        label: str,
    ) -> None:
        super().__init__(
            f"experiment-bot/{__version__}", cache=LRUCache(maxsize=256), base_url=api_url
        )
        self._session = session
        self._auth = auth
        self._metrics = metrics
        self.label = label
        self.before_write: BeforeWrite | None = None
        self.headers: Mapping[str, str] = {}  # of the last answer

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _make_request(self, *arguments: Any, **options: Any) -> Any:
        try:
            answer = await super()._make_request(*arguments, **options)
        except gidgethub.HTTPException as error:
            raise self._failure(error) from None
        except CallFailed:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, LookupError):
            raise Temporary("GitHub's answer cannot be read") from None
        if isinstance(answer[0], str):  # a page, perhaps of a proxy
            raise Temporary("GitHub's answer is not JSON")
        return answer

    def _failure(self, error: gidgethub.HTTPException) -> CallFailed:
        status, message = int(error.status_code), str(error)[:300]
        if limits.is_limit(status, error.headers, message):
            pause = limits.pause_of(error.headers, times.now() / times.SECOND)
            return Limited(f"GitHub's rate limit: {message}", pause)
        if status >= 500 or status in (408, 425) or 300 <= status < 400:
            return Temporary(f"GitHub answered {status}: {message}")
        needs = error.headers.get("X-Accepted-GitHub-Permissions")
        remedy = _REMEDIES.get(status, "")
        if status == 403 and needs:
            remedy = f"{remedy} {needs[:100]}"
        return Refused(f"{status} {message}" + (f" ({remedy})" if remedy else ""), status)

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, Mapping[str, str], bytes]:
        path = urlsplit(url).path.removeprefix(urlsplit(self.base_url).path.rstrip("/"))
        if method != "GET" and self.before_write is not None:
            await self.before_write(method, path)
        for _ in range(2):
            token = await self._auth.token()
            sent = {**headers, "x-github-api-version": API_VERSION}
            if token is not None:
                sent["authorization"] = f"Bearer {token}"
            answer = await self._follow(method, url, sent, body)
            if answer[0] != 401 or not self._auth.refused(token, answer[1]):
                break
        self.headers = answer[1]
        self._account(answer[1])
        return answer

    async def _follow(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send a request, and again, unchanged, to where a renamed repository has moved."""
        for _ in range(_MAX_HOPS + 1):
            if not url.startswith(f"{self.base_url.rstrip('/')}/"):
                raise Temporary("GitHub leads to an address that is not the api_url; not followed")
            answer = await self._send(method, url, headers, body)
            location = answer[1].get("Location")
            if answer[0] not in _REDIRECTS or location is None:
                return answer
            url = urljoin(url, location)
        raise Temporary("GitHub leads round in circles")

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        started = time.perf_counter()
        outcome = "failed"
        try:
            async with self._session().request(
                method, url, headers=headers, data=body or None, allow_redirects=False
            ) as response:
                content = bytearray()
                async for chunk in response.content.iter_any():
                    content += chunk
                    if len(content) > _MAX_ANSWER:
                        raise Temporary("GitHub's answer is larger than any that it gives")
                outcome = str(response.status)
                return response.status, response.headers, bytes(content)
        except TimeoutError:
            raise Temporary(f"GitHub did not answer within {CALL_SECONDS:.0f} seconds") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Temporary(f"GitHub cannot be reached ({type(error).__name__})") from None
        finally:
            seconds = time.perf_counter() - started
            self._metrics.github_calls.labels(method, outcome).inc()
            self._metrics.github_call_seconds.observe(seconds)
            logger.info(
                "call",
                method=method,
                path=_CODE.sub("/app-manifests/…/", urlsplit(url).path),
                outcome=outcome,
                ms=round(seconds * 1000, 2),
                credential=self.label,
            )

    def _account(self, headers: Mapping[str, str]) -> None:
        try:
            remaining = int(headers["X-RateLimit-Remaining"])
        except (KeyError, ValueError):
            return
        resource = headers.get("X-RateLimit-Resource", "core")
        self._metrics.rate_limit_remaining.labels(self.label, resource[:40]).set(remaining)


class GitHub:
    """The clients of a process, made as needed; one HTTP session for all."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._open: aiohttp.ClientSession | None = None
        self._clients: TTLCache[tuple[Any, ...], Client] = TTLCache(maxsize=4096, ttl=7200)
        self._logins: TTLCache[tuple[Any, ...], str | None] = TTLCache(maxsize=4096, ttl=3600)

    def client(self, integration: Integration, installation_id: int | None) -> Client:
        """Return the client that acts for an integration: as its token, or an installation.

        Raises Refused if an App's installation is not known.
        """
        if integration.token is not None:
            return self._made(integration, "token", FixedToken(integration.token))
        if installation_id is None:
            raise Refused("it is not known which installation of the App serves it", 404)
        return self._made(
            integration, f"installation {installation_id}", None, installation_id=installation_id
        )

    def app(self, integration: Integration) -> Client:
        """Return the client that acts as the App itself, by JWT. Only for an App's credentials."""
        assert integration.app_id is not None and integration.private_key is not None
        return self._made(integration, "app", AppToken(integration.app_id, integration.private_key))

    async def installation_of(self, integration: Integration, repository: str) -> int:
        """Return which installation of an App serves a repository; raises CallFailed."""
        path = "/repos/{+repository}/installation"
        try:
            found = await self.app(integration).getitem(path, {"repository": repository})
            return int(found["id"])
        except Refused as error:
            if error.status == 404:
                raise Refused("the App is not installed on this repository", 404) from None
            raise
        except (KeyError, TypeError, ValueError):
            raise Temporary("GitHub's answer names no installation") from None

    async def login(self, integration: Integration) -> str | None:
        """Return the login under which an integration writes; None if GitHub does not say.

        A pasted installation token may not ask who it is.
        """
        key = (_identity(integration),)
        if key not in self._logins:
            try:
                if integration.token is not None:
                    user = await self.client(integration, None).getitem("/user")
                    self._logins[key] = user["login"]
                else:
                    app = await self.app(integration).getitem("/app")
                    self._logins[key] = f"{app['slug']}[bot]"
            except Refused as error:
                if error.status != 403 or integration.token is None:
                    raise
                self._logins[key] = None
            except (KeyError, TypeError):
                raise Temporary("GitHub's answer does not say who we are") from None
        return self._logins[key]

    async def close(self) -> None:
        if self._open is not None:
            await self._open.close()

    def anonymous(self, api_url: str) -> Client:
        """Return a client without a credential, for the exchange of a manifest's code."""
        return Client(self._session, api_url, FixedToken(None), self._metrics, "none")

    def user(self, api_url: str, token: str) -> Client:
        """Return a client that acts as a person, for as long as they sign in. It is not kept."""
        return Client(self._session, api_url, FixedToken(token), self._metrics, "somebody")

    async def user_token(self, web_origin: str, fields: Mapping[str, str]) -> str:
        """Exchange the code of a person who signs in for their token; raises CallFailed.

        `web_origin` is that of the pages of a GitHub in GITHUB_API_URLS, which is where this is
        asked. https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-user-access-token-for-a-github-app
        """
        started, outcome = time.perf_counter(), "failed"
        try:
            async with self._session().post(
                f"{web_origin}/login/oauth/access_token",
                json=dict(fields),
                headers={"Accept": "application/json"},
                allow_redirects=False,
            ) as response:
                outcome = str(response.status)
                if response.status >= 500:
                    raise Temporary(f"GitHub answered {response.status}")
                answer = await response.json(content_type=None)
        except TimeoutError:
            raise Temporary(f"GitHub did not answer within {CALL_SECONDS:.0f} seconds") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Temporary(f"GitHub cannot be reached ({type(error).__name__})") from None
        except ValueError:
            raise Temporary("GitHub's answer is not JSON") from None
        finally:
            self._metrics.github_calls.labels("POST", outcome).inc()
            self._metrics.github_call_seconds.observe(time.perf_counter() - started)
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token:
            reason = answer.get("error") if isinstance(answer, dict) else None
            raise Refused(str(reason or "GitHub gave no token")[:100], 401)
        return token

    def _made(
        self,
        integration: Integration,
        role: str,
        auth: Auth | None,
        *,
        installation_id: int | None = None,
    ) -> Client:
        key = (_identity(integration), role)
        known = self._clients.get(key)
        if known is not None:
            return known
        if auth is None:
            assert installation_id is not None
            auth = InstallationToken(lambda: self._mint(integration, installation_id))
        label = f"{integration.id} {role}"
        made = Client(self._session, integration.api_url, auth, self._metrics, label)
        self._clients[key] = made
        return made

    async def _mint(self, integration: Integration, installation_id: int) -> Any:
        path = f"/app/installations/{installation_id}/access_tokens"
        try:
            return await self.app(integration).post(path, data=b"")
        except Refused as error:
            raise explain_mint(error, installation_id) from None

    def _session(self) -> aiohttp.ClientSession:
        if self._open is None or self._open.closed:
            self._open = aiohttp.ClientSession(
                timeout=_TIMEOUT,
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(limit=64, limit_per_host=32),
            )
        return self._open


def _identity(integration: Integration) -> tuple[str, str, str]:
    """Return what tells clients apart: a changed credential makes a new one."""
    secret = integration.token or integration.private_key or ""
    digest = hashlib.sha256(f"{integration.app_id} {secret}".encode()).hexdigest()
    return integration.id, integration.api_url, digest
