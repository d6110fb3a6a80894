"""What was read from GitHub and what deliveries tell, in any order, make one story."""

import itertools
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import storage as store
from bot import times
from bot.domain import fetched, snapshots
from bot.domain.integrations import scope_of
from bot.github import payloads
from tests.domain.lives import KEYS, PULL_REQUEST, clock, outcome, pull_request_payload
from tests.domain.test_order import (
    EXAMPLES,
    ISSUE,
    issue_payload,
    lives_of_issues,
    lives_of_pull_requests,
    rename_keys,
)
from tests.kit.marks import slow, sqlite_only
from tests.kit.running import Bot

_numbers = itertools.count(1)
BUILD = {"pull_request": pull_request_payload, "issues": issue_payload}
Life = list[dict[str, Any]]


async def read(bot: Bot, integration: str, event: str, payload: dict[str, Any]) -> None:
    """Let a pull request or issue be read from GitHub as a delivery has it."""
    about = msgspec.convert(payload["repository"], payloads.Repository)

    def job(tx: store.Transaction) -> None:
        row = store.integrations.find(tx, integration)
        assert row is not None
        source = snapshots.by_answer(tx, scope_of(row), about)
        repository_id, now = source.repository(about), times.now()
        if event == "issues":
            issue = payloads.read_answer(payload["issue"], payloads.Issue)
            issue = snapshots.in_its_place(source, issue, about)
            fetched.observe_issue(source, repository_id, issue, now)
        else:
            pull = payloads.read_answer(payload["pull_request"], payloads.PullRequest)
            fetched.observe_pull_request(source, about, repository_id, pull, now)

    await bot.services.database.write(job)


async def told(
    bot: Bot, event: str, life: Life, steps: list[tuple[str, int]]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Deliver (`live`) and read (`read`) versions of a life in some order.

    Returns what is known in the end, and all that feeds tell. Names of keys and of the repository
    are those of no other story.
    """
    example = next(_numbers)
    suffix = {key: f"{key}-{example}" for key in KEYS}
    repo, integration = f"acme/fetched-{example}", await bot.integration()
    for key in suffix.values():
        await bot.experiment(key)
    for how, which in steps:
        version = {
            name: rename_keys(value, suffix) if isinstance(value, str) else value
            for name, value in life[which].items()
        }
        payload = BUILD[event](repo, version)
        if how == "read":
            await read(bot, integration, event, payload)
        else:
            answer = await bot.deliver(integration, event, payload)
            assert answer.body == {"processed": True}
    feed = [one for one in await bot.walk("/api/v1/activity") if one["repository"] == repo]
    found = await outcome(bot, repo, list(suffix.values()))
    return renamed(found, f"-{example}"), feed


def renamed(value: Any, suffix: str) -> Any:
    """Return what is known with the keys as they are in every story."""
    if isinstance(value, dict):
        return {renamed(name, suffix): renamed(one, suffix) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([renamed(one, suffix) for one in value])
    return value.replace(suffix, "") if isinstance(value, str) else value


def whole(life: Life) -> list[tuple[str, int]]:
    return [("live", which) for which in range(len(life))]


@pytest.mark.parametrize(
    ("event", "lives"),
    [("pull_request", lives_of_pull_requests()), ("issues", lives_of_issues())],
    ids=["pull requests", "issues"],
)
@EXAMPLES
@given(data=st.data())
@slow
@sqlite_only
async def test_once_all_is_delivered_nothing_shows_that_it_was_read(
    bot: Bot, event: str, lives: Any, data: Any
) -> None:
    """Whichever versions were read, and whenever: state, links and feed are those of deliveries."""
    life = data.draw(lives)
    versions = st.integers(0, len(life) - 1)
    reads = [("read", which) for which in data.draw(st.lists(versions, min_size=1, max_size=3))]
    order = data.draw(st.permutations([*whole(life), *reads]))
    expected, _ = await told(bot, event, life, whole(life))
    found, feed = await told(bot, event, life, order)
    assert found == expected
    assert not any(one["backfilled"] for one in feed)


@EXAMPLES
@given(data=st.data())
@slow
@sqlite_only
async def test_nothing_is_told_twice_whatever_is_missing(bot: Bot, data: Any) -> None:
    """Of a pull request that was read, whether deliveries of it come before, after or never."""
    life = data.draw(lives_of_pull_requests())
    live = data.draw(st.lists(st.integers(0, len(life) - 1), unique=True, max_size=len(life)))
    steps = [*(("live", which) for which in live), ("read", len(life) - 1)]
    found, feed = await told(bot, "pull_request", life, data.draw(st.permutations(steps)))
    counts = Counter((one["type"], one["experiment_key"], one["occurred_at"]) for one in feed)
    assert not [one for one, count in counts.items() if count > 1]
    merged = Counter(one["experiment_key"] for one in feed if one["type"].endswith(".merged"))
    opened = Counter(one["experiment_key"] for one in feed if one["type"].endswith(".opened"))
    assert max([0, *merged.values(), *opened.values()]) <= 1
    last, _ = await told(bot, "pull_request", life, whole(life))
    for name in ("title", "state", "draft", "head_sha", "created_at", "merged_at"):
        assert found["pull request"][name] == last["pull request"][name]
    keys = [{one["key"] for one in it["pull request"]["experiments"]} for it in (found, last)]
    assert keys[0] == keys[1]


READ_FIRST = [("read", 5), ("live", 5), ("live", 0), ("live", 4), *whole(PULL_REQUEST)[1:4]]
READ_LAST = [*whole(PULL_REQUEST), ("read", 5), ("read", 5), ("read", 3)]
READ_BETWEEN = [
    ("live", 3),
    ("read", 3),
    ("live", 5),
    ("read", 5),
    *whole(PULL_REQUEST)[:3],
    ("live", 4),
]


@pytest.mark.parametrize("steps", [READ_FIRST, READ_LAST, READ_BETWEEN])
async def test_orders_of_a_pull_request(bot: Bot, steps: list[tuple[str, int]]) -> None:
    """Orders that tend to go wrong, on both engines."""
    expected, _ = await told(bot, "pull_request", PULL_REQUEST, whole(PULL_REQUEST))
    found, feed = await told(bot, "pull_request", PULL_REQUEST, steps)
    assert found == expected
    assert not any(one["backfilled"] for one in feed)


async def test_what_only_the_last_version_tells(bot: Bot) -> None:
    """A life that was read at its end: it began when it was made, linked, and ended when it did."""
    _, feed = await told(bot, "pull_request", PULL_REQUEST, [("read", 5)])
    assert [(one["type"], one["occurred_at"], one["backfilled"]) for one in feed] == [
        ("pull_request.merged", clock(5), True),
        ("pull_request.linked", feed[1]["occurred_at"], True),
        ("pull_request.opened", feed[1]["occurred_at"], True),
    ]
    _, feed = await told(bot, "pull_request", PULL_REQUEST, [("read", 5), ("live", 5)])
    assert [(one["type"], one["backfilled"]) for one in feed] == [
        ("pull_request.merged", False),
        ("pull_request.linked", True),
        ("pull_request.opened", True),
    ]
    _, feed = await told(bot, "pull_request", PULL_REQUEST, [("live", 3), ("read", 5)])
    assert [(one["type"], one["occurred_at"], one["backfilled"]) for one in feed] == [
        ("pull_request.merged", clock(5), True),
        ("pull_request.linked", clock(3), False),
    ]


async def test_an_issue_that_was_read(bot: Bot) -> None:
    """Its labels and edits of before are not told: nobody knows when they were."""
    _, feed = await told(bot, "issues", ISSUE, [("read", 3)])
    assert [(one["type"], one["backfilled"]) for one in feed] == [
        ("issue.closed", True),
        ("issue.linked", True),
    ]
