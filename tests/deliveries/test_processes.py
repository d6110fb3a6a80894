"""Several processes on one database: each is killed at some time, and none of it shows."""

import asyncio
import contextlib
import itertools
import json
import os
import random
import signal
import socket
import sqlite3
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest

from bot import times
from bot.demo import payloads
from tests.kit.deliveries import REPO
from tests.kit.marks import sqlite_only
from tests.kit.processes import (
    Process,
    address_of,
    app,
    environment,
    free_port,
    own_server,
    running,
)
from tests.kit.running import SECRET, Bot, eventually

CONNECTIONS = 8
SHARED = 5  # pull requests that are told of through every process
START = times.parse("2026-03-02T10:00:00Z") or 0
KEY = "experiment_key: many"


@pytest.fixture
async def pair(database_url: str, tmp_path: Path) -> AsyncIterator[list[Process]]:
    """Two services on one database."""
    async with running(tmp_path / "data", 2, DATABASE_URL=database_url) as processes:
        yield processes


def opened(number: int, at: int = START) -> dict[str, Any]:
    return payloads.pull_request("opened", number, times.render(at), repo=REPO, body=KEY)


# --- Killed at random


class Load:
    """Deliveries without end, to whichever process; remembers what each must lead to."""

    def __init__(self, processes: list[Process], integration: str) -> None:
        self.processes, self.integration = processes, integration
        self.expected: dict[str, tuple[str, ...]] = {}
        self.acknowledged: set[str] = set()
        self.wrong: list[Any] = []
        self.refused = self.dropped = 0
        self.stopping = False
        self._numbers = itertools.count(SHARED + 1)
        self._first: Counter[str] = Counter()

    def next(self) -> tuple[str, str, dict[str, Any]]:
        """Return a guid, an event and a payload, each with its own items of the feed."""
        guid, number = str(uuid.uuid4()), next(self._numbers)
        kind = random.choice(("opened", "synchronize", "synchronize", "push"))
        if kind == "opened":
            self.expected[guid] = ("pull_request.linked", "pull_request.opened")
            return guid, "pull_request", opened(number)
        if kind == "synchronize":
            self.expected[guid] = ("pull_request.updated",)
            return (
                guid,
                "pull_request",
                payloads.pull_request(
                    "synchronize",
                    number % SHARED + 1,
                    times.render(START + number * times.SECOND),
                    repo=REPO,
                    title=f"Version {number}",
                    body=KEY,
                    sha=payloads.sha_of(guid),
                ),
            )
        self.expected[guid] = ("commit.pushed",)
        message = f"Change {number}\n\nExperiment-Key: many"
        return guid, "push", payloads.push("main", [message], repo=REPO)

    async def send(self, process: Process, guid: str, event: str, payload: dict[str, Any]) -> None:
        try:
            answer = await process.deliver(self.integration, event, payload, guid=guid)
        except (aiohttp.ClientError, ConnectionError):
            self.dropped += 1
            await asyncio.sleep(0.05)
            return
        if answer.status == 503:
            self.refused += 1
            return
        self.acknowledged.add(guid)
        if (answer.status, answer.body) == (200, {"processed": True}):
            self._first[guid] += 1
            if self._first[guid] > 1:
                self.wrong.append((guid, "processed twice"))
        elif answer.body != {"processed": True, "duplicate": True}:
            self.wrong.append(answer)

    async def run(self) -> None:
        while not self.stopping:
            delivery = self.next()
            # Some come to two processes at once, as when GitHub redelivers what it thought lost.
            several = random.choice((1, 1, 2))
            await asyncio.gather(
                *(self.send(one, *delivery) for one in random.sample(self.processes, several))
            )


async def kill_at_random(
    processes: list[Process], kills: int, midway: Callable[[], Awaitable[Any]] | None
) -> None:
    """Put all under load, kill one after the other, and check that nothing is lost or double."""
    first = processes[0]
    integration = await first.integration()
    await first.experiment("many")
    load = Load(processes, integration)
    for number in range(1, SHARED + 1):
        guid = str(uuid.uuid4())
        load.expected[guid] = ("pull_request.linked", "pull_request.opened")
        assert (
            await first.deliver(integration, "pull_request", opened(number), guid=guid)
        ).status == 200
        load.acknowledged.add(guid)
    clients = [asyncio.create_task(load.run()) for _ in range(CONNECTIONS)]
    for index in range(kills):
        await asyncio.sleep(random.uniform(0.2, 1.0))
        if midway is not None and index == kills // 2:
            await midway()
            await asyncio.sleep(1)
        one = random.choice(processes)
        await one.kill()
        await one.start()
    load.stopping = True
    await asyncio.gather(*clients)
    assert load.wrong == []

    stored, linked, commits, feed = await asyncio.gather(
        first.walk(f"/api/v1/integrations/{integration}/deliveries", 200),
        processes[-1].walk("/api/v1/experiments/many/pull-requests", 200),
        first.walk("/api/v1/experiments/many/commits", 200),
        processes[-1].walk("/api/v1/experiments/many/activity", 200),
    )
    ids = Counter(delivery["id"] for delivery in stored)
    assert set(ids.values()) == {1}
    assert load.acknowledged <= ids.keys() <= load.expected.keys()
    assert {delivery["status"] for delivery in stored} == {"processed"}
    told = Counter((item["delivery_id"], item["type"]) for item in feed if item["delivery_id"])
    assert told == Counter((guid, kind) for guid in ids for kind in load.expected[guid])
    kinds = Counter(kind for _, kind in told)
    assert len(linked) == kinds["pull_request.linked"]
    assert len({link["number"] for link in linked}) == len(linked)
    assert len({commit["sha"] for commit in commits}) == kinds["commit.pushed"] == len(commits)
    newest: dict[int, str] = {}
    for guid, item in ((item["delivery_id"], item) for item in reversed(feed)):
        if item["type"] == "pull_request.updated":
            newest[int(item["html_url"].rsplit("/", 1)[1])] = payloads.sha_of(guid)
    heads = {link["number"]: link["head_sha"] for link in linked}
    assert {number: heads[number] for number in newest} == newest
    assert len(load.acknowledged) > 100, (load.refused, load.dropped)


async def test_four_processes_killed_at_random_and_the_server_restarted(tmp_path: Path) -> None:
    with own_server() as server:
        async with running(tmp_path / "data", 4, "--no-worker", DATABASE_URL=server.url) as four:
            await kill_at_random(four, 8, lambda: asyncio.to_thread(server.restart))


async def test_two_processes_on_one_file_killed_at_random(tmp_path: Path) -> None:
    async with running(tmp_path / "data", 2) as two:
        await kill_at_random(two, 8, None)


# --- The server away


async def test_a_server_that_is_away_costs_503_and_no_restart(tmp_path: Path) -> None:
    with own_server() as server:
        async with running(tmp_path / "data", 1, DATABASE_URL=server.url) as (bot,):
            integration = await bot.integration()
            await bot.experiment("many")
            await asyncio.to_thread(server.stop)
            away = time.monotonic()
            await refuses(bot, integration)
            assert time.monotonic() - away < 30
            await asyncio.sleep(8)
            await asyncio.to_thread(server.restart)
            await eventually(bot.is_ready, 10)

            async def accepted() -> bool:
                return (await bot.deliver(integration, "pull_request", opened(1))).status == 200

            await eventually(accepted, 5)
            (linked,) = (await bot.get("/api/v1/experiments/many/pull-requests")).items
            assert linked["number"] == 1


async def refuses(bot: Bot, integration: str) -> None:
    """Check that many deliveries at once, reads and /readyz get a 503 before GitHub gives up."""

    async def timed(answer: Awaitable[Any]) -> tuple[Any, float]:
        started = time.monotonic()
        return await answer, time.monotonic() - started

    for _ in range(2):
        answers = await asyncio.gather(
            timed(bot.get("/readyz", token=None)),
            timed(bot.get("/api/v1/experiments")),
            *(timed(bot.deliver(integration, "pull_request", opened(n))) for n in range(1, 33)),
        )
        for answer, seconds in answers:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert seconds < 13
        assert (await bot.get("/healthz", token=None)).status == 200
        await asyncio.sleep(2.5)  # until nothing is in memory any more


# --- What one process changes the others know


async def test_a_secret_stored_by_another_process_is_accepted_at_once(pair: list[Process]) -> None:
    a, b = pair
    integration = await a.integration()
    for number in range(1, 6):
        known = await b.deliver(integration, "pull_request", opened(number))
        assert known.status == 200  # b has the settings in memory now
        secret = f"another-webhook-secret-{number}"
        path = f"/api/v1/integrations/{integration}"
        rotated = await a.put(path, {"config": {"webhook_secret": secret}})
        assert rotated.status == 200
        new = await b.deliver(integration, "pull_request", opened(number), secret=secret)
        assert new.body == {"processed": True}


async def test_what_is_switched_off_is_off_everywhere_within_five_seconds(
    pair: list[Process],
) -> None:
    a, b = pair
    integration = await a.integration()
    path = f"/api/v1/integrations/{integration}"
    assert (await b.deliver(integration, "pull_request", opened(1))).status == 200

    def answers(status: int, secret: str = SECRET) -> Callable[[], Awaitable[bool]]:
        async def check() -> bool:
            sent = await b.deliver(integration, "pull_request", opened(2), secret=secret)
            assert sent.status in (200, status)
            return sent.status == status

        return check

    assert (await a.patch(path, {"is_active": False})).status == 200
    await eventually(answers(403), 5)
    assert (await a.patch(path, {"is_active": True})).status == 200
    back = time.monotonic()
    while (await b.deliver(integration, "pull_request", opened(3))).status != 200:
        assert time.monotonic() - back < 5
        await asyncio.sleep(0.05)
    new = {"config": {"webhook_secret": "a-completely-new-secret"}, "secret_grace_seconds": 0}
    assert (await a.patch(path, new)).status == 200
    await eventually(answers(401), 5)
    assert (await a.delete(path)).status == 204
    await eventually(answers(404, "a-completely-new-secret"), 5)


async def test_a_revoked_token_is_refused_everywhere_within_five_seconds(
    pair: list[Process],
) -> None:
    code, token, _ = await app("token", "create", "ci", "--role", "viewer", env=pair[0].env)
    assert code == 0
    for bot in pair:
        assert (await bot.get("/api/v1/experiments", token=token.strip())).status == 200
    assert (await app("token", "revoke", "ci", env=pair[0].env))[0] == 0
    for bot in pair:

        async def refused(bot: Bot = bot) -> bool:
            return (await bot.get("/api/v1/experiments", token=token.strip())).status == 401

        await eventually(refused, 5)


# --- Live streams


async def follow(bot: Bot, count: int, last: str | None = None, ready: Any = None) -> list[Any]:
    """Return `count` items of a live stream, from after `last`."""
    headers = {"Authorization": f"Bearer {bot_token(bot)}"}
    if last is not None:
        headers["Last-Event-ID"] = last
    items: list[Any] = []
    async with (
        asyncio.timeout(10),
        bot.session.get(f"{bot.url}/api/v1/activity/stream", headers=headers) as response,
    ):
        assert response.status == 200
        async for line in response.content:
            if ready is not None and line.startswith(b": connected"):
                ready.set()
            if line.startswith(b"data: "):
                items.append(json.loads(line.removeprefix(b"data: ")))
            if len(items) == count:
                break
    return items


def bot_token(bot: Bot) -> str:
    assert isinstance(bot, Process)
    return bot.env["ADMIN_TOKEN"]


async def test_a_stream_shows_what_other_processes_write_and_goes_on_at_any(
    pair: list[Process],
) -> None:
    a, b = pair
    integration = await a.integration()
    await a.experiment("many")
    ready = asyncio.Event()
    following = asyncio.create_task(follow(b, 6, ready=ready))
    await asyncio.wait_for(ready.wait(), 5)
    for number in range(1, 4):
        assert (await a.deliver(integration, "pull_request", opened(number))).status == 200
    seen = await following
    feed = await a.walk("/api/v1/experiments/many/activity")
    told = [item for item in feed if item["type"] != "experiment.created"]
    assert sorted(item["id"] for item in seen) == sorted(item["id"] for item in told)

    # What was written between two connections comes first, whichever process is asked.
    for number, bot in enumerate(pair, 4):
        assert (await bot.deliver(integration, "pull_request", opened(number))).status == 200
    for bot in pair:
        assert await follow(bot, 3, seen[2]["id"]) == seen[3:]
        missed = await follow(bot, 4, seen[-1]["id"])
        assert [item["html_url"].rsplit("/", 1)[1] for item in missed] == ["4", "4", "5", "5"]


async def test_streams_miss_nothing_while_every_process_writes(pair: list[Process]) -> None:
    integration = await pair[0].integration()
    await pair[0].experiment("many")
    ready = [asyncio.Event(), asyncio.Event()]
    following = [
        asyncio.create_task(follow(bot, 80, ready=event))
        for bot, event in zip(pair, ready, strict=True)
    ]
    await asyncio.gather(*(event.wait() for event in ready))
    await asyncio.gather(
        *(pair[n % 2].deliver(integration, "pull_request", opened(n)) for n in range(1, 41))
    )
    first, second = await asyncio.gather(*following)
    assert first == second
    assert len({item["id"] for item in first}) == 80


# --- Starting together


async def test_ten_processes_start_together_on_an_empty_server(
    postgres: str, tmp_path: Path
) -> None:
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            url = address_of(postgres, name)
            async with running(tmp_path / "data", 10, "--no-worker", DATABASE_URL=url) as ten:
                await agree(ten)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("attempt", range(3))
async def test_processes_start_together_on_no_file_yet(attempt: int, tmp_path: Path) -> None:
    async with running(tmp_path / "data", 4) as four:
        await agree(four)


async def agree(processes: list[Process]) -> None:
    """Check that what one process seals and stores every other reads."""
    integration = await processes[0].integration()
    for bot in processes:
        assert (await bot.deliver(integration, "ping", {"zen": "Be"})).body == {"processed": True}


# --- serve --processes


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Process]:
    """`serve --processes 2`."""
    options = ("--processes", "2")
    async with running(
        tmp_path / "data", 1, *options, DATABASE_URL=database_url, LOG_LEVEL="info"
    ) as (process,):
        await eventually(lambda: both_listen(process), 20)
        yield process


async def both_listen(service: Process) -> bool:
    return [line["message"] for line in log_of(service)].count("listening") >= 2


def log_of(service: Process) -> list[dict[str, Any]]:
    lines = service.log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def children(service: Process) -> list[int]:
    """Return the processes that were started, in the order of their start."""
    return [line["pid"] for line in log_of(service) if line["message"] == "process started"]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


async def deliver_alone(service: Process, integration: str, number: int) -> int | None:
    """Deliver over a connection of its own, so that the kernel chooses the process."""
    body = payloads.encode(opened(number))
    headers = {**payloads.headers("pull_request", body, SECRET), "Connection": "close"}
    try:
        return (await service.send(integration, body, headers)).status
    except aiohttp.ClientError:
        return None


async def test_a_killed_process_is_started_again(service: Process) -> None:
    integration = await service.integration()
    for round in range(2):
        os.kill(children(service)[-1], signal.SIGKILL)

        async def again(count: int = 3 + round) -> bool:
            return len(children(service)) == count and (
                sum(line["message"] == "listening" for line in log_of(service)) == count
            )

        await eventually(again, 20)
    # Both take deliveries: whichever of them the kernel chooses answers.
    statuses = [await deliver_alone(service, integration, number) for number in range(1, 30)]
    assert set(statuses) == {200}


@asynccontextmanager
async def nobody_writes(url: str) -> AsyncIterator[None]:
    """Hold the lock that every write transaction takes."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.close()
        return
    async with await psycopg.AsyncConnection.connect(url) as held:
        await held.execute("SELECT version FROM schema_version FOR UPDATE")
        yield
        await held.rollback()


async def test_sigterm_ends_all_and_finishes_what_is_in_hand(
    service: Process, tmp_path: Path
) -> None:
    integration = await service.integration()
    await service.experiment("many")
    started, url = children(service), service.env["DATABASE_URL"]
    async with nobody_writes(url):
        in_hand = [
            asyncio.create_task(deliver_alone(service, integration, number))
            for number in range(1, 9)
        ]
        await asyncio.sleep(0.5)
        service.process.terminate()
        began = time.monotonic()
        await asyncio.sleep(0.5)
        assert await deliver_alone(service, integration, 9) is None  # nothing new is accepted
    assert set(await asyncio.gather(*in_hand)) == {200}
    assert await asyncio.wait_for(service.process.wait(), 10) == 0
    assert time.monotonic() - began < 10
    assert not any(map(is_alive, started))
    async with running(tmp_path / "data", 1, DATABASE_URL=url) as (again,):
        stored = await again.get(f"/api/v1/integrations/{integration}/deliveries")
        assert [one["status"] for one in stored.items] == 8 * ["processed"]
        linked = await again.get("/api/v1/experiments/many/pull-requests")
        assert {one["number"] for one in linked.items} == set(range(1, 9))


@sqlite_only
async def test_sigterm_lets_a_body_that_is_on_its_way_arrive(service: Process) -> None:
    integration = await service.integration()
    body = payloads.encode(opened(1))
    headers = payloads.headers("pull_request", body, SECRET)
    path = f"/api/v1/integrations/{integration}/webhook/github"
    lines = [f"{name}: {value}" for name, value in headers.items()]
    head = [f"POST {path} HTTP/1.1", "Host: bot", f"Content-Length: {len(body)}", *lines]
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write("\r\n".join([*head, "", ""]).encode() + body[:100])
    await writer.drain()
    await asyncio.sleep(0.3)
    service.process.terminate()
    await asyncio.sleep(0.5)
    writer.write(body[100:])
    answer = await asyncio.wait_for(reader.read(), 10)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b'{"processed":true}')
    writer.close()
    assert await asyncio.wait_for(service.process.wait(), 10) == 0


async def test_sigterm_closes_live_streams(service: Process) -> None:
    ready = asyncio.Event()
    following = asyncio.create_task(follow(service, 1, ready=ready))
    await ready.wait()
    began = time.monotonic()
    assert await service.end() == 0
    assert time.monotonic() - began < 5
    with contextlib.suppress(aiohttp.ClientPayloadError):  # cut off: a browser comes back
        assert await following == []


async def test_processes_end_when_their_supervisor_was_killed(service: Process) -> None:
    started = children(service)
    assert all(map(is_alive, started))
    await service.kill()

    async def all_gone() -> bool:
        return not any(map(is_alive, started))

    await eventually(all_gone, 10)


async def test_metrics_count_the_requests_of_all_processes(service: Process) -> None:
    integration = await service.integration()
    for number in range(1, 31):
        assert await deliver_alone(service, integration, number) == 200
    line = 'experiment_bot_deliveries_total{event="pull_request",outcome="processed"} 30.0'
    for _ in range(6):
        text = await service.get("/metrics", token=None, headers={"Connection": "close"})
        assert line in text.body.splitlines()
    # Counters never fall, also when a process dies.
    os.kill(children(service)[0], signal.SIGKILL)
    await asyncio.sleep(1)
    assert line in (await eventually(lambda: metrics(service))).splitlines()


async def metrics(service: Process) -> str:
    try:
        return str((await service.get("/metrics", token=None)).body)
    except aiohttp.ClientError:
        return ""


@pytest.mark.parametrize("options", [(), ("--processes", "2")], ids=["one", "two"])
async def test_a_port_in_use_is_said_in_one_line(options: tuple[str, ...], tmp_path: Path) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        code, out, errors = await app(
            "serve", *options, env=environment(tmp_path / "data", PORT=str(port))
        )
    assert code != 0
    assert errors.startswith("Error: ")
    assert f"127.0.0.1:{port}" in errors
    assert errors.count("\n") == 1
    assert "is up" not in out


@sqlite_only
async def test_a_second_service_on_the_same_port_is_refused(
    service: Process, tmp_path: Path
) -> None:
    for options in ((), ("--processes", "2")):
        env = environment(tmp_path / "other", PORT=str(service.port))
        code, _, errors = await app("serve", *options, env=env)
        assert code != 0
        assert errors.startswith("Error: ")
