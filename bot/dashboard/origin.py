"""Tells forms of our own pages from those that another site sends in a visitor's name.

Browsers say where a form stood: with `Sec-Fetch-Site` over TLS and on the own machine, else with
`Origin`, old ones with `Referer`. Who says nothing of it is no browser, so there is no visitor
in whose name it could act; forms of a session need the proof of their page anyway.
"""

from urllib.parse import urlsplit

from aiohttp import web

from bot.log import logger
from bot.services import SERVICES
from bot.web.problems import Problem

_PORTS = {"http": 80, "https": 443}
_Origin = tuple[str, str, int]


def check(request: web.Request) -> None:
    """Raise Problem if a form was sent from a page of another site."""
    if not _is_own(request):
        public_url = request.config_dict[SERVICES].settings.public_url
        logger.info(
            "form of another site refused",
            path=request.path,
            origin=request.headers.get("Origin", "")[:200],
            public_url=public_url,
        )
        raise Problem(
            403,
            "not from here",
            "The form was sent from a page of another site, so nothing was done. Open the page "
            "here and send it from there. If you did, the service is set up for an address "
            f"other than the one in your browser: PUBLIC_URL is {public_url}.",
        )


def _is_own(request: web.Request) -> bool:
    """Tell whether all that a request says of where it comes from is ours."""
    headers = request.headers
    if sites := headers.getall("Sec-Fetch-Site", []):
        if set(sites) == {"same-origin"}:
            return True  # the browser knows, also where a proxy has changed the Host
        if set(sites) != {"none"}:
            return False
    public = _parsed(request.config_dict[SERVICES].settings.public_url)
    said = headers.getall("Origin", []) or headers.getall("Referer", [])
    return all(_is_ours(_parsed(one), public, headers.get("Host", "")) for one in said)


def _is_ours(origin: _Origin | None, public: _Origin | None, host: str) -> bool:
    """Tell whether an origin is that of PUBLIC_URL, or of the address that was asked."""
    if origin is None:
        return False
    if origin == public:
        return True
    scheme, name, _ = origin
    if public is not None and name == public[1] and (scheme, public[0]) == ("http", "https"):
        return False  # anybody on the way can write a page without TLS
    return origin == _parsed(f"{scheme}://{host}")


def _parsed(url: str) -> _Origin | None:
    """Return scheme, host and port of an address; None for `null` and all else that has none."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port if port is not None else _PORTS[parts.scheme]
