"""Whatever order GitHub delivers in, and however often, the outcome is that of the true order."""

import itertools
import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from bot.demo import payloads
from tests.domain.lives import KEYS, PULL_REQUEST, body_of, clock, outcome, pull_request_payload
from tests.kit.marks import slow
from tests.kit.running import Bot

EXAMPLES = examples(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_numbers = itertools.count(1)
key_lists = st.lists(st.sampled_from(KEYS), unique=True, max_size=3)
senders = st.sampled_from(["mona", "hubot"])


@st.composite
def lives_of_pull_requests(draw: Any) -> list[dict[str, Any]]:
    """What can happen to one pull request, each step a minute or more after the one before."""
    now: dict[str, Any] = {
        "state": "open",
        "merged": False,
        "closed_at": None,
        "draft": draw(st.booleans()),
        "body": body_of(draw(key_lists)),
        "title": "The first title",
        "sha": "0" * 40,
    }
    minute = 0
    versions = [{**now, "action": "opened", "at": clock(minute), "sender": "mona"}]
    for step in draw(st.lists(st.sampled_from(PULL_REQUEST_STEPS), max_size=8)):
        minute += draw(st.integers(1, 5))
        is_open = now["state"] == "open"
        if step == "edited":
            now["body"] = body_of(draw(key_lists))
            now["title"] = draw(st.sampled_from(["The first title", "Another title"]))
        elif step == "synchronize" and is_open:
            now["sha"] = f"{minute:040}"
        elif step == "converted_to_draft" and is_open and not now["draft"]:
            now["draft"] = True
        elif step == "ready_for_review" and is_open and now["draft"]:
            now["draft"] = False
        elif step in ("closed", "merged") and is_open:
            now.update(state="closed", closed_at=clock(minute), merged=step == "merged")
        elif step == "reopened" and not is_open and not now["merged"]:
            now.update(state="open", closed_at=None)
        elif step != "labeled":
            continue
        action = "closed" if step == "merged" else step
        versions.append({**now, "action": action, "at": clock(minute), "sender": draw(senders)})
    return versions


PULL_REQUEST_STEPS = (
    "edited",
    "edited",
    "synchronize",
    "converted_to_draft",
    "ready_for_review",
    "closed",
    "merged",
    "reopened",
    "labeled",
)


@st.composite
def lives_of_issues(draw: Any) -> list[dict[str, Any]]:
    """What can happen to one issue, each step a minute or more after the one before."""
    titles = st.sampled_from(["Some title", *(f"Track experiment: {key}" for key in KEYS)])
    now: dict[str, Any] = {
        "state": "open",
        "body": body_of(draw(key_lists)),
        "title": draw(titles),
        "labels": (),
    }
    closed_at = None
    minute = 0
    versions = [{**now, "action": "opened", "at": clock(minute), "sender": "mona"}]
    steps = ("edited", "edited", "labeled", "unlabeled", "closed", "reopened", "assigned")
    for step in draw(st.lists(st.sampled_from(steps), max_size=8)):
        minute += draw(st.integers(1, 5))
        is_open = now["state"] == "open"
        if step == "edited":
            now.update(body=body_of(draw(key_lists)), title=draw(titles))
        elif step == "labeled" and len(now["labels"]) < 3:
            now["labels"] = (*now["labels"], f"label-{minute}")
        elif step == "unlabeled" and now["labels"]:
            now["labels"] = now["labels"][1:]
        elif step == "closed" and is_open:
            now["state"], closed_at = "closed", clock(minute)
        elif step == "reopened" and not is_open:
            now["state"], closed_at = "open", None
        elif step != "assigned":
            continue
        version = {**now, "action": step, "at": clock(minute), "sender": draw(senders)}
        versions.append(version if closed_at is None else {**version, "closed_at": closed_at})
    return versions


@st.composite
def arrivals(draw: Any, count: int) -> list[tuple[int, int]]:
    """Any order of `count` deliveries, some more than once: (which, through which integration)."""
    again = draw(st.lists(st.integers(0, count - 1), max_size=4))
    order = draw(st.permutations([*range(count), *again]))
    return [(which, draw(st.integers(0, 1))) for which in order]


def issue_payload(repo: str, version: dict[str, Any]) -> dict[str, Any]:
    values = dict(version)
    closed_at = values.pop("closed_at", None)
    payload = payloads.issue(
        values.pop("action"), 7, values.pop("at"), repo=payloads.repository(repo), **values
    )
    payload["issue"]["closed_at"] = closed_at
    return payload


async def live_twice(
    bot: Bot,
    event: str,
    build: Any,
    life: list[dict[str, Any]],
    order: Sequence[tuple[int, int]],
    *,
    one_guid: bool = True,
) -> None:
    """Deliver a life in its true order and in another one, and compare what came of them.

    `one_guid` tells whether both integrations get an event under the same delivery id, as those
    of one App do; webhooks of their own send it under ids of their own.
    """
    example = next(_numbers)
    suffix = {key: f"{key}-{example}" for key in KEYS}
    for key in suffix.values():
        await bot.experiment(key)
    integrations = [await bot.integration(), await bot.integration()]
    texts = [
        {
            name: rename_keys(value, suffix) if isinstance(value, str) else value
            for name, value in version.items()
        }
        for version in life
    ]
    straight, crooked = f"acme/straight-{example}", f"acme/crooked-{example}"
    for version in texts:
        answer = await bot.deliver(integrations[0], event, build(straight, version))
        assert answer.body == {"processed": True}
    shared = [str(uuid.uuid4()) for _ in life]
    guids = [shared, shared if one_guid else [str(uuid.uuid4()) for _ in life]]
    for which, through in order:
        answer = await bot.deliver(
            integrations[through], event, build(crooked, texts[which]), guid=guids[through][which]
        )
        assert answer.body["processed"] is True
    expected = await outcome(bot, straight, list(suffix.values()))
    assert await outcome(bot, crooked, list(suffix.values())) == expected

    for which, through in order[:3]:
        answer = await bot.post(
            f"/api/v1/integrations/{integrations[through]}/deliveries/{guids[through][which]}/replay"
        )
        assert (answer.status, answer.body["status"]) == (200, "processed")
    assert await outcome(bot, crooked, list(suffix.values())) == expected


def rename_keys(text: str, suffix: dict[str, str]) -> str:
    for key, renamed in suffix.items():
        text = text.replace(f": {key}", f": {renamed}")
    return text


@pytest.mark.parametrize(
    ("event", "lives", "payload"),
    [
        ("pull_request", lives_of_pull_requests(), pull_request_payload),
        ("issues", lives_of_issues(), issue_payload),
    ],
    ids=["pull requests", "issues"],
)
@EXAMPLES
@given(data=st.data())
@slow
async def test_all_end_the_same_in_any_order(
    bot: Bot, event: str, lives: Any, payload: Any, data: Any
) -> None:
    """State, links and feed of an item do not depend on the order of arrival."""
    life = data.draw(lives)
    seen = life[data.draw(st.integers(0, len(life) - 1)) :]
    order = data.draw(arrivals(len(seen)))
    await live_twice(bot, event, payload, seen, order, one_guid=data.draw(st.booleans()))


ISSUE: list[dict[str, Any]] = [
    {"action": "opened", "at": clock(0), "title": "Track experiment: alpha"},
    {"action": "labeled", "at": clock(1), "title": "Track experiment: alpha", "labels": ("a",)},
    {"action": "edited", "at": clock(2), "title": "Track experiment: beta", "labels": ("a",)},
    {"action": "closed", "at": clock(3), "title": "Track experiment: beta", "state": "closed"},
    {"action": "reopened", "at": clock(4), "title": "Track experiment: beta"},
    {"action": "edited", "at": clock(5), "title": "Nothing", "body": body_of(["gamma"])},
]
ORDERS = {
    "the oldest arrives last": [1, 2, 3, 4, 5, 0],
    "the newest arrives first": [5, 0, 1, 2, 3, 4],
    "backwards": [5, 4, 3, 2, 1, 0],
    "the unlinking before the linking": [0, 3, 1, 2, 4, 5],
    "everything twice": [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5],
    "everything again, backwards": [0, 1, 2, 3, 4, 5, 5, 4, 3, 2, 1, 0],
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
async def test_orders_of_a_pull_request(bot: Bot, order: list[int]) -> None:
    """Orders that tend to go wrong."""
    arriving = [(which, 0) for which in order]
    await live_twice(bot, "pull_request", pull_request_payload, PULL_REQUEST, arriving)


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
async def test_orders_of_an_issue(bot: Bot, order: list[int]) -> None:
    """Orders that tend to go wrong."""
    arriving = [(which, 0) for which in order]
    await live_twice(bot, "issues", issue_payload, ISSUE, arriving)


async def test_the_true_order_tells_the_whole_story(bot: Bot) -> None:
    """What the other tests compare with is itself right."""
    integration = await bot.integration()
    for version in PULL_REQUEST:
        payload = pull_request_payload("acme/shop", version)
        await bot.deliver(integration, "pull_request", payload)
    for key in KEYS:
        await bot.experiment(key)
    found = await outcome(bot, "acme/shop", KEYS)
    assert [item["type"] for item in found["feed"]["beta"]] == [
        "pull_request.merged",
        "pull_request.updated",
        "pull_request.ready_for_review",
        "pull_request.linked",
    ]
    assert [item["type"] for item in found["feed"]["alpha"]] == [
        "pull_request.unlinked",
        "pull_request.ready_for_review",
        "pull_request.linked",
        "pull_request.opened",
    ]
    assert found["feed"]["gamma"] == []
    assert found["pull request"]["state"] == "merged"
    assert [link["key"] for link in found["pull request"]["experiments"]] == ["beta"]


async def test_the_first_text_without_the_key_unlinks_however_late_it_comes(bot: Bot) -> None:
    """By then the pull request concerns no experiment any more, as far as is known."""
    integration = await bot.integration()
    await bot.experiment("alpha")
    repo = payloads.repository("acme/late")
    for minute, keys in ((0, ["alpha"]), (3, []), (2, [])):
        action = "edited" if minute else "opened"
        payload = payloads.pull_request(action, 7, clock(minute), repo=repo, body=body_of(keys))
        await bot.tell(integration, payload)
    feed = await bot.walk("/api/v1/experiments/alpha/activity")
    unlinked = [one["occurred_at"] for one in feed if one["type"] == "pull_request.unlinked"]
    assert unlinked == [clock(2)]
