"""What an integration shows as its last error, and when that is forgotten."""

import pytest

from bot import storage as store
from tests.kit.marks import token_only
from tests.kit.outbound import Scene

pytestmark = token_only
ASKING = "asking who may use commands in acme/shop"


async def last_error(scene: Scene) -> str | None:
    answer = await scene.bot.get(f"/api/v1/integrations/{scene.integration}")
    found: str | None = answer.body["last_error"]
    return found


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
