"""Every operation of the API that changes something leaves a row in the audit."""

import uuid
from collections.abc import Awaitable, Callable

from bot import storage as store
from bot.api import resources
from bot.demo import payloads
from tests.api.auditing import audit
from tests.kit.browsing import Browser, new_token
from tests.kit.code import stands
from tests.kit.deliveries import REPO
from tests.kit.marks import token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.kit.running import SECRET, Answer

KEY = "checkout-flow-v2"
EXPERIMENTS = "/api/v1/experiments"
INTEGRATIONS = "/api/v1/integrations"
REPOSITORIES = "/api/v1/repositories"

# They change nothing that somebody has set or said.
SILENT = {
    "POST /api/v1/integrations/{integration_id}/check": "only looks",
}


async def create_experiment(scene: Scene) -> Answer:
    return await scene.bot.post(EXPERIMENTS, {"key": "another", "name": "Another"})


async def put_experiment(scene: Scene) -> Answer:
    return await scene.bot.put(f"{EXPERIMENTS}/{KEY}", {"name": "One page checkout"})


async def patch_experiment(scene: Scene) -> Answer:
    return await scene.bot.patch(f"{EXPERIMENTS}/{KEY}", {"status": "completed"})


async def delete_experiment(scene: Scene) -> Answer:
    return await scene.bot.delete(f"{EXPERIMENTS}/{KEY}")


async def link(scene: Scene) -> Answer:
    body = {"integration_id": scene.integration, "repository": REPOSITORY}
    number = await scene.open("No key", tell=False)
    return await scene.bot.post(f"{EXPERIMENTS}/{KEY}/pull-requests", {**body, "number": number})


async def unlink(scene: Scene) -> Answer:
    number = await scene.open(f"experiment_key: {KEY}")
    return await scene.bot.delete(f"{EXPERIMENTS}/{KEY}/pull-requests/{REPOSITORY}/{number}")


async def order_issue(scene: Scene) -> Answer:
    return await scene.issue(KEY)


async def order_clean_up(scene: Scene) -> Answer:
    await scene.open("No key")
    await stands(scene.bot, scene.integration, KEY)
    body = {"integration_id": scene.integration}
    return await scene.bot.post(f"{EXPERIMENTS}/{KEY}/clean-up", body)


async def create_integration(scene: Scene) -> Answer:
    config = {"token": "ghp_of_the_tests", "webhook_secret": SECRET}
    body = {"name": "Another", "integration_type": "GITHUB", "config": config}
    return await scene.bot.post(INTEGRATIONS, body)


async def put_integration(scene: Scene) -> Answer:
    return await scene.bot.put(f"{INTEGRATIONS}/{scene.integration}", {"description": "Put"})


async def patch_integration(scene: Scene) -> Answer:
    body = {"name": "Patched", "config": {"code": "on"}}
    return await scene.bot.patch(f"{INTEGRATIONS}/{scene.integration}", body)


async def delete_integration(scene: Scene) -> Answer:
    return await scene.bot.delete(f"{INTEGRATIONS}/{scene.integration}")


async def patch_repository(scene: Scene) -> Answer:
    await scene.open("No key")
    return await scene.bot.patch(f"{REPOSITORIES}/{REPOSITORY}", {"full_name": "acme/store"})


async def read_code(scene: Scene) -> Answer:
    await scene.open("No key")
    return await scene.bot.post(f"{REPOSITORIES}/acme/store/code")


async def delete_repository(scene: Scene) -> Answer:
    await scene.open("No key")
    return await scene.bot.delete(f"{REPOSITORIES}/acme/store")


async def revoke_token(scene: Scene) -> Answer:
    newest = (await scene.bot.get("/api/v1/tokens")).items[0]
    return await scene.bot.delete(f"/api/v1/tokens/{newest['id']}")


async def end_session(scene: Scene) -> Answer:
    sessions = (await scene.bot.get("/api/v1/sessions")).items
    return await scene.bot.delete(f"/api/v1/sessions/{sessions[0]['id']}")


async def check(scene: Scene) -> Answer:
    return await scene.bot.post(f"{INTEGRATIONS}/{scene.integration}/check")


async def recover(scene: Scene) -> Answer:
    return await scene.bot.post(f"{INTEGRATIONS}/{scene.integration}/recover")


async def start_backfill(scene: Scene) -> Answer:
    return await scene.bot.post(f"{INTEGRATIONS}/{scene.integration}/backfill", {"days": 7})


async def stop_backfill(scene: Scene) -> Answer:
    return await scene.bot.delete(f"{INTEGRATIONS}/{scene.integration}/backfill")


async def replay(scene: Scene) -> Answer:
    guid = str(uuid.uuid4())
    pushed = payloads.push("main", ["A commit"], repo=REPO)
    await scene.bot.deliver(scene.integration, "push", pushed, guid=guid)
    return await scene.bot.post(f"{INTEGRATIONS}/{scene.integration}/deliveries/{guid}/replay")


async def retry(scene: Scene) -> Answer:
    await scene.open(f"experiment_key: {KEY}")
    action = (await scene.actions("?kind=pull_request"))[0]
    return await scene.bot.post(f"/api/v1/actions/{action['id']}/retry")


# How each succeeds after those before it, and what it is called in the audit.
CALLS: dict[str, tuple[Callable[[Scene], Awaitable[Answer]], str | None]] = {
    f"POST {EXPERIMENTS}": (create_experiment, "experiment.created"),
    f"PUT {EXPERIMENTS}/{{key}}": (put_experiment, "experiment.changed"),
    f"PATCH {EXPERIMENTS}/{{key}}": (patch_experiment, "experiment.status_changed"),
    f"POST {EXPERIMENTS}/{{key}}/pull-requests": (link, "link.created"),
    f"POST {EXPERIMENTS}/{{key}}/issues": (order_issue, "issue.ordered"),
    f"POST {EXPERIMENTS}/{{key}}/clean-up": (order_clean_up, "clean_up.ordered"),
    f"POST {INTEGRATIONS}": (create_integration, "integration.created"),
    f"PUT {INTEGRATIONS}/{{integration_id}}": (put_integration, "integration.changed"),
    f"PATCH {INTEGRATIONS}/{{integration_id}}": (patch_integration, "integration.changed"),
    f"POST {INTEGRATIONS}/{{integration_id}}/check": (check, None),
    f"POST {INTEGRATIONS}/{{integration_id}}/recover": (recover, "recovery.ordered"),
    f"POST {INTEGRATIONS}/{{integration_id}}/backfill": (start_backfill, "backfill.started"),
    f"DELETE {INTEGRATIONS}/{{integration_id}}/backfill": (stop_backfill, "backfill.stopped"),
    f"POST {INTEGRATIONS}/{{integration_id}}/deliveries/{{delivery_id}}/replay": (
        replay,
        "delivery.replayed",
    ),
    "POST /api/v1/actions/{action_id}/retry": (retry, "action.retried"),
    f"DELETE {EXPERIMENTS}/{{key}}/pull-requests/{{owner}}/{{repo}}/{{number}}": (
        unlink,
        "link.deleted",
    ),
    f"PATCH {REPOSITORIES}/{{owner}}/{{repo}}": (patch_repository, "repository.changed"),
    f"POST {REPOSITORIES}/{{owner}}/{{repo}}/code": (read_code, "code.ordered"),
    f"DELETE {REPOSITORIES}/{{owner}}/{{repo}}": (delete_repository, "repository.forgotten"),
    "DELETE /api/v1/sessions/{session_id}": (end_session, "session.ended"),
    "DELETE /api/v1/tokens/{token_id}": (revoke_token, "token.revoked"),
    f"DELETE {EXPERIMENTS}/{{key}}": (delete_experiment, "experiment.deleted"),
    f"DELETE {INTEGRATIONS}/{{integration_id}}": (delete_integration, "integration.deleted"),
}


def test_every_operation_that_changes_something_is_tried() -> None:
    """A new one gets its line in CALLS, whatever its role, or says in SILENT why it is silent."""
    changing = {
        f"{operation.method} {operation.path}"
        for resource in resources.RESOURCES
        for operation in resource.operations.listed
        if operation.method != "GET"
    }
    assert changing == CALLS.keys()
    assert {name for name, (_, type_) in CALLS.items() if type_ is None} == SILENT.keys()


@token_only
async def test_each_leaves_its_row(scene: Scene, impatient: None) -> None:
    await scene.bot.experiment(KEY, owner="growth")
    await new_token(scene.bot, "viewer")
    await Browser.sign_in(scene.bot, "viewer")
    for name, (call, type_) in CALLS.items():
        before = len(await audit(scene.bot))
        answer = await call(scene)
        assert answer.status < 300, (name, answer.body)
        new = (await audit(scene.bot))[before:]
        assert [one["type"] for one in new] == ([type_] if type_ else []), name
        assert all(one["actor"]["kind"] == "token" for one in new)
        assert all(isinstance(one["target"]["id"], str) for one in new)


@token_only
async def test_links_and_issues(scene: Scene, impatient: None) -> None:
    """What was asked for, once however often it is asked for, and by whom the link was made."""
    bot = scene.bot
    await bot.experiment(KEY)
    number = await scene.open(f"experiment_key: {KEY}")
    path = f"{EXPERIMENTS}/{KEY}/pull-requests"
    body = {"integration_id": scene.integration, "repository": REPOSITORY, "number": number}
    for _ in range(2):
        assert (await bot.post(path, body)).status == 201
    for status in (204, 404):
        assert (await bot.delete(f"{path}/{REPOSITORY}/{number}")).status == status
    headers = {"Idempotency-Key": "once"}
    for _ in range(2):
        await scene.issue(KEY, title="Track jane@example.com", labels=["a"], headers=headers)
    made, cut, ordered = (await audit(bot))[-3:]
    assert made["target"]["name"] == cut["target"]["name"] == f"{REPOSITORY}#{number}"
    assert made["target"]["id"].endswith(f"/{REPOSITORY}#{number}")
    linked = {"experiment_key": KEY, "linked_by": "api"}
    assert (made["type"], made["before"], made["after"]) == ("link.created", None, linked)
    assert (cut["type"], cut["before"], cut["after"]) == ("link.deleted", linked, None)
    assert ordered["type"] == "issue.ordered"
    assert ordered["after"] == {
        "title": "Track ",
        "experiment_keys": [KEY],
        "labels": ["a"],
        "assignees": [],
        "repository": REPOSITORY,
    }
    await scene.work()
    assert (await audit(bot))[-1] == ordered, "what follows was asked for before"


@token_only
async def test_a_link_that_the_description_made_is_cut(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    assert (await unlink(scene)).status == 204
    (cut,) = await audit(scene.bot, "?type=link.deleted")
    assert cut["before"] == {"experiment_key": KEY, "linked_by": "body"}


@token_only
async def test_a_retry_tells_what_became_of_the_status(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    await scene.open(f"experiment_key: {KEY}")
    (action,) = await scene.actions("?kind=pull_request")
    failed = "UPDATE actions SET status = 'failed', next_attempt_at = NULL"
    await scene.bot.services.database.write(lambda tx: tx.run(failed))
    assert (await scene.bot.post(f"/api/v1/actions/{action['id']}/retry")).status == 200
    (row,) = await audit(scene.bot, "?type=action.retried")
    assert (row["before"], row["after"]) == ({"status": "failed"}, {"status": "pending"})
    done = "UPDATE actions SET status = 'done'"
    await scene.bot.services.database.write(lambda tx: tx.run(done))
    assert (await scene.bot.post(f"/api/v1/actions/{action['id']}/retry")).status == 409
    assert len(await audit(scene.bot, "?type=action.retried")) == 1


@token_only
async def test_commands_are_told_by_who_wrote_them(scene: Scene) -> None:
    bot = scene.bot
    await bot.experiment(KEY)
    number = await scene.open("No key")
    before = len(await audit(bot))
    for line in (
        f"start {KEY}",
        f"start {KEY}",
        f"link {KEY}",
        f"link {KEY}",
        f'issue "Clean up" key={KEY}',
        f"unlink {KEY}",
        f"unlink {KEY}",
    ):
        await scene.say(number, f"/experiment {line}")
    rows = (await audit(bot))[before:]
    assert [(row["type"], row["before"]) for row in rows] == [
        ("experiment.status_changed", {"status": "draft"}),
        ("link.created", None),
        ("issue.ordered", None),
        ("link.deleted", {"experiment_key": KEY, "linked_by": "command"}),
    ]
    host = rows[1]["target"]["id"].partition("/")[0]
    jane = {"kind": "login", "id": f"github:{host}:jane", "name": "jane"}
    assert all(row["actor"] == jane for row in rows)
    assert [row["id"] for row in await audit(bot, "?actor=jane")] == [row["id"] for row in rows]


@token_only
async def test_a_command_that_is_undone_leaves_nothing(scene: Scene) -> None:
    """A link that was made before the second key was refused goes, and so does its record."""
    await scene.bot.experiment(KEY)
    number = await scene.open("No key")
    before = await audit(scene.bot)
    await scene.say(number, f"/experiment link {KEY} unknown-key")
    await scene.say(number, f"/experiment unlink {KEY}")
    assert await audit(scene.bot) == before


def test_rows_of_the_audit_are_only_added() -> None:
    """No query changes one; those that are old go together."""
    assert {name for name in vars(store.audit) if "remove" in name or "change" in name} == {
        "remove_old"
    }
