"""Lines of every request are written on a way of their own, and are the same lines."""

import errno
import io
import json
import uuid
from typing import Any, NoReturn

import pytest

from bot import log
from tests.kit.deliveries import PROCESSED, pull_request
from tests.kit.logs import captured
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot

FIELDS: dict[str, Any] = {
    "status": 200,
    "ms": 1.5,
    "path": "/é\U0001f680\n\"'",
    "number": None,
    "id": uuid.UUID(int=7),
}


@pytest.mark.parametrize("form", ["json", "text"])
def test_it_is_the_line_that_the_logger_writes(form: str) -> None:
    with captured(form) as stream:
        log.line("request", FIELDS)
        log.logger.info("request", **FIELDS)
    quick, slow = stream.getvalue().splitlines()
    if form == "text":
        assert quick.partition("[")[2] == slow.partition("[")[2] != ""
        return
    one, other = json.loads(quick), json.loads(slow)
    assert list(one) == list(other)
    times = one.pop("timestamp"), other.pop("timestamp")
    assert one == other
    assert [len(time) for time in times] == [27, 27]
    assert times[0][:16] == times[1][:16] and times[0][-1] == times[1][-1] == "Z"


@pytest.mark.parametrize("form", ["json", "text"])
def test_it_goes_by_the_level(form: str) -> None:
    with captured(form, level="warning") as stream:
        log.line("request", FIELDS)
    assert stream.getvalue() == ""


class Full(io.StringIO):
    def write(self, text: str) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("form", ["json", "text"])
@sqlite_only
async def test_a_full_disk_stops_nothing(bot: Bot, form: str) -> None:
    """The line is lost; the delivery is taken in, the page is shown."""
    integration = await bot.integration()
    with captured(form, stream=Full()):
        answer = await bot.deliver(integration, "pull_request", pull_request())
        assert (answer.status, answer.body) == (200, PROCESSED)
        assert (await bot.get("/api/v1/experiments")).status == 200
