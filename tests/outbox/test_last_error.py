"""What an integration shows as its last error, and when that is forgotten."""

import pytest

from bot import storage as store
from bot.worker import clear_some
from tests.github import Fault
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.outbox.lag import last_error
from tests.outbox.stories import COMMENTS, KEY, LINE

pytestmark = token_only
ASKING = "asking who may use commands in acme/shop"


async def fails(scene: Scene, error: str, about: str) -> None:
    await scene.bot.services.database.write(
        lambda tx: store.integrations.set_last_error(tx, scene.integration, error, about)
    )


async def works(scene: Scene, about: str) -> None:
    await scene.bot.services.database.write(
        lambda tx: store.integrations.clear_last_error(tx, scene.integration, about)
    )


async def test_an_error_is_forgotten_once_what_it_is_about_works_again(scene: Scene) -> None:
    await fails(scene, "check in acme/shop-2#7: 403 No", "check in acme/shop-2")
    await works(scene, "label in acme/shop-2")
    await works(scene, "check in acme/shop")  # the text begins like this, too
    assert await last_error(scene) == "check in acme/shop-2#7: 403 No"
    await works(scene, "check in acme/shop-2")
    assert await last_error(scene) is None


async def test_another_error_is_about_something_else(scene: Scene) -> None:
    await fails(scene, "check in acme/shop#7: 403 No", "check in acme/shop")
    await fails(scene, "ValueError in a handler", "delivery 1")
    await works(scene, "check in acme/shop")
    assert await last_error(scene) == "ValueError in a handler"


@pytest.mark.parametrize(
    ("error", "about"),
    [
        ("label in acme/shop#1: 403 No (give it)", "label in acme/shop"),
        (
            "asking who may use commands in acme/shop: 403 No",
            "asking who may use commands in acme/shop",
        ),
        ("ValueError in a handler", "delivery 1"),
        ("ValueError in another", None),
        (None, None),
    ],
)
async def test_the_upgrade_finds_what_an_error_is_about(
    scene: Scene, error: str | None, about: str | None
) -> None:
    """The migration runs here on rows as the version before left them."""
    await scene.bot.experiment("checkout")
    await scene.open("experiment_key: checkout")
    await scene.bot.deliver(scene.integration, "pull_request", {"action": "opened"}, guid="1")

    def again(tx: store.Transaction) -> str | None:
        tx.run(
            "UPDATE deliveries SET status = 'retrying', error = :error WHERE guid = '1'",
            {"error": "ValueError in a handler"},
        )
        tx.run(
            "UPDATE integrations SET last_error = :error, last_error_about = NULL",
            {"error": error},
        )
        tx.run("UPDATE actions SET kind = 'label'")
        for statement in (*store.schema.MIGRATIONS[5], *store.schema.MIGRATIONS[6]):
            if statement.startswith("UPDATE"):
                tx.run(statement)
        found = store.integrations.find(tx, scene.integration)
        assert found is not None
        return found.last_error_about

    found = await scene.bot.services.database.write(again)
    assert found == about


# --- Each is shown until what it is about is done


def refuse(scene: Scene, template: str, times: int = 1) -> None:
    body = {"message": "No."}
    scene.github.fail(Fault("status", template, times=times, status=422, body=body))


async def test_two_errors_of_two_things(scene: Scene) -> None:
    """The one that is left shows; that the same works on another pull request tells nothing."""
    refuse(scene, COMMENTS, times=2)
    await scene.bot.experiment(KEY)
    first = await scene.open(LINE)
    await scene.work()
    second = await scene.open(LINE)
    await scene.work()
    assert f"#{second}: 422" in str(await last_error(scene))
    await scene.open(LINE)
    await scene.work()  # a third one's comment, which is well
    assert f"#{second}: 422" in str(await last_error(scene))
    for number, left in ((second, f"#{first}: 422"), (first, "None")):
        (action,) = [one for one in await scene.actions() if one["number"] == number]
        await scene.bot.post(f"/api/v1/actions/{action['id']}/retry")
        await scene.work()
        assert left in str(await last_error(scene))


@sqlite_only
async def test_a_later_action_may_have_done_it(scene: Scene) -> None:
    refuse(scene, COMMENTS)
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    assert await last_error(scene) is not None
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "active"})
    await scene.work()
    assert len(scene.comments(number)) == 1 and await last_error(scene) is None


@sqlite_only
async def test_errors_of_one_integration_are_not_anothers(scene: Scene) -> None:
    config = {"token": "ghp_another-token", "webhook_secret": "s" * 32}
    other = {"name": "Other", "integration_type": "GITHUB", "config": config}
    answer = await scene.bot.post("/api/v1/integrations", other)
    await fails(scene, "label in acme/shop#1: 422 No.", "label 1")
    await scene.bot.services.database.write(
        lambda tx: store.integrations.clear_last_error(tx, answer.body["id"], "label 1")
    )
    assert await last_error(scene) is not None
    path = f"/api/v1/integrations/{answer.body['id']}"
    assert (await scene.bot.get(path)).body["last_error"] is None
    assert (await scene.bot.delete(path)).status == 204
    assert await last_error(scene) is not None


async def test_it_goes_with_the_repository(scene: Scene) -> None:
    await fails(scene, "ValueError in a handler", "delivery 1")
    refuse(scene, COMMENTS)
    await scene.bot.experiment(KEY)
    await scene.open(LINE)
    await scene.work()
    assert "422 No." in str(await last_error(scene))
    told = scene.github.repository_payload(REPOSITORY)
    await scene.bot.deliver(
        scene.integration, "repository", {"action": "deleted", "repository": told}
    )
    assert await last_error(scene) == "ValueError in a handler"


@sqlite_only
async def test_it_goes_with_a_repository_that_is_forgotten(scene: Scene) -> None:
    refuse(scene, COMMENTS)
    await scene.bot.experiment(KEY)
    await scene.open(LINE)
    await scene.work()
    assert await last_error(scene) is not None
    assert (await scene.bot.delete(f"/api/v1/repositories/{REPOSITORY}")).status == 204
    assert await last_error(scene) is None


async def test_a_wrong_host_shows_before_what_comes_after(scene: Scene) -> None:
    """And is forgotten with the next delivery from the right one."""
    payload = {"zen": "Approachable is better than simple."}
    wrong = {"X-GitHub-Enterprise-Host": "ghe.example"}
    answer = await scene.bot.deliver(scene.integration, "ping", payload, headers=wrong)
    assert answer.status == 403
    await fails(scene, "label in acme/shop#1: 422 No.", "label 1")
    assert "another GitHub" in str(await last_error(scene))
    scene.bot.services.forget_integration(scene.integration)
    await scene.bot.deliver(scene.integration, "ping", payload)
    assert await last_error(scene) == "label in acme/shop#1: 422 No."


@sqlite_only
async def test_it_is_kept_no_longer_than_what_it_is_about(scene: Scene) -> None:
    await fails(scene, "ValueError in a handler", "delivery 1")
    await fails(scene, "it has no right to acme/shop", "speaking for 1")
    scene.clock.ahead += 91 * 86_400
    await clear_some(scene.bot.services)
    assert await last_error(scene) == "it has no right to acme/shop"


def upgrade(tx: store.Transaction) -> None:
    """Do again what the migration does with the errors that the version before left."""
    for migration in store.schema.MIGRATIONS:
        for statement in migration:
            if "integration_errors" in statement and "CREATE" not in statement:
                tx.run(statement)


@pytest.mark.parametrize("about", ["delivery 1", "speaking for 1", "label in acme/shop"])
async def test_the_upgrade_keeps_what_is_shown(scene: Scene, about: str) -> None:
    """What an action's error is about is its pull request's part from now on."""
    refuse(scene, "POST /repos/{owner}/{repo}/issues/{issue_number}/labels")
    await scene.bot.experiment(KEY)
    await scene.open(LINE)
    await scene.work()

    def again(tx: store.Transaction) -> None:
        shown = {"error": "label in acme/shop#1: 422 No.", "about": about}
        tx.run("UPDATE integrations SET last_error = :error, last_error_about = :about", shown)
        tx.run("DELETE FROM integration_errors")
        upgrade(tx)

    await scene.bot.services.database.write(again)
    assert await last_error(scene) == "label in acme/shop#1: 422 No."
    (action,) = await scene.actions()
    await scene.bot.post(f"/api/v1/actions/{action['id']}/retry")
    await scene.work()
    assert (await last_error(scene) is None) is about.startswith("label")


async def test_the_upgrade_drops_what_nothing_can_end(scene: Scene) -> None:
    def again(tx: store.Transaction) -> None:
        sql = "UPDATE integrations SET last_error = 'label in a/b#1: No', last_error_about = :about"
        tx.run(sql, {"about": "label in a/b"})
        upgrade(tx)

    await scene.bot.services.database.write(again)
    assert await last_error(scene) is None
