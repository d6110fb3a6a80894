"""Lines of every request are written on a way of their own, and are the same lines."""

import asyncio
import errno
import io
import json
import logging
import uuid
from collections import Counter
from typing import Any, NoReturn

import pytest

from bot import log
from bot.together import Together
from bot.web.replies import Reply
from tests.kit.batches import gather_for
from tests.kit.deliveries import PROCESSED, pull_request
from tests.kit.logs import captured
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot, eventually

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
def test_bytes_that_are_no_text_end_no_request(form: str) -> None:
    """Anybody can send them in a header; they come as lone surrogates."""
    with captured(form) as stream:
        log.line("request", {**FIELDS, "origin": ["\udcff"]})
        log.logger.info("request", origin="a\udcffb")
    one, other = stream.getvalue().encode().splitlines()
    if form == "json":
        assert json.loads(one)["origin"] == ["?"] and json.loads(other)["origin"] == "a?b"
        assert json.loads(one)["timestamp"][-1] == "Z" and json.loads(one)["id"] == str(
            FIELDS["id"]
        )


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


HOSTILE = "/\x1b[2J\x9b31m\r\u202e\u2028\udcff"


@pytest.mark.parametrize("spaced", ["", " ", "\n"])
def test_what_strangers_write_does_nothing_to_a_terminal(spaced: str) -> None:
    """Neither in the message nor in a field nor in an exception, and a line stays one line."""
    hostile = HOSTILE + spaced
    with captured("text") as stream:
        log.line("request", {"path": hostile})
        log.logger.info(hostile, name=hostile, names=[hostile])
        logging.getLogger("aiohttp.server").warning("of %s", hostile)
    text = stream.getvalue()
    assert text.count("\n") == 3
    assert all(line.isprintable() for line in text.split("\n"))
    assert text.count("x1b[2J") == 5
    with captured("text") as stream:
        try:
            raise ValueError(hostile)
        except ValueError:
            log.logger.exception("failed")
    lines = stream.getvalue().split("\n")
    assert all(line.isprintable() for line in lines)
    assert any("x1b[2J" in line for line in lines) and any("Traceback" in line for line in lines)


def lines_of(stream: io.StringIO, message: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [line for line in lines if line["message"] == message]


def left_out(stream: io.StringIO) -> Counter[str]:
    """Return how many lines of each kind the log says were left out."""
    counted: Counter[str] = Counter()
    for line in lines_of(stream, "lines left out"):
        counted[line["kind"]] += line["count"]
    return counted


@sqlite_only
async def test_what_is_refused_over_and_over_is_counted(
    bot: Bot, log_stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verified delivery and a change are told each by itself, however many there are."""
    monkeypatch.setattr(log, "SECONDS", 2.0)  # a busy machine is slow
    integration, many = await bot.integration(), log.LINES + MANY
    for _ in range(many):
        forged = await bot.deliver(integration, "pull_request", pull_request(), secret="another")
        assert forged.status == 401
        assert (await bot.get("/api/v1/experiments", token="wrong")).status == 401
        assert (await bot.deliver(integration, "pull_request", pull_request())).body == PROCESSED
    for number in range(many):
        await bot.experiment(f"key-{number}")
    told = [line["status"] for line in lines_of(log_stream, "delivery")]
    requests = [line["status"] for line in lines_of(log_stream, "request")]
    assert told.count(200) == many and requests.count(201) == many + 1

    async def all_counted() -> bool:
        counted = left_out(log_stream)
        return (
            told.count(401) + counted["delivery that is not verified"] == many
            and requests.count(401) + counted["request 401"] == many
        )

    await eventually(all_counted)
    assert told.count(401) < many and requests.count(401) < many
    assert not [line for line in lines_of(log_stream, "lines left out") if "request" in line]


async def test_what_is_no_request_is_counted() -> None:
    with captured() as stream:
        for number in range(log.LINES + 5):
            log.logger.info("request refused", status=400, remote=f"10.0.0.{number}")
            logging.getLogger("asyncio").warning("socket.send() raised exception.")

        async def counted() -> bool:
            return left_out(stream) == {"request refused": 5, "of asyncio": 5}

        await eventually(counted)
        log.logger.info("request refused", status=400)
    assert len(lines_of(stream, "request refused")) == log.LINES + 1


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
