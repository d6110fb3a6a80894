"""Which commits of its branch belong to a pull request: those that GitHub's page would list."""

import itertools
import random
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from bot.demo import payloads
from tests.kit.deliveries import at
from tests.kit.marks import each, slow, sqlite_only
from tests.kit.running import Bot

Payload = dict[str, Any]
Story = list[Callable[["Place"], Payload]]
_numbers = itertools.count(1)

NEW, OLD, UNSAID = True, False, None  # what a push says of a commit as `distinct`


class Place:
    """A repository of a story's own, and a fork of it."""

    def __init__(self) -> None:
        number = next(_numbers)
        self.main = payloads.repository(f"acme/shop-{number}")
        self.fork = payloads.repository(f"octo/shop-{number}")


def push(
    branch: str,
    minute: int,
    *commits: tuple[str, bool | None],
    fork: bool = False,
    created: bool = False,
) -> Callable[[Place], Payload]:
    """A push of commits, each a message and what the push says of it."""

    def build(place: Place) -> Payload:
        made = payloads.push(
            branch,
            [message for message, _ in commits],
            repo=place.main,
            pushed_at=int(datetime.fromisoformat(at(minute)).timestamp()),
            at=at(minute),
        )
        made["created"] = created
        made["sender"] = payloads.user("release-bot" if branch == "main" else "jane")
        for commit, (_, distinct) in zip(made["commits"], commits, strict=True):
            del commit["distinct"]
            if distinct is not None:
                commit["distinct"] = distinct
        if fork:  # the same commits, in another repository
            made["repository"] = {**made["repository"], **place.fork}
        return made

    return build


def pull(action: str, minute: int, number: int = 7, **values: Any) -> Callable[[Place], Payload]:
    """What has become of a pull request that names `a`, opened at minute 1 unless said."""

    def build(place: Place) -> Payload:
        defaults: dict[str, Any] = {"body": "experiment_key: a", "created_at": at(1)}
        if values.get("head_repo") == "fork":
            defaults["head_repo"] = place.fork
        rest = {name: value for name, value in values.items() if name != "head_repo"}
        return payloads.pull_request(
            action, number, at(minute), repo=place.main, **{**defaults, **rest}
        )

    return build


def merged(minute: int, number: int = 7, **values: Any) -> Callable[[Place], Payload]:
    return pull("closed", minute, number, state="closed", merged=True, **values)


STORIES: dict[str, tuple[Story, set[str]]] = {
    "update branch": (
        [
            push("feature", 1, ("Mine", NEW)),
            pull("opened", 1),
            push("main", 2, ("Main's", NEW)),
            push("feature", 3, ("Main's", OLD), ("Merge main", NEW)),
        ],
        {"Mine", "Merge main"},
    ),
    "update branch, main having it by a merge": (
        [
            push("other", 1, ("Other's", NEW)),
            push("feature", 1, ("Mine", NEW)),
            pull("opened", 1),
            push("main", 2, ("Other's", OLD), ("Merge other", NEW)),
            push("feature", 3, ("Other's", OLD), ("Merge other", OLD), ("Merge main", NEW)),
        ],
        {"Mine", "Merge main"},
    ),
    "update branch, nothing said of what is new": (
        [
            push("feature", 1, ("Mine", UNSAID)),
            pull("opened", 1),
            push("main", 2, ("Main's", UNSAID)),
            push("feature", 3, ("Main's", UNSAID), ("Merge main", UNSAID)),
        ],
        {"Mine", "Merge main"},
    ),
    "update branch within a second": (
        [
            push("feature", 1, ("Mine", NEW)),
            pull("opened", 1),
            push("main", 3, ("Main's", NEW)),
            push("feature", 3, ("Main's", OLD), ("Merge main", NEW)),
        ],
        {"Mine", "Merge main"},
    ),
    "a rebase": (
        [
            push("feature", 1, ("Mine", NEW)),
            pull("opened", 1),
            push("main", 2, ("Main's", NEW)),
            push("feature", 3, ("Main's", OLD), ("Mine again", NEW)),
            push("feature", 5, ("Main's", OLD), ("Mine once more", NEW)),
        ],
        {"Mine", "Mine again", "Mine once more"},
    ),
    "a merge": (
        [
            push("feature", 1, ("Mine", NEW), ("Too", NEW)),
            pull("opened", 1),
            merged(4),
            push("main", 4, ("Mine", OLD), ("Too", OLD), ("Merge #7", NEW)),
        ],
        {"Mine", "Too"},
    ),
    "a merge within the second of the push": (
        [
            pull("opened", 1),
            push("feature", 4, ("Mine", NEW)),
            merged(4),
            push("main", 4, ("Mine", OLD), ("Merge #7", NEW)),
        ],
        {"Mine"},
    ),
    "a merge, nothing said of what is new": (
        [
            pull("opened", 1),
            push("feature", 4, ("Mine", UNSAID)),
            merged(4),
            push("main", 4, ("Mine", UNSAID), ("Merge #7", UNSAID)),
        ],
        {"Mine"},
    ),
    "a merge by hand before the pull request": (
        [
            push("feature", 1, ("Before", NEW)),
            push("main", 2, ("Before", OLD)),
            push("feature", 3, ("Mine", NEW)),
            pull("opened", 4, created_at=at(4)),
        ],
        {"Mine"},
    ),
    "a squash merge, and the branch goes on": (
        [
            push("feature", 1, ("First", NEW)),
            pull("opened", 1, body=None),
            merged(2, body=None),
            push("main", 2, ("Squashed (#7)", NEW)),
            push("feature", 3, ("Squashed (#7)", OLD), ("Merge main", NEW), ("Second", NEW)),
            pull("opened", 4, 8, created_at=at(4)),
        ],
        {"Merge main", "Second"},
    ),
    "a release train": (
        [
            push("develop", 1, ("One", NEW)),
            pull("opened", 2, body="experiment_key: b", branch="develop", created_at=at(2)),
            merged(3, body="experiment_key: b", branch="develop", created_at=at(2)),
            push("main", 3, ("One", OLD), ("Release 1", NEW)),
            push("develop", 4, ("Release 1", OLD), ("Two", NEW)),
            pull("opened", 5, 8, branch="develop", created_at=at(5)),
            merged(6, 8, branch="develop", created_at=at(5)),
            push("main", 6, ("Two", OLD), ("Release 2", NEW)),
        ],
        {"Two"},
    ),
    "a stacked branch": (
        [
            push("below", 1, ("Below", NEW)),
            push("above", 2, ("Below", OLD), ("Above", NEW)),
            pull("opened", 3, branch="above", base="below", created_at=at(3)),
            push("below", 4, ("Below again", NEW)),
            push("above", 5, ("Below again", OLD), ("Merge below", NEW)),
        ],
        {"Above", "Merge below"},
    ),
    "a stacked branch whose base is merged": (
        [
            push("below", 1, ("Below", NEW)),
            push("above", 2, ("Below", OLD), ("Above", NEW)),
            pull("opened", 3, branch="above", base="below", created_at=at(3)),
            push("main", 4, ("Below", OLD), ("Merge below", NEW)),
            pull("edited", 4, branch="above", base="main", created_at=at(3)),
            push("above", 5, ("Merge below", OLD), ("Merge main", NEW)),
        ],
        {"Above", "Merge main"},
    ),
    "led into another base": (
        [
            push("stable", 1, ("Fix", NEW)),
            push("feature", 2, ("Fix", OLD), ("Mine", NEW)),
            push("main", 2, ("Main's", NEW)),
            pull("opened", 3, base="main", created_at=at(3)),
            pull("edited", 4, base="stable", created_at=at(3)),
        ],
        {"Mine"},
    ),
    "a fork": (
        [
            push("main", 1, ("Main's", NEW)),
            pull("opened", 1, head_repo="fork"),
            push("feature", 2, ("Main's", NEW), ("Mine", NEW), fork=True),
        ],
        {"Mine"},
    ),
    "a fork's main": (
        [
            push("main", 2, ("Main's", NEW)),
            pull("opened", 1, head_repo="fork", branch="main"),
            push("main", 3, ("Main's", NEW), ("Mine", NEW), fork=True),
            merged(4, head_repo="fork", branch="main"),
            push("main", 4, ("Mine", NEW), ("Merge #7", NEW)),
        ],
        {"Mine"},
    ),
    "the default branch into another": (
        [
            push("stable", 1, ("Hot fix", NEW)),
            pull("opened", 2, branch="main", base="stable", created_at=at(2)),
            push("main", 3, ("Hot fix", OLD), ("Merge stable", NEW)),
            push("main", 4, ("More", NEW)),
        ],
        {"Merge stable", "More"},
    ),
    "a base cut from the head": (
        [
            push("develop", 1, ("One", NEW), ("Two", NEW)),
            push("release", 2, created=True),
            push("develop", 3, ("Three", NEW)),
            pull("opened", 4, branch="develop", base="release", created_at=at(4)),
        ],
        {"Three"},
    ),
    "a base cut from the head, with a commit of its own": (
        [
            push("develop", 1, ("One", NEW)),
            push("release", 2, ("Only the release's", NEW), created=True),
            push("develop", 3, ("Two", NEW)),
            pull("opened", 4, branch="develop", base="release", created_at=at(4)),
        ],
        {"Two"},
    ),
    "a base cut from the head, whose own commit is another's too": (
        [
            push("develop", 1, ("One", NEW)),
            push("release", 2, ("The release's", NEW), ("And more", NEW), created=True),
            push("other", 3, ("The release's", OLD)),
            pull("opened", 4, branch="develop", base="release", created_at=at(4)),
        ],
        set(),
    ),
    "a base cut from the head, and made again": (
        [
            push("develop", 1, ("One", NEW)),
            push("release", 2, created=True),
            push("develop", 3, ("Two", NEW)),
            pull("opened", 4, branch="develop", base="release", created_at=at(4)),
            merged(5, branch="develop", base="release", created_at=at(4)),
            push("release", 5, ("Two", OLD), ("Merge #7", NEW)),
            push("develop", 6, ("Three", NEW)),
            push("release", 7, created=True),
            push("develop", 8, ("Four", NEW)),
            pull("opened", 9, 8, branch="develop", base="release", created_at=at(9)),
        ],
        {"Two", "Four"},
    ),
    "a branch pushed again after its pull request": (
        [
            push("feature", 1, ("First", NEW)),
            pull("opened", 1, body="experiment_key: b"),
            pull("closed", 3, body="experiment_key: b", state="closed"),
            push("feature", 4, ("First", OLD), ("Second", NEW)),
            pull("opened", 5, 8, created_at=at(5)),
        ],
        {"Second"},
    ),
    "a key line in main's commit": (
        [
            push("feature", 1, ("Mine", NEW)),
            pull("opened", 1),
            push("main", 2, ("Main's\n\nExperiment-Key: a", NEW)),
            push("feature", 3, ("Main's\n\nExperiment-Key: a", OLD), ("Merge main", NEW)),
        ],
        {"Mine", "Main's", "Merge main"},
    ),
}


async def end_of(bot: Bot, place: Place) -> tuple[list[Any], list[Any]]:
    """Return the commits of `a` in a story's repositories, and what the feed says of pushes."""
    names = {place.main["full_name"], place.fork["full_name"]}
    commits = await bot.walk("/api/v1/experiments/a/commits", limit=200)
    news = await bot.walk("/api/v1/experiments/a/activity?type=commit.pushed", limit=200)
    return (
        sorted(
            (one["message"].split("\n")[0], one["linked_by"], one["ref"], one["author"])
            for one in commits
            if one["repository"] in names
        ),
        sorted(
            (one["summary"].partition(": ")[2], one["occurred_at"], one["actor"])
            for one in news
            if one["repository"] in names
        ),
    )


@each("name", STORIES)
@slow
async def test_commits_and_feed_are_what_github_lists_in_any_order(bot: Bot, name: str) -> None:
    """What the base had before is none of the pull request's, whichever delivery comes first."""
    story, expected = STORIES[name]
    for key in ("a", "b"):
        await bot.experiment(key)
    integration = await bot.integration()
    orders = [list(range(len(story))), list(reversed(range(len(story))))]
    shuffled = random.Random(name)
    for _ in range(6):
        orders.append(shuffled.sample(range(len(story)), len(story)))
    ends = []
    for order in orders:
        place = Place()
        for position in order:
            await bot.tell(integration, story[position](place))
        commits, news = await end_of(bot, place)
        assert {message for message, *_ in commits} == expected, order
        assert sorted(message for message, *_ in news) == sorted(expected), order
        ends.append((commits, news))
        for position in order:  # twice
            await bot.tell(integration, story[position](place))
        assert await end_of(bot, place) == (commits, news)
    assert [end for end in ends if end != ends[0]] == []


async def test_a_wrong_link_goes_when_the_base_is_heard_of(bot: Bot) -> None:
    """Main's push is late: what was taken for the branch's own goes, from the feed as well."""
    await bot.experiment("a")
    integration, place = await bot.integration(), Place()
    for build in (pull("opened", 1), push("feature", 3, ("Main's", UNSAID), ("Mine", UNSAID))):
        await bot.tell(integration, build(place))
    assert [message for message, *_ in (await end_of(bot, place))[0]] == ["Main's", "Mine"]
    await bot.tell(integration, push("main", 2, ("Main's", UNSAID))(place))
    commits, news = await end_of(bot, place)
    assert [message for message, *_ in commits] == [message for message, *_ in news] == ["Mine"]


@sqlite_only
@pytest.mark.parametrize("odd", ["no", 0, [], {}, None])
async def test_an_odd_distinct_says_nothing(bot: Bot, odd: Any) -> None:
    await bot.experiment("a")
    integration, place = await bot.integration(), Place()
    await bot.tell(integration, pull("opened", 1)(place))
    payload = push("feature", 2, ("Mine", NEW))(place)
    payload["commits"][0]["distinct"] = odd
    await bot.tell(integration, payload)
    assert [message for message, *_ in (await end_of(bot, place))[0]] == ["Mine"]
