"""Structured logs: one line per delivery, action and request; text for people, JSON for machines.

Secrets never reach a line: what is logged is named field by field, never a body or a header.
"""

import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec
import structlog

from bot.together import Together

logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()


_encode = msgspec.json.Encoder(enc_hook=str).encode


class _Writer(structlog.WriteLogger):
    """Writes lines. One that cannot be written, as on a full disk, stops nothing but itself."""

    def msg(self, message: str) -> None:
        with suppress(OSError):
            super().msg(message)

    log = debug = info = warning = error = critical = exception = msg


class _Line:
    """Logs what happens at every request, as `logger.info` does, in a third of its time.

    What is bound to the context is not added: the caller tells all there is to tell.
    """

    def __init__(self) -> None:
        self.writer: _Writer | None = None  # of lines of JSON, where those are wanted
        self._soon = Together(self._write)

    def __call__(self, message: str, fields: dict[str, Any], *, soon: bool = False) -> None:
        """Log a line now; `soon` with those of others, before a task goes on that waits once."""
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
            # Not the default: that shows local variables, and there are secrets among them.
            exception_formatter=structlog.dev.plain_traceback,
        )
        if as_text
        else structlog.processors.JSONRenderer(serializer=_to_json)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.EventRenamer("message"),
            *([] if as_text else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=False,
    )
    line.writer = writer if not as_text and number <= logging.INFO else None
    root = logging.getLogger()
    root.handlers[:] = [_ToStructlog()]
    root.setLevel(max(number, logging.INFO))


def _to_json(event: dict[str, Any], **_: Any) -> str:
    return _encode(event).decode()
