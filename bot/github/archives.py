"""Streams the archive of a commit: GitHub answers with where it is, which is followed once.

Its address holds a token: it is never logged or stored, nor a part of an error, and our own token
is not sent there. https://docs.github.com/en/rest/repos/contents#download-a-repository-archive-tar
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from bot.github import names
from bot.github.client import Client
from bot.github.failures import Refused, Temporary
from bot.log import logger

_URL = "/repos/{+repository}/tarball/{sha}"
_REDIRECTS = (301, 302, 303, 307, 308)
_SILENT = 30.0  # seconds without a byte


def is_allowed(address: str, api_url: str, listed: Collection[str]) -> bool:
    """Tell whether the archive of a repository may be read at an address.

    `listed` are the hosts of GITHUB_ARCHIVE_HOSTS. Without any it is `codeload.` and the web host,
    and what is below `/_codeload/` on the web host itself. It is read over https, and over http
    only where GitHub itself is called so, or where that is listed.
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    if "@" in parts.netloc or not host or any(one <= " " or one == "\x7f" for one in address):
        return False
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    place = host if port in (None, usual) else f"{host}:{port}"
    if usual is None or f"{parts.scheme}://{place}" in listed:
        return usual is not None
    if parts.scheme == "http" and not api_url.startswith("http://"):
        return False
    if listed:
        return place in listed or (parts.scheme == "http" and host in listed)
    return _is_githubs(place, URL(address).path, names.web_host(api_url))


def _is_githubs(place: str, path: str, web: str) -> bool:
    """Tell whether a place is where a GitHub has its archives, by its web host."""
    is_inside = path.startswith("/_codeload/") and not {".", ".."} & {*path.split("/")}
    return place == f"codeload.{web}" or (place == web and is_inside)


@asynccontextmanager
async def opened(
    client: Client, repository: str, sha: str, listed: Collection[str]
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Open the archive of a commit; what it yields are its bytes, packed, in pieces.

    Raises CallFailed; Temporary also where it breaks off, Refused if it leads where it must not.
    """

    def is_known(address: str) -> bool:
        return is_allowed(address, client.base_url, listed)

    address = await client.location(_URL, {"repository": repository, "sha": sha}, is_known)
    if not is_known(address):
        host = urlsplit(address).hostname or "nowhere"
        raise Refused(
            403,
            f"GitHub leads to {host[:100]!r} for an archive",
            "GITHUB_ARCHIVE_HOSTS does not list it",
        )
    outcome, started = "failed", time.perf_counter()
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=_SILENT)
    try:
        async with client.session().get(
            URL(address, encoded=True),
            headers={"User-Agent": client.requester, "Accept-Encoding": "identity"},
            allow_redirects=False,
            timeout=timeout,
        ) as response:
            outcome = str(response.status)
            _see_to_status(response.status)
            yield response.content.iter_any()
    except TimeoutError:
        raise Temporary("the archive did not go on coming") from None
    except (aiohttp.ClientError, asyncio.IncompleteReadError, OSError, ValueError) as error:
        # Its text would have the address.
        raise Temporary(f"the archive broke off ({type(error).__name__})") from None
    finally:
        seconds = time.perf_counter() - started
        logger.info(
            "archive",
            repository=repository,
            outcome=outcome,
            ms=round(seconds * 1000, 2),
            credential=client.label,
        )


def _see_to_status(status: int) -> None:
    if status in (401, 403, 404, 410):
        raise Refused(status, f"{status} for the archive", lags=status == 404)
    if status in _REDIRECTS:
        raise Temporary("the archive is somewhere else again; not followed")
    if status != 200:
        raise Temporary(f"{status} for the archive")
