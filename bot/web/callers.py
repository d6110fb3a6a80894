"""From which address somebody asks, where proxies stand in between.

Anybody can send `X-Forwarded-For` or `Forwarded`: only what a proxy of TRUSTED_PROXIES says counts,
and of that only what such proxies have added themselves, at the right end.
https://www.rfc-editor.org/rfc/rfc7239
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence

from aiohttp import web
from multidict import CIMultiDictProxy

from bot.services import SERVICES
from bot.settings import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_PORT = re.compile(r"(?:\[([^\]]*)\]|([^:]*))(?::\w+)?")


def address_of(request: web.Request) -> str | None:
    """Return the address that a request comes from, for counting and for the log."""
    trusted = request.config_dict[SERVICES].settings.trusted_proxies
    return asking(request.remote, request.headers, trusted)


def is_proxy(address: str, trusted: Sequence[Network]) -> bool:
    """Tell whether a connection from an address is a trusted proxy's."""
    known = _parsed(address)
    return known is not None and _is_trusted(known, trusted)


def asking(
    peer: str | None, headers: CIMultiDictProxy[str], trusted: Sequence[Network]
) -> str | None:
    """Return who asks behind the peer of a connection: the right-most that is no trusted proxy.

    That is the peer itself where what a proxy says cannot be read, or contradicts itself: one that
    sets but one of the headers may pass on the other as the client has sent it.
    """
    proxy = _parsed(peer or "")
    if proxy is None or not _is_trusted(proxy, trusted):
        return peer
    told = {
        _right_most(proxy, nodes, trusted)
        for nodes in (_x_forwarded_for(headers), _forwarded(headers))
        if nodes
    }
    found = told.pop() if len(told) == 1 else None
    return str(found or proxy)


def _right_most(proxy: Address, nodes: Sequence[str], trusted: Sequence[Network]) -> Address | None:
    """Return the first address from the right that is not trusted; None if one cannot be read."""
    found: Address | None = proxy
    for node in reversed(nodes):
        found = _parsed(node)
        if found is None or not _is_trusted(found, trusted):
            return found
    return found


def _x_forwarded_for(headers: CIMultiDictProxy[str]) -> list[str]:
    return list(_elements(headers, "X-Forwarded-For"))


def _forwarded(headers: CIMultiDictProxy[str]) -> list[str]:
    return [_pairs(element).get("for", "") for element in _elements(headers, "Forwarded")]


def _elements(headers: CIMultiDictProxy[str], name: str) -> Iterator[str]:
    for line in headers.getall(name, []):
        yield from line.split(",")


def _pairs(element: str) -> Mapping[str, str]:
    """Return the parameters of an element of `Forwarded`; no address needs more of its grammar."""
    split = (part.partition("=") for part in element.split(";"))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in split}


def _parsed(node: str) -> Address | None:
    """Return the address of a node, which may have a port; None for what has none."""
    node = node.strip()
    parts = _PORT.fullmatch(node)
    text = (parts[1] or parts[2]) if parts else node
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    is_mapped = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped
    return is_mapped or address


def _is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)
