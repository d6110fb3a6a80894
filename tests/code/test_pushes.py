"""The map follows the pushes to the default branch, whatever they are and in whichever order."""

import itertools
from pathlib import Path

import pytest

from bot import storage as store
from bot import times
from bot.domain import code_maps
from tests.code.reading import Read, reading
from tests.github import REPO, Fault
from tests.kit.code import GARBLED
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.kit.project import Project

pytestmark = token_only
FIRST = {"a.ts": 'x\nuse("checkout")\n', "b.py": "y = 'search'\n", "c.go": "package c\n"}


async def begun(scene: Scene, folder: Path) -> Read:
    read = await reading(scene, folder, "checkout", "search")
    read.project.git.commit(FIRST)
    await read.tell()
    assert await read.lines() == ["a.ts:2 checkout", "b.py:1 search"]
    scene.clock.ahead += 60
    read.calls()
    return read


async def test_a_push_costs_a_call_for_each_file_that_is_read(scene: Scene, tmp_path: Path) -> None:
    read = await begun(scene, tmp_path)
    git = read.project.git
    git.commit({"a.ts": 'use("checkout")\nuse("search")\n', "docs/x.md": "no code", "b.py": None})
    await read.tell()
    assert await read.lines() == ["a.ts:1 checkout", "a.ts:2 search"]
    assert read.calls() == ["GET /contents/a.ts"]
    git.commit({"docs/y.md": "no code", "vendor/z.js": 'use("checkout")'})
    await read.tell()
    assert await read.lines() == ["a.ts:1 checkout", "a.ts:2 search"]
    git.move({"a.ts": "src/moved é.ts"})
    await read.tell()
    assert await read.lines() == ["src/moved é.ts:1 checkout", "src/moved é.ts:2 search"]
    git.commit({"src/moved é.ts": None})
    await read.tell()
    assert await read.lines() == []
    assert read.calls() == ["GET /contents/src/moved%20%C3%A9.ts"]


@sqlite_only
async def test_a_push_may_tell_less_than_githubs(scene: Scene, tmp_path: Path) -> None:
    """Neither which branch is the default one, nor that it is not forced."""
    read = await reading(scene, tmp_path, "checkout")
    for text in ("start()\n", 'use("checkout")\n'):
        read.project.git.commit({"a.ts": text})
        for name, payload in read.project.take():
            del payload["repository"]["default_branch"], payload["forced"]
            read.calls()
            await read.project.deliver((name, payload))
            await read.work()
    assert await read.lines() == ["a.ts:1 checkout"]
    assert read.calls() == ["GET /contents/a.ts"]


@sqlite_only
async def test_a_file_that_is_too_large_to_be_sent(scene: Scene, tmp_path: Path) -> None:
    """A comparison names it, and not its size; what else has changed is read."""
    read = await begun(scene, tmp_path)
    read.project.git.commit({"a.ts": "x\n", "big.ts": "x\n" * 4_000_000})
    read.project.take()
    scene.clock.ahead += 86_400
    await read.look()
    found = await read.code()
    assert [one["path"] for one in found["items"]] == ["b.py"]
    assert found["unread"] == [{"reason": "it is larger than 2 MB", "path": "big.ts"}]


@sqlite_only
async def test_a_file_that_nobody_can_read_is_said(scene: Scene, tmp_path: Path) -> None:
    """It is not waited for: however often GitHub is asked, it gives the same."""
    read = await begun(scene, tmp_path)
    template = f"GET {REPO}/contents/{{path}}"
    scene.github.fail(Fault("status", template, status=200, body=GARBLED, times=1))
    read.project.git.commit({"a.ts": "x\n", "b.py": "y = 'checkout'\n"})
    await read.tell()
    found = await read.code()
    assert (found["status"], [one["path"] for one in found["unread"]]) == ("partial", ["a.ts"])
    assert [one["path"] for one in found["items"]] == ["b.py"]


@sqlite_only
async def test_pushes_in_any_order_end_the_same(scene: Scene, tmp_path: Path) -> None:
    """Also twice, or with some of them lost: each order begins where the one before has ended."""
    read = await begun(scene, tmp_path)
    git, number = read.project.git, itertools.count()
    for order in (*itertools.permutations(range(3)), (2,), (0, 2, 2), (1, 0), ()):
        events = []
        for _ in range(3):
            more = next(number)
            second = "use('search')" * (more % 2)
            git.commit({f"{more % 4}.ts": f'use("checkout")\n{second}\n'})
            scene.clock.ahead += 10
            events += read.project.take()
        for one in order:
            await read.project.deliver(events[one])
            await read.work()
        if not order or order[-1] == 0:  # nobody tells of the last one: that is seen in a day
            await scene.pass_time(60)  # for which GitHub's API may not know it yet
            scene.clock.ahead += 86_400
            await read.look()
        expected = [
            f"{path}:{line + 1} {key}"
            for path in sorted(git.text("ls-tree", "-r", "--name-only", "main").split())
            for line, text in enumerate(git.text("show", f"main:{path}").splitlines())
            for key in ("checkout", "search")
            if f'"{key}"' in text or f"'{key}'" in text
        ]
        assert await read.lines() == expected, order


@sqlite_only
async def test_a_force_push_is_compared(scene: Scene, tmp_path: Path) -> None:
    """What it took away is gone, and what it took back is there again."""
    read = await begun(scene, tmp_path)
    git, first = read.project.git, read.project.git.tip()
    git.commit({"a.ts": "", "n.ts": 'use("search")'})
    await read.tell()
    assert await read.lines() == ["b.py:1 search", "n.ts:1 search"]
    scene.clock.ahead += 10
    git.set_branch("main", first)
    git.commit({"b.py": ""})
    read.calls()
    await read.tell()
    assert await read.lines() == ["a.ts:2 checkout"]
    assert not any("tarball" in call for call in read.calls())
    scene.clock.ahead += 10
    git.commit({"z.ts": 'use("search")'}, orphan=True)
    await read.tell()
    assert await read.lines() == ["z.ts:1 search"]


@sqlite_only
async def test_a_push_that_githubs_api_does_not_know_yet(scene: Scene, tmp_path: Path) -> None:
    """The head that it tells meanwhile is the one before: that is not believed for a minute."""
    read = await begun(scene, tmp_path)
    git, old = read.project.git, read.project.git.tip()
    git.commit({"z.ts": 'use("search")'}, orphan=True)
    scene.github.fail(
        Fault("status", f"GET {REPO}/commits/{{ref}}", times=2, status=200, body={"sha": old})
    )
    await read.tell()
    await scene.pass_time(30, 2)
    assert await read.lines() == ["z.ts:1 search"]


@sqlite_only
async def test_what_is_pushed_is_read_before_what_is_only_read_again(
    scene: Scene, tmp_path: Path
) -> None:
    """Also where its repository waits for its turn, in an hour, to be looked at."""
    read = await begun(scene, tmp_path)
    other = Project.of(scene, tmp_path / "other", "acme/other")
    other.git.commit(FIRST)
    await other.tell()
    await read.work()

    def again(tx: store.Transaction) -> None:
        integration = store.integrations.find(tx, scene.integration)
        assert integration is not None
        for row in store.code_maps.outdated(tx, integration.id, 1 << 40, 10):
            store.code_maps.change(tx, row.repository_id, is_wanted=True)
            repository = store.repositories.get(tx, row.repository_id)
            after = 3600 * times.SECOND * (repository.full_name == REPOSITORY)
            code_maps.enqueue(tx, integration, row.repository_id, after, can_wait=True)

    await scene.bot.services.database.write(again)
    read.project.git.commit({"a.ts": 'use("search")\n'})
    await read.project.tell()
    read.calls()
    await scene.work()
    assert await read.lines() == ["a.ts:1 search", "b.py:1 search"]
    calls = read.calls()
    assert "other" in calls[-1] and not any("other" in one for one in calls[:1]), calls


@sqlite_only
async def test_many_files_are_read_as_an_archive(scene: Scene, tmp_path: Path) -> None:
    read = await begun(scene, tmp_path)
    read.project.git.commit({f"src/{one}.ts": 'use("search")' for one in range(150)})
    await read.tell()
    assert len(await read.lines()) == 152
    assert len(read.calls()) <= 3


@sqlite_only
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_what_was_pushed_is_taken_back_before_it_is_read(
    scene: Scene, tmp_path: Path, order: tuple[int, int]
) -> None:
    """Told of first or last: the branch is where the map has been all along."""
    read = await begun(scene, tmp_path)
    git, first = read.project.git, read.project.git.tip()
    git.commit({"a.ts": ""})
    events = read.project.take()
    git.set_branch("main", first)
    events += read.project.take()
    for one in order:
        await read.project.deliver(events[one])
    await read.work()
    assert await read.lines() == ["a.ts:2 checkout", "b.py:1 search"]


@sqlite_only
async def test_a_push_of_more_references_than_there_is_room_for(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That some of them are missing is said, so that nothing is taken for gone."""
    read = await begun(scene, tmp_path)
    for where in ("outbox.code_files", "domain.code_readings"):
        monkeypatch.setattr(f"bot.{where}.MOST_REFERENCES", 2)
    read.project.git.commit({"m.ts": 'use("checkout")\n' * 3, "n.ts": 'use("checkout")\n'})
    await read.tell()
    found = await read.code()
    assert (found["status"], len(found["items"])) == ("partial", 4)
    assert found["unread"][0]["reason"] == "there are more references than are kept"
