"""gidgethub's client, one per credential: Bearer, API version, timeouts, redirects, ETags, limits.

Redirects are followed as https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
asks. No call, redirect or next page leaves the integration's `api_url`, and none is made at all
while GITHUB_API_URLS does not list that: here, where every call comes through.
"""

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import gidgethub
from cachetools import LRUCache, TTLCache
from gidgethub import sansio
from gidgethub.abc import ITERABLE_KEY, GitHubAPI
from yarl import URL

from bot import __version__, times
from bot.domain.integrations import Integration, not_listed
from bot.emails import without_emails
from bot.github import addresses, limits, names
from bot.github.auth import AppToken, Auth, FixedToken, InstallationToken, explain_mint
from bot.github.failures import CallFailed, Limited, NotListed, Refused, Shut, Temporary
from bot.log import logger
from bot.metrics import Metrics

API_VERSION = "2022-11-28"
CALL_SECONDS = 12.0  # GitHub itself gives up after ten
_TIMEOUT = aiohttp.ClientTimeout(total=CALL_SECONDS, sock_connect=5.0)
_MAX_ANSWER = 16 * 1024 * 1024
_MAX_HOPS = 3
_MAX_PAGES = 1000  # of a list
_REDIRECTS = (301, 302, 307, 308)
_CODE = re.compile("/app-manifests/[^/]+/")  # what stands there opens a new App's secrets
# What GitHub says of what it does not know (yet), and of what people have shut.
_NO_COMMIT = re.compile("no commit found", re.I)
_SHAS = ("sha", "head_sha")
_SHUT = {
    re.compile(r"\b(?:issue|pull request|conversation)\b.*\blocked\b", re.I): (
        "the conversation is locked: what is owed waits until it is unlocked"
    ),
    re.compile(r"\barchived\b", re.I): (
        "the repository is archived: what is owed waits until it is unarchived"
    ),
}
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
        *,
        is_listed: bool,
    ) -> None:
        super().__init__(
            f"experiment-bot/{__version__}", cache=LRUCache(maxsize=256), base_url=api_url
        )
        self._session = session
        self._auth = auth
        self._metrics = metrics
        self._is_listed = is_listed  # in GITHUB_API_URLS
        self.label = label
        self.before_write: BeforeWrite | None = None
        self.headers: Mapping[str, str] = {}  # of the last answer

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def getiter(
        self,
        url: str,
        url_vars: Mapping[str, Any] | None = None,
        *,
        accept: str = sansio.accept_format(),
        jwt: str | None = None,
        oauth_token: str | None = None,
        extra_headers: dict[str, str] | None = None,
        iterable_key: str | None = ITERABLE_KEY,
    ) -> AsyncGenerator[Any, None]:
        """Return the items of all pages; raises Temporary if they lead away or have no end."""
        seen: set[str] = set()
        first = sansio.format_url(url, url_vars or {}, base_url=self.base_url)
        self._see_to_path(first, url_vars or {})
        page: str | None = first
        while page is not None:
            if page in seen or len(seen) >= _MAX_PAGES:
                raise Temporary("GitHub's pages have no end")
            if seen and addresses.below(self.base_url, page) is None:
                raise Temporary("GitHub leads to an address that is not the api_url; not followed")
            seen.add(page)
            data, page, _ = await self._make_request(
                "GET",
                page,
                None,
                b"",
                accept,
                jwt=jwt,
                oauth_token=oauth_token,
                extra_headers=extra_headers,
            )
            if isinstance(data, dict) and iterable_key in data:
                data = data[iterable_key]
            for item in data:
                yield item

    async def _make_request(
        self, method: str, url: str, url_vars: Mapping[str, Any] | None, *more: Any, **options: Any
    ) -> Any:
        filled = sansio.format_url(url, url_vars, base_url=self.base_url)
        self._see_to_path(filled, url_vars or {})
        try:
            answer = await super()._make_request(method, url, url_vars, *more, **options)
        except gidgethub.HTTPException as error:
            raise self._failure(error) from None
        except CallFailed:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, LookupError):
            raise Temporary("GitHub's answer cannot be read") from None
        if isinstance(answer[0], str):  # a page, perhaps of a proxy
            raise Temporary("GitHub's answer is not JSON")
        return answer

    def _see_to_path(self, url: str, url_vars: Mapping[str, Any]) -> None:
        """Raise Refused if what we have put into an address makes it lead elsewhere."""
        repository = url_vars.get("repository")
        if repository is not None and not names.is_repository(repository):
            raise Refused(f"{repository[:200]!r} cannot be the name of a repository", 400)
        if addresses.below(self.base_url, url) is None:
            raise Refused("a name in it cannot be a part of an address, so it was not called", 400)

    def _failure(self, error: gidgethub.HTTPException) -> CallFailed:
        status = int(error.status_code)
        message = without_emails(str(error)[:300])  # GitHub repeats what it was given
        if limits.is_limit(status, error.headers, message):
            pause = limits.pause_of(error.headers, times.now() / times.SECOND)
            return Limited(f"GitHub's rate limit: {message}", pause)
        if status >= 500 or status in (408, 425) or 300 <= status < 400:
            return Temporary(f"GitHub answered {status}: {message}")
        if status == 403:
            for pattern, what in _SHUT.items():
                if pattern.search(message):
                    return Shut(f"{what} ({status} {message})", status)
        needs = error.headers.get("X-Accepted-GitHub-Permissions")
        remedy = _REMEDIES.get(status, "")
        if status == 403 and needs:
            remedy = f"{remedy} {needs[:100]}"
        text = f"{status} {message}" + (f" ({remedy})" if remedy else "")
        return Refused(text, status, lags=status == 404 or _names_no_commit(error, message))

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, Mapping[str, str], bytes]:
        if not self._is_listed:
            raise NotListed(not_listed(self.base_url), 403)
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
        target = addresses.below(self.base_url, url)
        for _ in range(_MAX_HOPS + 1):
            if target is None:
                raise Temporary("GitHub leads to an address that is not the api_url; not followed")
            answer = await self._send(method, target, headers, body)
            location = answer[1].get("Location")
            if answer[0] not in _REDIRECTS or location is None:
                return answer
            target = addresses.redirected(self.base_url, target, location)
        raise Temporary("GitHub leads round in circles")

    async def _send(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes
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
                path=_CODE.sub("/app-manifests/…/", url.raw_path),
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


def _names_no_commit(error: gidgethub.HTTPException, message: str) -> bool:
    """Tell whether a refusal is about a commit that GitHub does not know."""
    if int(error.status_code) != 422:
        return False
    errors = getattr(error, "errors", None)
    fields = [one.get("field") for one in errors or () if isinstance(one, dict)]
    return _NO_COMMIT.search(message) is not None or any(one in _SHAS for one in fields)


class GitHub:
    """The clients of a process, made as needed; one HTTP session for all.

    `api_urls` are GITHUB_API_URLS: no other is called, whatever is stored.
    """

    def __init__(self, metrics: Metrics, api_urls: Collection[str]) -> None:
        self._metrics = metrics
        self._api_urls = frozenset(api_urls)
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
                raise Refused(
                    "the App is not installed on this repository", 404, lags=error.lags
                ) from None
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
        return self._new(api_url, FixedToken(None), "none")

    def user(self, api_url: str, token: str) -> Client:
        """Return a client that acts as a person, for as long as they sign in. It is not kept."""
        return self._new(api_url, FixedToken(token), "somebody")

    async def user_token(self, api_url: str, web_origin: str, fields: Mapping[str, str]) -> str:
        """Exchange the code of a person who signs in for their token; raises CallFailed.

        `web_origin` is that of the pages of the GitHub at `api_url`, which is where this is
        asked. https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-user-access-token-for-a-github-app
        """
        if api_url not in self._api_urls:
            raise NotListed(not_listed(api_url), 403)
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
        made = self._new(integration.api_url, auth, f"{integration.id} {role}")
        self._clients[key] = made
        return made

    def _new(self, api_url: str, auth: Auth, label: str) -> Client:
        is_listed = api_url in self._api_urls
        return Client(self._session, api_url, auth, self._metrics, label, is_listed=is_listed)

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
