"""A start while there is no PostgreSQL server: it is waited for, unless time does not mend it."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.kit import clusters
from tests.kit.clusters import PASSWORD, Node
from tests.kit.marks import slow
from tests.kit.processes import ROOT, Process, app, environment
from tests.kit.running import PATIENCE, eventually

pytestmark = [slow, pytest.mark.postgresql]

WAITING = "waiting for the database"


@pytest.fixture
def node() -> Iterator[Node]:
    with clusters.single() as server:
        yield server


async def test_a_service_waits_for_its_server(node: Node, tmp_path: Path) -> None:
    """And so do its processes, and a worker of its own, which ends when it is told to."""
    url = node.url("experiment_bot")
    node.stop()
    async with aiohttp.ClientSession() as session:
        service = Process(tmp_path / "data", session, "--processes", "2", DATABASE_URL=url)
        await service.spawn()
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "app.py", "worker"),
            cwd=ROOT,
            env=service.env,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert worker.stderr is not None
            line = (await asyncio.wait_for(worker.stderr.readline(), PATIENCE)).decode()
            assert WAITING in line and str(node.port) in line
            worker.terminate()
            _, errors = await asyncio.wait_for(worker.communicate(), PATIENCE)
            assert (worker.returncode, "Traceback" in errors.decode()) == (0, False)

            async def says_so() -> bool:
                return WAITING in service.log.read_text()

            await eventually(says_so)
            node.start()
            await eventually(service.is_ready)
            await service.integration()
            assert PASSWORD not in service.log.read_text() + line
            assert await service.end() == 0
        finally:
            await service.kill()
            if worker.returncode is None:
                worker.kill()


async def test_a_server_that_takes_no_writes_yet_is_waited_for(node: Node, tmp_path: Path) -> None:
    """As one does that was demoted, or is about to be promoted."""
    clusters.make_read_only(node)
    async with aiohttp.ClientSession() as session:
        service = Process(tmp_path / "data", session, DATABASE_URL=node.url("experiment_bot"))
        await service.spawn()
        try:

            async def waits() -> bool:
                assert service.process.returncode is None, service.log.read_text()
                return WAITING in service.log.read_text()

            await eventually(waits)
            clusters.make_read_only(node, "off")
            await eventually(service.is_ready)
            await service.integration()
        finally:
            await service.kill()


async def test_what_time_does_not_mend_ends_the_start(node: Node, tmp_path: Path) -> None:
    env = environment(tmp_path / "data", DATABASE_URL=node.url("another"))
    code, out, errors = await app("serve", env=env)
    assert code == 1
    assert 'database "another" does not exist' in errors
    assert PASSWORD not in out + errors
    (node.folder / "data" / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256")
    await asyncio.to_thread(node.execute, "SELECT pg_reload_conf()")
    env = environment(tmp_path / "data", DATABASE_URL=node.url("experiment_bot"))
    code, out, errors = await app("serve", env=env)
    assert (code, "password authentication failed" in errors) == (1, True), errors


async def test_a_command_does_not_wait(node: Node, tmp_path: Path) -> None:
    env = environment(tmp_path / "data", DATABASE_URL=node.url("experiment_bot"))
    node.stop()
    for command in (["token", "create", "ci", "--role", "viewer"], ["token", "list"], ["doctor"]):
        code, out, errors = await app(*command, env=env)
        assert code == 1
        assert "PostgreSQL cannot be used" in errors and str(node.port) in errors
        assert PASSWORD not in out + errors
