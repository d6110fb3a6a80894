"""Which commits a pull request's branch brings to its experiments, and when."""

from typing import Any

import pytest

from tests.domain.pushes import FORK, commits, pull, push, pushes_in_feed
from tests.kit.deliveries import REPO, at
from tests.kit.marks import sqlite_only
from tests.kit.running import Bot


async def test_a_push_reaches_the_open_pull_request_of_its_branch(bot: Bot) -> None:
    """Every experiment of the pull request gets the commit; other branches give none."""
    integration = await bot.integration()
    for key in ("a", "b"):
        await bot.experiment(key)
    await bot.tell(
        integration,
        pull("opened", 1, body="experiment_key: a, b"),
        push("feature", 2, "Here"),
        push("other", 3, "Elsewhere"),
        push("feature/deeper", 3, "Deeper"),
        push("Feature", 3, "Another case"),
    )
    for key in ("a", "b"):
        assert await commits(bot, key) == {"Here": "branch"}
        assert await pushes_in_feed(bot, key) == ["Here"]


async def test_a_message_counts_before_the_branch(bot: Bot) -> None:
    """A commit that both say belongs to an experiment is linked once, by its own word."""
    integration = await bot.integration()
    await bot.experiment("a")
    message = "Both\n\nExperiment-Key: a"
    await bot.tell(integration, pull("opened", 1), push("feature", 2, message))
    assert await commits(bot) == {message: "message"}
    assert await pushes_in_feed(bot) == ["Both"]
    await bot.tell(integration, pull("edited", 3, body=None))
    assert await commits(bot) == {message: "message"}


@pytest.mark.parametrize(
    "pushed_to, head, expected",
    [
        (REPO, REPO, {"Mine": "branch"}),
        (FORK, FORK, {"Mine": "branch"}),
        (REPO, FORK, {}),
        (FORK, REPO, {}),
        (REPO, None, {}),
    ],
    ids=["own", "fork's", "own, fork's head", "fork's, own head", "own, deleted fork's head"],
)
@pytest.mark.parametrize("push_first", [False, True])
async def test_branches_belong_to_repositories(
    bot: Bot, pushed_to: Any, head: Any, expected: dict[str, str], push_first: bool
) -> None:
    """Branches of the same name in a repository and in its fork are two branches."""
    integration = await bot.integration()
    await bot.experiment("a")
    opened = pull("opened", 1, head_repo=head or FORK)
    opened["pull_request"]["head"]["repo"] = head
    story = [opened, push("feature", 2, "Mine", repo=pushed_to)]
    await bot.tell(integration, *(story[::-1] if push_first else story))
    assert await commits(bot) == expected


@sqlite_only
@pytest.mark.parametrize(
    "change",
    [
        {"ref": "refs/tags/feature"},
        {"ref": "refs/heads/feature", "deleted": True},
        {"ref": "feature"},
        {"ref": "refs/pull/7/head"},
    ],
)
async def test_tags_and_deleted_branches_link_nothing(bot: Bot, change: dict[str, Any]) -> None:
    """Neither through the pull request nor by the message."""
    integration = await bot.integration()
    await bot.experiment("a")
    payload = {**push("feature", 2, "One", "Two\n\nExperiment-Key: a"), **change}
    await bot.tell(integration, pull("opened", 1), payload)
    assert await commits(bot) == {}


async def test_commits_from_before_the_pull_request_are_linked_with_it(bot: Bot) -> None:
    """A branch is mostly pushed before its pull request is opened."""
    integration = await bot.integration()
    await bot.experiment("a")
    await bot.tell(integration, push("feature", 0, "First"), push("feature", 1, "Second"))
    assert await commits(bot) == {}
    await bot.tell(integration, pull("opened", 2, created_at=at(2)))
    assert await commits(bot) == {"First": "branch", "Second": "branch"}
    assert await pushes_in_feed(bot) == ["Second", "First"]


async def test_commits_are_linked_when_the_body_names_the_key_at_last(bot: Bot) -> None:
    """What was pushed before the key line was written belongs to it too."""
    integration = await bot.integration()
    await bot.experiment("a")
    await bot.tell(integration, pull("opened", 1, body=None), push("feature", 2, "One"))
    assert await commits(bot) == {}
    await bot.tell(integration, pull("edited", 3))
    assert await commits(bot) == {"One": "branch"}


TURNS = [
    pull("opened", 1),
    push("feature", 2, "For a"),
    pull("closed", 3, state="closed", merged=True),
    push("feature", 4, "For b"),
    pull("opened", 5, number=8, body="experiment_key: b", created_at=at(5)),
]


@pytest.mark.parametrize("order", ["01234", "43210", "40123", "01342", "13420", "14302"])
async def test_a_branch_may_serve_pull_requests_in_turn(bot: Bot, order: str) -> None:
    """Each gets what was pushed since the one before it ended."""
    integration = await bot.integration()
    for key in ("a", "b"):
        await bot.experiment(key)
    await bot.tell(integration, *(TURNS[int(position)] for position in order))
    assert await commits(bot, "a") == {"For a": "branch"}
    assert await commits(bot, "b") == {"For b": "branch"}
    assert await pushes_in_feed(bot, "b") == ["For b"]


@pytest.mark.parametrize("merged", [True, False])
@pytest.mark.parametrize("late", [False, True], ids=["in order", "the closing arrives late"])
async def test_closed_pull_requests_take_no_later_push(bot: Bot, merged: bool, late: bool) -> None:
    """Only open pull requests collect commits, whatever arrives first."""
    integration = await bot.integration()
    await bot.experiment("a")
    closing = pull("closed", 3, state="closed", merged=merged)
    later = push("feature", 4, "Later")
    await bot.tell(integration, pull("opened", 1), push("feature", 2, "In time"))
    await bot.tell(integration, *([later, closing] if late else [closing, later]))
    assert await commits(bot) == {"In time": "branch"}
    assert await pushes_in_feed(bot) == ["In time"]


async def test_a_reopened_pull_request_has_all_of_its_branch(bot: Bot) -> None:
    """What was pushed while it was closed belongs to it once it is open again."""
    integration = await bot.integration()
    await bot.experiment("a")
    await bot.tell(
        integration,
        pull("opened", 1),
        pull("closed", 3, state="closed"),
        push("feature", 4, "Between"),
        pull("reopened", 5),
        push("feature", 6, "After"),
    )
    assert await commits(bot) == {"Between": "branch", "After": "branch"}


async def test_the_default_branch_gives_only_what_comes_after_the_opening(bot: Bot) -> None:
    """A pull request from `main` to `stable` does not collect the history of `main`."""
    integration = await bot.integration()
    await bot.experiment("a")
    await bot.tell(
        integration,
        push("main", 0, "Long ago"),
        pull("opened", 2, branch="main", base="stable", created_at=at(2)),
        push("main", 3, "Meant for it"),
    )
    assert await commits(bot) == {"Meant for it": "branch"}


async def test_the_key_takes_the_commits_of_its_branch_along(bot: Bot) -> None:
    """A key that is edited away loses the branch's commits, the other key keeps them."""
    integration = await bot.integration()
    for key in ("a", "b"):
        await bot.experiment(key)
    await bot.tell(
        integration,
        pull("opened", 1, body="experiment_key: a, b"),
        push("feature", 2, "One", "Two\n\nExperiment-Key: a"),
        pull("edited", 3, body="experiment_key: b"),
    )
    assert await commits(bot, "a") == {"Two\n\nExperiment-Key: a": "message"}
    assert await pushes_in_feed(bot, "a") == ["Two"]
    assert await commits(bot, "b") == {"One": "branch", "Two\n\nExperiment-Key: a": "branch"}
    await bot.tell(integration, pull("edited", 4, body="experiment_key: a"))
    assert await commits(bot, "a") == {"One": "branch", "Two\n\nExperiment-Key: a": "message"}
    assert await commits(bot, "b") == {}


async def test_two_pull_requests_of_one_branch_share_its_commits(bot: Bot) -> None:
    """A commit stays as long as one of them names the key."""
    integration = await bot.integration()
    await bot.experiment("a")
    await bot.tell(
        integration,
        pull("opened", 1),
        pull("opened", 1, number=8, base="stable"),
        push("feature", 2, "Shared"),
        pull("edited", 3, body=None),
    )
    assert await commits(bot) == {"Shared": "branch"}
    assert await pushes_in_feed(bot) == ["Shared"]
    await bot.tell(integration, pull("edited", 4, number=8, base="stable", body=None))
    assert await commits(bot) == {}


@pytest.mark.parametrize("pull_first", [True, False], ids=["opened first", "opened last"])
async def test_a_commit_on_two_branches(bot: Bot, pull_first: bool) -> None:
    """A commit that was pushed elsewhere before belongs to the pull request's branch too."""
    integration = await bot.integration()
    await bot.experiment("a")
    opened = pull("opened", 3, created_at=at(3))
    both = [push("develop", 1, "Shared"), push("feature", 2, "Shared")]
    await bot.tell(integration, *([opened, *both] if pull_first else [*both, opened]))
    assert await commits(bot) == {"Shared": "branch"}
    assert await pushes_in_feed(bot) == ["Shared"]
