"""`migrate-database` and lists, where PostgreSQL puts texts into the order of a language."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from bot import storage as store
from bot.demo import payloads
from tests.kit.clusters import single
from tests.kit.deliveries import REPO
from tests.kit.marks import slow
from tests.kit.running import Bot
from tests.storage.moving import Move
from tests.storage.test_migrate_database import SECRETS, everything, fill

pytestmark = slow

BRANCHES = ("Zeta", "alpha", "a-c", "ab", "A_b", "Ärger", "z")  # in no two orders alike
KEYS = ("Zeta", "alpha", "a-c", "ab", "A_b", "a.b", "z", "a1", "B-2")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A database whose collation is ICU's for American English."""
    with single() as node:
        node.execute(
            "CREATE DATABASE english TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
        )
        yield node.url("english")


@pytest.fixture
def url(server: str) -> str:
    with psycopg.connect(server, autocommit=True) as connection:
        assert connection.execute("SELECT 'a' < 'B' AND '_' < 'A'").fetchone() == (True,)
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return server


async def fill_in_no_order(bot: Bot) -> list[str]:
    made = await fill(bot, 3)
    for branch in BRANCHES:
        payload = {**payloads.push(branch, ["Try"], repo=REPO), "created": True}
        assert (await bot.deliver(made[0], "push", payload, secret=SECRETS[0])).status == 200
    return made


async def test_the_order_of_texts_makes_no_difference_to_a_copy(url: str, tmp_path: Path) -> None:
    first, last = (f"sqlite:///{tmp_path / name}" for name in ("first.db", "last.db"))
    there = Move(first, url, tmp_path / "data")
    async with there.service(first) as bot:
        integrations = await fill_in_no_order(bot)
        before = await everything(bot, integrations)
    for move in (there, Move(url, last, tmp_path / "data")):
        code, _, errors = await move.run()
        assert code == 0, errors
        async with move.service(move.target) as bot:
            assert await everything(bot, integrations) == before


async def test_lists_that_go_by_a_text_are_whole(url: str, tmp_path: Path) -> None:
    """Part by part, whatever the order is: none comes twice, and none is left out."""
    async with Move("", url, tmp_path / "data").service(url) as bot:
        body = f"experiment_key: {', '.join(KEYS)}"
        opened = payloads.pull_request("opened", 1, "2026-03-02T10:00:00Z", repo=REPO, body=body)
        await bot.tell(await bot.integration(), opened)

        def walk(tx: store.Transaction) -> list[list[str]]:
            (place,) = tx.all("SELECT id FROM repositories")
            lists: list[list[str]] = [[], []]
            after: list[store.Place | None] = [None, None]
            for _ in range(len(KEYS)):
                here = store.linked.experiments_of_repository(tx, place["id"], after[0], 2)
                open_ones = store.linked.unresolved_keys(tx, "", after[1], 2)
                lists[0] += [one.key for one in here]
                lists[1] += [one.experiment_key for one in open_ones]
                after = [here.next, open_ones.next]
                if after == [None, None]:
                    return lists
            raise AssertionError("it does not end")

        for found in await bot.services.database.read(walk):
            assert sorted(found) == sorted(KEYS)
