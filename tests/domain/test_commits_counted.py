"""Which commits of an experiment count: what landed, and not what it replaced, in any order."""

import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from bot.demo import payloads
from tests.kit.browsing import Browser
from tests.kit.deliveries import at
from tests.kit.marks import slow
from tests.kit.running import Bot

Payload = dict[str, Any]
_numbers = itertools.count(1)
NEW, OLD = True, False


@dataclass
class Place:
    """A repository of a story's own, and the experiment that it is about."""

    repo: Payload
    key: str

    def sha(self, message: str) -> str:
        return payloads.sha_of(f"{self.repo['full_name']} {self.text(message)}")

    def text(self, message: str) -> str:
        return message.replace("KEY", self.key)


Story = list[Callable[[Place], Payload]]


def push(
    branch: str,
    minute: int,
    *commits: tuple[str, bool],
    force: tuple[str, str] | None = None,
    second: int = 0,
    author: str = "mona",
) -> Callable[[Place], Payload]:
    """A push of commits, each a message and whether it is new; `force` has the heads around it."""

    def build(place: Place) -> Payload:
        moment = int(datetime.fromisoformat(at(minute)).timestamp()) + second
        messages = [place.text(message) for message, _ in commits]
        made = payloads.push(
            branch, messages, repo=place.repo, pushed_at=moment, at=at(minute), author=author
        )
        for commit, (_, distinct) in zip(made["commits"], commits, strict=True):
            commit["distinct"] = distinct
        if force is not None:
            before, after = map(place.sha, force)
            made.update(forced=True, before=before, after=after)
        return made

    return build


def gone(branch: str, minute: int) -> Callable[[Place], Payload]:
    """The deletion of a branch."""

    def build(place: Place) -> Payload:
        moment = int(datetime.fromisoformat(at(minute)).timestamp())
        return payloads.push(branch, [], repo=place.repo, pushed_at=moment, deleted=True)

    return build


def pull(action: str, minute: int, *, merge: str | None = None, **values: Any) -> Any:
    """A version of pull request 7 from `feature`; `merge` names the commit as which it landed."""

    def build(place: Place) -> Payload:
        body = f"experiment_key: {place.key}"
        known = {"repo": place.repo, "body": body, "created_at": at(1), **values}
        if merge is not None and action == "closed":
            known.update(state="closed", merged=True)
        made = payloads.pull_request(action, 7, at(minute), **known)
        if merge is not None:
            made["pull_request"]["merge_commit_sha"] = place.sha(merge)
        return made

    return build


QUEUE = f"gh-readonly-queue/main/pr-7-{'a' * 40}"
BRANCH, MESSAGE = "branch", "message"
COUNTED, REPLACED = False, True
KEYED = "Named\n\nExperiment-Key: KEY"
SQUASHED = "Squashed (#7)\n\nExperiment-Key: KEY"

# Of each commit by its message: the branch where it lives, why it is linked, and what became of it.
STORIES: Mapping[str, tuple[Story, dict[str, tuple[str, str, bool]]]] = {
    "squashed": (
        [
            pull("opened", 1),
            push("feature", 2, ("One", NEW), ("Two", NEW)),
            pull("closed", 3, merge="Try it (#7)"),
            push("main", 3, ("Try it (#7)", NEW)),
            gone("feature", 4),
        ],
        {
            "One": ("feature", BRANCH, REPLACED),
            "Two": ("feature", BRANCH, REPLACED),
            "Try it (#7)": ("main", BRANCH, COUNTED),
        },
    ),
    "squashed, with keys in the messages": (
        [
            pull("opened", 1),
            push("feature", 2, (KEYED, NEW)),
            pull("closed", 3, merge=SQUASHED),
            push("main", 3, (SQUASHED, NEW)),
        ],
        {KEYED: ("feature", MESSAGE, REPLACED), SQUASHED: ("main", MESSAGE, COUNTED)},
    ),
    "merged": (
        [
            pull("opened", 1),
            push("feature", 2, ("One", NEW), ("Two", NEW)),
            pull("closed", 3, merge="Merge #7"),
            push("main", 3, ("One", OLD), ("Two", OLD), ("Merge #7", NEW)),
        ],
        {
            "One": ("main", BRANCH, COUNTED),
            "Two": ("main", BRANCH, COUNTED),
            "Merge #7": ("main", BRANCH, COUNTED),
        },
    ),
    "rebased": (
        [
            pull("opened", 1),
            push("feature", 2, ("One", NEW), ("Two", NEW)),
            pull("closed", 3, merge="Two copied"),
            # A rebase keeps message and author; that its copies have other SHAs is seen to below.
            push("main", 3, ("One copied", NEW), ("Other's", NEW), ("Two copied", NEW)),
        ],
        {
            "One": ("feature", BRANCH, REPLACED),
            "Two": ("feature", BRANCH, REPLACED),
            "One copied": ("main", BRANCH, COUNTED),
            "Two copied": ("main", BRANCH, COUNTED),
        },
    ),
    "closed unmerged: what a trial merge would be called is nothing": (
        [
            pull("opened", 1, merge="Main's"),
            push("feature", 2, ("One", NEW)),
            pull("edited", 3, merge="Main's", state="closed"),
            push("main", 4, ("Main's", NEW)),
        ],
        {"One": ("feature", BRANCH, COUNTED)},
    ),
    "merged by a queue": (
        [
            pull("opened", 1),
            push("feature", 2, ("One", NEW)),
            push(QUEUE, 3, ("One", OLD), ("Merge #7", NEW)),
            push("main", 4, ("One", OLD), ("Merge #7", OLD)),
            gone(QUEUE, 4),
            pull("closed", 4, merge="Merge #7"),
        ],
        {"One": ("main", BRANCH, COUNTED), "Merge #7": ("main", BRANCH, COUNTED)},
    ),
    "squashed by a queue, with keys in the messages": (
        [push(QUEUE, 3, (SQUASHED, NEW)), push("main", 4, (SQUASHED, OLD)), gone(QUEUE, 4)],
        {SQUASHED: ("main", MESSAGE, COUNTED)},
    ),
    "a group that is thrown away": (
        [
            pull("opened", 1),
            push("feature", 2, ("One", NEW)),
            push(QUEUE, 3, ("One", OLD), (SQUASHED, NEW)),
            gone(QUEUE, 4),
        ],
        {"One": ("feature", BRANCH, COUNTED)},
    ),
    "amended": (
        [
            pull("opened", 1),
            push("feature", 2, ("One", NEW)),
            push("feature", 3, ("Two", NEW)),
            push("feature", 4, ("Two again", NEW), force=("Two", "Two again")),
        ],
        {
            "One": ("feature", BRANCH, COUNTED),
            "Two": ("feature", BRANCH, REPLACED),
            "Two again": ("feature", BRANCH, COUNTED),
        },
    ),
    "amended within one second": (
        [
            pull("opened", 1),
            push("feature", 2, ("One", NEW), ("Two", NEW)),
            push("feature", 2, ("Two again", NEW), force=("Two", "Two again")),
            push("feature", 2, ("Two at last", NEW), force=("Two again", "Two at last")),
        ],
        {
            "One": ("feature", BRANCH, COUNTED),
            "Two": ("feature", BRANCH, REPLACED),
            "Two again": ("feature", BRANCH, REPLACED),
            "Two at last": ("feature", BRANCH, COUNTED),
        },
    ),
    "amended before it was opened": (
        [
            push("feature", 0, ("One", NEW)),
            push("feature", 1, ("Two", NEW), force=("One", "Two")),
            pull("opened", 2, created_at=at(2)),
            push("feature", 3, ("Three", NEW)),
        ],
        {"Two": ("feature", BRANCH, COUNTED), "Three": ("feature", BRANCH, COUNTED)},
    ),
    "amended before it was opened, then merged": (
        [
            push("feature", 0, ("One", NEW), ("Two", NEW)),
            push("feature", 1, ("Two again", NEW), force=("Two", "Two again")),
            pull("opened", 2, created_at=at(2)),
            pull("closed", 3, merge="Merge #7", created_at=at(2)),
            push("main", 3, ("One", OLD), ("Two again", OLD), ("Merge #7", NEW)),
        ],
        {
            "One": ("main", BRANCH, COUNTED),
            "Two again": ("main", BRANCH, COUNTED),
            "Merge #7": ("main", BRANCH, COUNTED),
        },
    ),
    "dropped, and pushed again": (
        [
            pull("opened", 1),
            push("feature", 2, ("One", NEW), ("Two", NEW)),
            push("feature", 3, force=("Two", "One")),
            push("feature", 4, ("Two", NEW)),
            push("feature", 5, force=("Two", "One")),
        ],
        {"One": ("feature", BRANCH, COUNTED), "Two": ("feature", BRANCH, REPLACED)},
    ),
    "forced back": (
        [
            pull("opened", 1),
            push("feature", 2, ("One", NEW)),
            push("feature", 3, ("Other", NEW), force=("One", "Other")),
            push("feature", 4, force=("Other", "One")),
        ],
        {"One": ("feature", BRANCH, COUNTED), "Other": ("feature", BRANCH, REPLACED)},
    ),
    "named, on a branch of no pull request": (
        [
            push("feature", 2, (KEYED, NEW)),
            push("feature", 3, (f"{KEYED}\n", NEW), force=(KEYED, f"{KEYED}\n")),
        ],
        {KEYED: ("feature", MESSAGE, REPLACED), f"{KEYED}\n": ("feature", MESSAGE, COUNTED)},
    ),
    "named, and on main": (
        [
            pull("opened", 1),
            push("feature", 2, (KEYED, NEW)),
            push("main", 3, (KEYED, OLD)),
            push("feature", 4, ("Other", NEW), force=(KEYED, "Other")),
        ],
        {KEYED: ("main", MESSAGE, COUNTED), "Other": ("feature", BRANCH, COUNTED)},
    ),
    "named, and on another branch": (
        [
            push("feature", 2, (KEYED, NEW)),
            push("other", 3, (KEYED, OLD)),
            push("feature", 4, ("Other", NEW), force=(KEYED, "Other")),
        ],
        {KEYED: ("other", MESSAGE, COUNTED)},
    ),
    "replaced, then merged": (
        [
            pull("opened", 1),
            push("feature", 2, ("One", NEW)),
            push("feature", 3, ("Two", NEW), force=("One", "Two")),
            pull("closed", 4, merge="Merge #7"),
            push("main", 4, ("Two", OLD), ("Merge #7", NEW)),
        ],
        {
            "One": ("feature", BRANCH, REPLACED),
            "Two": ("main", BRANCH, COUNTED),
            "Merge #7": ("main", BRANCH, COUNTED),
        },
    ),
    "the branch serves for something else afterwards": (
        [
            pull("opened", 1),
            push("feature", 2, ("One", NEW)),
            pull("closed", 3, state="closed"),
            push("feature", 9, ("Two", NEW), force=("One", "Two")),
        ],
        {"One": ("feature", BRANCH, COUNTED)},
    ),
    "pushed straight to main": (
        [
            pull("opened", 1),
            push("feature", 2, ("One", NEW)),
            pull("closed", 3, merge="One"),
            push("main", 3, ("One", OLD)),
        ],
        {"One": ("main", BRANCH, COUNTED)},
    ),
}


async def told(bot: Bot, integration: str, story: Story, order: list[int]) -> Place:
    """Deliver a story in an order, to a repository and for an experiment of its own."""
    number = next(_numbers)
    place = Place(payloads.repository(f"acme/shop-{number}"), f"key-{number}")
    await bot.experiment(place.key)
    for position in order:
        payload = story[position](place)
        copied = payloads.encode(payload).decode().replace(" copied", "")
        event = "push" if "commits" in payload else "pull_request"
        body = copied.encode()
        signed = payloads.headers(event, body, "a-webhook-secret-of-the-tests")
        answer = await bot.send(integration, body, signed)
        assert (answer.status, answer.body) == (200, {"processed": True})
    return place


async def shown(bot: Bot, place: Place) -> dict[str, tuple[str, str, bool]]:
    """Return what is shown of the commits; those that are not replaced are counted."""
    found = await bot.walk(f"/api/v1/experiments/{place.key}/commits")
    experiment = await bot.get(f"/api/v1/experiments/{place.key}")
    assert experiment.body["counts"]["commits"] == sum(not one["replaced"] for one in found)
    return {
        one["sha"]: (one["ref"].removeprefix("refs/heads/"), one["linked_by"], one["replaced"])
        for one in found
    }


@pytest.mark.parametrize("name", STORIES)
@slow
async def test_in_any_order(bot: Bot, name: str) -> None:
    """And told again, through the same deliveries or others, it is the same."""
    story, expected = STORIES[name]
    integration = await bot.integration()
    rng, size = random.Random(name), range(len(story))
    orders = [list(size), list(reversed(size)), *(rng.sample(size, len(size)) for _ in range(8))]
    orders.append(rng.sample([*size, *size], 2 * len(size)))
    for order in orders:
        place = await told(bot, integration, story, order)
        wanted = {place.sha(message): one for message, one in expected.items()}
        assert await shown(bot, place) == wanted, order


async def test_the_pages_say_what_was_replaced(bot: Bot) -> None:
    integration = await bot.integration()
    place = Place(payloads.repository("acme/shop"), "a")
    await bot.experiment("a")
    await bot.tell(integration, pull("opened", 1)(place), push("feature", 2, ("One", NEW))(place))
    browser = await Browser.sign_in(bot, "viewer")
    pages = ("/experiments/a", "/experiments/a/commits")
    for page in pages:
        assert "replaced" not in (await browser.get(page)).words
    forced = push("feature", 3, ("Two", NEW), force=("One", "Two"))
    await bot.tell(integration, forced(place))
    for page in pages:
        assert (await browser.get(page)).words.count("replaced, not counted") == 1


async def test_a_fork_that_sends_its_pushes(bot: Bot) -> None:
    """What it has pushed comes to the base as it is, and is there once."""
    integration = await bot.integration()
    place = Place(payloads.repository("acme/shop"), "a")
    fork = payloads.repository("octo/shop")
    await bot.experiment("a")
    theirs = push("feature", 2, ("One", NEW))(place)
    theirs["repository"] = {**theirs["repository"], **fork}
    closed = pull("closed", 3, merge="One", head_repo=fork)(place)
    ours = push("main", 3, ("One", NEW))(place)
    await bot.tell(integration, pull("opened", 1, head_repo=fork)(place), theirs, closed, ours)
    assert list((await shown(bot, place)).values()) == [("feature", BRANCH, COUNTED)]


async def test_a_pull_request_that_is_linked_after_it_was_merged(bot: Bot) -> None:
    """It gets what it landed as, and loses that with its link; so does what stands for another."""
    integration = await bot.integration()
    place = Place(payloads.repository("acme/shop"), "a")
    await bot.experiment("a")
    for build in (
        pull("opened", 1, body=""),
        push("feature", 2, ("One", NEW), (KEYED, NEW)),
        pull("closed", 3, merge="Squashed", body=""),
        push("main", 3, ("Squashed", NEW)),
    ):
        await bot.tell(integration, build(place))
    alone = {place.sha(KEYED): ("feature", MESSAGE, COUNTED)}
    assert await shown(bot, place) == alone
    link = {"integration_id": integration, "repository": "acme/shop", "number": 7}
    await bot.post("/api/v1/experiments/a/pull-requests", link)
    assert await shown(bot, place) == {
        place.sha("One"): ("feature", BRANCH, REPLACED),
        place.sha(KEYED): ("feature", MESSAGE, REPLACED),
        place.sha("Squashed"): ("main", BRANCH, COUNTED),
    }
    await bot.delete("/api/v1/experiments/a/pull-requests/acme/shop/7")
    assert await shown(bot, place) == alone
