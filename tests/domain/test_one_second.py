"""Versions of one second go in the order that they tell themselves, however they come."""

import itertools
import random
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from bot.demo import payloads
from tests.kit.deliveries import at
from tests.kit.marks import each, slow
from tests.kit.running import Bot

Step = tuple[str, dict[str, Any]]
_numbers = itertools.count(1)
START = {"title": "First", "body": "", "labels": (), "state": "open", "sha": "0" * 40}


def body(*keys: str) -> dict[str, str]:
    return {"body": "\n".join(f"experiment_key: {key}-KEY" for key in keys)}


EDITS: Mapping[str, Sequence[Step]] = {
    "two edits of the text": [("edited", body("a")), ("edited", body("b"))],
    "a key comes and goes": [("edited", body("a")), ("edited", {"body": ""})],
    "there and back": [("edited", body("a")), ("edited", body("b")), ("edited", body("a"))],
    "three titles": [("edited", {"title": f"Number {one}"}) for one in range(3)],
    "a title there and back": [("edited", {"title": "Other"}), ("edited", {"title": "First"})],
    "title and text": [
        ("edited", {"title": "Second"}),
        ("edited", body("a", "b")),
        ("edited", {"title": "Third"}),
    ],
    "edits around a close": [
        ("edited", body("a")),
        ("closed", {"state": "closed"}),
        ("edited", body("b")),
    ],
    "closed, opened again, edited": [
        ("closed", {"state": "closed"}),
        ("reopened", {"state": "open"}),
        ("edited", body("a")),
    ],
    "opened, and edited at once": [("opened", body("a")), ("edited", body("b"))],
}
STORIES: Mapping[str, tuple[str, Sequence[Step]]] = {
    **{f"pull request: {name}": ("pull_request", steps) for name, steps in EDITS.items()},
    **{f"issue: {name}": ("issues", steps) for name, steps in EDITS.items()},
    "pull request: edits beside a label": (
        "pull_request",
        [("edited", body("a")), ("labeled", {}), ("edited", body("b"))],
    ),
    "pull request: edits beside a push": (
        "pull_request",
        [("edited", body("a")), ("synchronize", {"sha": "1" * 40}), ("edited", body())],
    ),
    "pull request: two pushes": (
        "pull_request",
        [("synchronize", {"sha": "1" * 40}), ("synchronize", {"sha": "2" * 40})],
    ),
    "pull request: led elsewhere and back": (
        "pull_request",
        [("edited", {"base": "stable"}), ("edited", {"base": "main"})],
    ),
    "pull request: edited, then merged": (
        "pull_request",
        [
            ("edited", body("a")),
            ("edited", body("b")),
            ("closed", {"state": "closed", "merged": True}),
        ],
    ),
    "issue: edits beside labels": (
        "issues",
        [
            ("edited", body("a")),
            ("labeled", {"labels": ("one",)}),
            ("labeled", {"labels": ("one", "two")}),
            ("edited", body("b")),
        ],
    ),
    "issue: a title that tracks": (
        "issues",
        [
            ("edited", {"title": "Track experiment: a-KEY"}),
            ("edited", {"title": "Track experiment: b-KEY"}),
        ],
    ),
}


def told(event: str, steps: Sequence[Step], repo: str, number: int) -> list[tuple[str, Any]]:
    """Return the deliveries of a story: what was before it, and its steps, all in one second."""
    now: dict[str, Any] = dict(START)
    found: list[tuple[str, dict[str, Any]]] = []
    begins = steps[0][0] == "opened"
    for action, changed in [*([] if begins else [("opened", {})]), *steps]:
        before, now = now, {**now, **changed}
        found.append(
            _delivery(event, action, before, now, repo, minute=2 if found or begins else 1)
        )
    text = str(number)
    return [(guid, _filled(payload, text)) for guid, payload in found]


def _filled(value: Any, number: str) -> Any:
    """Return a payload that names the keys of an example of its own."""
    if isinstance(value, dict):
        return {name: _filled(one, number) for name, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, number) for one in value]
    return value.replace("-KEY", f"-{number}") if isinstance(value, str) else value


def _delivery(
    event: str, action: str, before: Any, now: Any, repo: str, minute: int
) -> tuple[str, dict[str, Any]]:
    known: dict[str, Any] = {"repo": payloads.repository(repo), "created_at": at(1)}
    known.update({name: now[name] for name in ("title", "body", "state")})
    if event == "issues":
        payload = payloads.issue(action, 7, at(minute), labels=now["labels"], **known)
        new = set(now["labels"]) - set(before["labels"])
        payload["label"] = {"name": new.pop()} if action == "labeled" else None
    else:
        known.update(sha=now["sha"], merged=now.get("merged", False), base=now.get("base", "main"))
        payload = payloads.pull_request(action, 7, at(minute), **known)
        payload.update(before=before["sha"], after=now["sha"])
    if action == "edited":
        changes: dict[str, Any] = {
            name: {"from": before[name]} for name in ("title", "body") if before[name] != now[name]
        }
        if before.get("base", "main") != now.get("base", "main"):
            changes["base"] = {"ref": {"from": before.get("base", "main")}}
        payload["changes"] = changes
    return str(uuid.uuid4()), payload


async def ends(
    bot: Bot,
    integrations: Sequence[str],
    event: str,
    steps: Sequence[Step],
    order: Sequence[tuple[int, int]] | None = None,
) -> Any:
    """Deliver a story in an order, each through an integration; return all that is shown of it.

    Webhooks of their own send an event under ids of their own.
    """
    number = next(_numbers)
    repo, keys = f"acme/shop-{number}", [f"{one}-{number}" for one in "ab"]
    for key in keys:
        await bot.experiment(key)
    story = told(event, steps, repo, number)
    for position, which in order or [(one, 0) for one in range(len(story))]:
        guid, payload = story[position]
        own = str(uuid.uuid5(uuid.UUID(guid), str(which)))
        answer = await bot.deliver(integrations[which], event, payload, guid=own)
        assert answer.status == 200
    return {**await of_pull_request(bot, repo), **await of_experiments(bot, keys)}


async def of_pull_request(bot: Bot, repo: str) -> dict[str, Any]:
    page = await bot.get(f"/api/v1/pull-requests/{repo}/7")
    if page.status == 404:
        return {}
    names = ("title", "state", "head_sha", "base_ref", "merged_at")
    return {name: page.body[name] for name in names}


async def of_experiments(bot: Bot, keys: Sequence[str]) -> dict[str, Any]:
    """Return the links and the feed of each experiment by the letter that it begins with."""
    shown = {}
    for key in keys:
        linked = [
            (one["title"].split("-")[0], one["state"], sorted(one.get("labels", ())))
            for kind in ("issues", "pull-requests")
            for one in await bot.walk(f"/api/v1/experiments/{key}/{kind}")
        ]
        feed = await bot.walk(f"/api/v1/experiments/{key}/activity")
        told = sorted(one["type"] for one in feed if not one["type"].startswith("experiment."))
        shown[key[0]] = (linked, told)
    return shown


def last_of(steps: Sequence[Step]) -> dict[str, Any]:
    """Return what an item is like in the end."""
    now = dict(START)
    for _, changed in steps:
        now.update(changed)
    return now


@each("name", STORIES)
@slow
async def test_every_order_ends_alike(bot: Bot, engine: str, name: str) -> None:
    """Also with what was before coming last, each of them told again, and told by two.

    The rules are the same on each engine: on PostgreSQL a few orders see that it keeps them.
    """
    event, steps = STORIES[name]
    integrations = [await bot.integration(), await bot.integration()]
    expected = await ends(bot, integrations, event, steps)
    end = last_of(steps)
    for letter in "ab":
        is_named = f"experiment_key: {letter}-" in end["body"] or f": {letter}-" in end["title"]
        assert bool(expected[letter][0]) == is_named
    assert event == "issues" or expected["title"] == end["title"]
    size = len(told(event, steps, "acme/shop", 0))
    rng, orders = random.Random(name), list(itertools.permutations(range(size)))
    for order in rng.sample(orders, min(len(orders), 6 if engine == "sqlite" else 2)):
        once = [(one, 0) for one in order]
        by_two = [(one, which) for one in range(size) for which in (0, 1)]
        rng.shuffle(by_two)
        for deliveries in (once, once * 2, by_two):
            found = await ends(bot, integrations, event, steps, deliveries)
            assert found == expected, deliveries
