"""The benchmarks send what the service takes in, and see what a program does wrong."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from aiohttp import web
from psycopg.conninfo import conninfo_to_dict

from bench.deliveries import KINDS, LINKED, SIZE, Kind, Sender, repositories
from bench.load import Load, Stream, parsed
from bench.meter import Use
from bench.mix import SHARES, Mix
from bench.ours import is_right, path_of, questions
from bench.proxy import Front, Proxy
from bench.report import Row, Turn, each
from bench.rows import BIG, WEBHOOK_SECRET
from bench.subject import Subject
from tests.kit.marks import sqlite_only
from tests.kit.ports import free_port
from tests.kit.running import ADMIN_TOKEN, Bot

AT = "2026-03-02T10:00:00Z"


async def sent_to(bot: Bot, load: Load) -> Load:
    port = urlsplit(bot.url).port
    assert port is not None
    await load.run(port, 4)
    assert load.unanswered == []
    return load


async def integration_of(bot: Bot) -> str:
    """Make the experiment and the integration of the benchmarks."""
    await bot.experiment(BIG)
    return await bot.integration(config={"webhook_secret": WEBHOOK_SECRET})


def webhook(integration: str) -> str:
    return f"/api/v1/integrations/{integration}/webhook/github"


@sqlite_only
@pytest.mark.parametrize("kind", [*KINDS.values()], ids=[*KINDS])
async def test_a_kind_of_load_is_answered_and_asked_for(bot: Bot, kind: Kind) -> None:
    integration = await integration_of(bot)
    sender = Sender(webhook(integration), repositories(3))
    requests = list(sender.requests(kind, 6))
    assert {len(one.text.partition(b"\r\n\r\n")[2]) for one in requests} == {SIZE}
    load = await sent_to(bot, Load(iter(requests)))
    assert [(one.status, one.body) for one in load.answers] == [(200, kind.answer)] * 6

    forged = await sent_to(bot, Load(iter([sender.forged(kind)])))
    assert [one.status for one in forged.answers] == [401]

    about = [one.about for one in load.answers]
    lost = replace(about[0], guid=str(uuid.uuid4()), number=about[0].number and 1)
    about.append(lost)
    paths = [(path_of(integration, one), one) for one in about]
    asked = await sent_to(bot, Load(questions(iter(paths), ADMIN_TOKEN)))
    assert {one.about.guid for one in asked.answers if not is_right(one)} == {lost.guid}


@sqlite_only
async def test_a_stream_is_of_many_events_and_all_are_taken_in(bot: Bot) -> None:
    mix = Mix(webhook(await integration_of(bot)), 20)
    load = await sent_to(bot, Stream(mix.requests(250, AT), rate=2_000))
    assert {one.status for one in load.answers} == {200}
    assert len({one.about.guid for one in load.answers}) == 250
    assert {one.about.event for one in load.answers} == {"check_run", "check_suite", *SHARES}


@asynccontextmanager
async def a_peer(status: int) -> AsyncIterator[Subject]:
    """A bot that answers everything alike."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=status)

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    peer = Subject()
    peer.name, peer.port, peer.sender = "a peer", free_port(), Sender("/", ["acme/shop"])
    await web.TCPSite(runner, "127.0.0.1", peer.port).start()
    yield peer
    await runner.cleanup()


@pytest.mark.parametrize(("status", "says"), [(200, "accepts a bad signature"), (401, "refused")])
async def test_a_peer_that_takes_all_or_nothing_ends_the_benchmark(status: int, says: str) -> None:
    async with a_peer(status) as peer:
        with pytest.raises(SystemExit, match=says):
            await asyncio.to_thread(peer.check_signatures)


async def test_a_delivery_that_gets_no_answer_is_noted() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", port := free_port())
    load = Load(Sender("/", ["acme/shop"]).requests(LINKED))
    await load.run(port, 2)
    assert (len(load.answers), len(load.unanswered)) == (0, 2)
    server.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 3\r\n\r\nok\n",
        b"HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n3\r\nok\n\r\n0\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n",
    ],
)
def test_an_answer_is_complete_with_its_last_byte(answer: bytes) -> None:
    assert [parsed(answer[:end]) for end in range(len(answer))] == [None] * len(answer)
    found = parsed(answer)
    assert found is not None
    assert found[0] == 202


async def test_the_proxy_to_postgresql_passes_all_on_later(postgres: str) -> None:
    port, pause = free_port(), 0.03
    server = {name: str(value) for name, value in conninfo_to_dict(postgres).items() if value}
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Front(pause, server), "127.0.0.1", port)
    url = Proxy(0, port).leading_to(postgres)

    def ask() -> tuple[Any, float]:
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT repeat('x', 1000000)").fetchone()
            started = time.perf_counter()
            connection.execute("SELECT 1")
            return row, time.perf_counter() - started

    row, seconds = await asyncio.to_thread(ask)
    assert row == ("x" * 1_000_000,)
    assert seconds >= 2 * pause
    listening.close()


def test_ratios_are_of_the_same_round_and_the_median_counts() -> None:
    def turns(*rates: int) -> list[Turn]:
        return [Turn(one, Use(1.0, 0.5, [], 0.0, [0.9], 0.0), [0.01]) for one in rates]

    row = Row(turns(100, 400, 900), turns(200, 500, 1000), 90.0, "nothing")
    assert row.ratio(lambda turn: turn.rate) == 0.8
    assert row.median(lambda turn: turn.rate) == 400
    other = Row(turns(100), turns(200), 95.0, "nothing")
    runs = [{("linked", "ours"): row}, {("linked", "ours"): other}]
    assert each(runs, ("linked", "ours"), lambda one: f"{one.memory:.0f}") == "90 / 95"
    assert each(runs, ("linked", "ours"), lambda one: one.stored) == "nothing"
