"""The README can be followed from its top to its end: every block of commands runs as printed.

They run in one shell, in their order, in a folder that looks like a new checkout, against a service
that `make run` has started and the stand-in GitHub, which the service is told of as the README says
(`GITHUB_API_URLS`). Two things differ from what is printed: the port, as 8000 may be taken, and
`curl` fails where the service answers with an error, so that no block fails unnoticed.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from bot import storage as store
from tests.github import GitHub
from tests.kit.marks import leave, slow
from tests.kit.ports import free_port
from tests.kit.processes import ROOT
from tests.kit.running import eventually

pytestmark = slow

TOOLS = ("bash", "make", "curl", "jq", "openssl")
KEY = "checkout-flow-v2"
# Blocks of other pages that can be run where the README has led to.
ELSEWHERE = (("deployment.md", "app.py backup"), ("deployment.md", "for id in $(get"))


def see_to_tools(*names: str) -> None:
    if missing := [one for one in names if shutil.which(one) is None]:
        leave(f"not on the path: {', '.join(missing)}")


def blocks(path: Path) -> list[str]:
    """Return the shell commands that a page prints, block by block."""
    found = re.findall(r"^( *)```sh\n(.*?)^\1```$", path.read_text(), re.MULTILINE | re.DOTALL)
    return [text for _, text in found]


def block_of(name: str, words: str) -> str:
    (found,) = [one for one in blocks(ROOT / "docs" / name) if words in one]
    return found


class Newcomer:
    """Somebody with a new checkout, who types what the README says."""

    def __init__(self, folder: Path, github: GitHub) -> None:
        self.folder, self.port = folder / "checkout", free_port()
        self.folder.mkdir()
        for name in ("app.py", "app.yml", "bot"):
            (self.folder / name).symlink_to(ROOT / name)
        (self.folder / ".venv").symlink_to(sys.prefix)
        shutil.copy(ROOT / "Makefile", self.folder)
        shutil.copytree(ROOT / "requirements", self.folder / "requirements")
        for path in (self.folder / "requirements").iterdir():
            os.utime(path, (0, 0))  # they are installed already
        curl = folder / "tools" / "curl"
        curl.parent.mkdir()
        curl.write_text(f'#!/bin/sh\nexec {shutil.which("curl")} --fail-with-body "$@"\n')
        curl.chmod(0o755)
        self.env = {
            "PATH": f"{curl.parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "PORT": str(self.port),
            "GITHUB_API_URLS": github.url,
            "LOG_LEVEL": "warning",
        }

    async def shell(self, script: str, log: Path) -> asyncio.subprocess.Process:
        with log.open("wb") as file:
            return await asyncio.create_subprocess_exec(
                "bash",
                "-c",
                f"set -eo pipefail\n{script.replace('127.0.0.1:8000', f'127.0.0.1:{self.port}')}",
                cwd=self.folder,
                env=self.env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )

    async def run(self, script: str) -> str:
        """Type something and wait until it is through; return what it prints."""
        log = self.folder.parent / "shell.log"
        process = await self.shell(script, log)
        try:
            code = await asyncio.wait_for(process.wait(), 90)
        finally:
            end(process)
        assert code == 0, log.read_text()
        return log.read_text()

    @asynccontextmanager
    async def serving(self, script: str) -> AsyncIterator[None]:
        """Type something that goes on, in a terminal of its own."""
        log = self.folder.parent / "service.log"
        process = await self.shell(script, log)

        async def is_up() -> bool:
            assert process.returncode is None, log.read_text()
            try:
                async with session.get(f"http://127.0.0.1:{self.port}/readyz") as response:
                    return response.status == 200
            except aiohttp.ClientError:
                return False

        try:
            async with aiohttp.ClientSession() as session:
                await eventually(is_up, 30)
            yield
        finally:
            end(process)
            await process.wait()
        assert "Admin token (shown only this once): xbot_" in log.read_text()


def end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGTERM)


@pytest.fixture
async def github() -> AsyncIterator[GitHub]:
    """A GitHub that has what the README's examples name."""
    github = await GitHub.start()
    github.add_repository("acme/shop")
    github.add_user("jane")
    github.repository("acme/shop").collaborators["jane"] = "write"
    github.add_token("ghp_xxx", "experiment-bot")
    text = f"experiment_key: {KEY}"
    github.open_pull("acme/shop", 42, title="One page checkout", body=text, head_ref="one-page")
    yield github
    await github.close()


@pytest.fixture
def newcomer(tmp_path: Path, github: GitHub) -> Newcomer:
    see_to_tools(*TOOLS)
    if not (Path(sys.prefix) / ".run-installed").exists():
        leave("this environment was not made by make")
    return Newcomer(tmp_path, github)


async def test_the_readme_can_be_followed_to_its_end(newcomer: Newcomer, github: GitHub) -> None:
    start, *rest = blocks(ROOT / "README.md")
    assert start.split()[:2] == ["make", "run"]
    assert not [one for one in rest if re.search(r"^make", one, re.MULTILINE)]
    rest += [block_of(*one) for one in ELSEWHERE]
    say = [f"echo '=== {number}'\n{block}\necho" for number, block in enumerate(rest)]
    state = [f'echo "=== state of {name}"\nget {path}' for name, path in STATE.items()]
    async with newcomer.serving(start):
        said = await newcomer.run("\n".join([*say, *state]))
    assert not re.search(r'"status":\s*[45]\d\d\b', said), said
    assert '{"processed":true}' in said
    found = {
        name: said.partition(f"=== state of {name}\n")[2].partition("\n===")[0] for name in STATE
    }
    assert f'"key":"{KEY}"' in found["pull request"]
    assert '"status":"completed"' in found["experiment"]
    told = re.findall(r'"summary":"(\w+) pull request #42', found["feed"])
    assert sorted(told) == ["Linked", "Linked", "Opened", "Unlinked"], found["feed"]
    assert told[0] == "Linked", "what was unlinked by hand is linked again in the end"
    assert '"items":[]' in found["typos"]
    assert [one["title"] for one in github.issues("acme/shop")] == ["Ramp up to 50 %"]
    assert (newcomer.folder / "copy.db").exists() and (newcomer.folder / "copy.key").exists()
    assert github.violations == []


STATE = {
    "pull request": "pull-requests/acme/shop/42",
    "experiment": f"experiments/{KEY}",
    "feed": f"experiments/{KEY}/activity",
    "typos": "links/unresolved",
}


COPIES = {
    "the README": (ROOT / "README.md", "app.py backup", ["copy.db", "copy.key"]),
    "SQLite": (ROOT / "docs/deployment.md", "app.py backup", ["copy.db", "copy.key"]),
    "PostgreSQL": (ROOT / "docs/deployment.md", "pg_dump", ["copy.dump"]),
}


@pytest.mark.parametrize("whose", COPIES)
def test_a_backup_is_for_nobody_else_to_read(tmp_path: Path, whose: str) -> None:
    """Also where a copy of before is lying there that everybody may read."""
    see_to_tools("bash")
    page, words, copies = COPIES[whose]
    (block,) = [one for one in blocks(page) if words in one]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "secret.key").write_text("key")
    (tmp_path / "data" / "secret.key").chmod(0o600)
    store.engine(f"sqlite:///{tmp_path}/data/bot.db").migrate()
    (tmp_path / "app.py").symlink_to(ROOT / "app.py")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    for name, text in (("pg_dump", 'echo x > "${2#--file=}"'), ("pg_restore", "true")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    for copy in copies:
        (tmp_path / copy).touch(0o644)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "DATABASE_URL": "", "EMPTY_DATABASE_URL": ""}
    script = f"umask 022\nset -e\n{block}"
    subprocess.run(["bash", "-c", script], cwd=tmp_path, env=env, check=True)
    for copy in copies:
        found = (tmp_path / copy).stat()
        assert (found.st_mode & 0o777, found.st_size > 0) == (0o600, True), copy


def test_what_cannot_be_run_is_no_block_of_commands() -> None:
    """Nothing that is printed as commands has a place to be filled in, or never ends."""
    wrong = []
    for number, block in enumerate(blocks(ROOT / "README.md")):
        if re.search(r"…|<[a-z-]+>|\{[a-z_]+\}|user:password", block):
            wrong.append((number, block))
    assert wrong == []
