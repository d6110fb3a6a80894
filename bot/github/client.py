"""gidgethub's client, one per credential: Bearer, API version, timeouts, redirects, ETags, limits.

Redirects are followed as https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
asks. No call, redirect or next page leaves the integration's `api_url`, and none is made at all
while GITHUB_API_URLS does not list that: here, where every call comes through.

An ETag is good for the token that it came with: one of an installation lives for an hour, and what
was remembered goes with it.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import aiohttp
import msgspec
from cachetools import LRUCache
from gidgethub import sansio
from gidgethub.abc import ITERABLE_KEY, GitHubAPI
from yarl import URL

from bot import __version__, times
from bot.github import addresses, answers, failures, limits, names
from bot.github.answers import Response
from bot.github.auth import Auth
from bot.github.failures import Limited, NoQueries, NotListed, Refused, Temporary
from bot.log import logger
from bot.metrics import Metrics

API_VERSION = "2022-11-28"
CALL_SECONDS = 12.0  # GitHub itself gives up after ten
_MAX_ANSWER = 16 * 1024 * 1024
_MAX_HOPS = 3
_MAX_PAGES = 1000  # of a list
_LEFT = 0.5  # of an hour's calls, to whom somebody waits for
_ACCEPT = sansio.accept_format()
_REDIRECTS = (301, 302, 307, 308)
_FOUND = 302  # which no repository that has moved is answered with
_CONDITIONS = ("if-none-match", "if-modified-since")
_VALIDATORS = ("etag", "last-modified")
_CODE = re.compile("/app-manifests/[^/]+/")  # what stands there opens a new App's secrets

E = TypeVar("E", bound=msgspec.Struct)
BeforeWrite = Callable[[str, str], Awaitable[None]]
More = Callable[[int], None]  # is told how many bytes of an answer have come; may raise CallFailed


class TooLarge(Temporary):
    """An answer is larger than whoever asked can take."""


class Client(GitHubAPI):
    """Calls GitHub as one token, App or installation.

    Every method of gidgethub's client raises CallFailed: Temporary, Limited or Refused.
    `before_write`, if set, is awaited with the method and path of every call that is no GET. In the
    `background` it is before every call, and half of the hour's calls are left to others.
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
        background: bool = False,
    ) -> None:
        self._remembered: LRUCache[str, Any] = LRUCache(maxsize=256)
        self._remembered_as: str | None = None  # the token that the answers were given to
        super().__init__(f"experiment-bot/{__version__}", cache=self._remembered, base_url=api_url)
        self.session = session
        self.auth = auth
        self._metrics = metrics
        self._is_listed = is_listed  # in GITHUB_API_URLS
        self._background = background
        self._rests_until = 0  # in microseconds
        self.label = label
        self.before_write: BeforeWrite | None = None
        self.headers: Mapping[str, str] = {}  # of the last answer

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def fetch(
        self,
        shape: type[E],
        url: str,
        url_vars: Mapping[str, str] | None = None,
        *,
        is_kept: bool = True,
    ) -> E:
        """Return the answer to a GET as a type; raises CallFailed, Temporary if it is no such.

        Unless it `is_kept` it is large, or not to be asked for again.
        """
        found = await self.getitem(url, url_vars)
        if not is_kept:
            self._forget(url, url_vars)
        return answers.read(found, shape)

    async def fetch_all(
        self, shape: type[E], url: str, url_vars: Mapping[str, str] | None = None
    ) -> AsyncGenerator[E, None]:
        """Return the items of all pages of a list as a type; raises as `fetch` does."""
        async for item in self.getiter(url, url_vars):
            yield answers.read(item, shape)

    async def fetch_page(
        self, url: str, url_vars: Mapping[str, str], key: str = "", *, is_kept: bool = True
    ) -> tuple[list[Any], str | None]:
        """Return the items of one page of a list, and the query of the next page if there is one.

        With a `key` the list is that part of the answer. Unless the page `is_kept` it is not to be
        asked for again. Raises CallFailed.
        """
        data, more, _ = await self._make_request("GET", url, url_vars, b"", _ACCEPT)
        if not is_kept:
            self._forget(url, url_vars)
        found = data.get(key) if key and isinstance(data, dict) else data
        if not isinstance(found, list):
            raise Temporary("GitHub's answer cannot be read")
        if more is not None and addresses.below(self.base_url, more) is None:
            raise Temporary("GitHub leads to an address that is not the api_url; not followed")
        return found, urlsplit(more).query if more else None

    def _forget(self, url: str, url_vars: Mapping[str, Any] | None) -> None:
        self._remembered.pop(sansio.format_url(url, url_vars or {}, base_url=self.base_url), None)

    async def download(
        self, url: str, url_vars: Mapping[str, str], most: int, more: More
    ) -> bytes | bytearray:
        """Return the text of an answer that may be large; nothing of it is kept.

        `more` is told of each piece as it comes. Raises CallFailed; TooLarge beyond `most` bytes.
        """
        answer = await self._get(url, url_vars, most=most, more=more)
        if answer[0] != 200:
            answers.deciphered((answer[0], answer[1], bytes(answer[2])))
            raise Temporary(f"GitHub answered {answer[0]}")
        return answer[2]

    async def location(
        self, url: str, url_vars: Mapping[str, str], leaves: Callable[[str], bool]
    ) -> str:
        """Return where an answer leads that is not below the `api_url`; raises CallFailed.

        An address that `leaves` tells of is not followed either, though it may be below that.
        """
        answer = await self._get(url, url_vars, leaves=leaves)
        location = answer[1].get("Location")
        if answer[0] not in _REDIRECTS or location is None:
            answers.deciphered(answer)
            raise Temporary(f"GitHub answered {answer[0]} without saying where it leads")
        return location

    async def _get(self, url: str, url_vars: Mapping[str, str], **taking: Any) -> Response:
        filled = sansio.format_url(url, url_vars, base_url=self.base_url)
        self._see_to_path(filled, url_vars)
        headers = sansio.create_headers(self.requester, accept=_ACCEPT)
        return await self._request("GET", filled, headers, **taking)

    async def create(
        self, shape: type[E], url: str, url_vars: Mapping[str, str], data: Mapping[str, Any]
    ) -> E:
        """Return the answer to a POST as a type; raises as `fetch` does."""
        return answers.read(await self.post(url, url_vars, data=data), shape)

    async def update(
        self, shape: type[E], url: str, url_vars: Mapping[str, str], data: Mapping[str, Any]
    ) -> E:
        """Return the answer to a PATCH as a type; raises as `fetch` does."""
        return answers.read(await self.patch(url, url_vars, data=data), shape)

    async def query(self, shape: type[E], document: str, variables: Mapping[str, Any]) -> E:
        """Return what GraphQL answers to a query as a type; raises as `fetch` does.

        It changes nothing, so it need not wait as writes do, and it is led nowhere else.
        """
        url = addresses.graphql(self.base_url)
        headers = sansio.create_headers(self.requester)
        headers["content-type"] = "application/json; charset=utf-8"
        body = json.dumps({"query": document, "variables": variables}).encode()

        async def send(sent: Mapping[str, str]) -> Response:
            return await self.send("POST", url, sent, body)

        answer = await self._sent_as(headers, send)
        if answer[0] == 404:
            raise NoQueries
        data = answers.deciphered(answer)
        if not isinstance(data, dict):
            raise Temporary("GitHub's answer cannot be read")
        if data.get("errors"):
            raise failures.of_query(data["errors"], answer[1], times.now() / times.SECOND)
        return answers.read(data.get("data"), shape)

    async def getiter(
        self,
        url: str,
        url_vars: Mapping[str, Any] | None = None,
        *,
        accept: str = sansio.accept_format(),
        iterable_key: str | None = ITERABLE_KEY,
        **options: Any,
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
            data, page, _ = await self._make_request("GET", page, None, b"", accept, **options)
            is_keyed = isinstance(data, dict) and iterable_key in data
            for item in data[iterable_key] if is_keyed else data:
                yield item

    async def _make_request(
        self, method: str, url: str, url_vars: Mapping[str, Any] | None, *more: Any, **options: Any
    ) -> Any:
        filled = sansio.format_url(url, url_vars, base_url=self.base_url)
        self._see_to_path(filled, url_vars or {})
        with answers.readable():
            # Filled in, since to expand an address costs as much as to look at the answer.
            answer = await super()._make_request(method, filled, None, *more, **options)
        answers.see_to_json(answer[0])
        return answer

    def _see_to_path(self, url: str, url_vars: Mapping[str, Any]) -> None:
        """Raise Refused if what we have put into an address makes it lead elsewhere."""
        repository = url_vars.get("repository")
        if repository is not None and not names.is_repository(repository):
            raise Refused(400, f"{repository[:200]!r} cannot be the name of a repository")
        if addresses.below(self.base_url, url) is None:
            raise Refused(400, "a name in it cannot be a part of an address, so it was not called")

    async def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        **taking: Any,
    ) -> Response:
        path = urlsplit(url).path.removeprefix(urlsplit(self.base_url).path.rstrip("/"))
        if self._background and (left := self._rests_until - times.now()) > 0:
            why = "half of the hour's calls are left to comments, checks and commands"
            raise Limited(why, left / times.SECOND)
        if (method != "GET" or self._background) and self.before_write is not None:
            await self.before_write(method, path)
        return await self._sent_as(
            headers, lambda sent: self._follow(method, url, sent, body, **taking)
        )

    async def _sent_as(
        self, headers: Mapping[str, str], send: Callable[[Mapping[str, str]], Awaitable[Response]]
    ) -> Response:
        """Send a request as who we are; again with another token, if GitHub takes one no more."""
        if not self._is_listed:
            raise NotListed(self.base_url)
        for _ in range(2):
            token = await self.auth.token()
            headers = self._fit_for(token, headers)
            sent = {**headers, "x-github-api-version": API_VERSION}
            if token is not None:
                sent["authorization"] = f"Bearer {token}"
            answer = await send(sent)
            if answer[0] != 401 or not self.auth.refused(token, answer[1]):
                break
        self.headers = answer[1]
        self._account(answer[1])
        if token != self._remembered_as:  # another call has got the next token meanwhile
            return answer[0], answers.without(answer[1], _VALIDATORS), answer[2]
        return answer

    def _fit_for(self, token: str | None, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Return headers without a condition that another token's answer has set.

        What was remembered of that one is forgotten.
        """
        if token == self._remembered_as:
            return headers
        self._remembered.clear()
        self._remembered_as = token
        return answers.without(headers, _CONDITIONS)

    async def _follow(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        leaves: Callable[[str], bool] | None = None,
        **taking: Any,
    ) -> Response:
        """Send a request, and again, unchanged, to where a renamed repository has moved.

        With `leaves` an answer that leads elsewhere is returned.
        """
        target = addresses.below(self.base_url, url)
        for _ in range(_MAX_HOPS + 1):
            if target is None:
                raise Temporary("GitHub leads to an address that is not the api_url; not followed")
            answer = await self.send(method, target, headers, body, **taking)
            location = answer[1].get("Location")
            if answer[0] not in _REDIRECTS or location is None:
                return answer
            target = addresses.redirected(self.base_url, target, location)
            if leaves is None:
                continue
            if target is None or (answer[0] == _FOUND and leaves(location)):
                return answer
        raise Temporary("GitHub redirects in a circle")

    async def send(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes,
        *,
        most: int = _MAX_ANSWER,
        more: More | None = None,
    ) -> Response:
        """Make one request, to an address that has been looked at; raises Temporary.

        The answer may have `most` bytes; `more` is told of each piece that has come.
        """
        started = time.perf_counter()
        outcome = "failed"
        try:
            async with self.session().request(
                method, url, headers=headers, data=body or None, allow_redirects=False
            ) as response:
                content = bytearray()
                async for chunk in response.content.iter_any():
                    if more is not None:
                        more(len(chunk))
                    content += chunk
                    if len(content) > most:
                        raise TooLarge("GitHub's answer is larger than any that it gives")
                outcome = str(response.status)
                # What may be large is not copied.
                whole = bytes(content) if more is None else cast(bytes, content)
                return response.status, response.headers, whole
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
        if self._background:
            rest = limits.rest_of(headers, times.now() / times.SECOND, _LEFT)
            self._rests_until = times.now() + round(rest * times.SECOND)
        resource = headers.get("X-RateLimit-Resource", "core")
        self._metrics.rate_limit_remaining.labels(self.label, resource[:40]).set(remaining)
