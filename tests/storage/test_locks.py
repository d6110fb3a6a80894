"""PostgreSQL: nothing is locked but what deliveries touch, and the feed can be followed."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from bot import storage as store
from bot import times
from bot.demo import payloads
from bot.storage.postgres_statements import PostgresStatements
from tests.domain.lives import clock as at
from tests.kit.running import PATIENCE, Bot, eventually
from tests.kit.streams import following

pytestmark = pytest.mark.parametrize("engine", ["postgresql"], indirect=True)

SHOP, OFFICE = payloads.repository("acme/shop"), payloads.repository("acme/office")


def pull(repo: dict[str, Any], number: int, minute: int = 1) -> dict[str, Any]:
    body = "experiment_key: a"
    return payloads.pull_request("opened", number, at(minute), repo=repo, body=body)


@contextmanager
def outside(bot: Bot) -> Iterator[psycopg.Connection[Any]]:
    """Another process with an open transaction, which ends with this."""
    url = bot.services.settings.database_url
    with psycopg.connect(url, row_factory=dict_row) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
async def integration(bot: Bot) -> str:
    """An integration that has been heard of both repositories."""
    await bot.experiment("a")
    integration = await bot.integration()
    await bot.tell(integration, pull(SHOP, 1), pull(OFFICE, 1))
    return integration


async def is_waiting(bot: Bot) -> bool:
    """Tell whether somebody waits for a lock."""
    sql = """SELECT pid FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND datname = current_database()"""
    with outside(bot) as another:  # who has looked once in a transaction sees the same again
        return another.execute(sql).fetchone() is not None


async def deliver(bot: Bot, integration: str, payload: dict[str, Any]) -> Any:
    return (await bot.deliver(integration, "pull_request", payload)).body


@pytest.mark.parametrize("how", ["as a delivery does", "a row of it"])
async def test_only_deliveries_of_a_locked_repository_wait(
    bot: Bot, integration: str, how: str
) -> None:
    with outside(bot) as other:
        if how == "a row of it":
            other.execute("SELECT * FROM repositories WHERE full_name = 'acme/shop' FOR UPDATE")
        else:
            names = store.locks_of_repository("github.com", None, "acme/shop")
            PostgresStatements(other).lock(names)
        waiting = [
            asyncio.create_task(deliver(bot, integration, pull(SHOP, number, number)))
            for number in (2, 3)
        ]
        await eventually(lambda: is_waiting(bot))
        for number in (2, 3, 4):
            async with asyncio.timeout(PATIENCE):
                told = await deliver(bot, integration, pull(OFFICE, number, number))
            assert told == {"processed": True}
        assert [task.result() for task in waiting if task.done()] == []
        other.commit()
    assert await asyncio.gather(*waiting) == [{"processed": True}] * 2


REFUSE = """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
    CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON deliveries DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.guid = 'refused') EXECUTE FUNCTION refuse()"""


async def test_who_waits_goes_on_though_the_rest_of_a_batch_is_not_committed(
    bot: Bot, integration: str
) -> None:
    def send(repo: dict[str, Any], guid: str) -> Any:
        return bot.deliver(integration, "pull_request", pull(repo, 9, 9), guid=guid)

    with outside(bot) as other:
        other.execute(REFUSE)
        other.commit()
        PostgresStatements(other).lock(store.locks_of_repository("github.com", None, "acme/shop"))
        sent = asyncio.gather(
            *(send(*one) for one in ((SHOP, "first"), (OFFICE, "refused"), (SHOP, "last")))
        )
        await asyncio.sleep(1)
        other.commit()
    assert [answer.status for answer in await sent] == [200, 503, 200]


async def test_deliveries_do_not_wait_for_other_jobs(bot: Bot, integration: str) -> None:
    with outside(bot) as other:
        PostgresStatements(other).lock(store.database.OFFICE)
        async with asyncio.timeout(PATIENCE):
            told = await deliver(bot, integration, pull(SHOP, 2))
    assert told == {"processed": True}


async def test_an_experiment_is_made_while_links_to_it_are(bot: Bot, integration: str) -> None:
    """Whichever comes first, the link is of the experiment in the end."""
    for number in range(2, 12):
        key = f"key-{number}"
        told = payloads.pull_request(
            "opened", number, at(1), repo=SHOP, body=f"experiment_key: {key}"
        )
        await asyncio.gather(bot.tell(integration, told), bot.experiment(key))
        (found,) = await bot.walk(f"/api/v1/experiments/{key}/pull-requests")
        assert found["number"] == number
    assert await bot.walk("/api/v1/links/unresolved") == []


ADD = """INSERT INTO activity (type, experiment_key, position, recorded_at, summary, horizon)
    VALUES ('issue.closed', 'a', 1, %s, 'Of another process',
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint) RETURNING seq"""


@pytest.mark.parametrize("is_kept", [True, False], ids=["committed", "given up"])
async def test_the_feed_has_no_gaps_for_who_follows_it(
    bot: Bot, integration: str, is_kept: bool
) -> None:
    """What may still come before an item holds it back; it comes once that has ended."""
    async with following(bot) as stream:
        with outside(bot) as other:
            row = other.execute(ADD, [times.now()]).fetchone()
            await bot.tell(integration, pull(SHOP, 2))
            assert await stream.is_quiet()
            other.commit() if is_kept else other.rollback()
        items = await stream.items(3 if is_kept else 2)
    own = ["pull_request.linked", "pull_request.opened"]
    assert [one["type"] for one in items] == [*(["issue.closed"] if is_kept else []), *own]
    assert [one["id"] for one in items] == sorted(one["id"] for one in items)
    assert row is not None


async def test_the_feed_goes_on_behind_a_transaction_of_another_program(
    bot: Bot, integration: str
) -> None:
    """One that writes for hours does not hold back what is older than a minute."""
    with outside(bot) as other:
        other.execute("CREATE TEMPORARY TABLE busy (id INTEGER)")
        other.execute("INSERT INTO busy VALUES (1)")
        await bot.tell(integration, pull(SHOP, 2))
        await bot.services.database.write(
            lambda tx: tx.run("UPDATE activity SET recorded_at = recorded_at - 61000000")
        )
        rows = await bot.services.database.read(lambda tx: store.activity.after(tx, 0, 100))
    assert [row.summary for row in rows if "#2" in row.summary] != []


async def test_the_server_ends_what_takes_too_long_or_was_left(bot: Bot) -> None:
    """By settings of each transaction, which a pooler lets through."""
    database = bot.services.database

    def limits(tx: store.Transaction) -> list[Any]:
        names = ("statement_timeout", "idle_in_transaction_session_timeout")
        return [store.query.value(tx, f"SHOW {name}") for name in names]

    assert await database.read(limits) == ["8s", "10s"]
    assert await database.read(limits, heavy=True) == ["1d", "10min"]
    assert await database.write(limits) == ["8s", "10s"]
    assert await database.write(limits, heavy=True) == ["30s", "10s"]
    assert await database.write(limits, seconds=store.LONG_SECONDS) == ["10min", "10s"]


async def test_no_read_is_endless(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.storage.postgres.SECONDS", 1.0)
    monkeypatch.setattr("bot.storage.postgres_address.SECONDS", 1.0)
    with pytest.raises(store.StorageUnavailable):
        await bot.services.database.read(lambda tx: tx.one("SELECT pg_sleep(60)"))
    assert (await bot.get("/api/v1/experiments")).status == 200
