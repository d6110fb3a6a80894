"""The list of experiments and the page of one, over HTTP as a visitor's browser asks for them."""

import asyncio
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from bot import storage as store
from bot import times
from bot.api import linking
from bot.dashboard import charts
from bot.demo import payloads
from tests.kit.browsing import Browser, Page
from tests.kit.outbound import REPOSITORY, Scene
from tests.kit.running import Bot, eventually

sqlite_only = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
token_only = pytest.mark.parametrize("credential", ["token"], indirect=True)
SHOP = payloads.repository("acme/shop")
KEY = "checkout-flow-v2"
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}</textarea></title>"
DAY = 86_400 * times.SECOND


def ago(days: float) -> str:
    """Return a time of the past as GitHub writes it."""
    return str(times.render(times.now() // times.SECOND * times.SECOND - int(days * DAY)))


async def tell(bot: Bot, integration: str, event: str, payload: dict[str, Any]) -> None:
    answer = await bot.deliver(integration, event, payload)
    assert answer.body == {"processed": True}, answer.body


async def pull(bot: Bot, integration: str, number: int, state: str = "open", **values: Any) -> None:
    """Deliver that a pull request was opened, two days ago, and perhaps what became of it."""
    values.setdefault("body", f"experiment_key: {KEY}")
    common: dict[str, Any] = {"repo": SHOP, "created_at": ago(2), **values}
    opened = payloads.pull_request("opened", number, ago(2), **common)
    await tell(bot, integration, "pull_request", opened)
    if state != "open":
        ended = payloads.pull_request(
            "closed", number, ago(1), state="closed", merged=state == "merged", **common
        )
        await tell(bot, integration, "pull_request", ended)


def names(page: Page) -> list[str]:
    """Return the names of the experiments that a list shows."""
    assert page.status == 200, page.text
    return re.findall(r'<a class="name" href="[^"]*">([^<]*)</a>', page.text)


def part(page: Page, identifier: str) -> str:
    """Return the words of the part of a page with an id."""
    found = re.search(
        rf'<(?:section|div)[^>]* id="{identifier}".*?(?=<section|</main>|<details class="card")',
        page.text,
        re.DOTALL,
    )
    assert found is not None, f"{identifier} is not on the page"
    return Page(200, found[0], "", None).words


async def last_activity(bot: Bot, key: str) -> int | None:
    row = await bot.services.database.read(lambda tx: store.experiments.find(tx, key))
    return row["last_activity"] if row else None


# --- The list


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


async def test_sorts_by_activity_name_or_age(bot: Bot) -> None:
    integration = await bot.integration()
    for key, name in (("k1", "banana"), ("k2", "Cherry"), ("k3", "apple")):
        await bot.experiment(key, name=name)
    push = payloads.push("main", ["Peel it\n\nExperiment-Key: k2"], repo=SHOP, at=ago(-1))
    push["repository"] = {**SHOP, "pushed_at": times.now() // times.SECOND + 60}
    await tell(bot, integration, "push", push)
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
            values = {"key": f"k{number}", "name": name, "status": "draft", "tags": "[]"}
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
    await tell(bot, integration, "pull_request", ahead)
    await bot.experiment(KEY)
    assert (await last_activity(bot, KEY) or 0) > times.now() + 120 * times.SECOND


async def test_last_activity_follows_the_feed_also_when_items_go(bot: Bot) -> None:
    """A late delivery can take back what was told; the experiment is then as old as the rest."""
    integration = await bot.integration()
    line = {"body": f"experiment_key: {KEY}", "repo": SHOP, "created_at": ago(9)}
    await pull(bot, integration, 1)
    await bot.experiment(KEY)
    created = await last_activity(bot, KEY)
    assert created is not None
    ahead = payloads.pull_request("synchronize", 7, ago(-3), sha="a" * 40, **line)
    await tell(bot, integration, "pull_request", ahead)
    newest = await last_activity(bot, KEY)
    assert newest is not None
    assert newest > created
    # An earlier version already had these commits: there were no new ones in three days' time.
    earlier = payloads.pull_request("synchronize", 7, ago(4), sha="a" * 40, **line)
    await tell(bot, integration, "pull_request", earlier)
    feed = await bot.walk(f"/api/v1/experiments/{KEY}/activity")
    top = times.parse(feed[0]["occurred_at"])
    assert top is not None
    assert (await last_activity(bot, KEY) or 0) // times.MILLISECOND == top // times.MILLISECOND
    assert top < newest


# --- Create, edit, delete


@sqlite_only
async def test_create_an_experiment(bot: Bot) -> None:
    browser = await Browser.sign_in(bot, "developer")
    form = await browser.get("/new-experiment?key=given-key")
    assert 'value="given-key"' in form.text
    made = await browser.post(
        "/new-experiment",
        {
            "key": "new",  # a key like any other
            "name": "The new one",
            "status": "active",
            "owner": "growth",
            "hypothesis": "One.\r\nTwo.",
            "description": "",
            "url": "https://example.org/x?y=1",
            "tags": "web, cart,web",
        },
    )
    assert urlsplit(made.path).path == "/experiments/new"
    assert made.status == 200
    assert "Created." in made.words
    stored = (await bot.get("/api/v1/experiments/new")).body
    assert (stored["hypothesis"], stored["description"]) == ("One.\nTwo.", None)
    assert (stored["tags"], stored["url"]) == (["web", "cart"], "https://example.org/x?y=1")


@sqlite_only
async def test_a_form_that_cannot_be_keeps_what_was_typed(bot: Bot) -> None:
    await bot.experiment(KEY)
    browser = await Browser.sign_in(bot)
    for fields, field, message in (
        ({"key": "no blanks", "name": "N"}, "key", "Start with a letter or digit"),
        ({"key": KEY, "name": "N"}, "key", f"There already is an experiment {KEY}"),
        ({"key": "k", "name": ""}, "name", "Enter a name"),
        ({"key": "k", "name": "N", "url": "javascript:alert(1)"}, "url", "Enter a full URL"),
        ({"key": "k", "name": "N", "status": "king"}, "status", "Choose one"),
        ({"key": "k", "name": "N", "tags": "x" * 101}, "tags", "Use at most 50 tags"),
    ):
        page = await browser.post("/new-experiment", {"owner": "me & you", **fields})
        assert page.status == 422, fields
        assert re.search(rf'id="{field}-error">{re.escape(message)}', page.text), page.words
        assert re.search(rf'id="{field}"[^>]*aria-invalid="true"', page.text)
        assert 'value="me &amp; you"' in page.text
    assert len((await bot.get("/api/v1/experiments")).items) == 1


@sqlite_only
async def test_edit_an_experiment(bot: Bot) -> None:
    tags = ["one, two", "three"]
    await bot.experiment(KEY, name="Old", owner="growth", hypothesis="a\nb", tags=tags)
    browser = await Browser.sign_in(bot, "developer")
    path = f"/experiments/{KEY}/edit"
    form = await browser.get(path)
    assert ">a\nb</textarea>" in form.text
    sent = {
        "name": "New",
        "status": "draft",
        "owner": "",
        "hypothesis": "a\r\nb",
        "description": "",
        "url": "",
        "tags": "one, two, three",
    }
    page = await browser.post(path, sent)
    assert urlsplit(page.path).path == f"/experiments/{KEY}"
    assert "Saved." in page.words
    stored = (await bot.get(f"/api/v1/experiments/{KEY}")).body
    # Nobody touched the tags, so the one with a comma stays whole.
    assert (stored["name"], stored["owner"], stored["tags"]) == ("New", None, tags)
    assert (stored["hypothesis"], stored["status"]) == ("a\nb", "draft")
    await browser.post(path, {**sent, "tags": "four"})
    assert (await bot.get(f"/api/v1/experiments/{KEY}")).body["tags"] == ["four"]
    wrong = await browser.post(path, {**sent, "name": ""})
    assert wrong.status == 422
    assert (await browser.get("/experiments/unknown/edit")).status == 404


@sqlite_only
async def test_delete_an_experiment(bot: Bot) -> None:
    await bot.experiment(KEY)
    developer, admin = await Browser.sign_in(bot, "developer"), await Browser.sign_in(bot)
    path = f"/experiments/{KEY}/delete"
    assert "Delete this experiment" not in (await developer.get(f"/experiments/{KEY}/edit")).text
    assert (await developer.post(path)).status == 403
    assert "Delete this experiment" in (await admin.get(f"/experiments/{KEY}/edit")).text
    page = await admin.post(path)
    assert (page.status, urlsplit(page.path).path) == (200, "/experiments")
    assert (await bot.get(f"/api/v1/experiments/{KEY}")).status == 404


# --- One experiment


async def test_the_page_groups_what_is_linked(bot: Bot) -> None:
    integration = await bot.integration()
    await bot.experiment(
        KEY,
        name="One page checkout",
        status="active",
        owner="growth",
        hypothesis="Fewer steps.\nFewer lost carts.",
        description="More of it.",
        url="https://example.org/board",
        tags=["web"],
    )
    await pull(bot, integration, 1, title="Ready", branch="feat/ready", author="jane")
    await pull(bot, integration, 2, title="Not ready", draft=True)
    await pull(bot, integration, 3, "merged", title="Shipped")
    await pull(bot, integration, 4, "closed", title="Given up")
    issue = payloads.issue("opened", 9, ago(1), repo=SHOP, title=f"Track experiment: {KEY}")
    await tell(bot, integration, "issues", issue)
    push = payloads.push("main", [f"Ask less\n\nExperiment-Key: {KEY}"], repo=SHOP, at=ago(1))
    await tell(bot, integration, "push", push)
    page = await (await Browser.sign_in(bot)).get(f"/experiments/{KEY}")
    assert page.status == 200
    assert '<p class="lines hypothesis">Fewer steps.\nFewer lost carts.</p>' in page.text
    assert f'data-copy="experiment_key: {KEY}"' in page.text
    assert 'href="https://example.org/board" rel="noopener noreferrer"' in page.text
    left = part(page, "left")
    assert "2 pull requests are open : 1 draft, 1 ready for review. 1 merged so far." in left
    assert "1 issue is open." in left
    pulls = part(page, "pulls")
    places = [pulls.index(word) for word in ("Not ready", " Ready ", "Shipped", "Given up")]
    assert places == sorted(places)
    assert re.search(r"open 2 .*merged 1 .*closed 1 ", pulls)
    assert "acme/shop#1 by jane branch feat/ready opened 2 days ago named in its description" in (
        pulls
    )
    assert f"Track experiment: {KEY}" in part(page, "issues")
    assert "Ask less" in part(page, "commits")
    assert '<progress max="3" value="1"' in page.text
    assert f'data-stream="/live?experiment={KEY}"' in page.text


@sqlite_only
async def test_what_is_left_before_it_has_shipped(bot: Bot) -> None:
    integration = await bot.integration()
    await bot.experiment(KEY)
    browser = await Browser.sign_in(bot)

    async def left() -> str:
        return part(await browser.get(f"/experiments/{KEY}"), "left")

    assert (
        "No pull requests yet. To link one, add this line to its description: "
        f"experiment_key: {KEY}" in await left()
    )
    await pull(bot, integration, 1, "closed")
    assert "No pull request is open or merged." in await left()
    await pull(bot, integration, 2)
    assert "1 pull request is open ." in await left()
    merged = payloads.pull_request(
        "closed", 2, ago(0), repo=SHOP, body=f"experiment_key: {KEY}", state="closed", merged=True
    )
    await tell(bot, integration, "pull_request", merged)
    assert "Everything is merged : 1 pull request." in await left()


@sqlite_only
async def test_the_feed_is_grouped_by_day_and_has_older_parts(bot: Bot) -> None:
    integration = await bot.integration()
    await bot.experiment(KEY)
    messages = [f"Step {number}\n\nExperiment-Key: {KEY}" for number in range(60)]
    second = 1_772_445_600  # 2026-03-02T10:00:00Z
    for day, some in enumerate((messages[:30], messages[30:])):
        push = payloads.push("main", some, repo=SHOP, pushed_at=second + day * 86_400)
        await tell(bot, integration, "push", push)
    browser = await Browser.sign_in(bot)
    page = await browser.get(f"/experiments/{KEY}")
    days = re.findall(r'<h3 class="day">([^<]*)</h3>', page.text)
    assert days[-2:] == ["Tuesday, 3 March 2026", "Monday, 2 March 2026"]
    assert len(days) == 3  # and the day on which the experiment was created here
    feed = page.text.partition('id="feed"')[2]
    assert feed.count('<span class="sign') == 50
    older = re.search(r'href="([^"]*older=[^"#]*)#feed" rel="next"', page.text)
    assert older is not None
    last = await browser.get(older[1].replace("&amp;", "&"))
    feed = last.text.partition('id="feed"')[2]
    assert feed.count('<span class="sign') == 11
    assert "Back to the latest" in last.words
    assert (await browser.get(f"/experiments/{KEY}?older=nonsense")).status == 422


@sqlite_only
async def test_whole_lists_of_what_is_linked(bot: Bot) -> None:
    integration = await bot.integration()
    await bot.experiment(KEY)
    for number in range(1, 13):
        await pull(bot, integration, number, "merged", title=f"Part {number}.")
    browser = await Browser.sign_in(bot, "viewer")
    page = await browser.get(f"/experiments/{KEY}")
    assert len(re.findall(r"Part \d+\.", part(page, "pulls"))) == 10
    whole = f"/experiments/{KEY}/pull-requests?state=merged"
    assert f'href="{whole}"' in page.text
    listed = await browser.get(whole)
    assert len(re.findall(r"Part \d+\.", listed.text)) == 12
    for path in ("issues", "commits", "pull-requests?state=open"):
        assert "There are none." in (await browser.get(f"/experiments/{KEY}/{path}")).words
    assert (await browser.get("/experiments/unknown/commits")).status == 404


@sqlite_only
async def test_the_timeline_has_the_same_in_words(bot: Bot) -> None:
    integration = await bot.integration()
    await bot.experiment(KEY)
    browser = await Browser.sign_in(bot)
    assert "The chart starts" in part(await browser.get(f"/experiments/{KEY}"), "timeline")
    await pull(bot, integration, 1, "merged")
    await pull(bot, integration, 2)
    await bot.patch(f"/api/v1/experiments/{KEY}", {"status": "active"})
    page = await browser.get(f"/experiments/{KEY}")
    words = part(page, "timeline")
    assert "2 opened, 1 merged, 1 status change." in words
    assert "draft → active" in words
    svg = re.search(r"<svg[^>]*class=\"timeline\".*?</svg>", page.text, re.DOTALL)
    assert svg is not None
    root = ElementTree.fromstring(svg[0])
    tags = {one.tag.rpartition("}")[2] for one in root.iter()}
    assert tags <= {"svg", "g", "rect", "path", "text", "title"}
    attributes = {name for one in root.iter() for name in one.attrib}
    assert not {name for name in attributes if name in ("style", "id") or name.startswith("on")}
    titles = [one.text for one in root.iter() if one.tag.endswith("title")]
    assert sum(str(title).startswith("2 opened on") for title in titles) == 1
    assert "draft → active" in titles


async def many(bot: Bot, count: int, opened_at: Any, merged: Any = lambda _: False) -> None:
    """Let a key have pull requests, more than deliveries could bring in a test's time."""

    def job(tx: store.Transaction) -> None:
        tx.run(
            """INSERT INTO repositories (host, github_id, full_name, name_key)
                VALUES ('github.com', 1, 'acme/shop', 'acme/shop')"""
        )
        row = tx.one("SELECT MAX(id) AS id FROM repositories")
        assert row is not None
        items = [
            {
                "id": number,
                "repository": row["id"],
                "number": number,
                "state": "merged" if merged(number) else "open",
                "draft": number % 2,
                "at": opened_at(number),
                "merged_at": opened_at(number) + 1 if merged(number) else None,
            }
            for number in range(1, count + 1)
        ]
        tx.run_many(
            """INSERT INTO items (id, repository_id, kind, number, title, html_url, state, draft,
                    labels, created_at, merged_at, version_at, version_rank)
                VALUES (:id, :repository, 'pull_request', :number, 'T',
                    'https://github.com/acme/shop/pull/1', :state, :draft, '[]', :at, :merged_at,
                    :at, 0)""",
            items,
        )
        tx.run_many(
            f"""INSERT INTO links (experiment_key, kind, target_id, state, linked_by, linked_at,
                    resolved, repository_id)
                VALUES ('{KEY}', 'pull_request', :id, :state, 'body', :at, 1, :repository)""",
            items,
        )

    await bot.services.database.write(job, heavy=True)


async def test_the_timeline_counts_every_pull_request(bot: Bot) -> None:
    """A steady experiment looks steady, however many pull requests it has and who linked last."""
    await bot.experiment(KEY)
    now, count = times.now(), 2_400
    await many(bot, count, lambda number: now - (number % 12) * 7 * DAY, lambda n: n % 3 == 0)
    page = await (await Browser.sign_in(bot)).get(f"/experiments/{KEY}")
    words = part(page, "timeline")
    assert "Pull requests by week" in words
    assert "2,400 opened, 800 merged." in words
    table = page.text.partition('id="timeline-table"')[2].partition("</table>")[0]
    rows = re.findall(r'<td class="num">(\d+)</td><td class="num">(\d+)</td>', table)
    assert {opened for opened, _ in rows} == {"200"}
    assert "800 merged so far" in part(page, "left")
    assert "1,600 pull requests are open ." in part(page, "left"), "not all are known as drafts"


async def test_what_was_before_the_time_shown_is_told_in_words(bot: Bot) -> None:
    await bot.experiment(KEY)
    now = times.now()
    await many(bot, 10, lambda number: now - (5 * 365 if number <= 4 else 3) * DAY, lambda n: n < 3)
    words = part(await (await Browser.sign_in(bot)).get(f"/experiments/{KEY}"), "timeline")
    assert "Pull requests by month" in words
    assert "6 opened, 0 merged. Before that: 4 opened, 2 merged." in words


@sqlite_only
async def test_no_more_changes_of_status_are_counted_than_are_shown(bot: Bot) -> None:
    await bot.experiment(KEY)
    for number in range(52):
        status = ("active", "paused")[number % 2]
        answer = await bot.patch(f"/api/v1/experiments/{KEY}", {"status": status})
        assert answer.status == 200
    words = part(await (await Browser.sign_in(bot)).get(f"/experiments/{KEY}"), "timeline")
    assert "the last 50 status changes" in words


def test_a_timeline_is_drawn_by_what_fits() -> None:
    now = times.parse("2026-11-24T12:00:00Z") or 0
    at = [now - days * DAY for days in (0, 3, 3, 10)]
    by_day = charts.timeline(Counter(at), {}, [], now)
    assert by_day is not None
    assert (by_day.unit, len(by_day.periods), by_day.opened) == ("day", 11, 4)
    assert [one.opened for one in by_day.periods] == [1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 1]
    marks = [(now - 8 * DAY, "draft → active")]
    by_week = charts.timeline(Counter([*at, now - 60 * DAY]), Counter(at), marks, now)
    assert by_week is not None
    assert (by_week.unit, by_week.opened, by_week.merged) == ("week", 5, 4)
    assert all(one.start.weekday() == 0 for one in by_week.periods)
    assert [len(one.marks) for one in by_week.periods][-2] == 1
    by_month = charts.timeline({now - 400 * DAY: 1}, {now - 5000 * DAY: 2}, [], now)
    assert by_month is not None
    assert (by_month.unit, len(by_month.periods), by_month.opened) == ("month", 36, 1)
    assert (by_month.merged, by_month.earlier) == (0, (0, 2))
    assert by_month.periods[-1].name == "November 2026"
    for most, scale in ((0, (4, 1)), (5, (5, 1)), (7, (8, 2)), (25, (25, 5)), (26, (30, 10))):
        high = charts.timeline({now: most}, {}, [], now)
        assert high is not None and (high.top, high.step) == scale
    ahead = charts.timeline({now + 40 * DAY: 1}, {}, [], now)
    assert ahead is not None
    assert ahead.opened == 0
    assert charts.timeline({}, {}, [], now) is None


@pytest.mark.parametrize(
    ("values", "path"),
    [([0, 0], "M0 26L120 26"), ([1, 2, 0], "M0 14L60 2L120 26"), ([5], "M0 2")],
)
def test_a_small_line(values: Sequence[int], path: str) -> None:
    assert charts.line(values) == path


@sqlite_only
async def test_an_unknown_key_that_links_name(bot: Bot) -> None:
    integration = await bot.integration()
    await bot.experiment(KEY)
    typo = "checkout-flow-v3"
    await pull(bot, integration, 1, body=f"experiment_key: {typo}")
    browser, viewer = await Browser.sign_in(bot), await Browser.sign_in(bot, "viewer")
    page = await browser.get(f"/experiments/{typo}")
    assert page.status == 404
    assert "1 pull request, 0 issues and 0 commits already name this key" in page.words
    assert f'href="/experiments/{KEY}"' in page.text
    create = f'href="/new-experiment?key={typo}"'
    assert create in page.text
    assert create not in (await viewer.get(f"/experiments/{typo}")).text
    nothing = await browser.get("/experiments/zzzzzzzzz")
    assert nothing.status == 404
    assert "Nothing names this key" in nothing.words


# --- Forms


@sqlite_only
async def test_change_the_status(bot: Bot) -> None:
    await bot.experiment(KEY)
    browser = await Browser.sign_in(bot, "developer")
    page = await browser.post(f"/experiments/{KEY}/status", {"status": "paused"})
    assert "The status is now paused." in page.words
    assert (await bot.get(f"/api/v1/experiments/{KEY}")).body["status"] == "paused"
    wrong = await browser.post(f"/experiments/{KEY}/status", {"status": "king"})
    assert wrong.status == 422
    assert 'id="status-error">Choose one of the statuses.' in wrong.text
    assert (await browser.post("/experiments/unknown/status", {"status": "draft"})).status == 404


@sqlite_only
@token_only
async def test_link_a_pull_request_by_its_address_and_unlink_it(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open("No line", tell=False)
    browser = await Browser.sign_in(scene.bot, "developer")
    host = urlsplit(scene.github.url).netloc
    url = f"http://{host}/{REPOSITORY}/pull/{number}/files?w=1#diff"
    page = await browser.post(f"/experiments/{KEY}/pull-requests", {"url": url})
    assert page.status == 200
    assert f"Linked {REPOSITORY}#{number}: One page checkout" in page.words
    assert "linked by hand" in part(page, "pulls")
    path = f"/experiments/{KEY}/pull-requests/{REPOSITORY}/{number}/unlink"
    assert f'action="{path}"' in page.text
    page = await browser.post(path)
    assert f"Unlinked {REPOSITORY}#{number}." in page.words
    assert "None are linked." in part(page, "pulls")
    assert (await browser.post(path)).status == 404


@sqlite_only
@token_only
async def test_an_address_that_cannot_be_linked(scene: Scene) -> None:
    bot = scene.bot
    await bot.experiment(KEY)
    browser = await Browser.sign_in(bot)
    host = urlsplit(scene.github.url).netloc
    await bot.patch(
        f"/api/v1/integrations/{scene.integration}",
        {"config": {"repositories": [REPOSITORY]}},
    )
    for url, message in (
        ("", "Enter the URL of a pull request"),
        ("nonsense", "Enter the URL of a pull request"),
        ("http://[", "Enter the URL of a pull request"),
        ("javascript:alert(1)//pull/1", "Enter the URL of a pull request"),
        (f"http://{host}/acme/shop", "Enter the URL of a pull request"),
        (f"http://{host}/acme/shop/issues/3", "This is an issue."),
        (f"http://{host}/acme/shop/pull/9999999999", "no pull request with this number"),
        (
            "https://github.com/acme/shop/pull/1",
            f"There is no active integration for github.com; the active ones are for {host}.",
        ),
        (f"http://{host}/acme/other/pull/1", "No active integration allows acme/other"),
        (f"{host}/acme/shop/pull/77", "No integration can reach a pull request acme/shop#77."),
    ):
        page = await browser.post(f"/experiments/{KEY}/pull-requests", {"url": url})
        assert page.status == 422, url
        assert re.search(rf'id="url-error">[^<]*{re.escape(message)}', page.text), page.words
        assert '<details class="card" id="link" open>' in page.text
        assert f'name="url" type="url" value="{url}"' in page.text
    await bot.patch(f"/api/v1/integrations/{scene.integration}", {"is_active": False})
    page = await browser.post(f"/experiments/{KEY}/pull-requests", {"url": f"{host}/a/b/pull/1"})
    assert "set one up first" in page.words


@sqlite_only
@token_only
async def test_the_integration_that_reaches_it_links_it(scene: Scene) -> None:
    """The first one asked has a credential that GitHub does not know."""
    bot = scene.bot
    await bot.experiment(KEY)
    number = await scene.open("No line", tell=False)
    stale = await bot.integration(
        name="Stale", config={"token": "ghp_unknown", "repositories": [REPOSITORY]}
    )
    browser = await Browser.sign_in(bot)
    url = f"http://{urlsplit(scene.github.url).netloc}/{REPOSITORY}/pull/{number}"
    page = await browser.post(f"/experiments/{KEY}/pull-requests", {"url": url})
    assert page.status == 200, page.words
    pulls = (await bot.get(f"/api/v1/experiments/{KEY}/pull-requests")).items
    assert [one["integration_id"] for one in pulls] == [scene.integration]
    assert stale != scene.integration


def issue_form(page: Page, scene: Scene, **fields: str) -> dict[str, str]:
    """Return the form for a tracking issue as a page fills it, with `fields`."""
    once = re.search(r'name="once" value="([^"]+)"', page.text)
    assert once is not None
    return {
        "once": once[1],
        "integration_id": scene.integration,
        "repository": REPOSITORY,
        "title": "Track it",
        "body": "",
        "labels": "experiment, growth",
        "assignees": "@jane",
        **fields,
    }


@sqlite_only
@token_only
async def test_create_a_tracking_issue(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    browser = await Browser.sign_in(scene.bot, "developer")
    form = issue_form(await browser.get(f"/experiments/{KEY}"), scene)
    working = asyncio.create_task(scene.outbox.run())
    try:
        page = await browser.post(f"/experiments/{KEY}/issues", form)
        again = await browser.post(f"/experiments/{KEY}/issues", form)  # pressed twice
    finally:
        working.cancel()
    for answer in (page, again):
        assert answer.status == 200, answer.words
        assert re.search(rf"Created the issue {REPOSITORY}#\d+: https?://", answer.words)
    issues = scene.github.issues(REPOSITORY)
    assert len(issues) == 1
    assert issues[0]["title"] == "Track it"
    assert {one["name"] for one in issues[0]["labels"]} == {"experiment", "growth"}
    assert [one["login"] for one in issues[0]["assignees"]] == ["jane"]


@sqlite_only
@token_only
async def test_a_tracking_issue_that_takes_long(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linking, "ANSWER_SECONDS", 0.1)
    await scene.bot.experiment(KEY)
    browser = await Browser.sign_in(scene.bot)
    form = issue_form(await browser.get(f"/experiments/{KEY}"), scene, assignees="")
    page = await browser.post(f"/experiments/{KEY}/issues", form)
    assert page.status == 200
    assert "The issue has not been created yet" in page.words
    await scene.work()
    assert len(scene.github.issues(REPOSITORY)) == 1


@sqlite_only
@token_only
async def test_a_tracking_issue_that_cannot_be(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    browser = await Browser.sign_in(scene.bot)
    path = f"/experiments/{KEY}"
    form = issue_form(await browser.get(path), scene)
    for wrong, field, message in (
        ({"title": ""}, "title", "Enter a title"),
        ({"repository": "nonsense"}, "repository", "Enter it as owner/repository."),
        ({"integration_id": "x"}, "integration_id", "Is no integration&#39;s id"),
        ({"labels": "x" * 51}, "labels", "Use at most 20 labels"),
        ({"assignees": "not a login"}, "assignees", "Enter at most 10"),
    ):
        page = await browser.post(f"{path}/issues", {**form, "body": "Kept & shown", **wrong})
        assert page.status == 422, wrong
        assert re.search(rf'id="{field}-error">{re.escape(message)}', page.text), page.words
        assert ">Kept &amp; shown</textarea>" in page.text
        assert '<details class="card" id="track" open>' in page.text
        assert f'name="once" value="{form["once"]}"' in page.text
    assert await scene.actions() == []
    scene.github.repository(REPOSITORY).has_issues = False
    working = asyncio.create_task(scene.outbox.run())
    try:
        page = await browser.post(f"{path}/issues", form)
    finally:
        working.cancel()
    assert page.status == 502
    assert "/api/v1/" not in page.words
    assert 'href="/outbox"' in page.text
    assert f'name="once" value="{form["once"]}"' not in page.text


@sqlite_only
async def test_without_an_integration_nothing_can_be_written(bot: Bot) -> None:
    await bot.experiment(KEY)
    page = await (await Browser.sign_in(bot)).get(f"/experiments/{KEY}")
    assert "No integration is active" in page.words
    assert "/issues" not in re.findall(r'<form[^>]*action="[^"]*?(/[a-z-]+)"', page.text)


# --- Who may


@sqlite_only
async def test_a_viewer_sees_all_and_changes_nothing(bot: Bot) -> None:
    integration = await bot.integration()
    await bot.experiment(KEY)
    await pull(bot, integration, 1)
    viewer = await Browser.sign_in(bot, "viewer")
    page = await viewer.get(f"/experiments/{KEY}")
    assert page.status == 200
    actions = re.findall(r'<form[^>]*method="post"[^>]*action="([^"]*)"', page.text)
    assert actions == ["/sign-out"]
    assert 'href="/new-experiment' not in page.text
    assert "/edit" not in page.text
    for path in ("/new-experiment", f"/experiments/{KEY}/edit"):
        assert (await viewer.get(path)).status == 403
    for path in (
        "/new-experiment",
        f"/experiments/{KEY}/edit",
        f"/experiments/{KEY}/status",
        f"/experiments/{KEY}/issues",
        f"/experiments/{KEY}/pull-requests",
        f"/experiments/{KEY}/pull-requests/acme/shop/1/unlink",
        f"/experiments/{KEY}/delete",
    ):
        assert (await viewer.post(path, {"status": "paused"})).status == 403, path
    stored = (await bot.get(f"/api/v1/experiments/{KEY}")).body
    assert (stored["status"], stored["counts"]["pull_requests"]) == ("draft", 1)


@sqlite_only
async def test_a_form_from_elsewhere_changes_nothing(bot: Bot) -> None:
    await bot.experiment(KEY)
    browser = await Browser.sign_in(bot)
    for csrf in ("", "guessed", "é"):
        fields = {"status": "paused", "csrf": csrf}
        assert (await browser.post(f"/experiments/{KEY}/status", fields)).status == 403
    assert (await bot.get(f"/api/v1/experiments/{KEY}")).body["status"] == "draft"


# --- Hostile text


@sqlite_only
async def test_markup_is_text_on_every_page(bot: Bot) -> None:
    integration = await bot.integration()
    await bot.experiment(
        KEY,
        name=EVIL,
        hypothesis=EVIL,
        description=EVIL,
        owner=EVIL,
        tags=[EVIL[:100]],
        url="https://example.org/?q=%22%3E",
    )
    await pull(bot, integration, 1, title=EVIL, branch=EVIL, author=EVIL)
    await pull(bot, integration, 2, "merged", title=EVIL, branch=EVIL, author=EVIL)
    issue = payloads.issue(
        "opened", 9, ago(1), repo=SHOP, title=EVIL, body=f"experiment_key: {KEY}", labels=(EVIL,)
    )
    await tell(bot, integration, "issues", issue)
    push = payloads.push("main", [f"{EVIL}\n\nExperiment-Key: {KEY}"], repo=SHOP, author=EVIL)
    push["commits"][0]["url"] = 'javascript:alert("x")'
    await tell(bot, integration, "push", push)
    browser = await Browser.sign_in(bot)
    path = f"/experiments/{KEY}"
    seen = 0
    for address in (
        "/experiments",
        f"/experiments?q={quote(EVIL)}&owner={quote(EVIL)}",
        f"/experiments?owner={quote(EVIL + 'x')}",
        f"/new-experiment?key={quote(EVIL)}",
        path,
        f"{path}/edit",
        f"{path}/pull-requests",
        f"{path}/issues",
        f"{path}/commits",
    ):
        page = await browser.get(address)
        assert page.status == 200, address
        harmless(page)
        seen += "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert seen == 9
    for form, fields in (
        (f"{path}/status", {"status": EVIL}),
        (f"{path}/pull-requests", {"url": EVIL}),
        (f"{path}/issues", {"title": EVIL, "body": EVIL, "labels": EVIL, "repository": EVIL}),
        ("/new-experiment", {"key": EVIL, "name": EVIL, "description": EVIL}),
        (f"{path}/edit", {"name": EVIL * 10}),
    ):
        page = await browser.post(form, fields)
        assert page.status == 422, form
        harmless(page)


def harmless(page: Page) -> None:
    """See that a page has no markup but its own."""
    scripts = re.findall(r"<script[^>]*>", page.text)
    assert len(scripts) == 2
    assert all("/static/" in script for script in scripts)
    assert "<img src=x" not in page.text
    drawn = re.findall(
        r'<(?:rect class="(?:opened|merged)"[^>]*|g class="mark")><title>', page.text
    )
    assert page.text.count("</title>") == 1 + len(drawn)
    assert "javascript:" not in "".join(re.findall(r'(?:href|src|action)="([^"]*)"', page.text))
    assert not re.findall(
        r"<[a-z][^>]*\s(?:on[a-z]+|style)\s*=", re.sub(r'"[^"]*"', '""', page.text)
    )
    assert "49</textarea>" not in page.text


# --- Live


@sqlite_only
async def test_the_page_hears_of_its_own_experiment(bot: Bot) -> None:
    await bot.experiment(KEY)
    browser = await Browser.sign_in(bot)
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    async with bot.session.get(
        f"{bot.url}/live?experiment={KEY}", headers={"Cookie": cookie}
    ) as stream:
        assert stream.content_type == "text/event-stream"
        await bot.patch(f"/api/v1/experiments/{KEY}", {"status": "active"})
        seen = b""

        async def told() -> bool:
            nonlocal seen
            seen += await stream.content.readany()
            return b"event: change" in seen

        await eventually(told)
