"""Which commits of an experiment count: not what a force push replaced, in any order."""

import asyncio
import fcntl
import itertools
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bot.demo import payloads
from tests.domain.landings import (
    BRANCH,
    COUNTED,
    KEYED,
    MESSAGE,
    NEW,
    OLD,
    REPLACED,
    SQUASHED,
    Place,
    Story,
    gone,
    pull,
    push,
    shown,
)
from tests.kit.deliveries import at
from tests.kit.marks import each, slow, sqlite_only
from tests.kit.running import Bot

_numbers = itertools.count(1)
QUEUE = f"gh-readonly-queue/main/pr-7-{'a' * 40}"
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
            "One": ("feature", BRANCH, COUNTED),
            "Two": ("feature", BRANCH, COUNTED),
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
        {KEYED: ("feature", MESSAGE, COUNTED), SQUASHED: ("main", MESSAGE, COUNTED)},
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
            "One": ("feature", BRANCH, COUNTED),
            "Two": ("feature", BRANCH, COUNTED),
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


@each("name", STORIES)
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


@sqlite_only
async def test_late_pushes_that_share_a_commit(bot: Bot) -> None:
    """A force push that is told late hides none from the next one that came after it."""
    place = Place(payloads.repository("acme/late"), "late")
    integration = await bot.integration()
    await bot.experiment("late")
    known = [pull("opened", 1), push("feature", 20, ("D", NEW), force=("C", "D"))]
    await bot.tell(integration, *(build(place) for build in known))
    late = [push("feature", 10, ("B", NEW), force=("A", "B")), push("feature", 15, ("C", NEW))]
    async with together(bot):
        told = [asyncio.create_task(bot.tell(integration, build(place))) for build in late]
        await asyncio.sleep(0.3)
    await asyncio.gather(*told)
    found = await shown(bot, place)
    assert found[place.sha("C")] == ("feature", BRANCH, REPLACED)


@asynccontextmanager
async def together(bot: Bot) -> AsyncIterator[None]:
    """Let what is sent in this block share a commit: another process has its turn meanwhile."""
    path = bot.services.settings.database_url.removeprefix("sqlite:///")
    with Path(f"{path}-turn").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
