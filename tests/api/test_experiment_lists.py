"""The list of experiments: which of them, in which order, and how much is linked to each."""

from typing import Any
from urllib.parse import quote

import pytest

from bot import storage as store
from bot import times
from bot.demo import payloads
from tests.kit.deliveries import REPO, at
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot

PATH = "/api/v1/experiments"
OTHER = payloads.repository("acme/app")


async def pull(
    bot: Bot, integration: str, number: int, keys: str, minute: int, state: str, **more: Any
) -> None:
    payload = payloads.pull_request(
        more.pop("action", "opened" if state == "open" else "closed"),
        number,
        at(minute),
        repo=more.pop("repo", REPO),
        body=f"experiment_key: {keys}" if keys else "",
        branch=f"branch-{number}",
        state="open" if state == "open" else "closed",
        merged=state == "merged",
        created_at=at(0),
        **more,
    )
    await bot.tell(integration, payload)


@pytest.fixture
async def integration(bot: Bot) -> str:
    await bot.experiment("a", name="Über Checkout", owner="growth", status="active", tags=["web"])
    await bot.experiment("b", name="Search", owner="growth", tags=["web", "Größe L", 'x","y'])
    await bot.experiment("c", name="Checkout 50%", status="paused", tags=["webshop"])
    await bot.experiment("d", name="Cart", owner="mobile", status="active")
    integration = await bot.integration()
    await pull(bot, integration, 1, "a", 1, "open")
    await pull(bot, integration, 2, "a", 2, "merged")
    await pull(bot, integration, 3, "b, a", 4, "open")
    await pull(bot, integration, 4, "c", 3, "merged", repo=OTHER)
    await pull(bot, integration, 5, "b", 9, "closed")
    return integration


async def keys(bot: Bot, query: str, limit: int = 50) -> str:
    return "".join(row["key"] for row in await bot.walk(f"{PATH}?{query}", limit=limit))


@pytest.mark.parametrize(
    "query, expected",
    [
        ("status=active", "da"),
        ("status=active&status=paused", "dca"),
        ("status=paused&status=paused", "c"),
        ("status=archived&status=completed", ""),
        ("owner=growth", "ba"),
        ("owner=Growth", ""),
        ("owner=grow", ""),
        ("tag=web", "ba"),
        ("tag=shop", ""),
        ("tag=WEB", ""),
        ("tag=" + quote("Größe L"), "b"),
        ("tag=" + quote('x","y'), "b"),
        ("tag=x", ""),
        ("tag=" + quote(","), ""),
        ("tag=%25", ""),
        ("q=checkout", "ca"),
        ("q=CHECKOUT+" + quote("über"), "a"),
        ("q=growth+search", "b"),
        ("q=web+b", "cba"),
        ("q=" + quote("größe"), "b"),
        ("q=50%25", "c"),
        ("q=_", ""),
        ("q=nothing+checkout", ""),
        ("q=++", "dcba"),
        ("repository=acme/shop", "ba"),
        ("repository=Acme/App", "c"),
        ("repository=acme/nothing", ""),
        ("has_open=true", "ba"),
        ("has_open=false", "dc"),
        ("status=active&owner=growth&tag=web&q=a&repository=acme/shop&has_open=true", "a"),
        ("status=active&owner=growth&tag=web&q=a&repository=acme/app&has_open=true", ""),
        ("sort=created", "dcba"),
        ("sort=last_merged", "cadb"),
        ("sort=open", "abdc"),
        ("sort=open&status=active", "ad"),
        ("sort=last_merged&has_open=true", "ab"),
    ],
)
async def test_filters_and_orders(bot: Bot, integration: str, query: str, expected: str) -> None:
    for limit in (1, 2, 50):
        assert await keys(bot, query, limit) == expected


async def test_what_was_heard_of_last_comes_first(bot: Bot, integration: str) -> None:
    now = times.now() // times.SECOND  # of which the times lie ahead, as far as clocks may differ
    for key, minute in (("b", 30), ("d", 29), ("a", 31), ("c", 28)):
        soon = payloads.push("main", [f"Go\n\nExperiment-Key: {key}"], repo=REPO, at=at(minute))
        soon["repository"] = {**REPO, "pushed_at": now + minute}
        await bot.tell(integration, soon)
    for limit in (1, 50):
        assert await keys(bot, "sort=activity", limit) == "abdc"
    assert await keys(bot, "sort=activity&owner=growth") == "ab"


@sqlite_only
async def test_what_is_no_filter_is_refused(bot: Bot) -> None:
    for query, field in (
        ("status=running", "status"),
        ("status=active&status=", "status"),
        ("status=active,paused", "status"),
        ("sort=name", "sort"),
        ("sort=", "sort"),
        ("sort=open&sort=open", "sort"),
        ("owner=", "owner"),
        ("tag=", "tag"),
        ("tag=%00", "tag"),
        ("has_open=yes", "has_open"),
        ("has_open=1", "has_open"),
        ("repository=shop", "repository"),
        ("q=" + "x" * 201, "q"),
        ("name=x", "name"),
    ):
        answer = await bot.get(f"{PATH}?{query}")
        assert (answer.status, answer.body["errors"][0]["field"]) == (422, field), query


async def test_a_cursor_is_one_of_its_order(bot: Bot, integration: str) -> None:
    for sort in ("created", "activity", "open", "last_merged"):
        cursor = (await bot.get(f"{PATH}?sort={sort}&limit=1")).body["next_cursor"]
        for other in ("created", "activity", "open", "last_merged"):
            answer = await bot.get(f"{PATH}?sort={other}&cursor={cursor}")
            assert answer.status == (200 if other == sort else 422)


async def test_tags_are_found_after_a_change(bot: Bot, integration: str) -> None:
    await bot.patch(f"{PATH}/d", {"tags": ["web", "Neu"]})
    await bot.patch(f"{PATH}/a", {"tags": []})
    assert await keys(bot, "tag=web") == "db"
    assert await keys(bot, "q=neu") == "d"
    assert await keys(bot, "q=web") == "dcb"


async def test_a_monorepo_of_many_experiments_is_looked_through(bot: Bot) -> None:
    """Of more keys than are named in one query each experiment is looked up."""
    integration = await bot.integration()
    many = [f"key-{number:03}" for number in range(504)]
    for start in range(0, len(many), 20):
        for key in many[start : start + 20 : 10]:
            await bot.experiment(key, tags=["few"] if key == "key-500" else [])
        named = ", ".join(many[start : start + 20])
        await pull(bot, integration, 1 + start, named, start, "open")
    await bot.experiment("elsewhere")
    here = await bot.walk(f"{PATH}?repository=acme/shop", limit=20)
    assert [row["key"] for row in here] == many[::10][::-1]
    assert [
        row["key"] for row in (await bot.get(f"{PATH}?repository=acme/shop&tag=few")).items
    ] == ["key-500"]


async def test_a_repository_of_many_typos_is_gone_through(bot: Bot) -> None:
    """Keys that no experiment has, before and behind the one that an experiment has."""
    integration = await bot.integration()
    await bot.experiment("key-250", tags=["web"])
    await bot.experiment("elsewhere")
    many = [f"key-{number:03}" for number in range(520)]
    for start in range(0, len(many), 20):
        await pull(bot, integration, 1 + start, ", ".join(many[start : start + 20]), start, "open")
    for query in ("", "&sort=open", "&tag=web", "&q=key", "&has_open=true"):
        assert await keys(bot, f"repository=acme/shop{query}", 1) == "key-250"


async def test_counts_follow_what_is_linked(bot: Bot, integration: str) -> None:
    """Through every way in which a link comes, changes and goes, and from before its creation."""

    async def counts() -> dict[str, tuple[int, ...]]:
        names = ("pull_requests", "issues", "commits")
        rows = (await bot.get(PATH)).items
        return {row["key"]: tuple(row["counts"][name] for name in names) for row in rows}

    assert await counts() == {"a": (3, 0, 0), "b": (2, 0, 0), "c": (1, 0, 0), "d": (0, 0, 0)}
    await pull(bot, integration, 1, "", 20, "open", action="edited")
    await pull(bot, integration, 3, "b, later", 20, "merged")
    issue = payloads.issue("opened", 9, at(5), repo=REPO, body="experiment_key: d, later")
    push = payloads.push("main", ["One\n\nExperiment-Key: later", "Two"], repo=REPO, at=at(6))
    await bot.tell(integration, issue, push)
    assert await counts() == {"a": (1, 0, 0), "b": (2, 0, 0), "c": (1, 0, 0), "d": (0, 1, 0)}
    await bot.experiment("later")
    assert (await counts())["later"] == (1, 1, 1)
    assert await keys(bot, "sort=last_merged&status=draft", 1) == "laterb"
    gone = payloads.issue("deleted", 9, at(7), repo=REPO, body="experiment_key: d, later")
    await bot.tell(integration, gone)
    assert (await counts())["later"] == (1, 0, 1)
    assert (await counts())["d"] == (0, 0, 0)
    await bot.delete("/api/v1/repositories/acme/shop")
    assert await counts() == {
        "a": (0, 0, 0),
        "b": (0, 0, 0),
        "c": (1, 0, 0),
        "d": (0, 0, 0),
        "later": (0, 0, 0),
    }
    assert await keys(bot, "sort=last_merged") == "claterdba"
    await bot.delete(f"{PATH}/c")
    await bot.experiment("c")
    assert (await counts())["c"] == (1, 0, 0)


async def test_what_was_merged_last_is_found_again_where_it_goes(
    bot: Bot, integration: str
) -> None:
    await pull(bot, integration, 7, "a", 30, "merged")
    assert await keys(bot, "sort=last_merged") == "acdb"
    await pull(bot, integration, 7, "", 31, "merged", action="edited", closed_at=at(30))
    assert await keys(bot, "sort=last_merged") == "cadb"
    await bot.delete(f"{PATH}/c/pull-requests/acme/app/4")
    assert await keys(bot, "sort=last_merged") == "adcb"


async def test_what_was_linked_before_the_upgrade_is_counted(bot: Bot, integration: str) -> None:
    """The migration counts every link; here it runs on rows as the version before left them."""
    issue = payloads.issue("opened", 9, at(5), repo=REPO, body="experiment_key: d")
    push = payloads.push("main", ["One\n\nExperiment-Key: a"], repo=REPO, at=at(6))
    await bot.tell(integration, issue, push)
    migration = next(one for one in store.schema.MIGRATIONS if "links_shipped" in str(one))

    def rows(tx: store.Transaction) -> list[dict[str, Any]]:
        owners = tx.all("SELECT owner FROM links WHERE kind = 'pull_request' ORDER BY id")
        found = tx.all("SELECT * FROM experiments ORDER BY seq")
        return [{**row, "search": None} for row in (*found, *owners)]

    def again(tx: store.Transaction) -> None:
        tx.run("UPDATE links SET owner = ''")
        tx.run("""UPDATE experiments SET pull_request_count = 0, issue_count = 0, commit_count = 0,
            open_count = 0, merged_count = 0, last_merged = 0, search = LOWER(key || name)""")
        for statement in migration:
            if statement.startswith("UPDATE"):
                tx.run(statement)

    before = await bot.services.database.read(rows)
    await bot.services.database.write(again)
    assert await bot.services.database.read(rows) == before
    assert await keys(bot, "q=web") == "cba"
