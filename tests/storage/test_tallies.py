"""Counts that experiments keep are those of their links, whoever writes at the same time."""

import asyncio
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from bot import storage as store
from bot.demo import payloads
from bot.storage.postgres_statements import PostgresStatements
from tests.kit.deliveries import at
from tests.kit.running import Bot

KEY = "checkout"
COUNTS = ("pull_request_count", "issue_count", "commit_count", "open_count", "merged_count")
EXPECTED = """SELECT
    SUM(CASE WHEN kind = 'pull_request' THEN 1 ELSE 0 END) AS pull_request_count,
    SUM(CASE WHEN kind = 'issue' THEN 1 ELSE 0 END) AS issue_count,
    SUM(CASE WHEN kind = 'commit' THEN 1 ELSE 0 END) AS commit_count,
    SUM(CASE WHEN kind = 'pull_request' AND state = 'open' THEN 1 ELSE 0 END) AS open_count,
    SUM(CASE WHEN state = 'merged' THEN 1 ELSE 0 END) AS merged_count,
    MAX(CASE WHEN state = 'merged' THEN state_at ELSE 0 END) AS last_merged
    FROM links WHERE experiment_key = :key"""


def pull(number: int, state: str, body: str = f"experiment_key: {KEY}") -> dict[str, Any]:
    """A pull request, each in a repository of its own."""
    return payloads.pull_request(
        "opened" if state == "open" else "closed",
        number,
        at(1 if state == "open" else number + 2),
        repo=payloads.repository(f"acme/repo-{number}"),
        body=body,
        created_at=at(0),
        state="open" if state == "open" else "closed",
        merged=state == "merged",
    )


def kept_and_counted(tx: store.Transaction) -> tuple[dict[str, int], dict[str, int]]:
    names = (*COUNTS, "last_merged")
    row = store.experiments.find(tx, KEY)
    counted = tx.one(EXPECTED, {"key": KEY})
    assert row is not None and counted is not None
    return {name: getattr(row, name) for name in names}, {name: counted[name] for name in names}


async def test_counts_hold_beside_the_making_of_their_experiment(bot: Bot) -> None:
    """What is linked, merged and unlinked while it is made and deleted is counted once."""
    integration = await bot.integration()
    for number in range(1, 31):
        await bot.tell(integration, pull(number, "open"))

    async def deliver(number: int) -> None:
        await bot.tell(integration, pull(number, "merged"))
        if number % 3 == 0:
            later = pull(number, "merged", body="")
            later["action"] = "edited"
            later["pull_request"]["updated_at"] = at(100)
            await bot.tell(integration, later)

    async def make() -> None:
        for _ in range(4):
            await bot.experiment(KEY)
            await asyncio.sleep(0)
            await bot.delete(f"/api/v1/experiments/{KEY}")
        await bot.experiment(KEY)

    await asyncio.gather(make(), *(deliver(number) for number in range(1, 31)))
    kept, counted = await bot.services.database.read(kept_and_counted)
    assert kept == counted
    assert (kept["pull_request_count"], kept["merged_count"]) == (20, 20)


async def test_a_failed_neighbour_counts_nothing(bot: Bot, monkeypatch: Any) -> None:
    """What a job has changed in memory is taken back with all the rest."""
    await bot.experiment(KEY)
    integration = await bot.integration()
    linked = store.links.add

    def broken(tx: Any, item: Any, *args: Any) -> None:
        linked(tx, item, *args)
        if item.number == 2:
            raise RuntimeError("broken for this test")

    monkeypatch.setattr(store.links, "add", broken)
    payloads_ = [pull(number, "open") for number in (1, 2, 3)]
    answers = await asyncio.gather(
        *(bot.deliver(integration, "pull_request", one) for one in payloads_)
    )
    assert sorted(answer.status for answer in answers) == [200, 200, 202]
    kept, counted = await bot.services.database.read(kept_and_counted)
    assert kept == counted and kept["open_count"] == 2


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
@pytest.mark.parametrize("state, body", [("merged", None), ("open", "")])
async def test_what_changes_links_waits_for_who_makes_their_experiment(
    bot: Bot, state: str, body: str | None
) -> None:
    """Who makes it counts them: what is merged or unlinked then is counted before or after that."""
    integration = await bot.integration()
    await bot.tell(integration, pull(1, "open"), pull(2, "open"))
    changed = pull(1, state) if body is None else pull(1, state, body)
    changed["pull_request"]["updated_at"] = at(9)
    with psycopg.connect(bot.services.settings.database_url, row_factory=dict_row) as other:
        PostgresStatements(other).lock([store.lock_of_experiment(KEY)])
        waiting = asyncio.create_task(bot.deliver(integration, "pull_request", changed))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        other.commit()
    assert (await waiting).body == {"processed": True}


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
async def test_who_forgets_commits_waits_for_who_makes_their_experiment(bot: Bot) -> None:
    integration = await bot.integration()
    repo = payloads.repository("acme/shop")
    await bot.tell(integration, payloads.push("main", [f"Try\n\nExperiment-Key: {KEY}"], repo=repo))
    with psycopg.connect(bot.services.settings.database_url, row_factory=dict_row) as other:
        PostgresStatements(other).lock([store.lock_of_experiment(KEY)])
        waiting = asyncio.create_task(bot.delete("/api/v1/repositories/acme/shop"))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        other.commit()
    assert (await waiting).status == 204
    await bot.experiment(KEY)
    assert (await bot.get(f"/api/v1/experiments/{KEY}")).body["counts"]["commits"] == 0
