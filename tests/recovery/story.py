"""Deliveries of two hours, of which some reach the bot and the rest only GitHub's list."""

import math
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from bot import times
from bot.demo import payloads
from bot.github.reach import webhook_url
from tests.github import GitHub
from tests.github.model import Hook
from tests.kit.outbound import APP, INSTALLATION, REPOSITORY, Scene
from tests.kit.running import Bot

# Each engine and each kind of credential once: neither knows of the other.
EACH = pytest.mark.parametrize(
    ("engine", "credential"), [("sqlite", "token"), ("postgresql", "app")], indirect=True
)
SHOP = payloads.repository(REPOSITORY)
OTHER = payloads.repository("acme/other")
QUIET = {"comments": "off", "check": "off", "label": None}  # nothing is written on GitHub
KEYS = ("checkout", "search", "nobody-made-this-one")
_UNIMPORTANT = re.compile(r"(T[0-9:]{8})\.[0-9]+Z")  # GitHub's list has whole seconds
_OWN = ("id", "integration_id", "recorded_at", "updated_at", "created_at")


@dataclass(frozen=True)
class Told:
    """A delivery, and whether it `matters`: nobody handles the others, or may hear of them."""

    guid: str
    event: str
    payload: dict[str, Any]
    matters: bool


def told(count: int, start: float, seconds: float, seed: int = 1) -> Iterator[tuple[float, Told]]:
    """Yield so many deliveries with their times, evenly over some seconds."""
    rng, start = random.Random(seed), math.ceil(start)  # GitHub's list has whole seconds
    for number in range(count):
        at = start + int(number * seconds / count)
        stamp = times.render(int(at) * times.SECOND)
        guid = f"{seed:08x}-0000-4000-8000-{number:012x}"
        event, payload, matters = _made(rng, seed * 1000 + number, stamp)
        yield at, Told(guid, event, payload, matters)


def _made(rng: random.Random, number: int, at: str) -> tuple[str, dict[str, Any], bool]:
    key, pull = rng.choice(KEYS), rng.randrange(1, 40)
    body, sha = f"experiment_key: {key}", payloads.sha_of(f"{number}")
    match rng.randrange(8):
        case 0:
            return "star", payloads.star(at, repo=SHOP, sender="jane"), False
        case 1:
            other = payloads.push("main", [f"Change {number}"], repo=OTHER, at=at)
            return "push", other, False
        case 2:
            message = f"Change {number}\n\nExperiment-Key: {key}"
            return "push", payloads.push("main", [message], repo=SHOP, at=at), True
        case 3:
            issue = payloads.issue("opened", number, at, repo=SHOP, body=body)
            return "issues", issue, True
        case 4:
            made = payloads.pull_request(
                "edited", pull, at, repo=SHOP, body=body, title=f"{number}"
            )
            return "pull_request", made, True
        case 5:
            made = payloads.pull_request("closed", pull, at, repo=SHOP, body=body, merged=True)
            return "pull_request", made, True
    action = rng.choice(("opened", "synchronize"))
    made = payloads.pull_request(action, pull, at, repo=SHOP, body=body, sha=sha)
    return "pull_request", made, True


def hook_of(scene: Scene) -> Hook:
    """Return the webhook on GitHub that leads to the scene's integration."""
    scene.github.repository(REPOSITORY).id = SHOP["id"]
    url = webhook_url("https://bot.example", scene.integration)
    return hook_at(scene.github, url, is_app=scene.is_app)


def hook_at(github: GitHub, url: str, *, is_app: bool) -> Hook:
    if is_app:
        github.apps[APP].hook.config["url"] = url
        return github.apps[APP].hook
    made = github.add_hook(REPOSITORY, url, ["*"])
    return github.repository(REPOSITORY).hooks[made]


def headers_of(hook: Hook, github: GitHub, *, is_app: bool) -> dict[str, str]:
    """Return how deliveries name their webhook."""
    return {
        "X-GitHub-Hook-ID": str(hook.id),
        "X-GitHub-Hook-Installation-Target-Type": "integration" if is_app else "repository",
        "X-GitHub-Hook-Installation-Target-ID": str(APP if is_app else SHOP["id"]),
    }


def with_installation(payload: dict[str, Any], *, is_app: bool) -> dict[str, Any]:
    return {**payload, "installation": {"id": INSTALLATION}} if is_app else payload


async def facts(bot: Bot) -> dict[str, Any]:
    """Return all that a bot tells of experiments, without what is its own.

    What happened in one moment stands in the order in which it became known.
    """
    paths = ["experiments", "activity", "links/unresolved"]
    for key in KEYS[:2]:
        parts = ("pull-requests", "commits", "issues", "activity")
        paths += [f"experiments/{key}/{part}" for part in parts]
    found = {path: await bot.walk(f"/api/v1/{path}", 200) for path in paths}
    return {
        path: sorted([_plain(row) for row in rows if not _is_of_ours(row)], key=str)
        for path, rows in found.items()
    }


async def assert_same(bot: Bot, twin: Bot) -> None:
    """Two bots tell the same of experiments."""
    ours, theirs = await facts(bot), await facts(twin)
    for path, rows in ours.items():
        more = [row for row in rows if row not in theirs[path]]
        less = [row for row in theirs[path] if row not in rows]
        assert (more, less) == ([], []), (path, more[:3], less[:3])
        assert rows == theirs[path], path


def _is_of_ours(row: dict[str, Any]) -> bool:
    """Tell whether an item of the feed is of what the test itself has made."""
    return row.get("type") == "experiment.created"


def _plain(one: dict[str, Any]) -> dict[str, Any]:
    """Return a row without what two bots tell differently."""
    return {
        name: _UNIMPORTANT.sub(r"\1Z", value) if isinstance(value, str) else value
        for name, value in one.items()
        if name not in _OWN
    }
