"""Through which rooms (packages right below `bot`) a delivery goes, from the door to the disk.

`python -m tests.server.test_delivery_walk` prints each step, in their order.
"""

import asyncio
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

from bot import log
from bot.demo import payloads
from bot.settings import Settings
from tests.kit.running import ADMIN_TOKEN, SECRET, start
from tests.server.test_import_graph import BOT, FLOOR_OF, LEAVES

MOST_ROOMS = 6
# The leaves belong to every room; before the door is only the HTTP server.
NO_ROOMS = {*LEAVES, "__init__", "connection", "listening", "server"}

Step = tuple[str, str]


class Walk:
    """Notes from which room another is entered, call by call, and by which functions first."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.functions: dict[Step, Step] = {}
        self._rooms: dict[str, str | None] = {}
        self._is_on = False

    @contextmanager
    def noting(self) -> Iterator[None]:
        self._is_on = True
        yield
        self._is_on = False

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Take what Python tells a profiler."""
        if not self._is_on or event != "call" or (room := self._room(frame)) is None:
            return
        caller, before = frame.f_back, None
        while caller is not None and (before := self._room(caller)) is None:
            caller = caller.f_back
        if caller is None or before is None or before == room:
            return  # within a room, or a task of its own, such as a commit, goes on
        self.steps.append((before, room))
        functions = (caller.f_code.co_qualname, frame.f_code.co_qualname)
        self.functions.setdefault((before, room), functions)

    def _room(self, frame: FrameType) -> str | None:
        file = frame.f_code.co_filename
        if file not in self._rooms:
            path = Path(file)
            room = path.relative_to(BOT).with_suffix("").parts[0] if BOT in path.parents else None
            self._rooms[file] = None if room in NO_ROOMS else room
        return self._rooms[file]

    @property
    def rooms(self) -> list[str]:
        """Return the rooms in the order in which they are entered."""
        return list(dict.fromkeys(room for step in self.steps for room in step))

    def climbs(self) -> set[Step]:
        """Return the calls that lead up, but for those into a job that had been handed down."""
        seen: set[Step] = set()
        found: set[Step] = set()
        for caller, room in self.steps:
            seen.add((caller, room))
            if FLOOR_OF[room] > FLOOR_OF[caller] and (room, caller) not in seen:
                found.add((caller, room))
        return found


async def walk(settings: Settings) -> Walk:
    """Deliver a pull request that names an experiment, and watch."""
    taken = Walk()
    threading.setprofile(taken)  # those of the database are yet to begin
    sys.setprofile(taken)
    try:
        bot = await start(settings)
        try:
            integration = await bot.integration()
            await bot.experiment("price-test")
            body = payloads.encode(
                payloads.pull_request(
                    "opened",
                    1,
                    "2026-03-02T10:00:00Z",
                    repo=payloads.repository("acme/shop"),
                    body="experiment_key: price-test",
                )
            )
            headers = payloads.headers("pull_request", body, SECRET)
            with taken.noting():
                answer = await bot.send(integration, body, headers)
            assert (answer.status, answer.body) == (200, {"processed": True})
        finally:
            await bot.close()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return taken


async def test_a_delivery_never_goes_back_up_but_to_return(settings: Settings) -> None:
    taken = await walk(settings)
    assert {"domain", "handlers", "storage"} <= set(taken.rooms)
    assert taken.climbs() == set()


async def test_a_delivery_walks_through_few_rooms(settings: Settings) -> None:
    taken = await walk(settings)
    assert len(taken.rooms) <= MOST_ROOMS, taken.rooms


def show() -> None:
    log.configure("error", "text")
    with tempfile.TemporaryDirectory() as folder:
        environment = {"DATA_DIR": folder, "ADMIN_TOKEN": ADMIN_TOKEN, "LOG_LEVEL": "error"}
        taken = asyncio.run(walk(Settings.from_environment(environment)))
    click.secho(" → ".join(taken.rooms), bold=True)
    for step in dict.fromkeys(taken.steps):
        functions = " → ".join(taken.functions[step])
        up = "   (a job that was handed down)" if FLOOR_OF[step[1]] > FLOOR_OF[step[0]] else ""
        click.echo(f"{step[0]:12} → {step[1]:12} {functions}{up}")


if __name__ == "__main__":
    show()
