"""The list of experiments: what it shows, and how it is searched and ordered."""

import re
from typing import Any
from urllib.parse import quote

from bot import storage as store
from bot import times
from bot.demo import payloads
from tests.dashboard.experiments import DAY, KEY, SHOP, ago, names, pull
from tests.kit.browsing import Browser, Page
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot


async def last_activity(bot: Bot, key: str) -> int | None:
    row = await bot.services.database.read(lambda tx: store.experiments.find(tx, key))
    return row.last_activity if row else None


@sqlite_only
async def test_the_first_page_says_what_an_experiment_is(bot: Bot) -> None:
    admin, viewer = await Browser.sign_in(bot), await Browser.sign_in(bot, "viewer")
    page = await admin.get("/experiments")
    assert page.status == 200
    assert "No experiments yet" in page.words
    assert "experiment_key: KEY" in page.words
    assert 'href="/new-experiment"' in page.text
    assert 'href="/new-experiment"' not in (await viewer.get("/experiments")).text


async def test_the_list_counts_pull_requests_and_draws_what_happened(bot: Bot) -> None:
    integration = await bot.integration()
    await bot.experiment(KEY, name="One page checkout", status="active", owner="growth")
    await bot.experiment("quiet", name="Nothing yet")
    for number, state in enumerate(("open", "merged", "merged", "closed"), start=1):
        await pull(bot, integration, number, state)
    page = await (await Browser.sign_in(bot)).get("/experiments")
    assert sorted(names(page)) == ["Nothing yet", "One page checkout"]
    rows = {
        row[1]: Page(200, row[0], "", None).words
        for row in re.finditer(
            r'<tr[^>]*>\s*<th scope="row">.*?href="/experiments/([^"]+)".*?</tr>',
            page.text,
            re.DOTALL,
        )
    }
    assert re.search(r"One page checkout checkout-flow-v2 active growth 1 2 ", rows[KEY])
    assert re.search(r"Nothing yet quiet draft none 0 0 ", rows["quiet"])
    assert "just now" in rows["quiet"] or "ago" in rows["quiet"]
    lines = re.findall(
        r'aria-label="(\d+) events? in the last 12 weeks"><path d="(M[^"]+)"', page.text
    )
    feed = await bot.walk(f"/api/v1/experiments/{KEY}/activity")
    assert sorted(int(count) for count, _ in lines) == sorted([len(feed), 1])
    assert all(path.count("L") == 11 for _, path in lines)


async def test_filters_by_status_owner_and_text(bot: Bot) -> None:
    for key, status, owner in (
        ("a", "active", "growth"),
        ("b", "active", "mobile & web"),
        ("c", "paused", "growth"),
        ("d", "draft", None),
    ):
        await bot.experiment(key, name=f"Name of {key.upper()}", status=status, owner=owner)
    browser = await Browser.sign_in(bot)

    async def shown(query: str) -> list[str]:
        return sorted(name[-1] for name in names(await browser.get(f"/experiments?{query}")))

    assert await shown("") == ["A", "B", "C", "D"]
    assert await shown("status=active") == ["A", "B"]
    assert await shown("owner=growth") == ["A", "C"]
    assert await shown(f"owner={quote('mobile & web')}") == ["B"]
    assert await shown("status=active&owner=growth") == ["A"]
    assert await shown("q=NAME+OF+c") == ["C"]
    assert await shown("q=mobile") == ["B"]
    assert await shown("q=%25") == []
    assert await shown("status=nonsense&page=-3&sort=up&other=1") == ["A", "B", "C", "D"]
    assert await shown("status=active&q=zzz") == []
    page = await browser.get("/experiments?owner=growth&status=paused&q=of")
    # What was asked for stands in the form, and the counts are of what the other filters leave.
    assert "<option selected>growth</option>" in page.text
    assert 'value="of"' in page.text
    assert '<input type="hidden" name="status" value="paused">' in page.text
    tabs = re.findall(
        r'<a href="([^"]*)"( aria-current="true")?>(\w+) <span class="count">(\d+)', page.text
    )
    assert {(word, int(count)) for _, _, word, count in tabs} == {
        ("All", 2),
        ("Draft", 0),
        ("Active", 1),
        ("Paused", 1),
        ("Completed", 0),
        ("Archived", 0),
    }
    assert [word for _, current, word, _ in tabs if current] == ["Paused"]
    active = next(to for to, _, word, _ in tabs if word == "Active").replace("&amp;", "&")
    assert names(await browser.get(active)) == ["Name of A"]
    assert "No matching experiments" in (await browser.get("/experiments?q=zzz")).words


async def test_filters_are_those_of_the_api(bot: Bot) -> None:
    """What stands in an address holds, and stays when something else is chosen."""
    integration = await bot.integration()
    await bot.experiment(KEY, name="Checkout", tags=["web"], status="active")
    await bot.experiment("quiet", name="Quiet", tags=["web", "big & small"], status="paused")
    await bot.experiment("draft", name="Draft")
    await pull(bot, integration, 1, "open")
    browser = await Browser.sign_in(bot)

    async def shown(query: str) -> list[str]:
        return sorted(names(await browser.get(f"/experiments?{query}")))

    assert await shown("status=active&status=paused") == ["Checkout", "Quiet"]
    assert await shown("tag=web") == ["Checkout", "Quiet"]
    assert await shown("q=small+web") == ["Quiet"]
    assert await shown("repository=acme/shop") == ["Checkout"]
    assert await shown("has_open=true") == ["Checkout"]
    assert await shown("has_open=false") == ["Draft", "Quiet"]
    assert await shown("has_open=maybe") == ["Checkout", "Draft", "Quiet"]
    for sort in ("open", "last_merged", "created"):
        assert len(await shown(f"sort={sort}")) == 3
    address = (
        f"tag={quote('big & small')}&repository=acme/other&status=paused&status=draft&sort=open"
    )
    page = await browser.get(f"/experiments?{address}")
    assert "No matching experiments" in page.words
    assert '<details class="more-filters" open>' in page.text
    for one in ("paused", "draft"):
        assert f'<input type="hidden" name="status" value="{one}">' in page.text
    active = re.search(r'href="([^"]*status=active[^"]*)"', page.text)
    assert active is not None
    for kept in ("tag=big+%26+small", "repository=acme%2Fother", "sort=open"):
        assert kept in active[1]


async def test_sorts_by_activity_name_or_age(bot: Bot) -> None:
    integration = await bot.integration()
    for key, name in (("k1", "banana"), ("k2", "Cherry"), ("k3", "apple")):
        await bot.experiment(key, name=name)
    push = payloads.push("main", ["Peel it\n\nExperiment-Key: k2"], repo=SHOP, at=ago(-1))
    push["repository"] = {**SHOP, "pushed_at": times.now() // times.SECOND + 60}
    await bot.tell(integration, push)
    browser = await Browser.sign_in(bot)
    assert names(await browser.get("/experiments?sort=name")) == ["apple", "banana", "Cherry"]
    assert names(await browser.get("/experiments?sort=newest")) == ["apple", "Cherry", "banana"]
    assert names(await browser.get("/experiments")) == ["Cherry", "apple", "banana"]
    assert names(await browser.get("/experiments?sort=activity"))[0] == "Cherry"


@sqlite_only
async def test_pages_of_fifty(bot: Bot) -> None:
    def fill(tx: store.Transaction) -> None:
        for number in range(120):
            name = f"Experiment {number:03}"
            values = {"key": f"k{number}", "name": name, "status": "draft", "tags": []}
            empty = dict.fromkeys(("hypothesis", "description", "owner", "url"))
            stamps = {
                "created_at": number,
                "updated_at": number,
                "search": store.experiments.folded(name),
            }
            store.experiments.add(tx, {**values, **empty, **stamps})

    await bot.services.database.write(fill)
    browser = await Browser.sign_in(bot)
    seen: list[str] = []
    for number, count in ((1, 50), (2, 50), (3, 20)):
        page = await browser.get(f"/experiments?sort=name&page={number}")
        assert len(names(page)) == count
        assert "120 experiments" in page.words
        assert f'page={number}" aria-current="page"' in page.text or number == 1
        seen += names(page)
    assert seen == [f"Experiment {number:03}" for number in range(120)]
    first = await browser.get("/experiments?sort=name&q=experiment")
    following = re.search(r'rel="next" href="([^"]+)"', first.text)
    assert following is not None
    second = await browser.get(following[1].replace("&amp;", "&"))
    assert names(second)[0] == "Experiment 050"
    tabs = re.search(r'<nav class="tabs".*?</nav>', second.text, re.DOTALL)
    assert tabs is not None
    assert "page=" not in tabs[0]  # another filter begins at its first page
    assert names(await browser.get("/experiments?sort=name&page=9999"))[-1] == "Experiment 119"
    assert 'rel="next"' not in (await browser.get("/experiments?page=3")).text


async def test_last_activity_is_that_of_a_feed_that_began_before(bot: Bot) -> None:
    integration = await bot.integration()
    body = f"experiment_key: {KEY}"
    soon = ago(-240 * times.SECOND / DAY)  # as far ahead as a clock may be
    ahead = payloads.pull_request("opened", 1, soon, repo=SHOP, body=body, created_at=soon)
    await bot.tell(integration, ahead)
    await bot.experiment(KEY)
    assert (await last_activity(bot, KEY) or 0) > times.now() + 120 * times.SECOND


async def test_last_activity_follows_the_feed_also_when_items_go(bot: Bot) -> None:
    """A late delivery can take back what was told; the experiment is then as old as the rest."""
    integration = await bot.integration()
    line: dict[str, Any] = {
        "body": f"experiment_key: {KEY}",
        "repo": SHOP,
        "created_at": ago(9),
    }
    await pull(bot, integration, 1)
    await bot.experiment(KEY)
    created = await last_activity(bot, KEY)
    assert created is not None
    ahead = payloads.pull_request("synchronize", 7, ago(-3), sha="a" * 40, **line)
    await bot.tell(integration, ahead)
    newest = await last_activity(bot, KEY)
    assert newest is not None
    assert newest > created
    # An earlier version already had these commits: there were no new ones in three days' time.
    earlier = payloads.pull_request("synchronize", 7, ago(4), sha="a" * 40, **line)
    await bot.tell(integration, earlier)
    feed = await bot.walk(f"/api/v1/experiments/{KEY}/activity")
    top = times.parse(feed[0]["occurred_at"])
    assert top is not None
    assert (await last_activity(bot, KEY) or 0) // times.MILLISECOND == top // times.MILLISECOND
    assert top < newest


async def test_an_address_with_what_no_database_keeps(bot: Bot) -> None:
    """U+0000 is said to be wrong, on every page and engine."""
    integration = await bot.integration()
    admin = await Browser.sign_in(bot, "admin")
    for path in (
        "/?q=%00",
        "/?owner=%00",
        "/repositories?q=%00",
        "/setup?name=a%00b",
        "/repositories/acme/shop?host=%00",
        "/repositories/acme/%00",
        "/unresolved?q=%00",
        "/live?experiment=%00",
        "/experiments/%00",
        f"/integrations/{integration}/deliveries/%00",
        f"/integrations/{integration}/deliveries?event=%00",
    ):
        assert (await admin.get(path)).status in (404, 422), path
    answer = await bot.get(f"/api/v1/integrations/{integration}/deliveries/%00")
    assert answer.status == 404
