"""Killed at any moment: what was acknowledged is there with its effects, once, and it goes on."""

import asyncio
import os
import random
import signal
import socket
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp

from bot.demo import payloads
from tests.running import ADMIN_TOKEN, SECRET, eventually

ROOT = Path(__file__).parents[1]
KILLS = 50
CONNECTIONS = 16
REPO = payloads.repository("acme/shop")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """`python app.py serve` on a folder, started and killed as often as a test likes."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession) -> None:
        self.port = free_port()
        self.folder, self.session = folder, session
        self.url = f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "app.py",
            cwd=ROOT,
            env={
                **os.environ,
                "DATA_DIR": str(self.folder),
                "PORT": str(self.port),
                "ADMIN_TOKEN": ADMIN_TOKEN,
                "LOG_LEVEL": "warning",
            },
            stdout=asyncio.subprocess.DEVNULL,
        )
        await eventually(self.is_ready, 20)

    async def is_ready(self) -> bool:
        try:
            async with self.session.get(f"{self.url}/readyz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def api(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        async with self.session.request(
            method, f"{self.url}/api/v1{path}", json=body, headers=headers
        ) as response:
            assert response.status in (200, 201), await response.text()
            return await response.json()

    async def all(self, path: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await self.api("GET", f"{path}?limit=200{cursor}")
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            cursor = f"&cursor={page['next_cursor']}"


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


async def test_fifty_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    sent: dict[str, int] = {}
    done: set[str] = set()
    async with aiohttp.ClientSession() as session:
        process = Process(tmp_path / "data", session)
        await process.start()
        integration = await process.api(
            "POST",
            "/integrations",
            {
                "name": "Crash",
                "integration_type": "GITHUB",
                "config": {"token": "ghp_crash", "webhook_secret": SECRET},
            },
        )
        await process.api("POST", "/experiments", {"key": "crash", "name": "Crash"})
        path = f"/api/v1/integrations/{integration['id']}/webhook/github"
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
        stored = await process.all(f"/integrations/{integration['id']}/deliveries")
        linked = await process.all("/experiments/crash/pull-requests")
        feed = await process.all("/experiments/crash/activity")
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
