"""The command line, as an operator meets it: each command in a process of its own."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from bot import storage as store
from bot.cli import main
from tests.kit.marks import slow
from tests.kit.ports import free_port
from tests.kit.processes import ROOT
from tests.kit.running import ADMIN_TOKEN

pytestmark = slow

EXPERIMENTS = "/api/v1/experiments"
ADMIN_LINE = re.compile(r"^Admin token \(shown only this once\): (\S+)$", re.MULTILINE)


class Process:
    """A command that goes on until it is told to stop."""

    def __init__(self, shell: "Shell", arguments: tuple[str, ...]) -> None:
        self.port = free_port()
        self._files = [shell.folder / f"{self.port}.{name}" for name in ("out", "err")]
        out, err = (path.open("wb") for path in self._files)
        with out, err:
            self._process = subprocess.Popen(
                shell.command(arguments),
                cwd=ROOT,
                env={**shell.environment, "PORT": str(self.port)},
                stdout=out,
                stderr=err,
            )

    @property
    def out(self) -> str:
        return self._files[0].read_text()

    @property
    def err(self) -> str:
        return self._files[1].read_text()

    def wait_for(self, check: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not check():
            assert self._process.poll() is None, self.err
            assert time.monotonic() < deadline, "it did not come to pass"
            time.sleep(0.02)

    def wait_until_up(self) -> "Process":
        self.wait_for(lambda: "Experiment Bot is up" in self.out or '"working"' in self.err)
        return self

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.send(number)
        return self._process.wait(20)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def status(self, path: str, token: str, body: object = None) -> int:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                status: int = response.status
                return status
        except urllib.error.HTTPError as error:
            with error:
                return error.code


class Shell:
    """Runs `python app.py` with an environment of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "DATA_DIR": str(folder / "data"),
        }
        self.started: list[Process] = []

    def command(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "app.py", *arguments]

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(arguments),
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def says(self, *arguments: str) -> str:
        """Run a command that succeeds and return what it prints."""
        done = self.run(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def fails(self, *arguments: str) -> str:
        """Run a command that fails and return the one line that it says about it."""
        done = self.run(*arguments)
        assert done.returncode != 0
        lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
        assert len(lines) == 1, done.stderr
        assert lines[0].startswith("Error: ")
        return lines[0]

    def start(self, *arguments: str) -> Process:
        process = Process(self, arguments)
        self.started.append(process)
        return process.wait_until_up()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    for process in shell.started:
        process.kill()


def test_help(shell: Shell) -> None:
    """Every command is listed with what it does."""
    text = shell.says("--help")
    names = [name for name, command in main.commands.items() if not command.hidden]
    assert {"serve", "worker", "token", "demo"} <= set(names)
    for name in names:
        assert re.search(rf"^  {name} +\w", text, re.MULTILINE), name
    text = shell.says("token", "--help")
    for name in ("create", "list", "revoke"):
        assert re.search(rf"^  {name} +\w", text, re.MULTILINE), name


def test_unknown_command(shell: Shell) -> None:
    done = shell.run("sreve")
    assert done.returncode != 0
    assert "sreve" in done.stderr
    assert "Traceback" not in done.stderr


def test_tokens(shell: Shell) -> None:
    """A token works from the moment it is made until it is revoked, and is printed once."""
    token = shell.says("token", "create", "the dashboard", "--role", "viewer").strip()
    assert re.fullmatch(r"\S{32,}", token)
    served = shell.start("serve")
    later = shell.says("token", "create", "ci", "--role", "developer").strip()
    experiment = {"key": "a", "name": "A"}
    assert served.status(EXPERIMENTS, token) == 200
    assert served.status(EXPERIMENTS, token, experiment) == 403
    assert served.status(EXPERIMENTS, later, experiment) == 201
    assert served.status("/api/v1/integrations", later, {}) == 403

    listed = shell.says("token", "list")
    assert token not in listed
    assert re.search(r"viewer .* the dashboard$", listed, re.MULTILINE)
    assert re.search(r"developer .* ci$", listed, re.MULTILINE)

    assert "1" in shell.says("token", "revoke", "the dashboard")
    served.wait_for(lambda: served.status(EXPERIMENTS, token) == 401)
    assert served.status(EXPERIMENTS, later) == 200
    assert "(revoked)" in shell.says("token", "list")
    assert "the dashboard" in shell.fails("token", "revoke", "the dashboard")
    assert token not in served.out + served.err


@pytest.mark.parametrize(
    "arguments",
    [["ci"], ["ci", "--role", "king"], ["a\nb", "--role", "viewer"]],
)
def test_tokens_that_cannot_be(shell: Shell, arguments: list[str]) -> None:
    done = shell.run("token", "create", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_several_commands_at_once(shell: Shell) -> None:
    """Processes that start together on an empty folder agree on one database and one key."""
    names = ("one", "two", "three", "four")
    started = [
        subprocess.Popen(
            shell.command(("token", "create", name, "--role", "viewer")),
            cwd=ROOT,
            env=shell.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    for process in started:
        out, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, ""), err
        assert out.strip()
    listed = shell.says("token", "list")
    assert all(re.search(rf" {name}$", listed, re.MULTILINE) for name in names)


def test_admin_token_is_printed_once(shell: Shell) -> None:
    """The first start prints it; later ones take it without a word."""
    first = shell.start()
    (token,) = ADMIN_LINE.findall(first.out)
    assert first.status("/api/v1/integrations", token) == 200
    assert first.stop() == 0
    second = shell.start("serve")
    assert second.status("/api/v1/integrations", token) == 200
    assert "Admin token" not in second.out
    assert second.stop() == 0
    assert (first.out + first.err + second.out + second.err).count(token) == 1

    shell.environment["ADMIN_TOKEN"] = ADMIN_TOKEN
    third = shell.start("serve")
    assert third.status("/api/v1/integrations", ADMIN_TOKEN) == 200
    assert third.status("/api/v1/integrations", token) == 401
    assert ADMIN_TOKEN not in third.out + third.err


def test_an_admin_token_that_is_another_already(shell: Shell) -> None:
    """It says so, and whoever could come in before still can."""
    shell.environment["ADMIN_TOKEN"] = ADMIN_TOKEN
    assert shell.start("serve").stop() == 0
    taken = shell.says("token", "create", "ci", "--role", "viewer").strip()
    shell.says("token", "revoke", "ci")
    shell.environment["ADMIN_TOKEN"] = taken
    error = shell.fails("serve")
    assert "ADMIN_TOKEN" in error and "token list" in error and taken not in error
    shell.environment["ADMIN_TOKEN"] = ADMIN_TOKEN
    assert shell.start("serve").status("/api/v1/integrations", ADMIN_TOKEN) == 200


@pytest.mark.parametrize(
    ("arguments", "number"),
    [
        (["serve"], signal.SIGTERM),
        (["serve"], signal.SIGINT),
        (["serve", "--no-worker"], signal.SIGTERM),
        (["serve", "--processes", "2"], signal.SIGTERM),
        (["worker"], signal.SIGTERM),
    ],
)
def test_stopping(shell: Shell, arguments: list[str], number: int) -> None:
    """Told to stop, every command that goes on ends cleanly."""
    process = shell.start(*arguments)
    if arguments[0] == "serve":
        process.wait_for(lambda: is_healthy(process))
    assert process.stop(number) == 0
    assert "Traceback" not in process.err
    assert not [line for line in process.err.splitlines() if '"level":"error"' in line]


def is_healthy(process: Process) -> bool:
    try:
        return process.status("/healthz", "none") == 200
    except OSError:
        return False


def test_commands_beside_a_service(shell: Shell) -> None:
    """What the service acknowledged stays, whatever commands came and went beside it."""
    shell.environment["ADMIN_TOKEN"] = ADMIN_TOKEN
    first = shell.start("serve")
    shell.says("token", "list")
    assert first.status(EXPERIMENTS, ADMIN_TOKEN, {"key": "a", "name": "A"}) == 201
    token = shell.says("token", "create", "ci", "--role", "viewer").strip()
    assert first.status(f"{EXPERIMENTS}/a", token) == 200
    first.kill()
    second = shell.start("serve")
    assert second.status(f"{EXPERIMENTS}/a", token) == 200


# --- What an operator can mend is said in one line


def test_port_in_use(shell: Shell) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        shell.environment["PORT"] = str(port)
        line = shell.fails("serve")
    assert f"127.0.0.1:{port}" in line
    assert "in use" in line


@pytest.mark.parametrize(
    ("name", "value", "arguments"),
    [
        ("PORT", "http", []),
        ("SECRET_KEY", "hunter2", ["serve"]),
        ("ADMIN_TOKEN", "hunter2", ["worker"]),
        ("DATABASE_URL", "mysql://root:hunter2@localhost/bot", ["token", "list"]),
    ],
)
def test_wrong_variable(shell: Shell, name: str, value: str, arguments: list[str]) -> None:
    shell.environment[name] = value
    line = shell.fails(*arguments)
    assert line.startswith(f"Error: {name}: got ")
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "arguments", [["token", "list"], ["token", "revoke", "ci"], ["doctor"], ["doctor", "Shop"]]
)
def test_what_only_looks_makes_no_database(shell: Shell, arguments: list[str]) -> None:
    """With a mistyped folder it would look at an empty one, and say that all is well."""
    folder = Path(shell.environment["DATA_DIR"])
    line = shell.fails(*arguments)
    assert f"there is no file {folder / 'bot.db'}" in line and "DATA_DIR" in line
    assert not folder.exists()
    shell.says("token", "create", "ci", "--role", "viewer")  # which is how one may begin
    assert "ci" in shell.says("token", "list")


def test_folder_is_a_file(shell: Shell) -> None:
    Path(shell.environment["DATA_DIR"]).write_text("not a folder")
    assert shell.environment["DATA_DIR"] in shell.fails("serve")


def test_newer_database(shell: Shell) -> None:
    shell.says("token", "create", "ci", "--role", "viewer")
    with sqlite3.connect(Path(shell.environment["DATA_DIR"]) / "bot.db") as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    assert "newer" in shell.fails("serve")


@pytest.mark.parametrize("arguments", [["serve"], ["serve", "--processes", "2"], ["worker"]])
def test_a_key_that_does_not_fit(shell: Shell, arguments: list[str]) -> None:
    """Said at the start, in one line, and not at the first delivery."""
    shell.says("token", "create", "ci", "--role", "viewer")
    vault = store.Vault([Fernet.generate_key().decode()])
    sealed = vault.seal({"webhook_secret": "of the tests"}, store.integrations.about("x"))
    with sqlite3.connect(Path(shell.environment["DATA_DIR"]) / "bot.db") as connection:
        connection.execute(
            """INSERT INTO integrations (id, name, integration_type, is_active, config, secrets,
                created_at, updated_at) VALUES ('x', 'x', 'GITHUB', 1, '{}', ?, 0, 0)""",
            [sealed],
        )
    connection.close()
    assert "SECRET_KEY" in shell.fails(*arguments)
