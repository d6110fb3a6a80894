"""A plain delivery goes past routes and middlewares, any other through them: to the same end."""

import io
import json
from typing import NoReturn

import pytest
from aiohttp.web import UrlDispatcher

from bot.deliveries import life
from bot.demo import payloads
from tests.deliveries.hostile.attack import Door
from tests.kit.deliveries import PROCESSED, assert_problem, pull_request, sign
from tests.kit.marks import sqlite_only
from tests.kit.running import SECRET, Answer, Bot

pytestmark = sqlite_only
# How an address may be spelled, each with whether it is the plain one
SPELLINGS = {
    "{}": True,
    "{}?from=github": False,
    "{}#here": False,
    "http://bot.example{}": False,
    "/%61pi{}": False,
    "UPPER": True,
}


def spelled(path: str, spelling: str) -> str:
    if spelling == "UPPER":
        head, integration, tail = path.partition(path.split("/")[4])
        return head + integration.upper() + tail
    return spelling.format(path.removeprefix("/api") if "%61" in spelling else path)


async def sent(door: Door, path: str, body: bytes, **changes: str) -> Answer:
    """Send a delivery of a pull request to an address as it is spelled."""
    of = payloads.headers("pull_request", body, SECRET, changes.pop("guid", None))
    head = door.head(body, **{**{name.replace("-", "_"): of[name] for name in of}, **changes})
    return await door.raw(head.replace(door.path.encode(), path.encode(), 1) + body)


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_every_spelling_is_answered_alike(
    bot: Bot, spelling: str, log_stream: io.StringIO
) -> None:
    door = Door(bot, await bot.integration())
    path, body = spelled(door.path, spelling), payloads.encode(pull_request())
    ids = {"X_Request_ID": "the-number-7"}
    taken = await sent(door, path, body, **ids)
    assert (taken.status, taken.body) == (200, PROCESSED)
    forged = await sent(door, path, body, **ids, X_Hub_Signature_256=sign(b"other"))
    assert_problem(forged, 401, "invalid signature")
    assert_problem(await sent(door, path, b"{", **ids), 400, "invalid JSON")
    for answer in (taken, forged):
        assert answer.headers["X-Request-ID"] == "the-number-7"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Server"] == "experiment-bot"
        assert answer.headers["Date"]
    unnamed = [await sent(door, path, body) for _ in range(2)]
    assert len({answer.headers["X-Request-ID"] for answer in unnamed}) == 2
    lines = [json.loads(line) for line in log_stream.getvalue().splitlines()]
    told = [line["outcome"] for line in lines if line["message"] == "delivery"]
    assert told == ["processed", "refused", "refused", "processed", "processed"]
    assert "request" not in [line["message"] for line in lines if "webhook" in line.get("path", "")]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_only_the_plain_address_goes_past_the_routes(
    bot: Bot, spelling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(bot, await bot.integration())
    resolve, resolved = UrlDispatcher.resolve, []

    async def noted(self: UrlDispatcher, request: object) -> object:
        resolved.append(request)
        return await resolve(self, request)  # type: ignore[arg-type]

    monkeypatch.setattr(UrlDispatcher, "resolve", noted)
    path, body = spelled(door.path, spelling), payloads.encode(pull_request())
    assert (await sent(door, path, body)).body == PROCESSED
    assert bool(resolved) is not SPELLINGS[spelling]


async def test_other_requests_to_the_address(bot: Bot) -> None:
    door = Door(bot, await bot.integration())
    answer = await bot.get(door.path)
    assert_problem(answer, 405)
    assert answer.headers["Allow"] == "POST"
    nobody = door.path.replace(door.integration, "0f3d1c9e-7b5a-4f0e-8d2c-1a2b3c4d5e6f")
    assert_problem(await sent(door, nobody, b"{}"), 404, "not found")


@pytest.mark.parametrize("spelling", ["{}", "{}?from=github"])
async def test_a_fault_of_ours(
    bot: Bot, spelling: str, monkeypatch: pytest.MonkeyPatch, log_stream: io.StringIO
) -> None:
    """It is answered, and the log tells it under the request's id."""
    door = Door(bot, await bot.integration())

    async def fail(*_: object) -> NoReturn:
        raise RuntimeError("the gears are stuck")

    monkeypatch.setattr(life, "ingest", fail)
    path = spelled(door.path, spelling)
    answer = await sent(door, path, b"{}", X_Request_ID="the-number-8")
    assert_problem(answer, 500, "internal error")
    assert answer.headers["X-Request-ID"] == "the-number-8"
    lines = [json.loads(line) for line in log_stream.getvalue().splitlines()]
    (line,) = [line for line in lines if line["message"] == "request failed"]
    assert line["request"] == "the-number-8" and "the gears are stuck" in line["exception"]


async def test_each_is_counted_once(bot: Bot) -> None:
    door = Door(bot, await bot.integration())
    for spelling in ("{}", "{}?from=github"):
        await sent(door, spelled(door.path, spelling), payloads.encode(pull_request()))
    lines = (await bot.get("/metrics")).body.splitlines()
    counted = 'experiment_bot_deliveries_total{event="pull_request",outcome="processed"} 2.0'
    assert counted in lines and "experiment_bot_delivery_seconds_count 2.0" in lines
    assert not [line for line in lines if "requests_total" in line and "webhook" in line]
