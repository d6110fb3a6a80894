"""PostgreSQL as people run it: a primary with its streaming replica, and PgBouncer before it.

The programs are those of Debian's packages `postgresql` and `pgbouncer`. Without them these tests
are skipped; where CI is set they fail, so that they are never forgotten.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import psycopg

from tests.kit.marks import leave
from tests.kit.ports import free_port

PASSWORD = "hunter2-of-the-database"
_SECONDS = 30.0


def _missing(package: str) -> NoReturn:
    why = f"it is not here; on Debian: apt-get install {package}"
    leave(why)


def _programs() -> Path:
    """Return where the programs of the newest PostgreSQL are."""
    found = [one.parent for one in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not found:
        _missing("postgresql")
    return max(found, key=lambda path: int(path.parent.name))


def _user() -> str | None:
    """Return whom the servers run as: none of them does as root."""
    return "postgres" if os.geteuid() == 0 else None


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="experiment-bot-cluster-"))
    if user := _user():
        shutil.chown(folder, user, user)
    return folder


def wait_until(check: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while not check():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


class Node:
    """One PostgreSQL server, in `data` of a folder of its own."""

    def __init__(self) -> None:
        self.folder, self.port = _folder(), free_port()
        self.place = f"127.0.0.1:{self.port}"

    def run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [_programs() / program, *arguments],
            cwd=self.folder,
            user=_user(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout

    def create(self) -> None:
        self.run(
            "initdb",
            *("-D", "data", "-U", "bot", "--auth=trust", "--no-sync", "-E", "UTF8"),
            "--locale=C",
        )

    def copy(self, primary: "Node") -> None:
        """Become a replica of another server."""
        source = f"host=127.0.0.1 port={primary.port} user=bot application_name=replica"
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        self.run("pg_basebackup", "-D", "data", "-R", "-X", "stream", "-c", "fast", "-d", source)

    def start(self, **settings: str) -> None:
        """Start it, and return once it takes connections."""
        given = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "shared_buffers": "16MB",
            **settings,
        }
        options = " ".join(f"-c {name}='{value}'" for name, value in given.items())
        self._control("start", "-o", options)

    def stop(self) -> None:
        self._control("stop", "-m", "immediate")

    def promote(self) -> None:
        self._control("promote")

    def kill(self) -> None:
        """Kill every process of it, as when its machine dies."""
        killed = self.signal(signal.SIGKILL)
        wait_until(lambda: not any(map(_parent, killed)), "it lives on")
        (self.folder / "data" / "postmaster.pid").unlink()

    def signal(self, number: int) -> list[int]:
        """Send a signal to every process of it, and return which those are."""
        lock = self.folder / "data" / "postmaster.pid"
        postmaster = int(lock.read_text().split()[0])
        pids = [postmaster, *_children(postmaster)]
        for pid in pids:
            with suppress(ProcessLookupError):  # it has noticed by itself
                os.kill(pid, number)
        return pids

    def _control(self, *arguments: str) -> None:
        self.run("pg_ctl", "-w", "-D", "data", "-l", str(self.folder / "log"), *arguments)

    def execute(self, sql: str) -> Any:
        """Run a statement as its owner would; return the first value, if it gives any."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            # Or it waits for the replica, or writes nothing, as those do that it is to upset.
            connection.execute("SET synchronous_commit = local")
            connection.execute("SET default_transaction_read_only = off")
            cursor = connection.execute(sql)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None

    def url(self, database: str, *others: "Node") -> str:
        places = ",".join(node.place for node in (self, *others))
        return f"postgresql://bot:{PASSWORD}@{places}/{database}"

    def is_started(self) -> bool:
        return (self.folder / "data" / "postmaster.pid").exists()

    def remove(self) -> None:
        if self.is_started():
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def _parent(pid: int) -> int | None:
    """Return the parent of a process; None if it is dead, whether or not that was noticed."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return None
    return int(parent) if state != "Z" else None


def _children(parent: int) -> list[int]:
    pids = [int(one.name) for one in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if _parent(pid) == parent]


def make_read_only(node: Node, setting: str = "on") -> None:
    """Let a server that lives on take no writes any more, as when it is demoted, or do so again."""
    node.execute(f"ALTER SYSTEM SET default_transaction_read_only = {setting}")
    node.execute("SELECT pg_reload_conf()")


class Pair:
    """A primary and its synchronous replica, with the bot's database."""

    def __init__(self) -> None:
        self.primary, self.replica = Node(), Node()
        # The replica comes first: whoever connects has to look for the server that takes writes.
        self.url = self.replica.url("experiment_bot", self.primary)

    def start(self) -> None:
        self.primary.create()
        self.primary.start()
        self.primary.execute("CREATE DATABASE experiment_bot")
        self.follow()

    def follow(self) -> None:
        """Let the replica follow the primary, which waits for it from then on."""
        if self.replica.is_started():
            self.replica.kill()
        self.replica.copy(self.primary)
        self.replica.start()
        self.primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.primary.execute("SELECT pg_reload_conf()")
        self.wait_for_replica()

    def wait_for_replica(self) -> None:
        sql = "SELECT COUNT(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        wait_until(lambda: self.primary.execute(sql) == 1, "the replica does not follow")

    def fail_over(self) -> None:
        """Promote the replica; the primary may run or not."""
        self.replica.promote()
        self.primary, self.replica = self.replica, self.primary


@contextmanager
def pair() -> Iterator[Pair]:
    two = Pair()
    nodes = (two.primary, two.replica)
    try:
        two.start()
        yield two
    finally:
        for node in nodes:
            node.remove()


@contextmanager
def single(**settings: str) -> Iterator[Node]:
    node = Node()
    try:
        node.create()
        node.start(**settings)
        node.execute("CREATE DATABASE experiment_bot")
        yield node
    finally:
        node.remove()


class Pooler:
    """PgBouncer in transaction mode, as docs/deployment.md has it, with a small pool."""

    def __init__(self, node: Node, program: str, size: int) -> None:
        self.port = free_port()
        self.folder = _folder()
        (self.folder / "users").write_text(f'"bot" "{PASSWORD}"\n')
        (self.folder / "pgbouncer.ini").write_text(
            "[databases]\n"
            f"experiment_bot = host=127.0.0.1 port={node.port}\n"
            "[pgbouncer]\n"
            "listen_addr = 127.0.0.1\n"
            f"listen_port = {self.port}\n"
            "unix_socket_dir =\n"
            "auth_type = plain\n"
            f"auth_file = {self.folder}/users\n"
            "pool_mode = transaction\n"
            "server_login_retry = 1\n"
            f"default_pool_size = {size}\n"
        )
        self.url = f"postgresql://bot:{PASSWORD}@127.0.0.1:{self.port}/experiment_bot"
        with (self.folder / "log").open("w") as log:
            self._process = subprocess.Popen(
                [program, str(self.folder / "pgbouncer.ini")],
                user=_user(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def is_up(self) -> bool:
        assert self._process.poll() is None, (self.folder / "log").read_text()
        try:
            psycopg.connect(self.url).close()
        except psycopg.OperationalError:
            return False
        return True

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def pooler(node: Node, size: int = 2) -> Iterator[Pooler]:
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        _missing("pgbouncer")
    bouncer = Pooler(node, program, size)
    try:
        wait_until(bouncer.is_up, "PgBouncer does not answer")
        yield bouncer
    finally:
        bouncer.end()
