"""How many actions a second a worker carries out, how fair it is, and what it costs when idle.

A stand-in GitHub without limits answers at once. Integrations with a token each are sent fresh pull
requests with an experiment key, while nobody works; then a worker is started, and timed from its
first call to its last. An action is one check, one comment or one label that is written: a fresh
pull request owes three, and costs a call for each; one more looks for the label, once for each
repository.

    .venv/bin/python bench/outbox.py
    .venv/bin/python bench/outbox.py --database postgresql
    .venv/bin/python bench/outbox.py --backlog 10000

With `--backlog` one token owes as many pull requests first, and the delay is measured with which
the first call for another token follows the answer to its delivery. The bot's own manners hold:
with more than five actions waiting, or ten writes in a minute, one token's writes are a second
apart.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import click
from aiohttp import web

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.rows import WEBHOOK_SECRET  # noqa: E402
from bench.service import (  # noqa: E402
    TOKEN,
    cpu_seconds,
    free_port,
    run,
    server,
    start,
    stop,
)
from bot.demo import payloads  # noqa: E402

KEY = "checkout-flow"
AT_ONCE = 32  # deliveries
IDLE = 10.0  # seconds


@dataclass
class GitHub:
    """Answers every call with success, and notes when which token has made it."""

    calls: list[tuple[float, str, str]] = field(default_factory=list)  # when, method, token
    first: dict[str, float] = field(default_factory=dict)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        at = time.perf_counter()
        self.calls.append((at, request.method, token))
        self.first.setdefault(token, at)
        await request.read()
        found: Any = {"id": len(self.calls), "html_url": "https://github.com/", "body": ""}
        if request.path.endswith("/labels"):
            found = []
        status = 201 if request.method == "POST" else 200
        body = json.dumps(found).encode()
        return web.Response(status=status, body=body, content_type="application/json")

    @property
    def actions(self) -> int:
        """How many of the calls have written a check, a comment or a label."""
        return sum(method != "GET" for _, method, _ in self.calls)


@contextlib.asynccontextmanager
async def standing_in(github: GitHub) -> AsyncIterator[str]:
    """Serve a stand-in; give its address."""
    runner = web.ServerRunner(web.Server(github.answer))
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


class Service:
    """What is asked of the service over HTTP."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session, self._url = session, f"http://127.0.0.1:{port}"

    async def post(self, path: str, body: Any) -> Any:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with self._session.post(self._url + path, json=body, headers=headers) as answer:
            assert answer.status == 201, await answer.text()
            return await answer.json()

    async def integration(self, token: str) -> str:
        config = {"token": token, "webhook_secret": WEBHOOK_SECRET}
        body = {"name": token, "integration_type": "GITHUB", "config": config}
        made = await self.post("/api/v1/integrations", body)
        return str(made["webhook_url"].partition("/api/")[2])

    async def open(self, path: str, owner: str, number: int) -> None:
        repo = payloads.repository(f"{owner}/shop")
        text = f"experiment_key: {KEY}"
        told = payloads.pull_request("opened", number, "2026-03-02T10:00:00Z", repo=repo, body=text)
        body = payloads.encode(told)
        headers = payloads.headers("pull_request", body, WEBHOOK_SECRET)
        url = f"{self._url}/api/{path}"
        async with self._session.post(url, data=body, headers=headers) as answer:
            assert (await answer.json()) == {"processed": True}, await answer.text()

    async def open_all(self, wanted: list[tuple[str, str, int]]) -> None:
        waiting = iter(wanted)

        async def some() -> None:
            for path, owner, number in waiting:
                await self.open(path, owner, number)

        await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def until(github: GitHub, actions: int, patience: float) -> None:
    """Wait until so many actions are carried out."""
    deadline = time.monotonic() + patience
    while github.actions < actions:
        if time.monotonic() > deadline:
            raise SystemExit(f"only {github.actions} of {actions} actions were carried out")
        await asyncio.sleep(0.02)


async def measure(
    folder: str, database: str, *, tokens: int, pulls: int, backlog: int, alone: bool
) -> None:
    github = GitHub()
    port = free_port()
    async with standing_in(github) as url, aiohttp.ClientSession() as session:
        options = ("--no-worker",)
        serving = start(port, folder, database, 1, *options, github=url)
        service = Service(session, port)
        await service.post("/api/v1/experiments", {"key": KEY, "name": "Checkout"})
        names = [f"token-{number}" for number in range(tokens)]
        paths = [await service.integration(name) for name in names]
        busy = await service.integration("busy")
        late = await service.integration("late")
        await service.open_all(
            [
                (path, f"acme-{name}", number)
                for number in range(1, pulls + 1)
                for path, name in zip(paths, names, strict=True)
            ]
        )
        await service.open_all([(busy, "acme-busy", one) for one in range(1, backlog + 1)])
        working = run(["worker"], folder, database, url, alone=alone)
        try:
            await throughput(github, working.pid, 3 * tokens * pulls)
            await fairness(github, service, late, backlog)
            if not backlog:
                await idleness(github, working.pid)
        finally:
            stop(working)
            stop(serving)


async def throughput(github: GitHub, pid: int, actions: int) -> None:
    while not github.calls:
        await asyncio.sleep(0.005)
    before = cpu_seconds([pid])
    await until(github, actions, 300)
    used = cpu_seconds([pid]) - before
    began, ended = github.calls[0][0], github.calls[-1][0]
    seconds = ended - began
    print(
        f"{actions} actions by {len(github.calls)} calls in {seconds:.2f} s: "
        f"{actions / seconds:.0f} actions/s, {used / actions * 1e6:.0f} µs of processor time each"
    )
    waits = sorted(at - began for at in github.first.values())
    print(f"first call of a token: median {waits[len(waits) // 2]:.2f} s, last {waits[-1]:.2f} s")


async def fairness(github: GitHub, service: Service, late: str, backlog: int) -> None:
    delays = []
    for number in range(1, 4):
        github.first.pop("late", None)
        await service.open(late, "acme-late", number)
        answered = time.perf_counter()
        while "late" not in github.first:
            await asyncio.sleep(0.002)
        delays.append(github.first["late"] - answered)
        await asyncio.sleep(1.0)
    shown = ", ".join(f"{delay * 1000:.0f}" for delay in delays)
    print(f"first call of another token beside {backlog} pull requests of one: {shown} ms")


async def idleness(github: GitHub, pid: int) -> None:
    await asyncio.sleep(2.0)
    before, calls = cpu_seconds([pid]), len(github.calls)
    await asyncio.sleep(IDLE)
    used = cpu_seconds([pid]) - before
    print(f"idle: {used / IDLE * 1000:.1f} ms of processor time a second")
    assert len(github.calls) == calls


@click.command()
@click.option("--database", default="sqlite", help="sqlite, postgresql, or a server's address")
@click.option("--tokens", default=200, show_default=True)
@click.option("--pulls", default=3, show_default=True, help="pull requests of each token")
@click.option("--backlog", default=0, help="pull requests of one more token")
def main(database: str, tokens: int, pulls: int, backlog: int) -> None:
    """Measure the outbox."""
    with server(database) as where:
        asyncio.run(
            measure(
                where.folder,
                where.database("outbox"),
                tokens=tokens,
                pulls=pulls,
                backlog=backlog,
                alone=where.url is None,
            )
        )


if __name__ == "__main__":
    main()
