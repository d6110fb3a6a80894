"""A repository was renamed, and another has taken its name, of which no delivery told."""

from tests.kit.outbound import REPOSITORY, Scene

KEY = "checkout-flow-v2"


async def taken(scene: Scene) -> int:
    """Let another repository take the name of one with a linked pull request; return its number."""
    await scene.bot.experiment(KEY)
    number = await scene.open(f"experiment_key: {KEY}")
    await scene.work()
    scene.github.rename_repository(REPOSITORY, "acme/store")
    scene.github.add_repository(REPOSITORY, id=9009)
    scene.github.open_pull(REPOSITORY, title="Another's", body="")
    return number


async def test_who_has_taken_a_name_is_not_written_to(scene: Scene) -> None:
    number = await taken(scene)
    before = len(scene.github.writes())
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "active"})
    await scene.work()
    assert len(scene.github.writes()) == before
    assert scene.comments(number) == []
    (action,) = await scene.actions("?kind=pull_request&status=failed")
    assert "another repository" in action["last_error"]


async def test_once_the_new_name_is_known_it_is_written_there(scene: Scene) -> None:
    await taken(scene)
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "active"})
    await scene.work()
    answer = await scene.bot.patch(
        f"/api/v1/repositories/{REPOSITORY}", {"full_name": "acme/store"}
    )
    assert answer.status == 200
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "paused"})
    await scene.pass_time(3600, step=600)
    (comment,) = scene.github.comments("acme/store", 1)
    assert "paused" in comment["body"]


async def test_what_a_delivery_has_just_named_is_not_asked_of(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    await scene.open(f"experiment_key: {KEY}")
    await scene.work()
    assert not scene.github.calls(path=f"/repos/{REPOSITORY}")
