"""`serve --processes`: several on one port."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest

from bot.demo import payloads
from tests.deliveries.load import follow, opened
from tests.kit.marks import slow, sqlite_only
from tests.kit.ports import free_port
from tests.kit.processes import Process, app, environment, running
from tests.kit.running import PATIENCE, SECRET, eventually

pytestmark = slow


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Process]:
    """`serve --processes 2`."""
    options = ("--processes", "2")
    async with running(
        tmp_path / "data", 1, *options, DATABASE_URL=database_url, LOG_LEVEL="info"
    ) as (process,):
        await eventually(lambda: both_listen(process))
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


@sqlite_only
async def test_a_killed_process_is_started_again(service: Process) -> None:
    integration = await service.integration()
    for round in range(2):
        os.kill(children(service)[-1], signal.SIGKILL)

        async def again(count: int = 3 + round) -> bool:
            return len(children(service)) == count and (
                sum(line["message"] == "listening" for line in log_of(service)) == count
            )

        await eventually(again)
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
    assert await asyncio.wait_for(service.process.wait(), PATIENCE) == 0
    assert time.monotonic() - began < 20
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
    answer = await asyncio.wait_for(reader.read(), PATIENCE)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b'{"processed":true}')
    writer.close()
    assert await asyncio.wait_for(service.process.wait(), PATIENCE) == 0


@sqlite_only
async def test_sigterm_closes_live_streams(service: Process) -> None:
    ready = asyncio.Event()
    following = asyncio.create_task(follow(service, 1, ready=ready))
    await ready.wait()
    began = time.monotonic()
    assert await service.end() == 0
    assert time.monotonic() - began < 5
    with contextlib.suppress(aiohttp.ClientPayloadError):  # cut off: a browser comes back
        assert await following == []


@sqlite_only
async def test_processes_end_when_their_supervisor_was_killed(service: Process) -> None:
    started = children(service)
    assert all(map(is_alive, started))
    await service.kill()

    async def all_gone() -> bool:
        return not any(map(is_alive, started))

    await eventually(all_gone)


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


@sqlite_only
async def test_a_process_that_is_started_again_makes_no_database(service: Process) -> None:
    """Its file is gone: the others are not ready, and nobody takes deliveries into a new one."""
    path = Path(service.env["DATABASE_URL"].removeprefix("sqlite:///"))
    path.unlink()
    os.kill(children(service)[0], signal.SIGKILL)

    async def died_again() -> bool:
        return [line["message"] for line in log_of(service)].count("process died") >= 3

    await eventually(died_again)
    assert not path.exists()
    assert (await service.get("/readyz", token=None)).status == 503
