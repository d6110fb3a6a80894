"""Counts wrong guesses at secrets by the address they come from.

Counting never keeps anybody with the right secret out: whoever shares an address with a guesser
(an office, a proxy) would be locked out with them.
"""

import ipaddress
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cachetools import LRUCache

_SECONDS = 60.0
_ADDRESSES = 4096  # remembered at most; the one that has been quiet longest is forgotten first


@dataclass(slots=True)
class Guesses:
    """The wrong guesses of the last minute, in this process. `limit` is how many one may make."""

    limit: int
    clock: Callable[[], float] = time.monotonic
    _counted: "LRUCache[str, tuple[float, int]]" = field(  # since when, how many
        default_factory=lambda: LRUCache(maxsize=_ADDRESSES)
    )

    def wrong(self, remote: str | None) -> int:
        """Count a wrong guess; return how many seconds to wait, 0 for those within the limit."""
        now, address = self.clock(), network(remote)
        since, count = self._counted.get(address, (now, 0))
        if now - since >= _SECONDS:
            since, count = now, 0
        self._counted[address] = since, count + 1
        return max(1, math.ceil(since + _SECONDS - now)) if count >= self.limit else 0

    def is_over(self, remote: str | None) -> bool:
        """Tell whether the next wrong guess from an address would be beyond the limit."""
        since, count = self._counted.get(network(remote), (0.0, 0))
        return count >= self.limit and self.clock() - since < _SECONDS


def network(remote: str | None) -> str:
    """Return what an address is counted as: of IPv6 the /64, which one machine has to itself."""
    try:
        address = ipaddress.ip_address(remote or "")
    except ValueError:
        return remote or ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(address) >> 64 << 64))
