"""Commits that one push alone has brought are kept in another way, of which nobody can tell."""

import asyncio
import itertools
import random
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from bot import storage as store
from bot.demo import payloads
from tests.kit.batches import gather_for
from tests.kit.deliveries import at
from tests.kit.marks import each, slow
from tests.kit.running import Bot, event_of

Payload = dict[str, Any]
_numbers = itertools.count(1)
BRANCHES = ("main", "feature", "other", "release")
MESSAGES = [f"Commit {number}" for number in range(9)]
PULLS = {1: ("feature", "main"), 2: ("other", "feature"), 3: ("release", "main")}
OPENED = 20  # minute


def push(
    repo: Payload, branch: str, minute: int, commits: list[tuple[str, bool]], made: bool
) -> Payload:
    payload = payloads.push(
        branch,
        [message for message, _ in commits],
        repo=repo,
        pushed_at=int(datetime.fromisoformat(at(minute)).timestamp()),
        at=at(minute),
    )
    for commit, (_, is_new) in zip(payload["commits"], commits, strict=True):
        commit["distinct"] = is_new
    return {**payload, "created": made}


def story(seed: int) -> Callable[[Payload], list[Payload]]:
    """Return what makes of a repository a random story of it; no two things happen at once."""
    rng = random.Random(seed)
    minutes = iter(rng.sample(range(1, 50), 40))
    pushes = [
        (
            rng.choice(BRANCHES),
            next(minutes),
            [(one, rng.random() < 0.7) for one in rng.sample(MESSAGES, rng.randrange(4))],
            rng.random() < 0.3,
        )
        for _ in range(10)
    ]
    pulls = []
    for number in PULLS:
        for action in rng.sample(("opened", "edited", "edited", "closed"), rng.randrange(1, 5)):
            body = rng.choice((None, "experiment_key: a", "experiment_key: a"))
            pulls.append((number, action, next(minutes), body, rng.choice(("main", None))))

    def build(repo: Payload) -> list[Payload]:
        told = [push(repo, *one) for one in pushes]
        for number, action, minute, body, base in pulls:
            head, usual = PULLS[number]
            told.append(
                payloads.pull_request(
                    action,
                    number,
                    at(max(minute, OPENED)) if action == "opened" else at(OPENED + minute),
                    repo=repo,
                    body=body,
                    branch=head,
                    base=base or usual,
                    created_at=at(OPENED),
                    state="closed" if action == "closed" else "open",
                )
            )
        return told

    return build


async def newest(bot: Bot, repo: Payload, ref: str) -> list[str]:
    """Return what the last push to a branch brought, the last commit first."""

    def job(tx: store.Transaction) -> list[str]:
        (row,) = store.repositories.by_name(tx, "github.com", repo["full_name"])
        found = store.branches.newest_on_branch(tx, row.id, ref, store.branches.FOREVER)
        named = {payloads.commit(one, repo=repo, author="", at="")["id"]: one for one in MESSAGES}
        return [named[one.sha] for one in found]

    return await bot.services.database.read(job)


async def test_the_order_within_a_push_stays(bot: Bot) -> None:
    """Commits come in the order in which they were told, whichever of them others have too."""
    integration = await bot.integration()
    repo = payloads.repository("acme/orders")
    first, second, third, fourth, *_ = MESSAGES
    for told, expected in [
        (push(repo, "feature", 1, [(first, True), (second, True)], False), [second, first]),
        (push(repo, "other", 2, [(first, False)], False), [second, first]),
        (push(repo, "feature", 3, [(third, True)], False), [third]),
        (push(repo, "other", 4, [(fourth, True), (third, False)], False), [third]),
        (push(repo, "feature", 3, [(fourth, False), (MESSAGES[4], True)], False), None),
        (push(repo, "feature", 3, [(MESSAGES[5], True)], False), None),
    ]:
        await bot.tell(integration, told)
        if expected is not None:
            assert await newest(bot, repo, "feature") == expected
    assert await newest(bot, repo, "feature") == [MESSAGES[5], MESSAGES[4], fourth, third]
    assert await newest(bot, repo, "other") == [third, fourth]


PLACES = """SELECT commits.message, here.ref, here.pushed_at, here.is_new FROM (
        SELECT commit_id, repository_id, ref, pushed_at, is_new FROM branch_commits
        UNION ALL SELECT id, repository_id, ref, pushed_at, was_new FROM commits
            WHERE made_branch IS NOT NULL) AS here
    JOIN commits ON commits.id = here.commit_id WHERE here.repository_id = :id"""
STARTS = """SELECT ref, started_at FROM branch_starts WHERE repository_id = :id
    UNION SELECT ref, pushed_at FROM commits WHERE repository_id = :id AND made_branch = 1"""
FIRST = "SELECT message, ref, pushed_at, actor FROM commits WHERE repository_id = :id"


async def end_of(bot: Bot, name: str) -> dict[str, Any]:
    """Return what is known and shown of a repository in the end."""

    def stored(tx: store.Transaction) -> list[list[Any]]:
        (row,) = store.repositories.by_name(tx, "github.com", name)
        found = [tx.all(sql, {"id": row.id}) for sql in (PLACES, STARTS, FIRST)]
        return [sorted(tuple(map(str, dict(one).values())) for one in rows) for rows in found]

    commits = await bot.walk("/api/v1/experiments/a/commits", limit=200)
    feed = await bot.walk("/api/v1/experiments/a/activity?type=commit.pushed", limit=200)
    return {
        "stored": await bot.services.database.read(stored),
        "commits": sorted(
            (one["message"], one["linked_by"], one["ref"])
            for one in commits
            if one["repository"] == name
        ),
        "feed": sorted(
            (one["summary"].partition(": ")[2], one["occurred_at"])
            for one in feed
            if one["repository"] == name
        ),
    }


@slow
@each("seed", range(12))
async def test_it_ends_as_if_all_were_kept_alike(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """In batches and any order, as in turn where each push is taken for one that concerns much."""
    await bot.experiment("a")
    integration = await bot.integration()
    build, rng = story(seed), random.Random(seed)
    with monkeypatch.context() as changed:
        changed.setattr(store.pushes, "concerns_nothing", lambda *_, **__: False)
        name = f"acme/plain-{next(_numbers)}"
        await bot.tell(integration, *build(payloads.repository(name)))
        expected = await end_of(bot, name)

    gather_for(monkeypatch, 0.02)
    for size in (1, 5, 40):
        name = f"acme/batches-{next(_numbers)}"
        told = build(payloads.repository(name))
        rng.shuffle(told)
        for start in range(0, len(told), size):
            some = told[start : start + size]
            answers = await asyncio.gather(
                *(bot.deliver(integration, event_of(one), one) for one in some)
            )
            assert {answer.status for answer in answers} == {200}
        assert await end_of(bot, name) == expected
