"""Hears when the process is told to stop."""

import asyncio
import signal
import sys
from weakref import WeakKeyDictionary

_told: "WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Event]" = WeakKeyDictionary()


def stop_event(*, supervised: bool = False) -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set; the same one however often it is asked for.

    A `supervised` process stops too when its supervisor, at the other end of its standard input,
    is gone.
    """
    loop = asyncio.get_running_loop()
    if loop not in _told:
        told = _told[loop] = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, told.set)
        if supervised:
            loop.add_reader(sys.stdin.fileno(), told.set)
    return _told[loop]
