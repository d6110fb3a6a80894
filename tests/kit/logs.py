"""What the service logs, kept for a test to read."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from bot import log


@contextmanager
def captured(
    form: str = "json", level: str = "debug", stream: io.StringIO | None = None
) -> Iterator[io.StringIO]:
    """Give what is logged meanwhile from a level on, as `text` or `json`."""
    stream, root = stream or io.StringIO(), logging.getLogger()
    handlers, before = root.handlers[:], root.level
    log._sparing = log._Sparing()  # what tests a moment ago had logged counts for nothing here
    log.configure(level, form, stream)
    try:
        yield stream
    finally:
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(before)
