"""Nobody waits for a log that nobody reads, or that finds no room."""

import asyncio
import errno
import fcntl
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot import output
from bot.log import logger
from bot.output import Outlet
from tests.kit.deliveries import PROCESSED, pull_request
from tests.kit.logs import captured
from tests.kit.marks import slow
from tests.kit.processes import Process
from tests.kit.running import PATIENCE, eventually

PIPE = 4096  # bytes that a pipe of these tests holds
MANY = 60  # deliveries, whose lines are several times that


@asynccontextmanager
async def speaking(
    folder: Path, out: int | None, *options: str, before: Callable[[], None] | None = None
) -> AsyncIterator[Process]:
    """Run a service whose standard output and error is `out`."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        bot = Process(folder, session, *options, LOG_LEVEL="info")
        bot.output, bot.before = out, before
        try:
            await bot.start()
            yield bot
        finally:
            await bot.kill()


async def deliver_many(bot: Process) -> None:
    integration = await bot.integration()
    for number in range(1, MANY + 1):
        answer = await bot.deliver(integration, "pull_request", pull_request(number))
        assert (answer.status, answer.body) == (200, PROCESSED)


async def lines_lost(bot: Process) -> float:
    text = (await bot.get("/metrics", token=None)).body
    (line,) = [
        one for one in text.splitlines() if one.startswith("experiment_bot_log_lines_lost_t")
    ]
    return float(line.split()[1])


def small_pipe() -> tuple[int, int]:
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, PIPE)
    return read, write


@pytest.fixture(params=["full disk", "gone"])
def nowhere(request: pytest.FixtureRequest) -> Iterator[int]:
    """What can be written to in vain."""
    if request.param == "full disk":
        out = os.open("/dev/full", os.O_WRONLY)
    else:
        read, out = os.pipe()
        os.close(read)
    yield out
    os.close(out)


@slow
@pytest.mark.parametrize("options", [(), ("--processes", "2")], ids=["one", "two"])
async def test_lines_that_cannot_be_written_stop_nothing(
    tmp_path: Path, nowhere: int, options: tuple[str, ...]
) -> None:
    async with speaking(tmp_path / "data", nowhere, *options) as bot:
        await deliver_many(bot)
        assert await lines_lost(bot) >= MANY
        assert await bot.end() == 0


@slow
async def test_output_that_is_closed_is_none(tmp_path: Path) -> None:
    """No file that is opened later may be taken for it."""

    def close() -> None:
        for descriptor in range(3):
            os.close(descriptor)

    async with speaking(tmp_path / "data", None, before=close) as bot:
        await deliver_many(bot)
        for descriptor in range(3):
            assert Path(f"/proc/{bot.process.pid}/fd/{descriptor}").readlink() == Path(os.devnull)
        assert await bot.end() == 0


@slow
@pytest.mark.parametrize("options", [(), ("--processes", "2")], ids=["one", "two"])
@pytest.mark.parametrize("kind", ["pipe", "socket"])
async def test_a_reader_that_does_not_read_stops_nothing(
    tmp_path: Path, kind: str, options: tuple[str, ...]
) -> None:
    """What it has not read is there when it reads again."""
    if kind == "pipe":
        read, write = small_pipe()
    else:
        ends = socket.socketpair()
        ends[1].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PIPE)
        read, write = (one.detach() for one in ends)
    try:
        async with speaking(tmp_path / "data", write, *options) as bot:
            await deliver_many(bot)
            assert await lines_lost(bot) == 0
            os.close(write)
            reading = asyncio.create_task(asyncio.to_thread(read_all, read))
            assert await bot.end() == 0
            lines = (await asyncio.wait_for(reading, PATIENCE)).splitlines()
        told = [json.loads(line) for line in lines if line.startswith("{")]
        assert [one["message"] for one in told].count("delivery") == MANY
    finally:
        os.close(read)


@slow
async def test_it_ends_though_nobody_reads_what_it_said(tmp_path: Path) -> None:
    read, write = small_pipe()
    async with speaking(tmp_path / "data", write) as bot:
        await deliver_many(bot)
        assert await bot.end() == 0
    os.close(read)
    os.close(write)


def read_all(descriptor: int) -> str:
    with os.fdopen(os.dup(descriptor), "rb") as stream:
        return stream.read().decode()


@contextmanager
def read_by_hand() -> Iterator[tuple[Outlet, int]]:
    """Give an outlet into a pipe, and what reads it."""
    read, write = small_pipe()
    yield Outlet(write), read
    os.close(read)
    os.close(write)


async def test_what_there_was_no_room_for_is_said_once_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted: list[int] = []
    monkeypatch.setattr(output, "ROOM", 1000)
    monkeypatch.setattr(output, "_counts", counted.append)
    with read_by_hand() as (outlet, read):
        outlet.note = "{} lost\n".format
        for number in range(100):
            outlet.write(f"{number} {'x' * 90}\n")
        assert outlet.lost == sum(counted) > 10
        text = ""

        async def said() -> bool:
            nonlocal text
            text += (await asyncio.to_thread(os.read, read, PIPE)).decode()
            return text.endswith(" lost\n")

        await eventually(said)
        *lines, last = text.splitlines()
        assert [line.split()[0] for line in lines] == [str(number) for number in range(len(lines))]
        assert last == f"{sum(counted)} lost" and len(lines) + sum(counted) == 100
        outlet.write("on again\n")
        assert os.read(read, PIPE) == b"on again\n" and outlet.lost == 0


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_full_disk_is_told_of_in_the_form_of_the_log(form: str, tmp_path: Path) -> None:
    """A line that was cut off stays apart from the next."""
    room = 0

    def send(data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken, room = data[:room], max(room - len(data), 0)
        written.write(taken)
        return len(taken)

    with (tmp_path / "log").open("wb", buffering=0) as written:
        outlet = Outlet(written.fileno())
        outlet._send = send
        with captured(form, stream=outlet):  # type: ignore[arg-type]
            room = 30
            for _ in range(3):
                logger.info("request", path="/" + "a" * 50)
            room = 10_000
            logger.info("request", path="/b")
    cut, note, last = (tmp_path / "log").read_text().splitlines()
    assert len(cut) == 30
    assert "log lines lost" in note and "3" in note
    assert "/b" in last
    if form == "json":
        assert json.loads(note)["count"] == 3


def test_what_is_no_pipe_of_ours_is_written_to_as_far_as_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another user's cannot be opened once more: it is asked before each piece."""

    def refuse(*_: Any) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", refuse)
    with read_by_hand() as (outlet, read):
        text = "x" * (2 * PIPE) + "\n"
        outlet.write(text)
        got = b""
        while len(got) < len(text):
            got += os.read(read, PIPE)
        assert got.decode() == text
