"""What the bot's own database tells of deliveries and actions."""

from typing import Any

from bot import storage as store
from bot import times
from bot.demo import payloads
from tests.doctor.scene import AT, SHOP, TOKEN, Scene, troubles
from tests.kit.marks import sqlite_only


async def test_no_delivery_yet(scene: Scene) -> None:
    """It says where the webhook has to point."""
    scene.set_token()
    scene.id = await scene.bot.integration(config={"token": TOKEN, "repositories": [SHOP]})
    await scene.expect("deliveries", "warning", "No delivery", scene.hook_url)


async def test_deliveries_that_failed(scene: Scene) -> None:
    """The latest reason is told, and how to replay them."""
    await scene.with_token()

    def add(
        tx: store.Transaction, guid: str, status: store.DeliveryStatus, error: str | None
    ) -> None:
        integration = tx.one("SELECT seq FROM integrations")
        assert integration is not None
        now = times.now()
        row = store.StoredDelivery(
            seq=0,
            integration_seq=integration["seq"],
            guid=guid,
            event="push",
            action=None,
            repository=SHOP,
            status=status,
            received_at=now,
            processed_at=None,
            attempts=1,
            next_attempt_at=None,
            error=error,
            recovered=False,
            headers={},
            payload=None,
        )
        store.deliveries.add(tx, row)

    write = scene.bot.services.database.write
    await write(lambda tx: add(tx, "1", "failed", "KeyError: first."))
    await write(lambda tx: add(tx, "2", "failed", "KeyError: second."))
    await write(lambda tx: add(tx, "3", "retrying", "the database is locked"))
    findings = await scene.expect("deliveries", "problem", "2 failed; the latest", "replay")
    assert "KeyError: second" in str(findings)
    await scene.expect("deliveries", "warning", "the database is locked", "worker")


@sqlite_only
async def test_deliveries_that_are_all_ignored(scene: Scene) -> None:
    """They come from other repositories, or are of other events."""
    scene.set_token()
    scene.id = await scene.bot.integration(config={"token": TOKEN, "repositories": [SHOP]})
    payload = payloads.issue("opened", 1, AT, repo=payloads.repository("acme/other"))
    answer = await scene.bot.deliver(scene.id, "issues", payload)
    assert answer.body["reason"] == "repository not allowed"
    await scene.expect("deliveries", "warning", "were ignored", "config.repositories")


async def test_actions_that_failed_and_that_wait(scene: Scene) -> None:
    """Failed ones of three days count, and one that waits for long."""
    await scene.with_token()
    day = 86_400 * times.SECOND

    def add(tx: store.Transaction, name: str, status: str, age: int, error: str | None) -> None:
        at = times.now() - age
        values: dict[str, Any] = {
            "id": name,
            "kind": "check",
            "queue": "token:x",
            "lane": name,
            "collapse": None,
            "priority": 1,
            "integration_id": scene.id,
            "installation_id": None,
            "repository_id": 1,
            "item_id": None,
            "number": 1,
            "request": {},
            "idempotency_key": None,
            "status": status,
            "attempts": 1,
            "next_attempt_at": at,
            "give_up_at": at + 3 * day,
            "created_at": at,
        }
        assert store.actions.add(tx, values)
        finished_at = at if status == "failed" else None
        store.actions.change(tx, name, last_error=error, finished_at=finished_at)

    write = scene.bot.services.database.write
    await write(lambda tx: add(tx, "old", "failed", 4 * day, "long ago"))
    await write(lambda tx: add(tx, "young", "pending", 0, None))
    findings = await scene.expect("actions", "ok", "1 waiting", "")
    assert troubles(findings) == []
    await write(lambda tx: add(tx, "new", "failed", day, "403 Forbidden"))
    await write(lambda tx: add(tx, "stuck", "pending", day, None))
    await scene.expect("actions", "problem", "1 action failed", "/retry")
    await scene.expect("actions", "warning", "2 actions waiting", "worker")
