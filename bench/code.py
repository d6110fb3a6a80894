"""What the first reading of a default branch costs, beside ripgrep over its checkout.

A repository of git's with many files in several languages, in which a few lines name one of a
thousand experiments; the stand-in for GitHub serves it, and one process of the service reads it.
Beside it ripgrep looks for the same keys, each between quotation marks, in a checkout. Deliveries
are sent meanwhile, one after the other, to see how long they wait for their answers. Then what
a push and a pull request cost: calls to GitHub, counted by the stand-in.

    .venv/bin/python -m bench.code --files 20000 --megabytes 500 --keys 1000 --runs 3
"""

import asyncio
import os
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import psutil

from tests.github import GitHub
from tests.kit.gitrepo import GitRepo
from tests.kit.outbound import LOGIN, TOKEN
from tests.kit.processes import Process, running
from tests.kit.running import SECRET

NAME = "acme/large"
EVERY = 10  # one file in so many names an experiment
WORDS = [f"word{number}" for number in range(2_000)]
LINES = {
    "ts": 'export const {a} = make("{b}", {{ {c}: `{d}` }}); // {e}',
    "py": "{a} = make('{b}', {c}={d})  # {e}",
    "go": '{a} := make("{b}", {c}) // {d} {e}',
    "java": 'var {a} = make("{b}", {c}); /* {d} {e} */',
    "rb": "{a} = make '{b}', {c} # {d} {e}",
    "yaml": "{a}: {{ {b}: {c}, {d}: {e} }}",
}


@dataclass(frozen=True)
class Reading:
    """Seconds that passed, seconds of the processor, and MB that were resident at most."""

    seconds: float
    processor: float
    megabytes: float
    waits: tuple[float, ...] = ()  # of deliveries that were sent meanwhile, in ms


def contents(rng: random.Random, files: int, megabytes: int, keys: list[str]) -> Iterator[Any]:
    """Yield paths with what is in them."""
    size = megabytes * 1_000_000 // files
    for number in range(files):
        kind = rng.choice([*LINES])
        lines, length = [], 0
        while length < size:
            words = dict(zip("abcde", rng.choices(WORDS, k=5), strict=True))
            lines.append(LINES[kind].format(**words))
            length += len(lines[-1]) + 1
        if number % EVERY == 0:
            key = rng.choice(keys)
            lines[len(lines) // 2] = f"{key}: true" if kind == "yaml" else f'use("{key}")'
        yield f"src/{number % 200}/{number}.{kind}", "\n".join(lines) + "\n"


def build(folder: Path, files: int, megabytes: int, keys: list[str]) -> GitRepo:
    repo, rng = GitRepo.make(folder), random.Random(1)
    part: dict[str, Any] = {}
    for path, content in contents(rng, files, megabytes, keys):
        part[path] = content
        if len(part) == 1_000:
            repo.commit(part)
            part = {}
    if part:
        repo.commit(part)
    repo.commit({"README.md": "Large\n"})
    return repo


def searched(checkout: Path, patterns: Path) -> Reading:
    """Let ripgrep look for keys in a checkout."""
    command = ["rg", "--fixed-strings", "--line-number", "--file", str(patterns), str(checkout)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    assert status == 0, status
    return Reading(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def highest(pid: int) -> float:
    """Return how much memory a process has had at most, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


async def read(bot: Process, integration: str) -> Reading:
    """Have the default branch read whole, and send deliveries until it is."""
    process = psutil.Process(bot.process.pid)
    waits = []
    started, before = time.perf_counter(), spent(process)
    answer = await bot.post(f"/api/v1/repositories/{NAME}/code", {})
    assert answer.status == 202, answer.body
    action = answer.body["action_id"]
    while (one := await bot.get(f"/api/v1/actions/{action}")).body["status"] != "done":
        assert one.body["status"] != "failed", one.body
        asked = time.perf_counter()
        await bot.deliver(integration, "ping", {"zen": "Be"})
        waits.append(1_000 * (time.perf_counter() - asked))
        await asyncio.sleep(0.02)
    seconds = time.perf_counter() - started
    return Reading(seconds, spent(process) - before, highest(bot.process.pid), tuple(waits))


def counted(github: GitHub, since: int) -> str:
    kinds: dict[str, int] = {}
    for one in github.requests[since:]:
        parts = one.path.split(f"{NAME}/")[-1].split("/")
        kind = "/".join(part for part in parts if part.isalpha())
        kinds[f"{one.method} {kind}"] = kinds.get(f"{one.method} {kind}", 0) + 1
    return ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items())) or "none"


def told(name: str, readings: list[Reading]) -> None:
    seconds = sorted(one.seconds for one in readings)
    processor = statistics.median(one.processor for one in readings)
    memory = max(one.megabytes for one in readings)
    click.echo(
        f"{name:14} {seconds[0]:7.1f} {statistics.median(seconds):7.1f} {seconds[-1]:7.1f} s   "
        f"processor {processor:6.1f} s   memory {memory:5.0f} MB"
    )


async def quiet(bot: Process) -> None:
    while True:
        page = await bot.get("/api/v1/actions?status=pending&limit=200")
        running_now = await bot.get("/api/v1/actions?status=running&limit=200")
        if not page.body["items"] and not running_now.body["items"]:
            return
        await asyncio.sleep(0.2)


async def measure(folder: Path, repo: GitRepo, keys: list[str], runs: int) -> None:
    checkout, patterns = folder / "checkout", folder / "keys.txt"
    checkout.mkdir()
    archive = subprocess.run(
        ["git", "-C", str(repo.folder), "archive", "main"], stdout=subprocess.PIPE, check=True
    )
    subprocess.run(["tar", "-x", "-C", str(checkout)], input=archive.stdout, check=True)
    patterns.write_text("".join(f"{quote}{key}{quote}\n" for key in keys for quote in "\"'`"))
    github = await GitHub.start()
    github.add_token(TOKEN, LOGIN)
    github.add_repository(NAME)
    github.serve(NAME, repo)
    env = {"GITHUB_API_URLS": github.url, "GITHUB_ARCHIVE_HOSTS": github.codeload.origin}
    async with running(folder / "data", 1, **env) as (bot,):
        for key in keys:
            await bot.put(f"/api/v1/experiments/{key}", {"name": key})
        config = {"token": TOKEN, "webhook_secret": SECRET, "backfill_days": 0}
        integration = await bot.integration(config={**config, "code": "on"})
        push = {
            "ref": "refs/heads/main",
            "before": repo.text("rev-parse", "main~1"),
            "after": repo.tip(),
            "commits": [],
            "repository": github.repository_payload(NAME),
        }
        await bot.deliver(integration, "push", push)
        await asyncio.sleep(6)
        await quiet(bot)
        readings, searches = [], []
        for _ in range(runs):
            searches.append(searched(checkout, patterns))
            readings.append(await read(bot, integration))
        found = (await bot.get(f"/api/v1/repositories/{NAME}/code")).body
        click.echo(f"{found['status']}, {found['files']} files looked at")
        for one in found["unread"][:3]:
            click.echo(f"not read: {one}")
        told("ripgrep", searches)
        told("first reading", readings)
        waits = sorted(one for reading in readings for one in reading.waits)
        ninety_nine = waits[int(len(waits) * 0.99)]
        click.echo(
            f"{len(waits)} deliveries meanwhile: median {statistics.median(waits):.1f} ms, "
            f"p99 {ninety_nine:.1f} ms, longest {waits[-1]:.1f} ms"
        )
        since = len(github.requests)
        await bot.post(f"/api/v1/repositories/{NAME}/code", {})
        await quiet(bot)
        click.echo(f"calls of a first reading: {counted(github, since)}")
    await github.close()


@click.command()
@click.option("--files", default=20_000, show_default=True)
@click.option("--megabytes", default=500, show_default=True)
@click.option("--keys", "number", default=1_000, show_default=True)
@click.option("--runs", default=3, show_default=True)
def main(files: int, megabytes: int, number: int, runs: int) -> None:
    """Measure the first reading of a default branch."""
    rng = random.Random(0)
    keys = [f"experiment-{one}-{rng.choice(WORDS)}" for one in range(number)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        repo = build(folder / "large.git", files, megabytes, keys)
        asyncio.run(measure(folder, repo, keys, runs))


if __name__ == "__main__":
    main()
