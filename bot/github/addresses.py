"""Which address a call may go to: nothing but what stays below the integration's `api_url`.

Decided on the address as it is sent, whatever a client, a proxy or a server may make of it: dot
segments in any spelling, backslashes, empty segments and users before a host are never let out.
"""

import re
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from yarl import URL

_PORTS = {"http": 80, "https": 443}
_DEPTH = 4  # times over that a part of a path may be percent-encoded


def below(api_url: str, url: str) -> URL | None:
    """Return an address to be sent exactly so; None if it may lead out of `api_url`."""
    if any(character <= " " or character == "\x7f" for character in url):
        return None  # a parser may leave it out and join what stands around it
    base = urlsplit(api_url)
    try:
        parts = urlsplit(url)
        is_same = "@" not in parts.netloc and _origin(parts) == _origin(base)
    except ValueError:
        return None
    prefix = f"{base.path.rstrip('/')}/"
    if not is_same or not parts.path.startswith(prefix):
        return None
    if not f"{parts.path}?{parts.query}".isascii() or not stays(parts.path[len(prefix) :]):
        return None
    return URL.build(
        scheme=base.scheme,
        authority=URL(api_url).raw_authority,
        path=parts.path,
        query_string=parts.query,
        encoded=True,
    )


def graphql(api_url: str) -> URL:
    """Return where the GraphQL API of the same GitHub is: beside the REST API, on its host.

    On an Enterprise Server that is a path of its own.
    https://docs.github.com/en/enterprise-server/graphql/guides/managing-enterprise-accounts
    """
    base = URL(api_url)
    path = base.path.rstrip("/")
    beside = path.removesuffix("/v3") if path.endswith("/api/v3") else path
    return base.with_path(f"{beside}/graphql")


def redirected(api_url: str, url: URL, location: str) -> URL | None:
    """Return where an answer leads from `url`; None if that may lead out of `api_url`."""
    try:
        # Before it is joined, which resolves dot segments.
        if not stays(urlsplit(location).path.removeprefix("/")):
            return None
        return below(api_url, urljoin(str(url), location))
    except ValueError:
        return None


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def stays(path: str) -> bool:
    """Tell whether no segment of a path leads upwards, however it is spelled and read."""
    if "\\" in path or "//" in f"/{path}":
        return False
    for _ in range(_DEPTH):
        decoded = unquote(path)
        if decoded == path:
            segments = re.split(r"[/\\]", decoded)
            return not any(one.partition(";")[0].strip() in (".", "..") for one in segments)
        path = decoded
    return False
