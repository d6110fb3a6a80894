"""The map of a default branch: read whole from an archive, then kept by pushes."""

from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from bot import storage as store
from bot import times
from bot.domain import code_sweeps
from bot.outbox import code_map
from bot.worker import look_at_code
from tests.code.reading import CODE, reading
from tests.github import REPO, Fault
from tests.kit.browsing import Browser
from tests.kit.marks import app_only, sqlite_only, token_only
from tests.kit.outbound import INSTALLATION, REPOSITORY, Scene, set_to
from tests.kit.project import Project


async def test_a_default_branch_is_read_whole(scene: Scene, tmp_path: Path) -> None:
    """From the first delivery on: one list of files, one archive, each line where it stands."""
    read = await reading(scene, tmp_path, "checkout", "search")
    read.project.git.commit(
        {
            "src/a.ts": 'one();\nuse("checkout");\n',
            "src/é ü.py": "# \"search\"\nx = 'search'\n",
            "config.yml": "checkout: 1\n",
            "vendor/b.js": 'use("checkout")',
            "near.ts": 'use("checkout-2"); checkout()',
        }
    )
    await read.tell()
    assert await read.lines() == [
        "config.yml:1 checkout",
        "src/a.ts:2 checkout",
        "src/é ü.py:2 search",
    ]


async def test_what_is_new_is_looked_for_everywhere(scene: Scene, tmp_path: Path) -> None:
    """And what is gone is forgotten without a call, also what it was called beside."""
    read = await reading(scene, tmp_path, "checkout")
    read.project.git.commit({"a.ts": 'use("checkout", "pay", "search")\n'})
    await read.tell()
    assert await read.lines() == ["a.ts:1 checkout"]
    await scene.bot.experiment("search")
    await scene.bot.patch("/api/v1/experiments/checkout", {"aliases": ["pay"]})
    read.calls()
    await read.work()
    found = ["a.ts:1 checkout", "a.ts:1 checkout as pay", "a.ts:1 search"]
    assert await read.lines() == found
    assert len(read.calls()) == 4  # both at once: who it is, the head, the files, the archive
    assert (await counts(scene, "checkout"), await counts(scene, "search")) == (2, 1)
    await scene.bot.patch("/api/v1/experiments/checkout", {"aliases": []})
    await scene.bot.delete("/api/v1/experiments/search")
    await read.work()
    assert await read.lines() == found[:1]
    assert read.calls() == []


async def counts(scene: Scene, key: str) -> int:
    answer = await scene.bot.get(f"/api/v1/experiments/{key}")
    found: int = answer.body["counts"]["code"]
    return found


@sqlite_only
@token_only
async def test_nothing_is_read_where_nothing_is_to_be(scene: Scene, tmp_path: Path) -> None:
    """Without an experiment, or with `code` off: which takes away what was read."""
    read = await reading(scene, tmp_path)
    read.project.git.commit({"a.ts": 'use("checkout")\n'})
    await read.tell()
    assert (read.calls(), (await read.code())["status"]) == ([], "pending")
    assert (await scene.bot.post(CODE)).status == 409
    await scene.bot.experiment("checkout")
    await read.work()
    assert await read.lines() == ["a.ts:1 checkout"]
    await set_to(scene, code="off")
    found = await read.code()
    assert (found["status"], found["items"], await counts(scene, "checkout")) == ("off", [], 0)
    read.project.git.commit({"b.ts": 'use("checkout")\n'})
    read.calls()
    await read.tell()
    assert (read.calls(), (await scene.bot.post(CODE)).status) == ([], 409)
    await set_to(scene, code="on")
    await read.work()
    assert await read.lines() == ["a.ts:1 checkout", "b.ts:1 checkout"]


@sqlite_only
@token_only
async def test_what_may_not_be_read_keeps_nothing_waiting(scene: Scene, tmp_path: Path) -> None:
    """Many repositories whose own file says `code: off` come before the one that is read."""
    read = await reading(scene, tmp_path)
    for number in range(60):
        about = {"full_name": f"acme/quiet-{number}", "id": 9000 + number}
        payload = {"action": "unarchived", "repository": about}
        assert (await scene.bot.deliver(scene.integration, "repository", payload)).status == 200

    def say(tx: store.Transaction) -> None:
        for id in [row["id"] for row in tx.all("SELECT id FROM repositories")]:
            quiet = store.RepositoryRules(
                repository_id=id,
                source="own",
                sha="1" * 40,
                settings={"code": "off"},
                problems=[],
                is_stale=False,
                read_at=times.now(),
                integration_id=scene.integration,
            )
            store.rules.keep(tx, quiet)

    await scene.bot.services.database.write(say)
    read.project.git.commit({"a.ts": 'use("checkout")\n'})
    await read.tell()
    await scene.bot.experiment("checkout")
    await read.work()
    assert await read.lines() == ["a.ts:1 checkout"]


@sqlite_only
@token_only
async def test_what_cannot_be_read_is_no_error(scene: Scene, tmp_path: Path) -> None:
    """An empty repository, or no permission: it is said, and mended by what comes."""
    read = await reading(scene, tmp_path, "checkout")
    about = scene.github.repository_payload(REPOSITORY)
    payload = {"action": "unarchived", "repository": about}
    await scene.bot.deliver(scene.integration, "repository", payload)
    await read.work()
    await scene.pass_time(120, 20)
    found = await read.code()
    assert found["status"] == "partial"
    assert found["unread"] == [{"path": None, "reason": "the repository is empty"}]
    read.project.git.commit({"a.ts": 'use("checkout")\n'})
    await read.tell()
    assert await read.lines() == ["a.ts:1 checkout"]
    actions = await scene.actions("?kind=code_map")
    assert {one["status"] for one in actions} == {"done"}
    integration = await scene.bot.get(f"/api/v1/integrations/{scene.integration}")
    assert integration.body["last_error"] is None


@token_only
async def test_the_feed_tells_what_pushes_change(scene: Scene, tmp_path: Path) -> None:
    """Neither the first reading, nor what has only moved: one item for each key and push."""
    read = await reading(scene, tmp_path, "checkout", "search")
    git = read.project.git
    git.commit({"a.ts": 'use("checkout")\n', "b.ts": 'use("search")\n'})
    await read.tell()
    git.commit({"a.ts": '\n\nuse("checkout")\n'}, moves={"b.ts": "c.ts"})
    await read.tell()
    assert await told(scene, "checkout") == []
    scene.clock.ahead += 60
    sha = git.commit({"c.ts": None, "d.ts": 'use("checkout")\n', "e.ts": 'use("checkout")\n'})
    await read.tell()
    assert await told(scene, "checkout") == [
        ("code.reference_added", "Named in the code: d.ts and 1 more", "jane", sha)
    ]
    assert await told(scene, "search") == [
        ("code.reference_removed", "No longer in the code: c.ts", "jane", sha)
    ]


async def told(scene: Scene, key: str) -> list[tuple[str, str, str, str]]:
    items = await scene.bot.walk(f"/api/v1/experiments/{key}/activity")
    return [
        (one["type"], one["summary"], one["actor"], one["html_url"].rpartition("/")[2])
        for one in items
        if one["type"].startswith("code.")
    ]


@sqlite_only
@token_only
async def test_the_code_of_an_experiment(scene: Scene, tmp_path: Path) -> None:
    """In all repositories, with links that stay true; the list goes on behind each part."""
    read = await reading(scene, tmp_path, "checkout")
    other = Project.of(scene, tmp_path / "other", "acme/other")
    sha = read.project.git.commit({"a #1?.ts": 'use("checkout")\n' * 3})
    other.git.commit({"z.ts": 'use("checkout")\n'})
    await read.tell()
    await other.tell()
    await read.work()
    path = "/api/v1/experiments/checkout/code"
    found = await scene.bot.walk(path, limit=1)
    assert [(one["repository"], one["path"], one["line"]) for one in found] == [
        ("acme/shop", "a #1?.ts", 1),
        ("acme/shop", "a #1?.ts", 2),
        ("acme/shop", "a #1?.ts", 3),
        ("acme/other", "z.ts", 1),
    ]
    page = scene.github.repository_payload(REPOSITORY)["html_url"].split("://", 1)[1]
    assert (
        found[1]["html_url"].split("://", 1)[1].endswith(f"/acme/shop/blob/{sha}/a%20%231%3F.ts#L2")
    ), page
    assert (found[1]["sha"], found[1]["alias"]) == (sha, None)
    assert len(await scene.bot.walk(f"{path}?repository=acme/other")) == 1
    assert await scene.bot.walk(f"{path}?repository=acme/none") == []
    assert (await scene.bot.get("/api/v1/experiments/none/code")).status == 404
    etag = (await scene.bot.get("/api/v1/experiments/checkout")).headers["ETag"]
    await scene.bot.delete("/api/v1/repositories/acme/other")
    assert len(await scene.bot.walk(path)) == 3
    assert (await scene.bot.get("/api/v1/experiments/checkout")).headers["ETag"] != etag


@sqlite_only
@token_only
async def test_repositories_move_and_branches_change(scene: Scene, tmp_path: Path) -> None:
    read = await reading(scene, tmp_path, "checkout")
    git = read.project.git
    git.commit({"a.ts": 'use("checkout")\n'})
    git.commit({"b.ts": 'use("checkout")\n'}, branch="next")
    await read.tell()
    assert await read.lines() == ["a.ts:1 checkout"]
    scene.github.repository(REPOSITORY).default_branch = "next"
    git.commit({"c.ts": 'use("checkout")\n'}, branch="next")
    await read.tell()
    found = await read.code()
    assert (found["branch"], found["sha"]) == ("next", git.tip("next"))
    assert [one["path"] for one in found["items"]] == ["a.ts", "b.ts", "c.ts"]
    git.commit({"d.ts": 'use("checkout")\n'})  # no longer the default branch
    await read.tell()
    assert len((await read.code())["items"]) == 3


@sqlite_only
@token_only
async def test_pages_of_code(scene: Scene, tmp_path: Path) -> None:
    """The experiment's, its list of lines, and the repository's, where it is read again."""
    read = await reading(scene, tmp_path, "checkout")
    git = read.project.git
    git.commit({"a<b>.ts": 'use("checkout")\n', "big.ts": "const x = 1;\n" * 200_000})
    await read.tell()
    git.commit({"c.ts": 'use("checkout")\n'})
    await read.tell()
    browser = await Browser.sign_in(scene.bot)
    page = await browser.get("/experiments/checkout")
    assert "acme/shop 2 lines, read in part" in page.words
    page = await browser.get("/experiments/checkout/code")
    assert "a<b>.ts:1" in page.words
    assert "a<b>" not in page.text
    assert "big.ts : it is larger than 2 MB" in page.words
    assert "Named in the code: c.ts in acme/shop by jane" in page.words
    page = await browser.get("/repositories/acme/shop")
    assert "2 lines of it name an experiment, of 2 files looked at." in page.words
    page = await browser.post("/repositories/acme/shop/code")
    assert "The code is read again." in page.words
    read.calls()
    await read.work()
    assert any(call.startswith("GET /tarball") for call in read.calls())


@sqlite_only
@token_only
async def test_two_teams_on_one_repository(scene: Scene, tmp_path: Path) -> None:
    """One of those with `code` on reads; goes it, the other does. A fork's map is its own."""
    read = await reading(scene, tmp_path, "checkout")
    fork = Project.of(scene, tmp_path / "fork", "acme/fork")
    await set_to(scene, code="off")
    scene.github.add_token("ghp_of_another_team", "bot-of-another")
    config = {"token": "ghp_of_another_team", "code": "on", "label": None}
    second = await scene.bot.integration(config=config)
    first = scene.integration
    read.project.git.commit({"a.ts": 'use("checkout")\n'})
    events = read.project.take()
    await read.project.deliver(events[0])
    await read.work()
    assert (await read.code())["status"] == "off"
    read.project.integration = fork.integration = second
    await read.project.deliver(events[0])
    await read.work()
    await scene.pass_time(60)
    await read.look()
    assert await read.lines() == ["a.ts:1 checkout"]
    fork.git.commit({"b.ts": 'use("checkout")\n'})
    await fork.tell()
    await read.work()
    assert await read.lines() == ["a.ts:1 checkout"]
    await set_to(scene, code="on")
    await scene.bot.delete(f"/api/v1/integrations/{second}")
    assert (await read.code())["items"] == []
    await read.work()
    assert await read.lines() == ["a.ts:1 checkout"]
    read.project.integration = first
    read.project.git.commit({"c.ts": 'use("checkout")\n'})
    await read.tell()
    assert await read.lines() == ["a.ts:1 checkout", "c.ts:1 checkout"]


@sqlite_only
@app_only
async def test_what_is_installed_is_read(scene: Scene, tmp_path: Path) -> None:
    """Before any delivery tells of it."""
    read = await reading(scene, tmp_path, "checkout")
    read.project.git.commit({"a.ts": 'use("checkout")\n'})
    about = scene.github.repository_payload(REPOSITORY)
    account = {"login": "acme", "id": 7, "type": "Organization"}
    payload = {
        "action": "created",
        "installation": {"id": INSTALLATION, "account": account, "repository_selection": "all"},
        "repositories": [{"id": about["id"], "full_name": REPOSITORY}],
        "sender": {"login": "jane"},
    }
    assert (await scene.bot.deliver(scene.integration, "installation", payload)).status == 200
    await read.work()
    assert await read.lines() == ["a.ts:1 checkout"]


@sqlite_only
@app_only
async def test_what_is_not_allowed_keeps_nothing_waiting(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installation sees more repositories than the allow-list lets in."""
    monkeypatch.setattr(code_map, "_AT_ONCE", 2)
    read = await reading(scene, tmp_path, "checkout")
    await set_to(scene, repositories=[REPOSITORY])
    read.project.git.commit({"a.ts": 'use("checkout")\n'})
    about = scene.github.repository_payload(REPOSITORY)
    seen = [{"id": one + 1, "full_name": f"acme/other-{one}"} for one in range(5)]
    payload = {
        "action": "created",
        "installation": {"id": INSTALLATION, "account": {"login": "acme", "id": 7}},
        "repositories": [*seen, {"id": about["id"], "full_name": REPOSITORY}],
        "sender": {"login": "jane"},
    }
    assert (await scene.bot.deliver(scene.integration, "installation", payload)).status == 200
    await read.work()
    assert await read.lines() == ["a.ts:1 checkout"]


@sqlite_only
@token_only
async def test_each_head_has_its_turn_in_a_day(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are: as many in an hour as that takes."""
    await reading(scene, tmp_path, "checkout")
    for number in range(30):
        about = {"full_name": f"acme/many-{number}", "id": 9000 + number}
        payload = {"action": "unarchived", "repository": about}
        assert (await scene.bot.deliver(scene.integration, "repository", payload)).status == 200
    await scene.pass_time(120, 1)  # none of these is there: it is believed after a minute
    monkeypatch.setattr(code_sweeps, "_ROUND", code_sweeps.HOUR)
    scene.clock.ahead += 2 * 86_400
    await look_at_code(scene.bot.services)
    found = await scene.actions("?kind=code_map&status=pending")
    due = sorted(datetime.fromisoformat(one["next_attempt_at"]) for one in found)
    apart = {round((after - before).total_seconds()) for before, after in pairwise(due)}
    assert len(due) == 30 and apart == {3600 // 30}


@sqlite_only
@token_only
async def test_many_maps_are_read_again_for_several_changes_at_once(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_sweeps, "_FEW", 0)
    monkeypatch.setattr(code_sweeps, "_EACH", 60 * times.SECOND)
    read = await reading(scene, tmp_path, "checkout")
    read.project.git.commit({"a.ts": 'use("checkout", "search", "pay")\n'})
    await read.tell()
    read.calls()
    for key in ("search", "pay"):
        await scene.bot.experiment(key)
        await read.work()
    assert read.calls() == []
    await scene.pass_time(60)
    assert len(await read.lines()) == 3


@sqlite_only
@token_only
async def test_why_a_branch_is_not_read_yet_is_said(scene: Scene, tmp_path: Path) -> None:
    """GitHub's list of files cannot be read: it is tried again, and nobody is left guessing."""
    read = await reading(scene, tmp_path, "checkout")
    read.project.git.commit({"a.ts": 'use("checkout")\n'})
    template = f"GET {REPO}/git/trees/{{tree_sha}}"
    scene.github.fail(Fault("status", template, times=None, status=200, body={"tree": 1}))
    await read.tell()
    await scene.pass_time(300, 30)
    found = await read.code()
    assert (found["status"], len(found["unread"])) == ("partial", 1)
    scene.github.heal()
    await scene.pass_time(600, 60)
    assert await read.lines() == ["a.ts:1 checkout"]
