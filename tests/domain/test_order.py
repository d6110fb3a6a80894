"""Whatever order GitHub delivers in, and however often, the outcome is that of the true order."""

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from bot.demo import payloads
from bot.settings import Settings
from tests.kit.running import Bot, start

KEYS = ("alpha", "beta", "gamma")
EXAMPLES = examples(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_numbers = itertools.count(1)


def clock(minute: int) -> str:
    return f"2026-03-02T{10 + minute // 60:02}:{minute % 60:02}:00Z"


def body_of(keys: Sequence[str]) -> str:
    return "\n".join(["What this is about.", *(f"experiment_key: {key}" for key in keys)])


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


def pull_request_payload(repo: str, version: dict[str, Any]) -> dict[str, Any]:
    values = dict(version)
    return payloads.pull_request(
        values.pop("action"), 7, values.pop("at"), repo=payloads.repository(repo), **values
    )


def issue_payload(repo: str, version: dict[str, Any]) -> dict[str, Any]:
    values = dict(version)
    closed_at = values.pop("closed_at", None)
    payload = payloads.issue(
        values.pop("action"), 7, values.pop("at"), repo=payloads.repository(repo), **values
    )
    payload["issue"]["closed_at"] = closed_at
    return payload


async def outcome(bot: Bot, repo: str, keys: Sequence[str]) -> dict[str, Any]:
    """Everything that the API tells of number 7 of a repository, but for the repository's name."""
    pull_request = await bot.get(f"/api/v1/pull-requests/{repo}/7")
    links, feed = {}, {}
    for key in keys:
        page = f"/api/v1/experiments/{key}"
        for kind in ("pull-requests", "issues"):
            links[key, kind] = [
                told(item)
                for item in await bot.walk(f"{page}/{kind}")
                if item["repository"] == repo
            ]
        feed[key] = [
            {name: item[name] for name in ("type", "occurred_at", "actor", "summary")}
            for item in await bot.walk(f"{page}/activity")
            if item["repository"] == repo
        ]
    fields = told(pull_request.body) if pull_request.status == 200 else None
    return {"pull request": fields, "links": links, "feed": feed}


def told(item: dict[str, Any]) -> dict[str, Any]:
    """An item without what differs by design: its repository, and who told of it first."""
    changing = {"repository", "html_url", "integration_id"}
    return {
        name: sorted(value, key=repr) if isinstance(value, list) else value
        for name, value in item.items()
        if name not in changing
    }


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


@EXAMPLES
@given(data=st.data())
async def test_pull_requests_end_the_same_in_any_order(bot: Bot, data: Any) -> None:
    """State, links and feed of a pull request do not depend on the order of arrival."""
    life = data.draw(lives_of_pull_requests())
    seen = life[data.draw(st.integers(0, len(life) - 1)) :]
    order = data.draw(arrivals(len(seen)))
    one_guid = data.draw(st.booleans())
    await live_twice(bot, "pull_request", pull_request_payload, seen, order, one_guid=one_guid)


@EXAMPLES
@given(data=st.data())
async def test_issues_end_the_same_in_any_order(bot: Bot, data: Any) -> None:
    """Links and feed of an issue do not depend on the order of arrival."""
    life = data.draw(lives_of_issues())
    seen = life[data.draw(st.integers(0, len(life) - 1)) :]
    order = data.draw(arrivals(len(seen)))
    one_guid = data.draw(st.booleans())
    await live_twice(bot, "issues", issue_payload, seen, order, one_guid=one_guid)


# A life in which every kind of thing happens, for the orders that have gone wrong elsewhere.
PULL_REQUEST: list[dict[str, Any]] = [
    {"action": "opened", "at": clock(0), "body": body_of(["alpha"]), "draft": True},
    {"action": "edited", "at": clock(1), "body": body_of(["alpha", "beta"]), "draft": True},
    {"action": "ready_for_review", "at": clock(2), "body": body_of(["alpha", "beta"])},
    {"action": "edited", "at": clock(3), "body": body_of(["beta"]), "title": "Second title"},
    {"action": "synchronize", "at": clock(4), "body": body_of(["beta"]), "sha": "b" * 40},
    {
        "action": "closed",
        "at": clock(5),
        "body": body_of(["beta"]),
        "sha": "b" * 40,
        "state": "closed",
        "merged": True,
    },
]
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


async def test_one_moment_has_an_order_too(bot: Bot) -> None:
    """Within one second, what was opened was opened first, however late that is told."""
    integration = await bot.integration()
    await bot.experiment("alpha")
    closed = {"action": "closed", "at": clock(0), "state": "closed", "body": body_of(["alpha"])}
    opened = {"action": "opened", "at": clock(0), "body": body_of(["alpha"])}
    for version in (closed, opened):
        payload = pull_request_payload("acme/shop", version)
        await bot.deliver(integration, "pull_request", payload)
    found = await outcome(bot, "acme/shop", ["alpha"])
    assert found["pull request"]["state"] == "closed"
    assert [item["type"] for item in found["feed"]["alpha"]] == [
        "pull_request.closed",
        "pull_request.linked",
        "pull_request.opened",
    ]


async def test_deliveries_side_by_side_make_one_story(bot: Bot) -> None:
    """Deliveries that are handled at the same time end as if they had come one by one."""
    integration = await bot.integration()
    for key in KEYS:
        await bot.experiment(key)
    for version in PULL_REQUEST:
        payload = pull_request_payload("acme/one", version)
        await bot.deliver(integration, "pull_request", payload)
    together = [pull_request_payload("acme/two", version) for version in PULL_REQUEST[::-1] * 3]
    await asyncio.gather(*(bot.deliver(integration, "pull_request", one) for one in together))
    assert await outcome(bot, "acme/two", KEYS) == await outcome(bot, "acme/one", KEYS)


@pytest.fixture
async def bots(settings: Settings) -> AsyncIterator[tuple[Bot, Bot]]:
    """Two processes, as far as the database can tell, that share it."""
    running = await start(settings), await start(settings)
    yield running
    for bot in running:
        await bot.close()


ROUNDS = range(30)


async def together(bots: tuple[Bot, Bot], event: str, deliveries: list[Any]) -> None:
    """Deliver pairs of (integration, payload, guid) at once, each half through its own process."""
    await asyncio.gather(
        *(
            settled(bots[which], integration, event, payload, guid)
            for pair in deliveries
            for which, (integration, payload, guid) in enumerate(pair)
        )
    )


async def settled(bot: Bot, integration: str, event: str, payload: Any, guid: str | None) -> None:
    name = event if event != "any" else ("push" if "commits" in payload else "pull_request")
    answer = await bot.deliver(integration, name, payload, guid=guid)
    assert (answer.status, answer.body["processed"]) == (200, True), answer.body


async def test_processes_side_by_side_make_one_story(bots: tuple[Bot, Bot]) -> None:
    """A life that is taken in by two processes at once, in any order, is still one life."""
    integration = await bots[0].integration()
    for key in KEYS:
        await bots[0].experiment(key)
    for version in PULL_REQUEST:
        payload = pull_request_payload("acme/one", version)
        await bots[0].deliver(integration, "pull_request", payload)
    built = [pull_request_payload("acme/two", version) for version in PULL_REQUEST]
    pairs = [
        ((integration, first, None), (integration, second, None))
        for first, second in zip(built * 3, built[::-1] * 3, strict=True)
    ]
    await together(bots, "pull_request", pairs)
    assert await outcome(bots[1], "acme/two", KEYS) == await outcome(bots[0], "acme/one", KEYS)


async def test_two_integrations_hear_of_it_at_the_same_moment(bots: tuple[Bot, Bot]) -> None:
    """One delivery of each, under one delivery id: one pull request, one link, one of each news."""
    integrations = [await bots[0].integration(), await bots[0].integration()]
    await bots[0].experiment("alpha")
    pairs = []
    for number in ROUNDS:
        payload = pull_request_payload(f"acme/shop-{number}", PULL_REQUEST[0])
        guid = str(uuid.uuid4())
        pairs.append([(integration, payload, guid) for integration in integrations])
    await together(bots, "pull_request", pairs)
    links = await bots[1].walk("/api/v1/experiments/alpha/pull-requests")
    assert sorted(link["repository"] for link in links) == sorted(
        f"acme/shop-{number}" for number in ROUNDS
    )
    feed = await bots[1].walk("/api/v1/experiments/alpha/activity")
    assert len(feed) == 1 + 2 * len(ROUNDS)


async def test_a_push_and_its_pull_request_at_the_same_moment(bots: tuple[Bot, Bot]) -> None:
    """Neither misses the other."""
    integration = await bots[0].integration()
    await bots[0].experiment("alpha")
    pairs = []
    for number in ROUNDS:
        name = f"acme/shop-{number}"
        opened = pull_request_payload(name, PULL_REQUEST[0])
        pushed = payloads.push("feature", ["One"], repo=payloads.repository(name))
        pairs.append(((integration, opened, None), (integration, pushed, None)))
    await together(bots, "any", pairs)
    commits = await bots[1].walk("/api/v1/experiments/alpha/commits")
    assert len(commits) == len(ROUNDS)


async def test_both_halves_of_a_transfer_at_the_same_moment(bots: tuple[Bot, Bot]) -> None:
    """The issue is in one place afterwards."""
    integration = await bots[0].integration()
    await bots[0].experiment("alpha")
    old_repo, new_repo = payloads.repository("acme/old"), payloads.repository("acme/new")
    values: dict[str, Any] = {"title": "Track experiment: alpha"}
    pairs = []
    for number in range(1, 1 + len(ROUNDS)):
        known = payloads.issue("opened", number, clock(0), repo=old_repo, **values)
        await bots[0].deliver(integration, "issues", known)
        old = payloads.issue_object(number, clock(1), repo=old_repo, **values)
        new = payloads.issue_object(100 + number, clock(1), repo=new_repo, **values)
        leaves = payloads.issue("transferred", number, clock(1), repo=old_repo, **values)
        leaves["changes"] = {"new_issue": new, "new_repository": new_repo}
        arrives = payloads.issue("opened", 100 + number, clock(1), repo=new_repo, **values)
        arrives["changes"] = {"old_issue": old, "old_repository": old_repo}
        pairs.append(((integration, leaves, None), (integration, arrives, None)))
    await together(bots, "issues", pairs)
    links = await bots[1].walk("/api/v1/experiments/alpha/issues")
    assert {link["repository"] for link in links} == {"acme/new"}
    assert len(links) == len(ROUNDS)


async def test_a_link_and_its_experiment_at_the_same_moment(bots: tuple[Bot, Bot]) -> None:
    """The link does not go on waiting for an experiment that is there."""
    integration = await bots[0].integration()

    async def create(number: int) -> None:
        await bots[1].experiment(f"alpha-{number}")

    async def link(number: int) -> None:
        body = body_of([f"alpha-{number}"])
        version = {"action": "opened", "at": clock(0), "body": body}
        payload = pull_request_payload(f"acme/shop-{number}", version)
        await settled(bots[0], integration, "pull_request", payload, None)

    await asyncio.gather(*(act(number) for number in ROUNDS for act in (create, link)))
    assert (await bots[0].get("/api/v1/links/unresolved")).items == []
