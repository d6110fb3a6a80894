"""Killed at any moment: what was acknowledged is there with its effects, once, and it goes on."""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.demo import payloads
from tests.kit.deliveries import REPO
from tests.kit.marks import slow
from tests.kit.processes import Process, kills
from tests.kit.running import SECRET

pytestmark = [slow, pytest.mark.kills]

KILLS = kills(5)
CONNECTIONS = 16


async def load(
    process: Process, path: str, numbers: Any, sent: dict[str, int], done: set[str]
) -> None:
    """Deliver pull requests one after the other until the service dies."""
    for number in numbers:
        payload = payloads.pull_request(
            "opened", number, "2026-03-02T10:00:00Z", repo=REPO, body="experiment_key: crash"
        )
        body = payloads.encode(payload)
        headers = payloads.headers("pull_request", body, SECRET)
        guid = headers["X-GitHub-Delivery"]
        sent[guid] = number
        try:
            async with process.session.post(
                process.url + path, data=body, headers=headers
            ) as response:
                answer = await response.json()
                assert (response.status, answer) == (200, {"processed": True})
                done.add(guid)
        except (aiohttp.ClientError, ConnectionError):
            return


async def test_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    sent: dict[str, int] = {}
    done: set[str] = set()
    async with aiohttp.ClientSession() as session:
        process = Process(tmp_path / "data", session)
        await process.start()
        integration = await process.integration()
        await process.experiment("crash")
        path = f"/api/v1/integrations/{integration}/webhook/github"
        numbers = iter(range(1, 10**9))
        for _ in range(KILLS):
            clients = [
                asyncio.create_task(load(process, path, numbers, sent, done))
                for _ in range(CONNECTIONS)
            ]
            await asyncio.sleep(random.uniform(0.02, 0.4))
            await process.kill()
            await asyncio.gather(*clients)
            await process.start()
        stored = await process.walk(f"/api/v1/integrations/{integration}/deliveries", 200)
        linked = await process.walk("/api/v1/experiments/crash/pull-requests", 200)
        feed = await process.walk("/api/v1/experiments/crash/activity", 200)
        await process.kill()

    assert len(done) > KILLS
    ids = Counter(delivery["id"] for delivery in stored)
    assert set(ids.values()) == {1}
    assert done <= ids.keys() <= sent.keys()
    assert {delivery["status"] for delivery in stored} == {"processed"}
    expected = Counter(sent[guid] for guid in ids)
    assert Counter(link["number"] for link in linked) == expected
    told = Counter((item["type"], item["delivery_id"]) for item in feed)
    assert told - Counter({("experiment.created", None): 1}) == Counter(
        {(kind, guid): 1 for guid in ids for kind in ("pull_request.opened", "pull_request.linked")}
    )
