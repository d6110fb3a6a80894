"""Lines of every request are written on a way of their own, and are the same lines."""

import asyncio
import errno
import io
import json
import uuid
from typing import Any, NoReturn

import pytest

from bot import log
from bot.together import Together
from bot.web.replies import Reply
from tests.kit.batches import gather_for
from tests.kit.deliveries import PROCESSED, pull_request
from tests.kit.logs import captured
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot

MANY = 8
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


class Noting(io.StringIO):
    """Notes which deliveries' lines are written, at once or one after the other."""

    def __init__(self, order: list[str]) -> None:
        super().__init__()
        self.order, self.writes = order, 0

    def write(self, text: str) -> int:
        lines = [json.loads(line) for line in text.splitlines()]
        found = [line["request"] for line in lines if line["message"] == "delivery"]
        self.order += [f"line of {one}" for one in found]
        self.writes += bool(found)
        return len(text)


@sqlite_only
async def test_lines_of_a_batch_are_written_at_once_and_before_its_answers(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has an answer finds its line, even if the service is killed right after it."""
    order: list[str] = []
    encoded = Reply.encoded

    def answered(reply: Reply, *, is_last: bool) -> bytes:
        order.append(f"answer to {reply.headers['X-Request-ID']}")
        return encoded(reply, is_last=is_last)

    monkeypatch.setattr(Reply, "encoded", answered)
    gather_for(monkeypatch, 0.3)
    integration = await bot.integration()
    stream = Noting(order)
    with captured("json", stream=stream):
        answers = await asyncio.gather(
            *(bot.deliver(integration, "pull_request", pull_request()) for _ in range(MANY))
        )
    assert {answer.status for answer in answers} == {200}
    ids = {answer.headers["X-Request-ID"] for answer in answers}
    assert all(order.index(f"line of {one}") < order.index(f"answer to {one}") for one in ids)
    assert len(ids) == MANY and stream.writes == 1


def test_a_loop_that_ended_too_early_loses_nothing_of_the_next() -> None:
    async def add(one: int) -> None:
        together.add(one)

    handled: list[int] = []
    together = Together(handled.extend)
    loop = asyncio.new_event_loop()
    loop.call_soon(loop.stop)
    loop.call_soon(together.add, 1)
    loop.run_forever()
    loop.close()
    asyncio.run(add(2))
    assert handled == [1, 2]


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
