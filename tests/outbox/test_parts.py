"""Comment, check and label are parts of one action, and each succeeds, waits or fails by itself."""

import threading
import time
from typing import Any

import psycopg
import pytest

from bot import storage as store
from bot.storage.postgres_statements import PostgresStatements
from tests.github import REPO, Fault
from tests.kit import outbound
from tests.kit.marks import slow, sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.outbox.lag import lag, last_error
from tests.outbox.stories import COMMENTS, KEY, LINE

pytestmark = token_only

STATUSES = f"POST {REPO}/statuses/{{sha}}"
LABELS = f"POST {REPO}/issues/{{issue_number}}/labels"


def states(action: dict[str, Any]) -> dict[str, str]:
    return {name: part["status"] for name, part in action["result"].items()}


async def push(scene: Scene, number: int, sha: str) -> None:
    scene.clock.ahead += 1
    scene.github.push(REPOSITORY, number, sha)
    await scene.tell("synchronize", number)


async def test_what_has_become_stale_joins_what_is_pending(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    (first,) = await scene.actions()
    await push(scene, number, "b" * 40)
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "active"})
    (still,) = await scene.actions()
    assert still["id"] == first["id"] and still["next_attempt_at"] == first["next_attempt_at"]
    await scene.work()
    assert [one.template for one in scene.github.writes()][:2] == [STATUSES, COMMENTS]
    assert scene.github.writes()[-1].template == LABELS
    await push(scene, number, "c" * 40)
    newer, _ = await scene.actions()
    await scene.work()
    (done, _) = await scene.actions()
    assert done["id"] == newer["id"] and states(done) == {"check": "done"}


@sqlite_only
async def test_news_of_one_part_does_not_wait_for_another(scene: Scene) -> None:
    """A locked conversation takes no comment for hours; a push has its check at once."""
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    scene.github.repository(REPOSITORY).issues[number].locked = True
    await scene.work()
    (waiting,) = await scene.actions()
    assert waiting["status"] == "pending"
    assert states(waiting) == {"check": "done", "status_comment": "pending", "label": "done"}
    tried = len(scene.github.writes(COMMENTS))
    await push(scene, number, "b" * 40)
    await scene.work()
    assert scene.check(number) == "success"
    assert len(scene.github.writes(COMMENTS)) == tried
    (waiting,) = await scene.actions()
    assert states(waiting)["status_comment"] == "pending"
    # What waits is not tried for its own news either.
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"status": "active"})
    await scene.work()
    assert len(scene.github.writes(COMMENTS)) == tried
    scene.github.repository(REPOSITORY).issues[number].locked = False
    await scene.bot.post(f"/api/v1/actions/{waiting['id']}/retry")
    await scene.work()
    assert len(scene.comments(number)) == 1
    (done,) = await scene.actions()
    assert done["status"] == "done" and set(states(done).values()) == {"done"}


@sqlite_only
@slow
async def test_a_part_that_waits_is_given_up_in_its_own_time(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    scene.github.repository(REPOSITORY).issues[number].locked = True
    await scene.pass_time(2 * 86_400, 3600)
    await push(scene, number, "b" * 40)
    await scene.pass_time(2 * 86_400, 3600)
    (failed,) = await scene.actions()
    assert states(failed)["status_comment"] == "failed" and states(failed)["check"] == "done"
    assert "three days" in failed["last_error"]


@sqlite_only
async def test_what_is_refused_is_named_and_the_rest_goes_on(scene: Scene) -> None:
    scene.github.fail(Fault("status", COMMENTS, status=403, body={"message": "No."}))
    fault = lag(scene, LABELS, 1)
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    (action,) = await scene.actions()
    assert fault.used == 1 and action["status"] == "pending"
    assert states(action) == {"check": "done", "status_comment": "failed", "label": "pending"}
    assert action["last_error"].startswith("Status comment: 403 No.")
    assert "; Label: 404 Not Found" in action["last_error"]
    assert f"status_comment in {REPOSITORY}#{number}: 403" in await last_error(scene)
    await scene.pass_time(5, 1)
    (action,) = await scene.actions()
    assert action["status"] == "failed"
    assert states(action) == {"check": "done", "status_comment": "failed", "label": "done"}
    assert "Label" not in action["last_error"]
    # Retried, it does what is left and nothing else.
    before = len(scene.github.writes())
    await scene.bot.post(f"/api/v1/actions/{action['id']}/retry")
    await scene.work()
    assert [one.template for one in scene.github.writes()[before:]] == [COMMENTS]
    (action,) = await scene.actions()
    assert action["status"] == "done" and action["last_error"] is None
    assert await last_error(scene) is None


@sqlite_only
async def test_what_keeps_all_parts_is_forgotten_once_they_work(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await outbound.set_to(scene, repositories=["acme/other"])
    await scene.work()
    assert "does not allow this repository" in await last_error(scene)
    await outbound.set_to(scene, repositories=[REPOSITORY])
    (failed,) = await scene.actions("?status=failed")
    await scene.bot.post(f"/api/v1/actions/{failed['id']}/retry")
    await scene.work()
    assert len(scene.comments(number)) == 1
    assert await last_error(scene) is None


@sqlite_only
async def test_what_failed_is_retried_by_what_is_pending(scene: Scene) -> None:
    """A push owes a check by now, and somebody retries the comment: the same action does both."""
    scene.github.fail(Fault("status", COMMENTS, status=403, body={"message": "No."}))
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    await push(scene, number, "b" * 40)
    newer, failed = await scene.actions()
    answer = await scene.bot.post(f"/api/v1/actions/{failed['id']}/retry")
    assert answer.status == 200 and answer.body["result"]["superseded_by"] == newer["id"]
    answer = await scene.bot.post(f"/api/v1/actions/{failed['id']}/retry")
    assert answer.status == 409
    await scene.work()
    assert scene.check(number) == "success" and len(scene.comments(number)) == 1
    (done, _) = await scene.actions("?status=done")
    assert states(done) == {"check": "done", "status_comment": "done", "label": "done"}


@sqlite_only
async def test_while_github_is_not_well_the_rest_is_not_tried(scene: Scene) -> None:
    scene.github.fail(Fault("status", STATUSES, times=1, status=502))
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await scene.work()
    assert len(scene.github.requests) == 1
    (action,) = await scene.actions()
    assert states(action) == {"check": "pending"}
    # Nothing is unknown of what was not tried: with the line it goes without a call.
    scene.clock.ahead += 1
    scene.github.edit_pull(REPOSITORY, number, body="-")
    await scene.tell("edited", number)
    await scene.pass_time(10, 5)
    assert {one.template for one in scene.github.requests} == {STATUSES}


# --- Two processes at once


async def test_news_at_the_moment_in_which_it_is_begun(scene: Scene) -> None:
    """It is not lost on an action that has been read already: there is another one for it."""
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)

    def begun(tx: store.Transaction) -> None:
        (queue,) = store.actions.due_queues(tx, 2**62, 1)
        assert store.actions.begin(tx, queue, 2**62, 1) is not None

    await scene.bot.services.database.write(begun)
    await push(scene, number, "b" * 40)
    newer, older = await scene.actions()
    assert (newer["status"], older["status"]) == ("pending", "running")


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
async def test_news_while_another_process_begins_it(scene: Scene) -> None:
    """An insert waits for whoever changes the row, and then adds another; SQLite has one writer."""
    await scene.bot.experiment(KEY)
    await scene.open(LINE)
    url = scene.bot.services.settings.database_url

    def news() -> None:
        with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
            tx = store.Transaction(PostgresStatements(connection))
            row = tx.one("SELECT * FROM actions")
            assert row is not None
            given = {name: row[name] for name in row if name not in ("seq", "parts")}
            columns = {**given, "id": "news", "stale": 1, "status": "pending", "request": {}}
            store.owed.owe(tx, columns)
            tx.flush()

    with psycopg.connect(url) as other:
        other.execute("UPDATE actions SET status = 'running'")
        waiting = threading.Thread(target=news)
        waiting.start()
        while not _is_blocked(url):
            time.sleep(0.01)
        other.commit()
    waiting.join(10)
    rows = await scene.actions()
    assert [one["status"] for one in rows] == ["pending", "running"]


def _is_blocked(url: str) -> bool:
    sql = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"
    with psycopg.connect(url) as connection:
        return connection.execute(sql, [connection.info.dbname]).fetchone() is not None


# --- The upgrade


OLD = ("check", "status_comment", "label")


async def as_before(scene: Scene, rows: list[dict[str, Any]]) -> None:
    """Store actions as the version before did, and run the migration on them."""

    def job(tx: store.Transaction) -> None:
        row = tx.one("SELECT * FROM actions")
        assert row is not None
        tx.run("DELETE FROM actions")
        names = [name for name in store.Action.__struct_fields__ if name != "seq"]
        sql = f"""INSERT INTO actions ({", ".join(names)})
            VALUES ({", ".join(f":{name}" for name in names)})"""
        given = {name: row[name] for name in names}
        for number, one in enumerate(rows):
            key = f"{one['kind']}:{one.get('item_id', row['item_id'])}"
            filled = {
                **given,
                "id": f"{number:08}-0000-4000-8000-000000000000",
                "collapse": key,
                "stale": 0,
                **one,
            }
            tx.run(sql, filled)
        for statement in store.schema.MIGRATIONS[8]:
            if not statement.startswith("ALTER"):
                tx.run(statement.format())

    await scene.bot.services.database.write(job, heavy=True, seconds=60)


async def test_the_upgrade_makes_one_action_of_three(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    await as_before(
        scene,
        [
            {"kind": "status_comment", "status": "failed", "last_error": "403 No", "attempts": 1},
            {"kind": "label", "status": "done", "attempts": 1},
            {"kind": "check", "status": "running", "attempts": 1, "request": '{"again":true}'},
            {"kind": "check", "status": "pending", "last_error": "502 Bad", "attempts": 0},
            {"kind": "status_comment", "status": "pending", "last_error": "locked"},
            {"kind": "label", "status": "failed", "last_error": "404 Not Found"},
        ],
    )
    failed, pending, done = await scene.actions()
    assert [one["kind"] for one in (failed, pending, done)] == [
        "pull_request",
        "pull_request",
        "label",
    ]
    assert failed["status"] == "failed"
    assert failed["last_error"] == "Status comment: 403 No; Label: 404 Not Found"
    assert (pending["status"], pending["attempts"]) == ("pending", 1)
    assert pending["last_error"] == "Check: 502 Bad; Status comment: locked"
    await scene.work()
    assert scene.check(number) == "success" and len(scene.comments(number)) == 1
    assert scene.github.labels_of(REPOSITORY, number) == []
    answer = await scene.bot.post(f"/api/v1/actions/{failed['id']}/retry")
    assert answer.status == 200, answer.body
    await scene.work()
    assert scene.github.labels_of(REPOSITORY, number) == ["experiment"]
    assert {one["status"] for one in await scene.actions()} == {"done"}


@slow
async def test_the_upgrade_of_many_actions(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    await scene.open(LINE)
    rows = [
        {"kind": kind, "status": status, "item_id": 1000 + item, "lane": f"lane {item}"}
        for item in range(3000)
        for kind in OLD
        for status in ("pending", "failed")
    ]
    await as_before(scene, rows)
    sql = "SELECT status, COUNT(*) AS rows, SUM(stale) AS stale FROM actions GROUP BY status"
    found = await scene.bot.services.database.read(lambda tx: tx.all(sql))
    counted = {row["status"]: (row["rows"], row["stale"]) for row in found}
    assert counted == {"pending": (3000, 21000), "failed": (3000, 21000)}
