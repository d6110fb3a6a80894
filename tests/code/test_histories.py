"""What the bot says of real histories is what a plain search of the checkout finds, push by push.

There is an experiment in every file that is to be read, so that one which was not read is missing;
how many were looked at is compared besides. A documented difference: in a diff a generated file is
told by its path alone, unless the diff shows its top.
"""

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.settings import Settings
from tests.code.histories import EXPERIMENTS, NAMES, Gardener
from tests.code.searching import Found, Search, count_by_key
from tests.kit import outbound
from tests.kit.clock import Clock
from tests.kit.gitrepo import GitRepo, Link, Submodule
from tests.kit.marks import each, slow, sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.kit.project import Project

FORK = "octo/shop"


class Story:
    """A repository that a bot follows, and the search that it is compared with."""

    def __init__(self, scene: Scene, folder: Path, seed: int) -> None:
        self.scene, self.seed = scene, seed
        self.project = Project.of(scene, folder)
        self.git: GitRepo = self.project.git
        self.gardener = Gardener(self.git, seed)
        self.search = Search(self.git.folder, NAMES)
        self.random = self.gardener.random
        self.fork = self.project.fork(FORK)
        self.pulls: list[int] = []
        self.looked_at = 0

    async def begin(self) -> None:
        for key, aliases in EXPERIMENTS.items():
            await self.scene.bot.experiment(key, aliases=aliases)
        self.gardener.begin()
        for name, sha in self.git.branches().items():
            self.fork.set_branch(name, sha)

    async def compare(self, *, shuffled: bool = False) -> None:
        """Tell of what was done, and compare everything."""
        events = self.project.take()
        if shuffled:
            self.random.shuffle(events)
        for event in events:
            await self.project.deliver(event)
        await self.settle()
        await self.compare_map()
        for number in self.pulls:
            await self.compare_pull(number)

    async def settle(self) -> None:
        """Let the bot do what it has to; it is a minute or two behind at most."""
        tip = self.git.tip()
        for _ in range(6):
            await self.scene.pass_time(30)
            read = (await self.map())["sha"] == tip
            states = {(await self.pull(one))["code_status"] for one in self.pulls}
            if read and "pending" not in states:
                return

    async def map(self) -> dict[str, Any]:
        answer = await self.scene.bot.get(f"/api/v1/repositories/{REPOSITORY}/code?limit=200")
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.body
        return found

    async def pull(self, number: int) -> dict[str, Any]:
        answer = await self.scene.bot.get(f"/api/v1/pull-requests/{REPOSITORY}/{number}")
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.body
        return found

    async def compare_map(self) -> None:
        tip = self.git.tip()
        expected, files = self.search.search(tip), self.search.files(tip)
        state = await self.map()
        items = await self.scene.bot.walk(f"/api/v1/repositories/{REPOSITORY}/code", 200)
        found = {_place(one) for one in items}
        assert (state["status"], state["sha"], state["unread"]) == ("read", tip, [])
        assert _by_place(found) == _by_place(expected)
        # The search knows a key as its own alias.
        aliases = [(_place(one), one["alias"] or one["experiment_key"]) for one in items]
        assert sorted(aliases) == sorted((one, str(one.alias)) for one in expected)
        assert {one["path"] for one in items} == files.keys()
        if not self.looked_at:  # later it stays what it was when all was read
            assert state["files"] == len(files)
        self.looked_at += len(files)

    async def compare_pull(self, number: int) -> None:
        item = self.scene.github.repository(REPOSITORY).pulls[number]
        if item.state != "open":
            return
        lost, came = self.search.changes(item.base_sha, item.head_sha)
        body = await self.pull(number)
        code = body["code"]
        assert (body["code_status"], body["code_unread"]) == ("read", [])
        removed = {_place(one) for one in code if one["change"] == "removed"}
        others = {_place(one) for one in code if one["change"] != "removed"}
        assert _by_place(others) == _by_place(came)
        assert removed <= lost
        gone, there = count_by_key(lost), count_by_key(came)
        moved = count_by_key({_place(one) for one in code if one["change"] == "moved"})
        assert moved == +(gone & there)
        assert count_by_key(removed) == gone - there
        linked = {key for key in EXPERIMENTS if gone[key] != there[key]}
        assert linked <= {one["key"] for one in body["experiments"]}
        self.looked_at += len({one.path for one in lost | came})


def _place(one: dict[str, Any]) -> Found:
    return Found(one["path"], one["line"], one["experiment_key"])


def _by_place(found: set[Found]) -> list[tuple[str, int, str]]:
    return sorted((one.path, one.line, one.key) for one in found)


@pytest.fixture
async def story(
    settings: Settings, credential: str, clock: Clock, tmp_path: Path, seed: int
) -> AsyncIterator[Story]:
    github = await outbound.github_for(credential, clock)
    hosts = (f"http://{github.codeload.origin}",)
    settings = dataclasses.replace(settings, github_archive_hosts=hosts)
    opened = await outbound.scene(settings, credential, clock, github=github, code="on")
    told = Story(opened, tmp_path / "shop", seed)
    await told.begin()
    yield told
    await outbound.close(opened)
    assert not [one for one in opened.github.requests if FORK in one.path]


@token_only
@each("seed", [1, 2], 1)
async def test_a_year_of_a_shop(story: Story) -> None:
    """Pull requests of branches and forks, merged in every way; moves, reverts, forced pushes."""
    git, gardener, project = story.git, story.gardener, story.project
    await story.compare()
    for name in ("one", "two", "three"):
        gardener.change(name, 6)
        story.pulls.append(project.open(name))
    gardener.change("theirs", 6, git=story.fork)
    story.pulls.append(project.open("theirs", fork=FORK))
    await story.compare()

    gardener.change("main", 8)
    gardener.change("two", 5)
    gardener.change("theirs", 5, git=story.fork)
    await story.compare(shuffled=True)

    project.merge(story.pulls[0], "squash")
    project.merge(story.pulls[3], "rebase")
    gardener.move_folder("two")
    await story.compare()

    gardener.move_folder("main")
    assert gardener.merge_into("main", "three")
    project.retarget(story.pulls[1], "three")
    await story.compare(shuffled=True)

    git.revert(git.tip())
    project.retarget(story.pulls[1], "main")
    project.merge(story.pulls[2], "merge")
    await story.compare()

    git.set_branch("two", git.tip())
    gardener.change("two", 10)
    git.set_branch("main", git.text("rev-parse", "main^"))
    await story.compare()

    # What is pushed is taken back before anybody has looked at it.
    git.commit({"module": Submodule("2" * 40), "link.ts": Link("hidden/f0.ts")}, branch="main")
    gardener.change("main", 5)
    await project.tell()
    git.set_branch("main", git.text("rev-parse", "main~2"))
    await story.compare()

    project.close(story.pulls[1])
    gardener.change("main", 10)
    gardener.change("main", 10)
    await story.compare(shuffled=True)
    assert story.looked_at > 400


@token_only
@sqlite_only
@pytest.mark.parametrize("seed", [3])
async def test_200_files_in_a_pull_request(story: Story) -> None:
    story.gardener.many(90, "main", "before")
    await story.compare()
    story.gardener.change("feature", 100, everywhere=True)
    story.gardener.many(120, "feature", "after")
    story.pulls.append(story.project.open("feature"))
    before = len(story.scene.github.requests)
    await story.compare()
    asked = [one.path.rpartition("/")[2] for one in story.scene.github.requests[before:]]
    assert asked.count("files") <= 4
    assert story.looked_at > 350


@slow
@token_only
@sqlite_only
@pytest.mark.parametrize("seed", [4])
async def test_3000_files_in_a_pull_request(story: Story) -> None:
    await story.compare()
    story.gardener.many(3000, "feature")
    story.pulls.append(story.project.open("feature"))
    await story.compare()
    assert story.looked_at > 3000
    story.project.merge(story.pulls[0], "squash")
    await story.compare()
