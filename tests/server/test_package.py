"""The wheel, as somebody meets it who installs the bot: in an environment and a folder of its own.

It is built and installed without the network: packages come from the environment of the tests.
"""

import asyncio
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import aiohttp
import pytest

from bot import __version__
from tests.kit.marks import slow
from tests.kit.processes import ROOT, Process

pytestmark = slow

PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


def run(*command: "str | Path", cwd: Path, **env: str) -> str:
    """Run a command that succeeds and return what it prints."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder)
    run(*PIP, "wheel", *options, ROOT, cwd=folder)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def command(wheel: Path) -> Path:
    """The command `experiment-bot` of a new environment, which finds the rest in the tests' own."""
    venv = wheel.parent / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=wheel.parent)
    packages = Path(sysconfig.get_path("purelib", vars={"base": venv}))
    known = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    (packages / "dependencies.pth").write_text("\n".join(known))
    options = ("--no-deps", "--no-index")
    run(*PIP, "--python", venv / "bin" / "python", "install", *options, wheel, cwd=wheel.parent)
    return venv / "bin" / "experiment-bot"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder, far from any checkout."""
    empty = tmp_path / "empty"
    empty.mkdir()
    return empty


def test_the_wheel_has_all_that_the_package_has_and_the_manifest_and_no_more(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    kept = [one for one in (ROOT / "bot").rglob("*") if one.is_file() and one.suffix != ".pyc"]
    assert names == {one.relative_to(ROOT).as_posix() for one in kept} | {"bot/app.yml"}


def test_the_version_stands_in_one_place(wheel: Path, command: Path, folder: Path) -> None:
    assert wheel.name == f"experiment_bot-{__version__}-py3-none-any.whl"
    assert __version__ in run(command, "--version", cwd=folder)
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert any(__version__ in one for one in headings)


def test_the_command_says_what_it_can_do(command: Path, folder: Path) -> None:
    said = run(command, "--help", cwd=folder)
    assert said.startswith("Usage: experiment-bot ")
    assert (
        said.splitlines()[1:] == run(sys.executable, "app.py", "--help", cwd=ROOT).splitlines()[1:]
    )
    assert list(folder.iterdir()) == []


class Installed(Process):
    """`experiment-bot serve`, started in the folder that has become its own."""

    def __init__(
        self, command: Path, folder: Path, session: aiohttp.ClientSession, *options: str
    ) -> None:
        super().__init__(folder / "data", session, *options)
        self.command, self.folder = command, folder

    async def spawn(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                self.command,
                "serve",
                *self.options,
                cwd=self.folder,
                env=self.env,
                stdout=log,
                stderr=log,
            )


@pytest.mark.parametrize("processes", ["1", "2"])
async def test_it_serves_pages_with_their_styles(
    command: Path, folder: Path, processes: str
) -> None:
    async with aiohttp.ClientSession() as session:
        bot = Installed(command, folder, session, "--processes", processes)
        try:
            await bot.start()
            page = await bot.get("/sign-in", token=None)
            assert page.status == 200
            files = re.findall(r'(?:href|src)="[^"]*(/static/[^"]+)"', page.body)
            assert {Path(one).suffix for one in files} >= {".css", ".js", ".svg"}
            for path in files:
                assert (await bot.get(path, token=None)).status == 200, path
            assert (await bot.get("/api/v1/docs", token=None)).status == 200
            setup = await bot.get("/setup")
            assert setup.status == 200 and "merge_queues" in setup.body, "the manifest is read"
            assert await bot.end() == 0
        finally:
            await bot.kill()
