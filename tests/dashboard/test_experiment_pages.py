"""One experiment: what its page shows, to whom, and that it follows what happens."""

import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import pytest

from bot import storage as store
from bot import times
from bot.dashboard import charts
from bot.demo import payloads
from tests.dashboard.experiments import DAY, KEY, SHOP, ago, part, pull
from tests.kit.browsing import Browser, Page
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot, eventually

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}</textarea></title>"


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
    await bot.tell(integration, issue)
    push = payloads.push("main", [f"Ask less\n\nExperiment-Key: {KEY}"], repo=SHOP, at=ago(1))
    await bot.tell(integration, push)
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
    await bot.tell(integration, merged)
    assert "Everything is merged : 1 pull request." in await left()


@sqlite_only
async def test_the_feed_is_grouped_by_day_and_has_older_parts(bot: Bot) -> None:
    integration = await bot.integration()
    await bot.experiment(KEY)
    messages = [f"Step {number}\n\nExperiment-Key: {KEY}" for number in range(60)]
    second = 1_772_445_600  # 2026-03-02T10:00:00Z
    for day, some in enumerate((messages[:30], messages[30:])):
        push = payloads.push("main", some, repo=SHOP, pushed_at=second + day * 86_400)
        await bot.tell(integration, push)
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
    # The same from the page on which a form was refused.
    page = await browser.post(f"/experiments/{KEY}/pull-requests", {"url": "x"})
    assert page.status == 422
    again = re.search(r'href="([^"]*older=[^"#]*)#feed" rel="next"', page.text)
    assert again is not None and again[1] == older[1]


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
    await bot.tell(integration, issue)
    push = payloads.push("main", [f"{EVIL}\n\nExperiment-Key: {KEY}"], repo=SHOP, author=EVIL)
    push["commits"][0]["url"] = 'javascript:alert("x")'
    await bot.tell(integration, push)
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
