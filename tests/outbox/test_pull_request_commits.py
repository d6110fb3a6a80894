"""GitHub is asked, once, which commits belong to a pull request where pushes do not tell."""

from typing import Any

from tests.github import REPO, Fault, sha_of
from tests.kit.browsing import Browser
from tests.kit.marks import each_credential, sqlite_only, token_only
from tests.kit.outbound import INSTALLATION, REPOSITORY, Scene

LIST = f"GET {REPO}/pulls/{{pull_number}}/commits"


NEW, OLD = True, False


async def push(
    scene: Scene,
    branch: str,
    *commits: tuple[str, bool],
    after: float = 0,
    created: bool = False,
) -> None:
    """Deliver a push of commits, each a message and whether it is new; so many seconds from now."""
    repo = scene.github.repository_payload(REPOSITORY)
    payload: dict[str, Any] = {
        "ref": f"refs/heads/{branch}",
        "created": created,
        "repository": {**repo, "pushed_at": int(scene.clock() + after)},
        "commits": [
            {"id": sha_of(message), "message": message, "distinct": is_new}
            for message, is_new in commits
        ],
        "sender": {"login": "jane"},
    }
    if scene.is_app:
        payload["installation"] = {"id": INSTALLATION}
    answer = await scene.bot.deliver(scene.integration, "push", payload)
    assert (answer.status, answer.body) == (200, {"processed": True})


async def opened(scene: Scene, *listed: str, body: str = "experiment_key: a", **more: Any) -> int:
    """Open a pull request whose page in GitHub lists these commits."""
    await scene.bot.experiment("a")
    number = await scene.open(body, head_sha=sha_of(listed[0]), **more)
    for message in listed[1:]:
        scene.github.push(REPOSITORY, number, sha_of(message), message)
    await scene.work()
    return number


def asked(scene: Scene) -> int:
    return len(scene.github.calls(LIST))


async def linked(scene: Scene) -> set[str]:
    """Return the commits of the experiment; the feed tells of the same."""
    commits = await scene.bot.walk("/api/v1/experiments/a/commits")
    news = await scene.bot.walk("/api/v1/experiments/a/activity?type=commit.pushed")
    found = {one["message"] for one in commits}
    assert {one["summary"].partition(": ")[2] for one in news} == found
    return found


@each_credential
async def test_old_commits_of_main(scene: Scene) -> None:
    """Main had them before the bot came: no push told so, and GitHub says it."""
    await opened(scene, "Mine", "Merge main")
    await push(scene, "feature", ("Mine", NEW))
    await push(scene, "feature", ("Main's", OLD), ("Main's too", OLD), ("Merge main", NEW), after=9)
    assert await linked(scene) == {"Mine", "Merge main"}
    await scene.work()
    assert (await linked(scene), asked(scene)) == ({"Mine", "Merge main"}, 1)
    await push(scene, "feature", ("Main's", OLD), ("More", NEW), after=20)
    await scene.pass_time(3600, 60)
    assert (await linked(scene), asked(scene)) == ({"Mine", "Merge main", "More"}, 1)
    (action,) = await scene.actions("?kind=pull_request_commits")
    assert (action["status"], action["number"]) == ("done", 1)
    assert action["result"] == {"asked": 2, "listed": 2, "asked_again": False}


async def test_a_stacked_branch(scene: Scene) -> None:
    """What the branch below brought belongs to a pull request into main: GitHub lists it."""
    await push(scene, "below", ("Below", NEW), ("Below too", NEW))
    await opened(scene, "Below", "Below too", "Mine")
    await push(scene, "feature", ("Below", OLD), ("Below too", OLD), ("Mine", NEW), after=5)
    assert await linked(scene) == {"Mine"}
    await scene.work()
    assert (await linked(scene), asked(scene)) == ({"Below", "Below too", "Mine"}, 1)


@token_only
async def test_a_renamed_branch(scene: Scene) -> None:
    """Nothing in its push is new; everything belongs to it."""
    await push(scene, "draft", ("One", NEW), ("Two", NEW))
    await push(scene, "feature", ("One", OLD), ("Two", OLD), after=5)
    await opened(scene, "One", "Two")
    await scene.work()
    assert (await linked(scene), asked(scene)) == ({"One", "Two"}, 1)


@token_only
async def test_a_base_that_was_cut_later(scene: Scene) -> None:
    """From the head or from another branch: no push lists what it had from the beginning."""
    await push(scene, "feature", ("Before", NEW), ("Not in it", NEW), after=-60)
    await push(scene, "release", after=-30, created=True)
    await push(scene, "feature", ("Mine", NEW), after=-10)
    await opened(scene, "Not in it", "Mine", base_ref="release")
    await scene.work()
    assert (await linked(scene), asked(scene)) == ({"Not in it", "Mine"}, 1)


@token_only
async def test_where_pushes_tell_nobody_is_asked(scene: Scene) -> None:
    """Main's push has come, before the branch's or after it."""
    await opened(scene, "Mine")
    await push(scene, "main", ("Main's", OLD), after=3)
    await push(scene, "feature", ("Main's", OLD), ("Mine", NEW), after=9)
    await push(scene, "feature", ("Late", OLD), after=30)
    await push(scene, "main", ("Late", OLD), after=20)
    await scene.work()
    assert (await linked(scene), asked(scene)) == ({"Mine"}, 0)


@token_only
async def test_pushes_within_a_second_or_two(scene: Scene) -> None:
    """Their times do not tell which was first: GitHub does."""
    await opened(scene, "Stacked")
    await push(scene, "feature", ("Main's", OLD), ("Stacked", OLD), after=9)
    await push(scene, "main", ("Main's", OLD), ("Stacked", OLD), after=10)
    await scene.work()
    assert (await linked(scene), asked(scene)) == ({"Stacked"}, 1)


@token_only
async def test_only_for_pull_requests_of_experiments(scene: Scene) -> None:
    """Nothing is asked until the key line stands there; then what came before is asked about."""
    number = await opened(scene, "Old", "Mine", body="Nothing yet")
    await push(scene, "feature", ("Old", OLD), ("Mine", NEW), after=5)
    await scene.work()
    assert asked(scene) == 0
    scene.github.edit_pull(REPOSITORY, number, body="experiment_key: a")
    await scene.tell("edited", number)
    await scene.work()
    assert (await linked(scene), asked(scene)) == ({"Old", "Mine"}, 1)


@token_only
async def test_what_is_unlinked_meanwhile_is_not_asked_about(scene: Scene) -> None:
    number = await opened(scene, "Old", "Mine")
    await push(scene, "feature", ("Old", OLD), ("Mine", NEW), after=5)
    scene.github.edit_pull(REPOSITORY, number, body="Nothing any more")
    await scene.tell("edited", number)
    await scene.work()
    assert (await linked(scene), asked(scene)) == (set(), 0)


@token_only
async def test_an_answer_for_an_older_head_waits(scene: Scene) -> None:
    """GitHub's API lags behind its webhooks: it is asked again, for about a minute."""
    number = await opened(scene, "First")
    await push(scene, "feature", ("First", NEW))
    await push(scene, "feature", ("Below", OLD), ("Main's", OLD), ("Merge", NEW), after=5)
    await scene.work()
    assert (await linked(scene), asked(scene)) == ({"First", "Merge"}, 1)
    for message in ("Below", "Merge"):
        scene.github.push(REPOSITORY, number, sha_of(message), message)
    await scene.pass_time(60, 1)
    assert (await linked(scene), asked(scene)) == ({"First", "Below", "Merge"}, 2)


@token_only
async def test_an_answer_that_stays_as_it_is_counts(scene: Scene) -> None:
    """Such as that of a branch that was led back to main, and has no commits any more."""
    await opened(scene, "First")
    await push(scene, "feature", ("First", NEW))
    await push(scene, "feature", ("Main's", OLD), after=5)
    await scene.pass_time(120, 1)
    assert await linked(scene) == {"First"}
    times = asked(scene)
    assert 1 < times < 8
    await scene.pass_time(3600, 60)
    assert asked(scene) == times


@token_only
async def test_every_page_is_read(scene: Scene) -> None:
    """A hundred commits a page; 250 at most, as on the page of the pull request."""
    messages = [f"Commit {number}" for number in range(260)]
    await opened(scene, *messages)
    await push(scene, "feature", *((message, OLD) for message in messages), after=5)
    await scene.work()
    assert await linked(scene) == set(messages[:250])
    assert asked(scene) == 3
    await scene.pass_time(600, 60)
    assert asked(scene) == 3


@token_only
async def test_the_order_of_commits_within_a_push_does_not_matter(scene: Scene) -> None:
    """What the push was the first to bring is listed: so GitHub knows of it, and is asked once."""
    await opened(scene, "Mine", "Merge main")
    await push(scene, "feature", ("Mine", NEW))
    await push(scene, "feature", ("Merge main", NEW), ("Main's", OLD), after=5)
    await scene.pass_time(120, 1)
    assert (await linked(scene), asked(scene)) == ({"Mine", "Merge main"}, 1)


@token_only
async def test_another_base_is_another_question(scene: Scene) -> None:
    """A pull request that is led into another base lists other commits."""
    number = await opened(scene, "Mine", base_ref="stable")
    await push(scene, "feature", ("Below", OLD), ("Mine", NEW), after=5)
    await scene.work()
    assert (await linked(scene), asked(scene)) == ({"Mine"}, 1)
    scene.clock.ahead += 10
    scene.github.push(REPOSITORY, number, sha_of("Below"), "Below")
    scene.github.edit_pull(REPOSITORY, number, base_ref="main")
    await scene.tell("edited", number)
    await scene.work()
    assert (await linked(scene), asked(scene)) == ({"Mine", "Below"}, 2)


@token_only
async def test_trouble_is_tried_again(scene: Scene) -> None:
    """GitHub is down, or answers what is no list."""
    await opened(scene, "Below", "Mine")
    odd = Fault("status", LIST, status=200, body=[{"commit": {}}])
    for fault in (Fault("status", LIST, times=2, status=502), odd):
        scene.github.fail(fault)
    await push(scene, "feature", ("Below", OLD), ("Mine", NEW), after=5)
    await scene.work()
    assert await linked(scene) == {"Mine"}
    await scene.pass_time(600, 10)
    assert await linked(scene) == {"Below", "Mine"}


@token_only
async def test_a_replay_asks_nothing(scene: Scene) -> None:
    """What was answered is kept."""
    await opened(scene, "Below", "Mine")
    await push(scene, "feature", ("Below", OLD), ("Main's", OLD), ("Mine", NEW), after=5)
    await scene.work()
    page = f"/api/v1/integrations/{scene.integration}/deliveries"
    for delivery in (await scene.bot.get(page)).items:
        await scene.bot.post(f"{page}/{delivery['id']}/replay")
        await scene.work()
    assert (await linked(scene), asked(scene)) == ({"Below", "Mine"}, 1)


@token_only
@sqlite_only
async def test_it_is_shown_in_the_outbox(scene: Scene) -> None:
    await opened(scene, "Mine")
    await push(scene, "feature", ("Below", OLD), ("Mine", NEW), after=5)
    viewer = await Browser.sign_in(scene.bot, "viewer")
    page = await viewer.get("/outbox")
    assert "Commits of a pull request" in page.words
