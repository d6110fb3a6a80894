"""What a repository had before the bot heard of it is read, newest first, and told when it was."""

from typing import Any

from tests.github import REPO, Fault
from tests.kit.marks import app_only, sqlite_only, token_only
from tests.kit.outbound import INSTALLATION, REPOSITORY, Scene, set_to

DAY = 86_400
PULLS, ISSUES = f"GET {REPO}/pulls", f"GET {REPO}/issues"
COMMITS = f"GET {REPO}/pulls/{{pull_number}}/commits"


def pull(scene: Scene, days: float, key: str | None, **more: Any) -> int:
    """Let there be a pull request that was last changed so many days ago, and made a day before."""
    body = f"experiment_key: {key}" if key else "Nothing to see."
    number = scene.github.open_pull(REPOSITORY, title=f"Pull {key}", body=body, **more).number
    return aged(scene, number, days)


def issue(scene: Scene, days: float, key: str, **more: Any) -> int:
    title = f"Track experiment: {key}"
    return aged(scene, scene.github.open_issue(REPOSITORY, title=title, **more).number, days)


def aged(scene: Scene, number: int, days: float) -> int:
    """Let a pull request or issue be so many days older than it is."""
    item = scene.github.repository(REPOSITORY).issues[number]
    now = int(scene.clock())
    item.updated_at = now - days * DAY
    item.created_at = item.updated_at - DAY
    if item.closed_at is not None:
        item.closed_at = item.updated_at
    if item.merged_at is not None:
        item.merged_at = item.updated_at
    return number


async def start(scene: Scene, **order: Any) -> dict[str, Any]:
    """Start a backfill by hand, and let it come to its end; return how far it is then."""
    answer = await scene.bot.post(path(scene), order)
    assert answer.status == 202, answer.body
    await scene.work()
    return await progress(scene)


def path(scene: Scene) -> str:
    return f"/api/v1/integrations/{scene.integration}/backfill"


async def progress(scene: Scene) -> dict[str, Any]:
    found: dict[str, Any] = (await scene.bot.get(path(scene))).body
    return found


async def feed(scene: Scene, key: str) -> list[tuple[str, bool]]:
    """Return what the feed of an experiment tells, the oldest first, and whether that is late."""
    found = await scene.bot.walk(f"/api/v1/experiments/{key}/activity")
    return [
        (one["type"], one["backfilled"])
        for one in found[::-1]
        if not one["type"].startswith("experiment.")
    ]


async def test_the_past_of_a_repository(scene: Scene) -> None:
    """Read, linked and told at its times; only what is open is written on."""
    for key in ("open", "merged", "closed", "tracked"):
        await scene.bot.experiment(key)
    is_open = pull(scene, 3, "open", head_ref="one")
    merged = pull(scene, 5, "merged", head_ref="two", state="closed", merged_at=scene.clock())
    closed = pull(scene, 6, "closed", head_ref="three", state="closed")
    other = pull(scene, 7, None, head_ref="four")
    old = pull(scene, 40, "open", head_ref="five")
    tracked = issue(scene, 8, "tracked")
    scene.github.repository(REPOSITORY).issues[tracked].state = "open"
    done = await start(scene, repositories=[REPOSITORY])
    assert (done["status"], done["error"]) == ("done", None)
    assert done["repositories"] == {"done": 1, "total": 1}
    assert (done["pull_requests"], done["issues"], done["linked"]) == (4, 1, 4)
    late = [("pull_request.opened", True), ("pull_request.linked", True)]
    assert await feed(scene, "open") == late
    assert await feed(scene, "merged") == [*late, ("pull_request.merged", True)]
    assert await feed(scene, "closed") == [*late, ("pull_request.closed", True)]
    assert await feed(scene, "tracked") == [("issue.linked", True)]
    news = await scene.bot.walk("/api/v1/experiments/merged/activity?type=pull_request.merged")
    item = scene.github.pull_payload(REPOSITORY, merged)
    assert (news[0]["occurred_at"], news[0]["delivery_id"]) == (item["merged_at"], None)
    (linked,) = await scene.bot.walk("/api/v1/experiments/merged/pull-requests")
    assert linked["linked_at"] == item["created_at"]
    (commit,) = await scene.bot.walk("/api/v1/experiments/merged/commits")
    assert (commit["sha"], commit["linked_by"]) == (item["head"]["sha"], "branch")
    assert commit["author"] == "jane"
    assert not await scene.bot.walk("/api/v1/activity?type=commit.pushed")
    assert len(scene.github.calls(COMMITS)) == 2
    await scene.pass_time(120, 10)
    written = {number: len(scene.comments(number)) for number in (is_open, merged, closed, other)}
    assert written == {is_open: 1, merged: 0, closed: 0, other: 0}
    assert scene.check(is_open) == "success" and scene.check(merged) is None
    missing = await scene.bot.get(f"/api/v1/pull-requests/{REPOSITORY}/{old}")
    assert missing.status == 404
    again = await start(scene)
    assert (again["status"], again["pull_requests"]) == ("done", 4)
    assert await feed(scene, "merged") == [*late, ("pull_request.merged", True)]
    await scene.pass_time(120, 10)
    assert len(scene.comments(is_open)) == 1


@app_only
async def test_an_installation_is_read(scene: Scene) -> None:
    """When it is made and when it is given a repository; one that comes back is read again."""
    await set_to(scene, backfill_days=30)
    await scene.bot.experiment("a")
    pull(scene, 3, "a")
    scene.github.add_repository("acme/other")
    repositories = [
        {"id": scene.github.repository(name).id, "full_name": name}
        for name in (REPOSITORY, "acme/other")
    ]
    await installed(scene, "installation", "created", repositories=repositories[:1])
    await scene.work()
    found = await progress(scene)
    assert (found["status"], found["repositories"]["total"]) == ("done", 1)
    assert await feed(scene, "a") == [("pull_request.opened", True), ("pull_request.linked", True)]
    more = {"repositories_added": repositories, "repositories_removed": []}
    await installed(scene, "installation_repositories", "added", **more)
    await scene.work()
    found = await progress(scene)
    assert (found["status"], found["repositories"]["total"]) == ("done", 2)
    assert await feed(scene, "a") == [("pull_request.opened", True), ("pull_request.linked", True)]


async def installed(scene: Scene, event: str, action: str, **more: Any) -> None:
    payload = {
        "action": action,
        "installation": {
            "id": INSTALLATION,
            "account": {"login": "acme"},
            "repository_selection": "selected",
            "updated_at": int(scene.clock()),
        },
        **more,
    }
    answer = await scene.bot.deliver(scene.integration, event, payload)
    assert answer.body == {"processed": True}


async def test_the_first_delivery_is_followed_by_what_was_before(scene: Scene) -> None:
    """Once: later deliveries, also through another integration, find it read."""
    await set_to(scene, backfill_days=10)
    await scene.bot.experiment("a")
    before, older = pull(scene, 5, "a"), pull(scene, 20, "a", head_ref="older")
    number = await scene.open("experiment_key: a", head_ref="now")
    await scene.work()
    assert (await progress(scene))["pull_requests"] == 2
    linked = await scene.bot.walk("/api/v1/experiments/a/pull-requests")
    assert {one["number"] for one in linked} == {number, before}
    assert (await scene.bot.get(f"/api/v1/pull-requests/{REPOSITORY}/{older}")).status == 404
    lists = len(scene.github.calls(PULLS))
    await scene.tell("edited", number)
    await scene.work()
    assert len(scene.github.calls(PULLS)) == lists
    opened = [one for one in await feed(scene, "a") if one[0] == "pull_request.opened"]
    assert sorted(opened) == [("pull_request.opened", False), ("pull_request.opened", True)]


@token_only
@sqlite_only
async def test_pages_move_meanwhile(scene: Scene) -> None:
    """What is updated during the walk moves to the front, and all others to later pages."""
    numbers = [pull(scene, 1 + day / 100, None, head_ref=f"b{day}") for day in range(149)]
    numbers.append(pull(scene, 9, "a", head_ref="last"))
    scene.github.fail(Fault("status", PULLS, after=1))
    await scene.bot.post(path(scene), {"repositories": [REPOSITORY]})
    await scene.work()
    for number in (numbers[-1], numbers[40]):
        scene.github.repository(REPOSITORY).issues[number].updated_at = int(scene.clock())
    await scene.pass_time(60, 20)
    found = await progress(scene)
    assert (found["status"], found["linked"], found["pull_requests"]) == ("done", 1, 150)
    for number in numbers:
        known = await scene.bot.get(f"/api/v1/pull-requests/{REPOSITORY}/{number}")
        assert known.status == 200
    pages = [one.query.get("page") for one in scene.github.calls(PULLS)]
    assert pages == [None, "2", "2", None]


@token_only
@sqlite_only
async def test_comments_come_newest_first_and_in_their_time(scene: Scene) -> None:
    """A comment, check or label every twelve seconds; what happens now waits for none of them."""
    numbers = [pull(scene, 1 + day, "a", head_ref=f"b{day}") for day in range(12)]
    await scene.bot.experiment("a")
    await start(scene, repositories=[REPOSITORY])
    assert [bool(scene.comments(one)) for one in numbers] == [True] + [False] * 11
    scene.github.edit_pull(REPOSITORY, numbers[-1], head_sha="b" * 40)
    await scene.tell("synchronize", numbers[-1])
    await scene.work()
    assert scene.comments(numbers[-1])
    for done in range(2, 12):
        await scene.pass_time(36.1)
        written = [bool(scene.comments(one)) for one in numbers[:-1]]
        assert written == [True] * done + [False] * (11 - done)


@token_only
@sqlite_only
async def test_half_of_the_hours_calls_are_left(scene: Scene) -> None:
    """Then it waits for the next hour, while comments go on."""
    for day in range(1, 6):
        pull(scene, day, "a", head_ref=f"b{day}")
    await scene.bot.experiment("a")
    scene.github.set_limit(2504, 3600)
    await scene.bot.post(path(scene), {"repositories": [REPOSITORY]})
    await scene.work()
    assert (await progress(scene))["status"] == "running"
    before = len(scene.github.calls(COMMITS))
    number = await scene.open("experiment_key: a", head_ref="now")
    await scene.work()
    assert scene.comments(number) and len(scene.github.calls(COMMITS)) == before
    await scene.pass_time(3700, 3700)
    assert (await progress(scene))["status"] == "done"


@token_only
@sqlite_only
async def test_a_dry_run_changes_nothing(scene: Scene) -> None:
    await set_to(scene, backfill_days=30)
    pull(scene, 1, "a"), pull(scene, 2, None, head_ref="b"), issue(scene, 3, "a")
    found = await start(scene, repositories=[REPOSITORY], dry_run=True)
    assert (found["status"], found["dry_run"]) == ("done", True)
    assert (found["pull_requests"], found["issues"], found["linked"]) == (2, 1, 2)
    assert not await scene.bot.walk("/api/v1/links/unresolved")
    assert not await scene.bot.walk("/api/v1/activity")
    assert not scene.github.calls(COMMITS)
    await scene.open("Nothing", head_ref="now")
    await scene.work()
    found = await progress(scene)
    assert (found["dry_run"], found["pull_requests"], found["linked"]) == (False, 3, 2)


@token_only
@sqlite_only
async def test_what_cannot_be_read(scene: Scene) -> None:
    """Each by itself; a repository that can merely be seen is not read."""
    pull(scene, 1, "a")
    scene.github.add_repository("other/public")
    scene.github.add_token("ghp_a-token-of-the-tests", "experiment-bot", pushes_to=[REPOSITORY])
    names = [REPOSITORY, "other/public", "acme/gone"]
    found = await start(scene, repositories=names)
    assert (found["status"], found["repositories"]) == ("failed", {"done": 3, "total": 3})
    assert "no right" in found["error"] or "acme/gone" in found["error"]
    assert found["linked"] == 1
    await set_to(scene, repositories=[REPOSITORY])
    answer = await scene.bot.post(path(scene), {"repositories": [*names, "x"], "days": 400})
    assert answer.status == 422
    answer = await scene.bot.post(path(scene), {"repositories": [*names, "x"]})
    assert [one["field"] for one in answer.body["errors"]] == [
        f"repositories[{position}]" for position in (1, 2, 3)
    ]


@token_only
@sqlite_only
async def test_it_is_stopped_and_begun_again(scene: Scene) -> None:
    pull(scene, 1, "a"), pull(scene, 2, "a", head_ref="b")
    assert (await progress(scene))["started_at"] is None
    assert (await scene.bot.post(path(scene))).status == 202
    answer = await scene.bot.post(path(scene), {"repositories": [REPOSITORY]})
    assert (answer.status, answer.body["status"]) == (202, "pending")
    answer = await scene.bot.post(path(scene), {"dry_run": True})
    assert (answer.status, answer.body["error"]) == (409, "backfill running")
    assert (await scene.bot.delete(path(scene))).status == 204
    await scene.work()
    found = await progress(scene)
    assert (found["status"], found["error"]) == ("failed", "it was stopped")
    assert not scene.github.calls(PULLS)
    found = await start(scene, repositories=[REPOSITORY])
    assert (found["status"], found["linked"]) == ("done", 2)
    await scene.bot.patch(f"/api/v1/integrations/{scene.integration}", {"is_active": False})
    answer = await scene.bot.post(path(scene), {})
    assert (answer.status, answer.body["error"]) == (409, "integration inactive")


@token_only
async def test_commits_that_pushes_tell_of_later(scene: Scene) -> None:
    """The push says when it was and by whom, and the feed tells it then, once."""
    await scene.bot.experiment("a")
    number = pull(scene, 2, "a", head_ref="feature")
    await start(scene, repositories=[REPOSITORY])
    (before,) = await scene.bot.walk("/api/v1/experiments/a/commits")
    repo = scene.github.repository_payload(REPOSITORY)
    sha = scene.github.pull_payload(REPOSITORY, number)["head"]["sha"]
    pushed_at = int(scene.clock() - 2 * DAY - 60)
    push = {
        "ref": "refs/heads/feature",
        "repository": {**repo, "pushed_at": pushed_at},
        "commits": [{"id": sha, "message": before["message"], "distinct": True}],
        "sender": {"login": "jane"},
    }
    for _ in range(2):
        assert (await scene.bot.deliver(scene.integration, "push", push)).status == 200
    (after,) = await scene.bot.walk("/api/v1/experiments/a/commits")
    assert {**after, "committed_at": ""} == {**before, "committed_at": ""}
    (told,) = await scene.bot.walk("/api/v1/activity?type=commit.pushed")
    assert (told["backfilled"], told["actor"]) == (False, "jane")
    await start(scene)
    assert len(await scene.bot.walk("/api/v1/activity?type=commit.pushed")) == 1


@token_only
@sqlite_only
async def test_nobody_reads_where_another_speaks(scene: Scene) -> None:
    """Without a right nothing is read, and with one not before GitHub was asked about both."""
    await scene.open("experiment_key: a", head_ref="now")
    for login, pushes, why in (
        ("mallory", [], "no right"),
        ("mona", [REPOSITORY], "another integration speaks"),
    ):
        token = f"ghp_of-{login}"
        scene.github.add_token(token, login, pushes_to=pushes)
        other = await scene.bot.integration(config={"token": token})
        await scene.bot.post(
            f"/api/v1/integrations/{other}/backfill", {"repositories": [REPOSITORY]}
        )
        await scene.work()
        found = (await scene.bot.get(f"/api/v1/integrations/{other}/backfill")).body
        assert found["status"] == "failed" and why in found["error"]
    assert not scene.github.calls(PULLS)
    payload = scene.payload("edited", 1)
    answer = await scene.bot.deliver(other, "pull_request", payload)
    assert answer.body == {"processed": True}
    await scene.bot.post(f"/api/v1/integrations/{other}/backfill", {"repositories": [REPOSITORY]})
    await scene.work()
    assert (await scene.bot.get(f"/api/v1/integrations/{other}/backfill")).body["status"] == "done"
