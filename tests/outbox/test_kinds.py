"""The kinds of action: one registry, which the documentation, the API and the page follow."""

from typing import Any

import pytest

from bot import storage as store
from bot.domain import actions, parts, posts
from bot.outbox import registry
from tests.kit.browsing import Browser
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import Scene


def test_a_kind_that_nothing_carries_out_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "KINDS", {**actions.KINDS})
    actions.Kind("forgotten", title="Forgotten", priority=1)
    with pytest.raises(registry.Unbound, match="nothing carries out forgotten"):
        registry.registered()


def test_a_kind_has_one_name_and_one_function() -> None:
    with pytest.raises(ValueError, match="two kinds of action are called label"):
        actions.Kind("label", title="Another", priority=1)
    with pytest.raises(ValueError, match="two parts are called label"):
        parts.Part("label", 1 << 14, title="Another")
    with pytest.raises(ValueError, match="must have a bit of its own"):
        parts.Part("another", posts.LABEL.bit, title="Another")
    known = registry.registered()
    with pytest.raises(registry.Unbound, match="two functions carry out refresh"):
        registry.carries_out(posts.REFRESH)(known.runners["refresh"])
    with pytest.raises(registry.Unbound, match="two functions show label"):
        registry.shows(posts.LABEL)(known.planners["label"])


@sqlite_only
@token_only
async def test_a_kind_of_another_version_shows_its_name_and_holds_nothing_up(scene: Scene) -> None:
    """As of an extension that was removed, or a newer version that ran before."""
    await scene.bot.experiment("checkout")
    number = await scene.open("experiment_key: checkout")
    comment = await scene.say(number, "/experiment pause checkout", work=False)

    def job(tx: store.Transaction) -> None:
        first = store.actions.pending_like(tx, f"pull_request:{_item(tx, number)}")
        assert first is not None
        store.actions.change(tx, first.id, kind="fireworks", collapse=None)

    await scene.bot.services.database.write(job)
    await scene.work()
    (waiting,) = await scene.actions("?status=pending")  # what comes after it is done
    assert (waiting["kind"], waiting["attempts"]) == ("fireworks", 0)
    assert "knows no action of the kind fireworks" in waiting["last_error"]
    assert scene.reactions(comment) == ["eyes", "rocket"]
    viewer = await Browser.sign_in(scene.bot, "developer")
    assert "fireworks" in (await viewer.get("/outbox")).words
    page = await viewer.post(f"/outbox/{waiting['id']}/retry")
    assert "fireworks: retrying now." in page.words


@sqlite_only
@token_only
async def test_a_part_of_another_version_holds_nothing_up(scene: Scene) -> None:
    await scene.bot.experiment("checkout")
    number = await scene.open("experiment_key: checkout")

    def job(tx: store.Transaction) -> None:
        first = store.actions.pending_like(tx, f"pull_request:{_item(tx, number)}")
        assert first is not None
        store.actions.change(tx, first.id, stale=first.stale | 1 << 14)

    await scene.bot.services.database.write(job)
    await scene.work()
    (waiting,) = await scene.actions("?status=pending")
    assert {part["status"] for part in waiting["result"].values()} == {"done", "pending"}
    assert "knows no action of the kind part 16384" in waiting["last_error"]
    assert len(scene.comments(number)) == 1
    await scene.pass_time(4 * 86_400, 3600)
    (failed,) = await scene.actions("?status=failed")
    assert "three days" in failed["last_error"]


@sqlite_only
@token_only
async def test_kinds_of_before_are_still_listed(scene: Scene) -> None:
    """Comment, check and label had actions of their own: those that are done keep their titles."""
    await scene.bot.experiment("checkout")
    await scene.open("experiment_key: checkout")
    await scene.work()
    sql = "UPDATE actions SET kind = 'status_comment', stale = 0, parts = NULL"
    await scene.bot.services.database.write(lambda tx: tx.run(sql))
    (listed,) = await scene.actions("?kind=status_comment")
    assert listed["status"] == "done"
    viewer = await Browser.sign_in(scene.bot, "developer")
    page = await viewer.get("/outbox?status=done&kind=status_comment")
    assert "Status comment" in page.words


def _item(tx: store.Transaction, number: int) -> Any:
    rows = tx.all("SELECT id FROM items WHERE number = :number", {"number": number})
    return rows[0]["id"]
