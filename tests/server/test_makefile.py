"""`make` sets up what it stands on, says what is missing, and mends what was left half done."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.marks import slow
from tests.kit.processes import ROOT

pytestmark = [slow, pytest.mark.skipif(shutil.which("make") is None, reason="make is not here")]

# A Python whose `-m venv` makes something like an environment at once. It does what is asked for
# with the files beside it: `without-pip` leaves pip out and fails as Debian's does, `no-network`
# lets pip install fail.
PYTHON = """#!/bin/sh
here={here}
case "$1 $2" in
"-m venv")
  mkdir -p "$3/bin"
  cp "$here/python-of-venv" "$3/bin/python"
  echo "venv" >> "$here/log"
  if [ -e "$here/without-pip" ]; then
    echo "The virtual environment was not created successfully: ensurepip is not available."
    exit 1
  fi
  touch "$3/has-pip" ;;
*) exec {real} "$@" ;;
esac
"""
PYTHON_OF_VENV = """#!/bin/sh
here={here}
venv=$(dirname "$(dirname "$0")")
case "$1 $2" in
"-m pip")
  [ -e "$venv/has-pip" ] || {{ echo "No module named pip" >&2; exit 1; }}
  case "$*" in
  *" install "*)
    echo "pip" >> "$here/log"
    [ ! -e "$here/no-network" ] || exit 1 ;;
  esac ;;
*) echo "ran: $*" ;;
esac
"""


class Checkout:
    """A folder with the Makefile, an empty list of packages, and a Python of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.tools = folder / "tools"
        self.tools.mkdir()
        for name, text in (("python3", PYTHON), ("python-of-venv", PYTHON_OF_VENV)):
            path = self.tools / name
            path.write_text(text.format(here=self.tools, real=sys.executable))
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        self.path = folder / "checkout"
        (self.path / "requirements").mkdir(parents=True)
        for name in ("run", "test"):
            (self.path / "requirements" / f"{name}.txt").touch()
        shutil.copy(ROOT / "Makefile", self.path)
        (self.path / "app.py").write_text("import sys\nprint('ran:', *sys.argv)\n")

    @property
    def venv(self) -> Path:
        return self.path / ".venv"

    def make(self, *arguments: str, python: str | None = None) -> "tuple[int, str]":
        """Run make; return its exit code and all that it says."""
        env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        done = subprocess.run(
            [
                "make",
                "--no-print-directory",
                f"PYTHON={python or self.tools / 'python3'}",
                *arguments,
            ],
            cwd=self.path,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout

    def switch(self, name: str, on: bool = True) -> None:
        path = self.tools / name
        path.touch() if on else path.unlink()

    @property
    def log(self) -> list[str]:
        """Return what was done since the last look."""
        path = self.tools / "log"
        lines = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_it_is_set_up_once(checkout: Checkout) -> None:
    code, said = checkout.make("run")
    assert (code, checkout.log) == (0, ["venv", "pip"]), said
    assert "ran: app.py serve" in said
    code, said = checkout.make("run")
    assert (code, said, checkout.log) == (0, "ran: app.py serve\n", [])
    code, said = checkout.make("test")
    assert (code, checkout.log) == (0, ["pip"]), said


def test_help_lists_the_targets_and_sets_nothing_up(checkout: Checkout) -> None:
    code, said = checkout.make("help")
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert code == 0 and targets is not None
    assert [line.split()[1] for line in said.splitlines()] == targets[1].split()
    assert not checkout.venv.exists()


def test_without_the_package_for_venv_it_says_so_and_leaves_nothing(checkout: Checkout) -> None:
    """As on Debian, where `-m venv` leaves a folder with a Python that has no pip."""
    checkout.switch("without-pip")
    for _ in range(2):
        code, said = checkout.make("run")
        assert code != 0
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        assert f"apt install python3-venv (or python{version}-venv)" in said
        assert not checkout.venv.exists()
    checkout.switch("without-pip", on=False)
    code, said = checkout.make("run")
    assert code == 0 and "ran: app.py serve" in said


@pytest.mark.parametrize("target", ["run", "test", "lint"])
def test_one_that_was_left_half_done_is_made_anew(checkout: Checkout, target: str) -> None:
    """Such as those that an earlier version has left, with or without its marks of success."""
    for marks in ((), (".run-installed", ".test-installed")):
        shutil.rmtree(checkout.venv, ignore_errors=True)
        (checkout.venv / "bin").mkdir(parents=True)
        shutil.copy(checkout.tools / "python-of-venv", checkout.venv / "bin" / "python")
        for mark in marks:
            (checkout.venv / mark).touch()
        code, said = checkout.make(target)
        assert (code, checkout.log) == (0, ["venv", "pip"]), said


def test_a_python_that_is_gone_is_replaced(checkout: Checkout) -> None:
    assert checkout.make("run")[0] == 0
    python = checkout.venv / "bin" / "python"
    python.unlink()
    python.symlink_to("/usr/bin/python-of-last-year")
    assert checkout.log == ["venv", "pip"]
    code, said = checkout.make("run")
    assert (code, checkout.log) == (0, ["venv", "pip"]), said
    assert "ran: app.py serve" in said


def test_an_installation_that_was_interrupted_is_repeated(checkout: Checkout) -> None:
    checkout.switch("no-network")
    for expected in (["venv", "pip"], ["pip"]):
        assert checkout.make("run")[0] != 0
        assert checkout.log == expected
    checkout.switch("no-network", on=False)
    assert checkout.make("run")[0] == 0
    assert checkout.log == ["pip"]


def test_a_python_that_is_too_old_is_named_and_nothing_is_touched(checkout: Checkout) -> None:
    old = checkout.tools / "old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    code, said = checkout.make("run", python=str(old))
    assert code != 0 and "Python 3.11 or newer is needed" in said
    assert not checkout.venv.exists()


def test_a_checkout_that_is_moved_still_runs(checkout: Checkout) -> None:
    """With a real environment, whose scripts name the folder that they were made in."""
    code, said = checkout.make("run", python=sys.executable)
    assert code == 0 and "ran: app.py serve" in said, said
    moved = checkout.path.with_name("moved")
    checkout.path.rename(moved)
    checkout.path = moved
    code, said = checkout.make("run", python=sys.executable)
    assert (code, said) == (0, "ran: app.py serve\n")
    (moved / "requirements" / "run.txt").touch()
    code, said = checkout.make("run", python=sys.executable)
    assert code == 0 and "ran: app.py serve" in said, "packages can be installed there, too"
