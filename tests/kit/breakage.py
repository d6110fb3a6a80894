"""Handlers that fail: after half of their work, or at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from structlog.testing import capture_logs

from bot.domain import items
from bot.handlers.dispatch import Dispatcher


class Breakage:
    """Breaks what the handlers of pull requests call, for all or one number, until it is mended."""

    def __init__(self) -> None:
        self._observe = items.observe
        self.is_mended = False
        self.number: int | None = None

    def __call__(self, *args: Any) -> None:
        self._observe(*args)
        if not self.is_mended and self.number in (None, args[3]):
            raise RuntimeError("the gears are stuck")


@contextmanager
def broken() -> Iterator[Breakage]:
    """Let pull requests fail when all is done and nothing committed."""
    breakage = Breakage()
    # To render the tracebacks of failures that are meant takes long.
    with mock.patch.object(items, "observe", breakage), capture_logs():
        yield breakage


@contextmanager
def failing(message: str = "out of order") -> Iterator[None]:
    """Let every handler fail at once."""
    with mock.patch.object(Dispatcher, "run", side_effect=RuntimeError(message)), capture_logs():
        yield
