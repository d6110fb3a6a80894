"""Ports for what is started later, or killed and started again at the same one.

Such a port must be none that the system gives to whoever asks for any: while nobody listens there,
the server of another test would come to, and be spoken to in place of the one that is meant.
"""

import itertools
import os
import random
import socket
from collections.abc import Iterator

_FIRST, _EACH = 20_000, 800  # below those that Linux, macOS and Windows give; for each worker
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 15
_mine = range(_FIRST + _worker * _EACH, _FIRST + (_worker + 1) * _EACH)
_start = random.randrange(_EACH)  # other runs on this machine begin elsewhere
_ports: Iterator[int] = itertools.cycle((*_mine[_start:], *_mine[:_start]))


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens at, and no other test is given."""
    for port in itertools.islice(_ports, _EACH):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"none of the ports {_mine.start} to {_mine.stop - 1} is free")
