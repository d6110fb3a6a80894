"""Standard output and error that the service never waits for: what cannot be written is counted.

A disk may be full, the reader of a pipe gone, or there and not reading. What is said then is lost,
or waits in memory as far as there is room; the work goes on.
"""

import atexit
import io
import os
import select
import socket
import stat
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TextIO, cast

ROOM = 1 << 20  # bytes that wait for a reader
LAST_SECONDS = 1.0  # for what still waits when the process ends


class Outlet(io.TextIOBase):
    """Text that goes to a descriptor at once and in order, as long as somebody takes it.

    `note` says, as a line of its own, how many lines were lost; it is written before the next one.
    """

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, descriptor: int) -> None:
        self.note: Callable[[int], str] = lambda _: ""
        self.lost = 0  # lines since the last that was written
        self._descriptor = descriptor
        self._send = _sender(descriptor)
        self._waiting: deque[bytes] = deque()
        self._held = 0  # bytes of it
        self._is_torn = False  # a line was begun that could not be ended
        self._sending: threading.Thread | None = None  # while something waits
        self._lock = threading.RLock()  # an object that is thrown away may have something to say

    def write(self, text: str) -> int:
        data = text.encode(self.encoding, self.errors)
        with self._lock:
            if not self._put(self._lines_lost() + data if self.lost else data):
                self._lose(data)
            elif self.lost:
                self.lost = 0
        return len(text)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def settle(self) -> None:
        """Give what still waits a moment to be written."""
        sending = self._sending  # which the thread itself takes away when it is done
        if sending is not None:
            sending.join(LAST_SECONDS)

    def _lines_lost(self) -> bytes:
        note = self.note(self.lost).encode(self.encoding, self.errors)
        return b"\n" + note if self._is_torn else note

    def _put(self, data: bytes) -> bool:
        """Write something, or let it wait; False if neither can be."""
        if self._waiting:
            if self._held + len(data) > ROOM:
                return False
            self._hold(data)
            return True
        try:
            rest = self._push(data)
        except OSError:
            return False
        if rest:
            self._hold(rest)
        return True

    def _push(self, data: bytes) -> bytes:
        """Write what is taken at once, and return the rest; raises OSError."""
        while data:
            try:
                sent = self._send(data)
            except BlockingIOError:
                break
            data, sent_data = data[sent:], data[:sent]
            self._is_torn = not sent_data.endswith(b"\n")
        return data

    def _hold(self, data: bytes) -> None:
        self._waiting.append(data)
        self._held += len(data)
        if self._sending is None:
            self._sending = threading.Thread(target=self._send_waiting, daemon=True)
            self._sending.start()

    def _send_waiting(self) -> None:
        """Write what waits as it is taken, in a thread that lasts as long as there is something."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        while True:
            poll.poll()
            with self._lock:
                self._push_waiting()
                if not self._waiting and self.lost and self._put(self._lines_lost()):
                    self.lost = 0
                if not self._waiting:
                    self._sending = None
                    return

    def _push_waiting(self) -> None:
        try:
            while self._waiting:
                data = self._waiting.popleft()
                rest = self._push(data)
                self._held -= len(data) - len(rest)
                if rest:
                    self._waiting.appendleft(rest)
                    return
        except OSError:
            self._lose(b"".join([data, *self._waiting]))
            self._waiting.clear()
            self._held = 0

    def _lose(self, data: bytes) -> None:
        lines = data.count(b"\n") or 1
        self.lost += lines
        _counts(lines)


def _sender(descriptor: int) -> Callable[[bytes], int]:
    """Return what writes to a descriptor and raises BlockingIOError rather than wait.

    The descriptor itself stays as it is: others have it too.
    """
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISSOCK(mode):
        sock = socket.socket(fileno=os.dup(descriptor))
        return lambda data: sock.send(_at_once(data), socket.MSG_DONTWAIT)
    if not stat.S_ISFIFO(mode) and not os.isatty(descriptor):
        return partial(os.write, descriptor)
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    with suppress(OSError):  # another user's, or nobody reads it
        own = os.open(f"/dev/fd/{descriptor}", flags)
        if not os.get_blocking(own):
            return lambda data: os.write(own, _at_once(data))
        os.close(own)  # some systems only give the same once more
    return partial(_write_if_there_is_room, descriptor)


def _at_once(data: bytes) -> bytes:
    """Return as many lines as are not mixed up with those of other processes, on one pipe."""
    if len(data) <= select.PIPE_BUF:
        return data
    return data[: data.rfind(b"\n", 0, select.PIPE_BUF) + 1 or select.PIPE_BUF]


def _write_if_there_is_room(descriptor: int, data: bytes) -> int:
    """Write as much as a pipe that can be written to takes at once."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    if not poll.poll(0):
        raise BlockingIOError
    return os.write(descriptor, _at_once(data))


def _no_count(_: int) -> None:
    """Nobody counts yet."""


_counts: Callable[[int], None] = _no_count


def count_lost(counts: Callable[[int], None]) -> None:
    """Have lines counted that are lost from now on."""
    global _counts  # noqa: PLW0603 - as there is one standard error
    _counts = counts


def never_wait(*, out: bool = False) -> None:
    """Let nothing in this process wait for its standard error or, with `out`, its output.

    Descriptors that are closed are opened on nothing: files that are opened later would get them.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is sys.__stderr__:
        sys.stderr = cast(TextIO, _kept(Outlet(2)))
    if out and sys.stdout is sys.__stdout__:
        sys.stdout = cast(TextIO, _kept(Outlet(1)))


def _kept(outlet: Outlet) -> Outlet:
    atexit.register(outlet.settle)
    return outlet
