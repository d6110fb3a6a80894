"""What a delivery costs on a branch that has been in use for long.

A release train: the branch `develop` is merged into `main` again and again, 30 commits a release,
each release a pull request that names an experiment. Measures one `closed` delivery after 10, 100
and 300 releases, and a push of 50 commits to a branch of 400 old pull requests that name none; on
both engines, the deliveries signed and over HTTP, one after the other.

    .venv/bin/python bench/branches.py
    .venv/bin/python bench/branches.py --database sqlite --releases 10 --releases 1000
"""

import asyncio
import hashlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import click

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.service import TOKEN as ADMIN  # noqa: E402
from bench.service import free_port, server, start, stop  # noqa: E402
from bot.demo import payloads  # noqa: E402

SECRET = "the-webhook-secret-of-a-benchmark"
COMMITS = 30  # of one release
REPO = payloads.repository("acme/train")
OLD = payloads.repository("acme/old")
DAY = 86_400
FIRST = 1_700_000_000  # seconds; any time in the past


class Client:
    """Signs deliveries and waits for their answers."""

    def __init__(self, session: aiohttp.ClientSession, port: int, integration: str) -> None:
        self.session = session
        self.address = f"http://127.0.0.1:{port}/api/v1/integrations/{integration}/webhook/github"

    async def deliver(self, event: str, payload: dict[str, Any]) -> float:
        """Return how many seconds the answer took."""
        body = payloads.encode(payload)
        headers = payloads.headers(event, body, SECRET)
        started = time.perf_counter()
        async with self.session.post(self.address, data=body, headers=headers) as response:
            answer = await response.json()
        if response.status != 200 or not answer["processed"]:
            raise SystemExit(f"{event}: {response.status} {answer}")
        return time.perf_counter() - started


def at(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def push(branch: str, names: list[str], seconds: int, *, distinct: bool) -> dict[str, Any]:
    payload = payloads.push(branch, names, repo=REPO, pushed_at=seconds, at=at(seconds))
    for commit in payload["commits"]:
        commit["distinct"] = distinct
    return payload


def release(number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the deliveries of one release: commits, opened, closed as merged, the merge itself."""
    start = FIRST + number * DAY
    names = [f"Release {number}, commit {one}" for one in range(COMMITS)]
    for place in range(0, COMMITS, 10):
        some = names[place : place + 10]
        yield "push", push("develop", some, start + place, distinct=True)
    about: dict[str, Any] = {
        "repo": REPO,
        "body": "experiment_key: train",
        "branch": "develop",
        "base": "main",
        "created_at": at(start + 100),
        "sha": hashlib.sha1(names[-1].encode(), usedforsecurity=False).hexdigest(),
    }
    yield "pull_request", payloads.pull_request("opened", number, at(start + 100), **about)
    yield (
        "pull_request",
        payloads.pull_request(
            "closed", number, at(start + 200), state="closed", merged=True, **about
        ),
    )
    yield "push", push("main", names, start + 200, distinct=False)


async def train(client: Client, marks: tuple[int, ...]) -> None:
    """Print what the `closed` delivery and the push of the merge cost after so many releases."""
    closed: list[float] = []
    merged: list[float] = []
    for number in range(1, max(marks) + 1):
        seconds = [await client.deliver(event, payload) for event, payload in release(number)]
        closed.append(seconds[-2])
        merged.append(seconds[-1])
        if number in marks:
            print(
                f"  {number:4} releases: closed {statistics.median(closed[-5:]) * 1000:8.1f} ms, "
                f"the push of the merge {statistics.median(merged[-5:]) * 1000:8.1f} ms",
                flush=True,
            )


async def old_pull_requests(client: Client, count: int, size: int) -> None:
    """Print what a push costs on a branch of many old pull requests that name no experiment."""
    for number in range(1, count + 1):
        start = FIRST + number * DAY
        about: dict[str, Any] = {"repo": OLD, "branch": "develop", "created_at": at(start)}
        await client.deliver(
            "pull_request",
            payloads.pull_request(
                "closed", number, at(start + 100), state="closed", merged=True, **about
            ),
        )
    seconds = []
    for turn in range(3):
        names = [f"Turn {turn}, commit {one}" for one in range(size)]
        payload = payloads.push("develop", names, repo=OLD, pushed_at=FIRST + (count + turn) * DAY)
        seconds.append(await client.deliver("push", payload))
    print(
        f"  {count:4} old pull requests: a push of {size} commits "
        f"{statistics.median(seconds) * 1000:8.1f} ms",
        flush=True,
    )


async def measure(port: int, marks: tuple[int, ...], old: int, size: int) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600)) as session:
        api = f"http://127.0.0.1:{port}/api/v1"
        headers = {"Authorization": f"Bearer {ADMIN}"}
        config = {"token": "ghp_of_a_benchmark", "webhook_secret": SECRET}
        body = {"name": "Benchmark", "integration_type": "GITHUB", "config": config}
        async with session.post(f"{api}/integrations", json=body, headers=headers) as response:
            made = json.loads(await response.text())
        experiment = {"key": "train", "name": "Train"}
        async with session.post(f"{api}/experiments", json=experiment, headers=headers) as response:
            assert response.status == 201
        client = Client(session, port, made["id"])
        await old_pull_requests(client, old, size)
        await train(client, marks)


@click.command()
@click.option("--database", multiple=True, default=("sqlite", "postgresql"), show_default=True)
@click.option("--releases", multiple=True, default=(10, 100, 300), show_default=True)
@click.option("--old", default=400, show_default=True, help="Old pull requests of a branch.")
@click.option("--size", default=50, show_default=True, help="Commits in a push to that branch.")
def main(database: tuple[str, ...], releases: tuple[int, ...], old: int, size: int) -> None:
    """Measure deliveries on branches with a history."""
    for name in database:
        print(name, flush=True)
        with server(name) as place, tempfile.TemporaryDirectory() as folder:
            port = free_port()
            process = start(port, folder, place.database("branches"))
            try:
                asyncio.run(measure(port, releases, old, size))
            finally:
                stop(process)


if __name__ == "__main__":
    main()
