"""Structured logs: one line per delivery, action and request; text for people, JSON for machines.

Secrets never reach a line: what is logged is named field by field, never a body or a header. What
strangers can have logged as often as they like is said so many times a second, and then counted.
"""

import asyncio
import contextvars
import io
import json
import logging
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, TextIO

import msgspec
import structlog

from bot.output import Outlet
from bot.together import Together

logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
LINES = 20  # of one kind that are written in a second
SECONDS = 1.0
# Messages that need no more than a connection to be logged.
_CHEAP = frozenset(
    {
        "accepting failed",
        "connections closed",
        "no room for bodies",
        "request refused",
        "sign-in refused",
        "storage unavailable",
    }
)
_encoder = msgspec.json.Encoder(enc_hook=str)


def _encode(fields: dict[str, Any]) -> bytes:
    """Return a line of JSON, with `?` for bytes of a header that are no text."""
    try:
        return _encoder.encode(fields)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(fields, enc_hook=str)
        return json.dumps(plain, ensure_ascii=False).encode("utf-8", "replace")


class _Writer(structlog.WriteLogger):
    """Writes lines. One that cannot be written, as on a full disk, stops nothing but itself."""

    def msg(self, message: str) -> None:
        with suppress(OSError):
            super().msg(message)

    log = debug = info = warning = error = critical = exception = msg


class _Sparing:
    """Counts lines by their kind, and says how many of each were left out."""

    def __init__(self) -> None:
        self._counted: dict[str, tuple[float, int]] = {}  # since when, how many

    def allows(self, kind: str) -> bool:
        """Count a line, and tell whether it is to be written."""
        now = time.monotonic()
        since, count = self._counted.get(kind, (now, 0))
        if now - since >= SECONDS:
            self._tell(kind)
            since, count = now, 0
        self._counted[kind] = since, count + 1
        if count == LINES:
            self._tell_later(kind)
        return count < LINES

    def _tell_later(self, kind: str) -> None:
        with suppress(RuntimeError):  # without a loop it is told before the next line
            # A context of its own: the line is not about the request that is being answered.
            loop, nothing = asyncio.get_running_loop(), contextvars.Context()
            loop.call_later(SECONDS, self._tell, kind, context=nothing)

    def _tell(self, kind: str) -> None:
        _, count = self._counted.pop(kind, (0.0, 0))
        if count > LINES:
            logger.warning("lines left out", kind=kind, count=count - LINES)


_sparing = _Sparing()


class _Line:
    """Logs what happens at every request, as `logger.info` does, in a third of its time.

    What is bound to the context is not added: the caller tells all there is to tell.
    """

    def __init__(self) -> None:
        self.writer: _Writer | None = None  # of lines of JSON, where those are wanted
        self._soon = Together(self._write)

    def __call__(
        self, message: str, fields: dict[str, Any], *, soon: bool = False, kind: str | None = None
    ) -> None:
        """Log a line now; `soon` with those of others, before a task goes on that waits once.

        Of a `kind` only so many a second are written.
        """
        if kind is not None and not _sparing.allows(kind):
            return
        if self.writer is None or not structlog.is_configured():
            logger.info(message, **fields)
            return
        said = {**fields, "level": "info", "timestamp": datetime.now(UTC), "message": message}
        if soon:
            self._soon.add(said)
        else:
            self._write([said])

    def _write(self, lines: list[dict[str, Any]]) -> None:
        assert self.writer is not None
        self.writer.msg(b"\n".join([_encode(line) for line in lines]).decode())


line = _Line()


class _ToStructlog(logging.Handler):
    """Passes what libraries log on to structlog, so that every line has one form."""

    def emit(self, record: logging.LogRecord) -> None:
        if not _sparing.allows(f"of {record.name}"):
            return
        exc_info: Any = record.exc_info if record.exc_info and record.exc_info[0] else None
        logger.log(record.levelno, record.getMessage(), logger=record.name, exc_info=exc_info)


def configure(level: str, log_format: str | None, stream: TextIO | None = None) -> None:
    """Set logging up for the process; `log_format` None means text on a terminal, else JSON."""
    stream = stream or sys.stderr
    as_text = log_format == "text" or (log_format is None and stream.isatty())
    number, writer = logging.getLevelNamesMapping()[level.upper()], _Writer(stream)
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(),
            event_key="message",
            exception_formatter=_write_traceback,
        )
        if as_text
        else structlog.processors.JSONRenderer(serializer=_to_json)
    )
    structlog.configure(
        processors=[
            _spare,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.EventRenamer("message"),
            _on_one_line if as_text else structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=False,
    )
    if isinstance(stream, Outlet):
        stream.note = partial(_note, renderer)
    line.writer = writer if not as_text and number <= logging.INFO else None
    root = logging.getLogger()
    root.handlers[:] = [_ToStructlog()]
    root.setLevel(max(number, logging.INFO))


def _note(renderer: structlog.typing.Processor, count: int) -> str:
    """Return the line that says how many could not be written."""
    event = {"count": count, "level": "warning", "message": "log lines lost"}
    timed = structlog.processors.TimeStamper(fmt="iso", utc=True)(None, "warning", event)
    return f"{renderer(None, 'warning', timed)!s}\n"


def _to_json(event: dict[str, Any], **_: Any) -> str:
    return _encode(event).decode()


def _spare(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if event["event"] in _CHEAP and not _sparing.allows(event["event"]):
        raise structlog.DropEvent
    return event


def _on_one_line(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {name: _harmless(it) if isinstance(it, str) else it for name, it in event.items()}


def _harmless(text: str) -> str:
    """Return what breaks no line and does nothing to a terminal, whoever has written it."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def _write_traceback(stream: TextIO, exc_info: structlog.typing.ExcInfo) -> None:
    """Not structlog's default: that shows local variables, and there are secrets among them."""
    text = io.StringIO()
    structlog.dev.plain_traceback(text, exc_info)
    stream.write("\n".join(map(_harmless, text.getvalue().split("\n"))))
