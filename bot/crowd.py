"""Everybody who is connected to this process: how many, from where, and what of theirs is held.

Whoever comes finds room as long as others only keep it: those who have let the service wait longest
make way, first those of the address that holds the most.
"""

import asyncio
import fcntl
import sys
import termios
from collections import Counter, deque
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Protocol

from bot.log import logger
from bot.web.in_flight import MOST_HELD, MOST_OF_LARGE, InFlight

__all__ = ["MOST_HELD", "MOST_OF_LARGE"]

SMALL = 1024 * 1024
_MOST, _MOST_OF_ONE, _LEAST_OF_ONE = 8192, 1000, 500  # connections
_FEWEST = 16
_PIECES = 2  # of large bodies that are read in one turn of the loop, a quarter of a megabyte each
_KEPT_FILES = 256  # for the database, calls to GitHub and the rest
_READ_SECONDS, _READ_BYTES = 15.0, 16 * 1024  # how much of an answer is read in which time
_SHORT_SECONDS = 60.0  # after files have run out, until as many connections as ever are tried again
_SHARE = 8  # one part in so many is freed at once: to look for who makes way takes a while


class Guest(Protocol):
    """A connection. `address` is what it counts as: each by way of a proxy for itself."""

    address: str
    held: int  # bytes, of the requests that are not answered yet
    has_delivered: bool  # something that was signed

    def waits_since(self) -> float | None:
        """Return since when it has waited for its client, None while there is work for it."""

    def cut_off(self) -> None:
        """End it at once."""

    def refuse(self) -> None:
        """Let go of what it holds, and answer that there was no room."""

    def read_on(self) -> None:
        """Read the next piece of what it is sent."""


class Turns:
    """Turns at reading what is large: a few pieces in each turn of the event loop.

    A hundred who send all they can would else be read each time before one small delivery is.
    """

    def __init__(self) -> None:
        self._waiting: deque[Guest] = deque()

    def wait(self, guest: Guest) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._next)
        self._waiting.append(guest)

    def _next(self) -> None:
        for _ in range(min(_PIECES, len(self._waiting))):
            self._waiting.popleft().read_on()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._next)


class Crowd:
    """The connections of a process, so many that `files` are enough for them."""

    def __init__(self, files: int, in_flight: InFlight | None = None) -> None:
        self.most = self._usual = min(_MOST, files - min(_KEPT_FILES, files // 4))
        self.most_of_one = min(self.most, max(_LEAST_OF_ONE, min(_MOST_OF_ONE, self.most // 2)))
        self._short_until = 0.0
        self._in_flight = in_flight or InFlight()
        self.turns = Turns()
        self._guests: dict[Guest, None] = {}
        self._of: dict[str, set[Guest]] = {}

    @property
    def held(self) -> int:
        """The bytes that have come and are not answered yet, of all together."""
        return self._in_flight.held

    @held.setter
    def held(self, count: int) -> None:
        self._in_flight.held = count

    def enter(self, guest: Guest) -> bool:
        """Take a connection in if there is, or can be made, room for it."""
        if self.most < self._usual and asyncio.get_running_loop().time() >= self._short_until:
            self.most = self._usual
        of_one = self._of.get(guest.address, set())
        if len(of_one) >= self.most_of_one:
            self._thin_out(of_one, self.most_of_one, guest.address)
            if len(of_one) >= self.most_of_one:
                return False
        if len(self._guests) >= self.most:
            self._thin_out(self._guests, self.most)
            if len(self._guests) >= self.most:
                return False
        of_one.add(guest)
        self._of[guest.address] = of_one
        self._guests[guest] = None
        return True

    def leave(self, guest: Guest) -> None:
        self._guests.pop(guest, None)
        of_one = self._of.get(guest.address)
        if of_one is not None:
            of_one.discard(guest)
            if not of_one:
                del self._of[guest.address]

    def is_short_of_files(self) -> None:
        """Make do with fewer connections for a while: the rest needs more files than thought."""
        self.most = min(self._usual, max(_FEWEST, len(self._guests) - _FEWEST))
        self._short_until = asyncio.get_running_loop().time() + _SHORT_SECONDS
        self._thin_out(self._guests, self.most)

    def _thin_out(self, guests: Collection[Guest], most: int, address: str | None = None) -> None:
        """End those that have waited longest for their clients, so that there is some room."""
        count = len(guests)
        waiting = _by_patience(guests)[: max(0, count - most + most // _SHARE) + 1]
        for guest in waiting:
            guest.cut_off()
            self.leave(guest)
        logger.warning("connections closed", count=len(waiting), of=count, remote=address)

    def has_room(self, guest: Guest) -> bool:
        """Tell whether what a connection has just been sent can be held; others may make way."""
        most = MOST_HELD if guest.held <= SMALL else MOST_OF_LARGE
        if self.held > most:
            self._free(most - most // _SHARE)
        return self.held <= most

    def _free(self, most: int) -> None:
        """Refuse what is still being sent until no more than `most` is held."""
        holding = [guest for guest in self._guests if guest.held]
        of_one: Counter[str] = Counter()
        for guest in holding:
            of_one[guest.address] += guest.held
        # Who holds far less than an equal share is asked last, since that frees little.
        share = self.held / len(holding) / 2
        waiting = _by_patience(holding)
        waiting.sort(key=lambda guest: (guest.held < share, -of_one[guest.address]))
        count = 0
        for guest in waiting:
            if self.held <= most:
                break
            guest.refuse()
            count += 1
        logger.warning("no room for bodies", refused=count, of=len(holding), held=self.held)


class Watch:
    """Sees to it that a client reads what it is sent."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, transport: asyncio.Transport) -> None:
        """Cut the client off if it goes on reading next to nothing."""
        self.end()
        self._look_later(transport, _unread(transport))

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_later(self, transport: asyncio.Transport, unread: int) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_READ_SECONDS, self._look, transport, unread)

    def _look(self, transport: asyncio.Transport, unread: int) -> None:
        left = _unread(transport)
        if left > max(0, unread - _READ_BYTES):
            transport.abort()
        elif left:
            self._look_later(transport, left)


def _unread(transport: asyncio.Transport) -> int:
    """Return how many bytes a client has not taken yet, of what is written.

    The kernel's share can be megabytes, of which asyncio hears no more until much of it is taken.
    """
    count = transport.get_write_buffer_size()
    with suppress(OSError):  # some systems do not tell
        queued = fcntl.ioctl(transport.get_extra_info("socket"), termios.TIOCOUTQ, bytes(4))
        count += int.from_bytes(queued, sys.byteorder)
    return count


def _by_patience(guests: Iterable[Guest]) -> list[Guest]:
    """Return the connections that wait for their clients, those first that have waited longest.

    But last of all those that have delivered something: the next may be on its way already, and
    nobody sends it again.
    """
    found = [(since, guest) for guest in guests if (since := guest.waits_since()) is not None]
    found.sort(key=lambda one: (one[1].has_delivered, one[0]))
    return [guest for _, guest in found]
