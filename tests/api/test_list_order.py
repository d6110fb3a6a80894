"""What is linked is listed by what happened last, never by when the link was made."""

import re
from typing import Any

import pytest

from bot import storage as store
from bot.demo import payloads
from bot.web.cursors import cursor_of
from tests.kit.browsing import Browser
from tests.kit.deliveries import REPO, at
from tests.kit.running import Bot

EXPERIMENT = "/api/v1/experiments/a"
PULLS, ISSUES, COMMITS = (f"{EXPERIMENT}/{one}" for one in ("pull-requests", "issues", "commits"))


@pytest.fixture
async def integration(bot: Bot) -> str:
    await bot.experiment("a")
    return await bot.integration()


async def pull(bot: Bot, integration: str, number: int, minute: int, **more: Any) -> None:
    """A pull request as it is `minute` minutes in; `to` is the state that it has then."""
    state = more.pop("to", "open")
    more.setdefault("action", "edited" if state == "open" else "closed")
    payload = payloads.pull_request(
        more.pop("action"),
        number,
        at(minute),
        repo=REPO,
        title=f"Pull {number}",
        body="experiment_key: a",
        branch=f"branch-{number}",
        state="open" if state == "open" else "closed",
        merged=state == "merged",
        created_at=at(0),
        **more,
    )
    answer = await bot.deliver(integration, "pull_request", payload)
    assert answer.body == {"processed": True}


async def issue(bot: Bot, integration: str, number: int, minute: int, **more: Any) -> None:
    payload = payloads.issue(
        more.pop("action", "edited"),
        number,
        at(minute),
        repo=REPO,
        body="experiment_key: a",
        **more,
    )
    assert (await bot.deliver(integration, "issues", payload)).body == {"processed": True}


async def commit(bot: Bot, integration: str, message: str, minute: int) -> None:
    told = f"{message}\n\nExperiment-Key: a"
    payload = payloads.push("main", [told], repo=REPO, at=at(minute))
    assert (await bot.deliver(integration, "push", payload)).body == {"processed": True}


async def order(bot: Bot, path: str, limit: int = 50) -> list[Any]:
    rows = await bot.walk(path, limit=limit)
    return [row.get("number") or row["message"].split("\n")[0] for row in rows]


async def told(bot: Bot, integration: str) -> None:
    """Ten pull requests, linked in the order of their numbers; what became of them was in none."""
    for number in range(1, 11):
        await pull(bot, integration, number, number, action="opened")
    await pull(bot, integration, 4, 20, to="merged")
    await pull(bot, integration, 2, 22, to="merged")
    await pull(bot, integration, 9, 21, to="merged")
    await pull(bot, integration, 7, 31, to="closed")
    await pull(bot, integration, 8, 30, to="closed")
    await pull(bot, integration, 1, 40)
    await pull(bot, integration, 5, 25)


EXPECTED = {
    "open": [1, 5, 10, 6, 3],
    "merged": [2, 9, 4],
    "closed": [7, 8],
    "": [1, 7, 8, 5, 2, 9, 4, 10, 6, 3],
}


@pytest.mark.parametrize("limit", [1, 3, 50])
async def test_pull_requests_go_by_what_happened_last(
    bot: Bot, integration: str, limit: int
) -> None:
    await told(bot, integration)
    for state, numbers in EXPECTED.items():
        path = f"{PULLS}?state={state}" if state else PULLS
        assert await order(bot, path, limit) == numbers, state


async def test_pages_show_what_happened_last(bot: Bot, integration: str) -> None:
    """What merged today is there, however many were linked since."""
    await told(bot, integration)
    for number in range(11, 40):
        await pull(bot, integration, number, 1, to="merged", action="closed")
        await pull(bot, integration, number + 40, 1)
    visitor = await Browser.sign_in(bot, "viewer")

    async def shown(path: str) -> list[int]:
        text = (await visitor.get(path)).text
        return [int(one) for one in re.findall(r">(?:#\d+ )?Pull (\d+)</a>", text)]

    of_state = await shown("/experiments/a")
    assert of_state[:5] == EXPECTED["open"] and len(of_state) == 20 + 10 + 2
    assert of_state[20:23] == EXPECTED["merged"] and of_state[30:] == EXPECTED["closed"]
    for state, numbers in EXPECTED.items():
        whole = await shown(f"/experiments/a/pull-requests{'?state=' + state if state else ''}")
        assert whole[: len(numbers)] == numbers, state
    seen: list[int] = []
    path = "/repositories/acme/shop?show=pull-requests"
    while path:
        page = await visitor.get(path)
        seen += [int(one) for one in re.findall(r">#\d+ Pull (\d+)</a>", page.text)]
        more = re.search(r'href="([^"]*cursor=[^"]*)" rel="next"', page.text)
        path = more[1].replace("&amp;", "&") if more else ""
    assert len(seen) == len(set(seen)) == 10 + 2 * 29
    assert seen[:5] == EXPECTED["open"], "the open ones first"
    assert seen[34:37] == EXPECTED["merged"] and seen[66:] == EXPECTED["closed"]


async def test_what_was_merged_stays_where_it_was_merged(bot: Bot, integration: str) -> None:
    """A comment or label changes `updated_at`: the pull request was heard of, not merged again."""
    await told(bot, integration)
    await pull(bot, integration, 4, 50, to="merged", action="labeled", closed_at=at(20))
    assert await order(bot, f"{PULLS}?state=merged") == [2, 9, 4]
    assert await order(bot, PULLS) == [4, 1, 7, 8, 5, 2, 9, 10, 6, 3]


async def test_states_come_and_go(bot: Bot, integration: str) -> None:
    await told(bot, integration)
    await pull(bot, integration, 7, 50, action="reopened")
    assert (await order(bot, f"{PULLS}?state=open"))[:2] == [7, 1]
    await pull(bot, integration, 7, 51, to="closed")
    await pull(bot, integration, 8, 52, action="reopened")
    await pull(bot, integration, 8, 53, to="closed")
    assert await order(bot, f"{PULLS}?state=closed") == [8, 7]
    assert (await order(bot, PULLS))[:3] == [8, 7, 1]


async def test_late_news_moves_nothing(bot: Bot, integration: str) -> None:
    """What arrives late is sorted in where it happened."""
    await told(bot, integration)
    await pull(bot, integration, 1, 2, action="labeled")
    await pull(bot, integration, 2, 3, action="edited")
    for state, numbers in EXPECTED.items():
        assert await order(bot, f"{PULLS}?state={state}" if state else PULLS) == numbers


async def test_a_link_made_later_stands_where_it_belongs(bot: Bot, integration: str) -> None:
    """Linked today by an edit or by hand, merged long ago."""
    await bot.experiment("b")
    await told(bot, integration)
    both = payloads.pull_request(
        "edited",
        4,
        at(23),
        repo=REPO,
        body="experiment_key: a, b",
        branch="branch-4",
        state="closed",
        merged=True,
        created_at=at(0),
        closed_at=at(20),
    )
    await bot.deliver(integration, "pull_request", both)
    for number, minute in ((2, 24), (9, 26)):
        late = {**both, "number": number, "pull_request": {**both["pull_request"]}}
        late["pull_request"].update(
            number=number, updated_at=at(minute), merged_at=at(21 if number == 9 else 22)
        )
        await bot.deliver(integration, "pull_request", late)
    assert await order(bot, "/api/v1/experiments/b/pull-requests?state=merged") == [2, 9, 4]
    assert await order(bot, f"{PULLS}?state=merged") == [2, 9, 4]
    assert await order(bot, "/api/v1/experiments/b/pull-requests") == [9, 2, 4]


async def test_issues_go_by_what_happened_last(bot: Bot, integration: str) -> None:
    for number in range(1, 6):
        await issue(bot, integration, number, number, action="opened")
    await issue(bot, integration, 2, 20, action="closed", state="closed")
    await issue(bot, integration, 1, 19, action="closed", state="closed")
    await issue(bot, integration, 3, 30)
    await issue(bot, integration, 1, 40, action="labeled", state="closed", closed_at=at(19))
    for limit in (1, 50):
        assert await order(bot, f"{ISSUES}?state=open", limit) == [3, 5, 4]
        assert await order(bot, f"{ISSUES}?state=closed", limit) == [2, 1]
        assert await order(bot, ISSUES, limit) == [1, 3, 2, 5, 4]


async def test_commits_go_by_when_they_were_committed(bot: Bot, integration: str) -> None:
    """Whenever they were pushed or linked."""
    minutes = {"one": 5, "two": 9, "three": 1, "four": 7, "five": 7}
    for message, minute in minutes.items():
        await commit(bot, integration, message, minute)
    expected = ["two", "five", "four", "one", "three"]
    for limit in (1, 2, 50):
        assert await order(bot, COMMITS, limit) == expected
    page = (await (await Browser.sign_in(bot, "viewer")).get("/experiments/a")).text
    shown = re.findall(r">(one|two|three|four|five)</a>", page.partition('id="commits"')[2])
    assert shown[:5] == expected


@pytest.mark.parametrize("state", ["", "open"])
@pytest.mark.parametrize("limit", [1, 2])
async def test_a_walk_misses_nothing_that_stays(
    bot: Bot, integration: str, state: str, limit: int
) -> None:
    """What changes during the walk may come twice or not again; all else comes once."""
    numbers = list(range(1, 13))
    for number in numbers:
        await pull(bot, integration, number, number, action="opened")
    changing, new, minute = iter([3, 12, 5, 10, 1, 7]), iter(range(50, 90)), 100
    changed: set[int] = set()
    seen: list[int] = []
    cursor = ""
    while True:
        answer = await bot.get(f"{PULLS}?limit={limit}{'&state=' + state if state else ''}{cursor}")
        seen += [row["number"] for row in answer.items]
        if answer.body["next_cursor"] is None:
            break
        cursor = f"&cursor={answer.body['next_cursor']}"
        minute += 1
        if (turned := next(changing, None)) is not None:
            to = "merged" if turned % 2 else "open"
            await pull(bot, integration, turned, minute, to=to)
            changed.add(turned)
        await pull(bot, integration, next(new), minute, action="opened")
    stayed = [number for number in reversed(numbers) if number not in changed]
    assert [number for number in seen if number in stayed] == stayed
    assert len(seen) == len(set(seen)) or {n for n in seen if seen.count(n) > 1} <= changed


async def test_a_cursor_of_the_order_before_is_refused(bot: Bot, integration: str) -> None:
    """It names a link, not a time: the walk has to begin again, and is told so."""
    await told(bot, integration)
    for path in (PULLS, ISSUES, COMMITS):
        old = _old_cursor(f"/api/v1/experiments/{{key}}/{path.rpartition('/')[2]}", 7)
        answer = await bot.get(f"{path}?cursor={old}")
        assert (answer.status, answer.body["errors"][0]["field"]) == (422, "cursor")


def _old_cursor(route: str, link: int) -> str:
    return cursor_of((link,), route)


async def test_what_was_linked_before_the_upgrade_is_in_order(bot: Bot, integration: str) -> None:
    """The migration places every link; here it runs on rows as the version before left them."""
    await told(bot, integration)
    await pull(bot, integration, 4, 50, to="merged", action="labeled", closed_at=at(20))
    await commit(bot, integration, "first", 9)
    await commit(bot, integration, "second", 3)
    await issue(bot, integration, 101, 8, action="opened")
    await issue(bot, integration, 102, 7, action="opened")
    await issue(bot, integration, 101, 9, action="closed", state="closed")

    def places(tx: store.Transaction) -> list[tuple[Any, ...]]:
        rows = tx.all("SELECT id, state_at, last_at FROM links ORDER BY id")
        return [(row["id"], row["state_at"], row["last_at"]) for row in rows]

    def again(tx: store.Transaction) -> None:
        tx.run("UPDATE links SET state_at = 0, last_at = 0")
        for statement in store.schema.MIGRATIONS[4]:
            if statement.startswith("UPDATE links"):
                tx.run(statement)

    before = await bot.services.database.read(places)
    await bot.services.database.write(again)
    assert await bot.services.database.read(places) == before
    assert all(state and last for _, state, last in before)
    assert await order(bot, f"{PULLS}?state=merged") == [2, 9, 4]
    assert await order(bot, COMMITS) == ["first", "second"]
