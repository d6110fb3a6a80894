"""Services in processes of their own, and what they are sent."""

import asyncio
import itertools
import json
import random
import uuid
from collections import Counter
from typing import Any

import aiohttp

from bot import times
from bot.demo import payloads
from tests.kit.deliveries import REPO
from tests.kit.processes import Process
from tests.kit.running import PATIENCE, Bot

START = times.parse("2026-03-02T10:00:00Z") or 0
KEY = "experiment_key: many"
SHARED = 5  # pull requests that are told of through every process


def opened(number: int, at: int = START) -> dict[str, Any]:
    return payloads.pull_request("opened", number, times.render(at), repo=REPO, body=KEY)


async def follow(bot: Bot, count: int, last: str | None = None, ready: Any = None) -> list[Any]:
    """Return `count` items of a live stream, from after `last`."""
    headers = {"Authorization": f"Bearer {bot_token(bot)}"}
    if last is not None:
        headers["Last-Event-ID"] = last
    items: list[Any] = []
    async with (
        asyncio.timeout(PATIENCE),
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
        self._versions: dict[str, tuple[int, int]] = {}  # of which pull request, and which
        self._unanswered: dict[str, tuple[str, dict[str, Any]]] = {}

    def next(self) -> tuple[str, str, dict[str, Any]]:
        """Return a guid, an event and a payload, each with its own items of the feed."""
        guid, number = str(uuid.uuid4()), next(self._numbers)
        kind = random.choice(("opened", "synchronize", "synchronize", "push"))
        if kind == "opened":
            self.expected[guid] = ("pull_request.linked", "pull_request.opened")
            return guid, "pull_request", opened(number)
        if kind == "synchronize":
            self.expected[guid] = ("pull_request.updated",)
            self._versions[guid] = (number % SHARED + 1, number)
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
                *(
                    self.send(one, *delivery)
                    for one in random.sample(self.processes, min(several, len(self.processes)))
                )
            )
            if delivery[0] not in self.acknowledged:
                self._unanswered[delivery[0]] = delivery[1:]

    async def redeliver(self) -> None:
        """Send again what was not acknowledged, stored or not, as somebody would on GitHub."""
        for guid, delivery in self._unanswered.items():
            await self.send(random.choice(self.processes), guid, *delivery)
        assert self._unanswered.keys() <= self.acknowledged

    async def begin(self) -> None:
        """Tell of the pull requests that later deliveries are about, too."""
        await self.processes[0].experiment("many")
        for number in range(1, SHARED + 1):
            guid = str(uuid.uuid4())
            self.expected[guid] = ("pull_request.linked", "pull_request.opened")
            await self.send(self.processes[0], guid, "pull_request", opened(number))
            assert guid in self.acknowledged

    async def check(self) -> None:
        """Check that what was acknowledged is there, nothing is there twice, and all fits."""
        first, last = self.processes[0], self.processes[-1]
        assert self.wrong == [], self.wrong
        stored, linked, commits, feed = await asyncio.gather(
            first.walk(f"/api/v1/integrations/{self.integration}/deliveries", 200),
            last.walk("/api/v1/experiments/many/pull-requests", 200),
            first.walk("/api/v1/experiments/many/commits", 200),
            last.walk("/api/v1/experiments/many/activity", 200),
        )
        ids = Counter(delivery["id"] for delivery in stored)
        assert set(ids.values()) == {1}
        assert self.acknowledged <= ids.keys() <= self.expected.keys()
        assert {delivery["status"] for delivery in stored} == {"processed"}
        told = Counter((item["delivery_id"], item["type"]) for item in feed if item["delivery_id"])
        assert told == Counter((guid, kind) for guid in ids for kind in self.expected[guid])
        kinds = Counter(kind for _, kind in told)
        assert len(linked) == kinds["pull_request.linked"]
        assert len({link["number"] for link in linked}) == len(linked)
        assert len({commit["sha"] for commit in commits}) == kinds["commit.pushed"] == len(commits)
        newest: dict[int, tuple[int, str]] = {}
        for guid in ids.keys() & self._versions.keys():
            pull, version = self._versions[guid]
            newest[pull] = max(newest.get(pull, (0, "")), (version, payloads.sha_of(guid)))
        heads = {link["number"]: link["head_sha"] for link in linked}
        assert {pull: heads[pull] for pull in newest} == {n: sha for n, (_, sha) in newest.items()}
