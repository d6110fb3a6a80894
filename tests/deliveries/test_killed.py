"""Services that are killed at random, in the middle of deliveries without end."""

import asyncio
import itertools
import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

from bot import times
from bot.demo import payloads
from tests.deliveries.load import KEY, START, opened
from tests.kit.deliveries import REPO
from tests.kit.marks import slow
from tests.kit.processes import Process, own_server, running

pytestmark = slow

CONNECTIONS = 8
SHARED = 5  # pull requests that are told of through every process


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
