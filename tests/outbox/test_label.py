"""The label stands on a pull request while a known experiment is linked to it, and no longer."""

import asyncio

from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.outbox.stories import KEY, LINE

LABEL = "experiment"


def labels(scene: Scene, number: int) -> list[str]:
    return scene.github.labels_of(REPOSITORY, number)


async def edit(scene: Scene, number: int, body: str, **more: object) -> None:
    scene.clock.ahead += 1
    scene.github.edit_pull(REPOSITORY, number, body=body)
    await scene.tell("edited", number, **more)
    await scene.work()


@token_only
async def test_a_key_that_nobody_knows_puts_no_label(scene: Scene) -> None:
    """It comes when the experiment is made, and goes with it."""
    number = await scene.open(LINE)
    await scene.work()
    assert labels(scene, number) == [] and len(scene.comments(number)) == 1
    await scene.bot.experiment(KEY)
    await scene.work()
    assert labels(scene, number) == [LABEL]
    await scene.bot.delete(f"/api/v1/experiments/{KEY}")
    await scene.work()
    assert labels(scene, number) == []


@sqlite_only
async def test_the_first_known_experiment_puts_it_and_the_last_takes_it_off(scene: Scene) -> None:
    for key in ("one", "two"):
        await scene.bot.experiment(key)
    number = await scene.open("experiment_key: nobody-knows")
    await scene.work()
    assert labels(scene, number) == []
    await edit(scene, number, "experiment_key: nobody-knows, one, two")
    assert labels(scene, number) == [LABEL]
    await edit(scene, number, "experiment_key: nobody-knows, two")
    assert labels(scene, number) == [LABEL]
    await edit(scene, number, "experiment_key: nobody-knows")
    assert labels(scene, number) == []


@sqlite_only
@token_only
async def test_another_change_of_an_experiment_leaves_it_to_people(scene: Scene) -> None:
    """Who takes the label off is not fought over."""
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    scene.github.repository(REPOSITORY).issues[number].labels.clear()
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "active"})
    await scene.work()
    assert labels(scene, number) == []


@sqlite_only
async def test_a_label_that_somebody_has_put_stays(scene: Scene) -> None:
    """The bot takes off what it has put there itself, and that again and again."""
    await scene.bot.experiment(KEY)
    scene.github.add_label(REPOSITORY, LABEL)
    pull = scene.github.open_pull(REPOSITORY, title="One page checkout", body=LINE)
    scene.github.repository(REPOSITORY).issues[pull.number].labels.append(LABEL)
    await scene.tell("opened", pull.number)
    await scene.work()
    await edit(scene, pull.number, "Without a key")
    assert labels(scene, pull.number) == [LABEL]
    own = await scene.open(LINE)
    await scene.work()
    for body, expected in (("", []), (LINE, [LABEL]), ("", [])):
        await edit(scene, own, body)
        assert labels(scene, own) == expected


@sqlite_only
@token_only
async def test_commands_put_and_take_it_again(scene: Scene) -> None:
    """Between them a push has told of the label, which is the bot's own."""
    await scene.bot.experiment(KEY)
    number = await scene.open("")
    for verb, expected in (("link", [LABEL]), ("unlink", []), ("link", [LABEL])):
        await scene.say(number, f"/experiment {verb} {KEY}")
        assert labels(scene, number) == expected
        if verb == "link":
            scene.clock.ahead += 1
            await scene.tell("synchronize", number)


@sqlite_only
async def test_labels_of_a_tracking_issue_are_plain(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.say(number, f'/experiment issue "Ramp up" key={KEY} label=growth')
    (issue,) = scene.github.issues(REPOSITORY)
    (made,) = issue["labels"]
    assert (made["name"], made["color"], made["description"]) == ("growth", "ededed", None)
    own = scene.github.repository(REPOSITORY).labels[LABEL]
    assert (own["color"], own["description"]) == ("5319e7", "Part of an experiment")


@sqlite_only
@token_only
async def test_a_label_that_is_there_stays_as_it_is(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    scene.github.add_label(REPOSITORY, "growth", "00ff00")
    ordering = asyncio.create_task(scene.issue(KEY, labels=["growth"]))
    working = scene.work_on()
    assert (await ordering).status == 201
    working.cancel()
    (issue,) = scene.github.issues(REPOSITORY)
    assert [one["color"] for one in issue["labels"]] == ["00ff00"]


@sqlite_only
@token_only
async def test_what_a_bot_writes_into_a_description_counts(scene: Scene) -> None:
    """Comments by bots run nothing; a description is the author's, whoever has edited it."""
    await scene.bot.experiment(KEY)
    number = await scene.open("Bumps a library")
    bot = {"login": "dependabot[bot]", "type": "Bot"}
    await edit(scene, number, LINE, sender=bot)
    assert labels(scene, number) == [LABEL] and len(scene.comments(number)) == 1
    await edit(scene, number, "Bumps a library", sender=bot)
    assert labels(scene, number) == []
