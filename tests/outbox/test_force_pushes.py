"""What a force push has taken out of a pull request: GitHub says so where the push does not."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.github import REPO, Fault, sha_of
from tests.kit.marks import each_credential, token_only
from tests.kit.outbound import INSTALLATION, REPOSITORY, Scene

LIST = f"GET {REPO}/pulls/{{pull_number}}/commits"


async def push(
    scene: Scene, *messages: str, after: float, force: tuple[str, str] | None = None
) -> None:
    """Deliver a push to `feature`, so many seconds from now; `force` has the heads around it."""
    repo = scene.github.repository_payload(REPOSITORY)
    payload: dict[str, Any] = {
        "ref": "refs/heads/feature",
        "repository": {**repo, "pushed_at": int(scene.clock() + after)},
        "commits": [{"id": sha_of(one), "message": one, "distinct": True} for one in messages],
        "sender": {"login": "jane"},
    }
    if force is not None:
        before, head = map(sha_of, force)
        payload.update(forced=True, before=before, after=head)
    if scene.is_app:
        payload["installation"] = {"id": INSTALLATION}
    answer = await scene.bot.deliver(scene.integration, "push", payload)
    assert (answer.status, answer.body) == (200, {"processed": True})


def lists(scene: Scene, number: int, *messages: str) -> None:
    """Let GitHub's page of a pull request list these commits from now on."""
    item = scene.github.repository(REPOSITORY).pulls[number]
    item.commits = [(sha_of(one), one) for one in messages]
    item.head_sha = sha_of(messages[-1])


async def opened(scene: Scene, *messages: str, body: str = "experiment_key: a") -> int:
    await scene.bot.experiment("a")
    number = await scene.open(body, head_sha=sha_of(messages[-1]))
    lists(scene, number, *messages)
    await scene.work()
    return number


async def shown(scene: Scene) -> tuple[set[str], set[str]]:
    """Return the commits of the experiment that are counted, and those that were replaced."""
    commits = await scene.bot.walk("/api/v1/experiments/a/commits")
    experiment = await scene.bot.get("/api/v1/experiments/a")
    counted = {one["message"] for one in commits if not one["replaced"]}
    assert experiment.body["counts"]["commits"] == len(counted)
    return counted, {one["message"] for one in commits if one["replaced"]}


def asked(scene: Scene) -> int:
    return len(scene.github.calls(LIST))


@each_credential
async def test_a_rebase_replaces_all_of_them(scene: Scene) -> None:
    """The push tells of the last one; GitHub, asked once, of the others."""
    number = await opened(scene, "One", "Two", "Three")
    await push(scene, "One", "Two", "Three", after=1)
    lists(scene, number, "One'", "Two'")
    await push(scene, "One'", "Two'", after=5, force=("Three", "Two'"))
    assert await shown(scene) == ({"One", "Two", "One'", "Two'"}, {"Three"})
    await scene.work()
    assert await shown(scene) == ({"One'", "Two'"}, {"One", "Two", "Three"})
    assert asked(scene) == 1


@token_only
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
async def test_in_any_order(scene: Scene, order: Sequence[int]) -> None:
    """A force push may be delivered before the push that it replaces."""
    number = await opened(scene, "Kept", "One'")
    pushes = (
        (("Kept", "One", "Two"), 1, None),
        (("One'",), 5, ("Two", "One'")),
        (("More",), 9, None),
    )
    lists(scene, number, "Kept", "One'", "More")
    for position in order:
        messages, after, force = pushes[position]
        await push(scene, *messages, after=after, force=force)
        await scene.work()
    assert await shown(scene) == ({"Kept", "One'", "More"}, {"One", "Two"})


@token_only
async def test_what_comes_back_counts_again(scene: Scene) -> None:
    """A force push back to the old head lists what the other one had not."""
    number = await opened(scene, "One", "Two")
    await push(scene, "One", "Two", after=1)
    lists(scene, number, "Other")
    await push(scene, "Other", after=5, force=("Two", "Other"))
    await scene.work()
    assert await shown(scene) == ({"Other"}, {"One", "Two"})
    lists(scene, number, "One", "Two")
    await push(scene, "One", "Two", after=9, force=("Other", "Two"))
    await scene.work()
    assert await shown(scene) == ({"One", "Two"}, {"Other"})
    assert asked(scene) == 1


@token_only
async def test_a_dropped_commit(scene: Scene) -> None:
    number = await opened(scene, "One", "Two", "Three")
    await push(scene, "One", "Two", "Three", after=1)
    lists(scene, number, "One")
    await push(scene, after=5, force=("Three", "One"))
    await scene.work()
    assert await shown(scene) == ({"One"}, {"Two", "Three"})


@token_only
async def test_an_amended_commit_is_no_question(scene: Scene) -> None:
    """Of the last commit the push tells itself, however often."""
    number = await opened(scene, "One")
    await push(scene, "One", after=1)
    lists(scene, number, "One at last")
    await push(scene, "One again", after=5, force=("One", "One again"))
    await push(scene, "One at last", after=9, force=("One again", "One at last"))
    await scene.work()
    assert await shown(scene) == ({"One at last"}, {"One", "One again"})
    assert asked(scene) == 0


@token_only
async def test_an_answer_for_an_older_head_waits(scene: Scene) -> None:
    """GitHub's API lags behind its webhooks: what its list lacks yet is not replaced."""
    number = await opened(scene, "One", "Two")
    await push(scene, "One", "Two", after=1)
    await push(scene, "One'", after=5, force=("Two", "One'"))
    await scene.work()
    assert await shown(scene) == ({"One", "One'"}, {"Two"})
    lists(scene, number, "One'")
    await scene.pass_time(60, 1)
    assert await shown(scene) == ({"One'"}, {"One", "Two"})


@token_only
async def test_keys_in_messages_of_a_pull_request_that_names_none(scene: Scene) -> None:
    """The commits are linked by their own word; the pull request tells which are still there."""
    first, copy = "One\n\nExperiment-Key: a", "One again\n\nExperiment-Key: a"
    number = await opened(scene, first, "Two", body="No key")
    await push(scene, first, "Two", after=1)
    lists(scene, number, copy, "Two'")
    await push(scene, copy, "Two'", after=5, force=("Two", "Two'"))
    await scene.work()
    assert await shown(scene) == ({copy}, {first})
    assert asked(scene) == 1


@token_only
async def test_a_pull_request_that_is_linked_later(scene: Scene) -> None:
    """What was replaced before is told when somebody wants to know."""
    number = await opened(scene, "One", "Two", body="No key")
    await push(scene, "One", "Two", after=1)
    lists(scene, number, "One'")
    await push(scene, "One'", after=5, force=("Two", "One'"))
    await scene.work()
    assert asked(scene) == 0
    scene.github.edit_pull(REPOSITORY, number, body="experiment_key: a")
    await scene.tell("edited", number)
    await scene.work()
    assert await shown(scene) == ({"One'"}, {"One", "Two"})
    assert asked(scene) == 1


@token_only
async def test_a_list_that_cannot_be_had_replaces_nothing(scene: Scene) -> None:
    number = await opened(scene, "One", "Two")
    await push(scene, "One", "Two", after=1)
    lists(scene, number, "One'")
    scene.github.fail(Fault("status", LIST, times=2, status=502))
    await push(scene, "One'", after=5, force=("Two", "One'"))
    await scene.work()
    assert await shown(scene) == ({"One", "One'"}, {"Two"})
    await scene.pass_time(600, 10)
    assert await shown(scene) == ({"One'"}, {"One", "Two"})
