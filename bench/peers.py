"""The bots that ours is measured beside: installed, started, and each with the same work to do.

Each verifies a delivery, reads the key line of a new pull request and answers; none stores
anything. Their packages are npm's, in an ignored folder, and two that ours needs anyway.
"""

import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.deliveries import Sender
from bench.rows import WEBHOOK_SECRET
from bench.service import CORES, ROOT, free_port, spawn
from bench.subject import Subject

PROBOT, OCTOKIT = "probot@14.3.2", "@octokit/webhooks@14.2.0"
FOLDER = ROOT / ".bench"
APPS = ROOT / "bench" / "apps"
NODE_PATH = "/api/github/webhooks"  # where Probot and @octokit/webhooks listen
OLDEST_NODE = (20, 18)  # that Probot 14 runs on


def node() -> str:
    """Return the version of Node; the benchmark ends if it is missing or too old."""
    found = shutil.which("node")
    name = subprocess.check_output([found, "--version"], text=True).strip() if found else "none"
    parts = re.findall(r"\d+", name)
    if tuple(map(int, parts[:2])) < OLDEST_NODE:
        wanted = ".".join(map(str, OLDEST_NODE))
        raise SystemExit(f"Probot needs Node {wanted} or newer on the path; found: {name}")
    return name.removeprefix("v")


def install() -> None:
    """Fetch npm's packages, unless these versions are there."""
    stamp = FOLDER / "installed"
    wanted = f"{PROBOT} {OCTOKIT}"
    if not stamp.exists() or stamp.read_text() != wanted:
        FOLDER.mkdir(exist_ok=True)
        options = ["--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"]
        command = ["npm", "install", "--prefix", str(FOLDER), *options, "--loglevel", "error"]
        try:
            subprocess.run([*command, PROBOT, OCTOKIT], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SystemExit(f"npm cannot install {wanted}: {error}") from error
        stamp.write_text(wanted)
    for app in APPS.glob("*.mjs"):  # beside their packages, where Node looks for these
        shutil.copy(app, FOLDER)


class Peer(Subject):
    """A bot of others, on the core that ours has."""

    def __init__(
        self, name: str, command: list[str], path: str, folder: Path, names: list[str]
    ) -> None:
        self.name = name
        self.port = free_port()
        folder.mkdir()
        environment = {
            "WEBHOOK_SECRET": WEBHOOK_SECRET,
            "PORT": str(self.port),
            "HOST": "127.0.0.1",
            "NODE_ENV": "production",
            "APP_ID": "1",
            "PRIVATE_KEY": _private_key(),
        }
        self.process = spawn(command, environment, self.port, str(folder), CORES[:1], cwd=FOLDER)
        self.sender = Sender(path, names)


def _private_key() -> str:
    """Return a new key: Probot does not start without one, and uses it for calls alone."""
    return (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


@contextlib.contextmanager
def running(folder: str, names: list[str]) -> Iterator[list[Peer]]:
    """Give every peer, running, Probot first; `names` are the repositories it is told of."""
    probot = [shutil.which("node") or "node", "node_modules/probot/bin/probot.js", "run"]
    commands = {
        PROBOT.replace("probot@", "Probot "): ([*probot, "./probot_app.mjs"], NODE_PATH),
        OCTOKIT.replace("s@", "s ") + " on Node": ([probot[0], "octokit_webhooks.mjs"], NODE_PATH),
        f"gidgethub {version('gidgethub')} + aiohttp {version('aiohttp')}": (
            [sys.executable, str(APPS / "gidgethub_bot.py")],
            "/",
        ),
    }
    with contextlib.ExitStack() as stack:
        made: list[Peer] = []
        for number, (name, (command, path)) in enumerate(commands.items()):
            peer = Peer(name, command, path, Path(folder) / f"peer-{number}", names)
            stack.callback(peer.stop)
            peer.pause()
            made.append(peer)
        yield made
