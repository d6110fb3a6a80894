"""`migrate-database`: a running installation moves to the other engine and nothing is lost."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot import storage as store
from bot.demo import payloads
from tests.kit.deliveries import REPO
from tests.kit.marks import slow
from tests.kit.processes import app, environment
from tests.kit.running import Bot
from tests.storage.moving import Move

pytestmark = slow

AT = "2026-03-02T10:00:00Z"
SECRETS = ("first-webhook-secret", "second-webhook-secret")
DELIVERIES = 600  # more than one step of the copy


async def fill(bot: Bot, deliveries: int) -> list[str]:
    """Let an installation have something of everything; return its integrations."""
    made = [
        await bot.integration(name=f"Tests {secret}", config={"webhook_secret": secret})
        for secret in SECRETS
    ]
    await bot.experiment("checkout", tags=["a", "b"], hypothesis="It sells more \N{ROCKET}")
    events: list[tuple[str, dict[str, Any]]] = [
        (
            "pull_request",
            payloads.pull_request("opened", 1, AT, repo=REPO, body="experiment_key: checkout"),
        ),
        ("issues", payloads.issue("opened", 2, AT, repo=REPO, title="Track experiment: checkout")),
        ("issues", payloads.issue("opened", 3, AT, repo=REPO, body="experiment_key: later")),
        ("push", payloads.push("feature", ["Try \N{ROCKET}\n\n\tmore"], repo=REPO)),
        ("star", payloads.star(AT, repo=REPO, sender="mona")),
        ("installation", payloads.installation("created", 100, AT, repos=[REPO])),
    ]
    for event, payload in events:
        sent = await bot.deliver(made[0], event, payload, secret=SECRETS[0])
        assert sent.status == 200, sent.body
    await asyncio.gather(
        *(
            bot.deliver(
                made[1],
                "pull_request",
                payloads.pull_request("opened", number, AT, repo=REPO, body="experiment_key: many"),
                secret=SECRETS[1],
            )
            for number in range(10, 10 + deliveries)
        )
    )
    return made


async def everything(bot: Bot, integrations: list[str]) -> dict[str, Any]:
    """Return what the API tells of an installation."""
    lists = [
        "/experiments",
        "/experiments/checkout/pull-requests",
        "/experiments/checkout/commits",
        "/experiments/checkout/issues",
        "/experiments/checkout/activity",
        "/links/unresolved",
        "/integrations",
        *(f"/integrations/{one}/deliveries" for one in integrations),
    ]
    found: dict[str, Any] = {path: await bot.walk(f"/api/v1{path}", 200) for path in lists}
    for one in found["/integrations"]:
        one.pop("webhook_url")  # the test's services listen on ports of their own
    for one in integrations:
        for delivery in found[f"/integrations/{one}/deliveries"][:10]:
            path = f"/integrations/{one}/deliveries/{delivery['id']}"
            answer = await bot.get(f"/api/v1{path}")
            assert answer.body["payload"]["sender"]["login"] == "mona"
            found[path] = answer.body
    path = "/pull-requests/acme/shop/1"
    found[path] = (await bot.get(f"/api/v1{path}")).body
    return found


async def test_an_installation_moves_with_everything_and_goes_on(move: Move) -> None:
    async with move.service(move.source) as bot:
        integrations = await fill(bot, DELIVERIES)
        before = await everything(bot, integrations)
    code, out, errors = await move.run()
    assert code == 0, errors
    assert f"deliveries                        {DELIVERIES + 6} rows, the same in both" in out
    assert "Copying" in errors  # the progress bar

    async with move.service(move.target) as bot:
        assert await everything(bot, integrations) == before
        for integration, secret in zip(integrations, SECRETS, strict=True):
            again = payloads.pull_request("opened", 1, AT, repo=REPO)
            guid = before[f"/integrations/{integration}/deliveries"][-1]["id"]
            known = await bot.deliver(integration, "pull_request", again, guid=guid, secret=secret)
            assert known.body == {"processed": True, "duplicate": True}
            new = payloads.pull_request(
                "opened", 5000, AT, repo=REPO, body="experiment_key: checkout"
            )
            assert (await bot.deliver(integration, "pull_request", new, secret=secret)).body == {
                "processed": True
            }
        await bot.experiment("later")
        assert len((await bot.get("/api/v1/experiments/later/issues")).items) == 1
        newest = (await bot.get("/api/v1/experiments/checkout/pull-requests")).items[0]
        assert newest["number"] == 5000
        assert (await bot.get(f"/api/v1/integrations/{await bot.integration()}")).status == 200


async def test_a_target_that_is_not_empty_is_refused_unless_told(move: Move) -> None:
    async with move.service(move.target) as bot:
        await bot.experiment("other")
    async with move.service(move.source) as bot:
        await fill(bot, 3)
        experiments = await bot.walk("/api/v1/experiments")
    code, _, errors = await move.run()
    assert code == 1
    assert errors.splitlines()[-1].startswith("Error: the target is not empty")
    assert "Traceback" not in errors
    async with move.service(move.target) as bot:
        assert [one["key"] for one in await bot.walk("/api/v1/experiments")] == ["other"]

    code, _, errors = await move.run("--overwrite")
    assert code == 0, errors
    async with move.service(move.target) as bot:
        assert await bot.walk("/api/v1/experiments") == experiments
    # It is complete now, so it is not empty for whoever comes again.
    assert (await move.run())[0] == 1


# What changes or loses what is written to the feed, in the words of each engine, and what ends it.
TRIGGER = """CREATE TRIGGER changing AFTER INSERT ON activity BEGIN
    UPDATE activity SET summary = 'other' WHERE seq = NEW.seq; END"""
RULE = """CREATE RULE changing AS ON INSERT TO activity DO ALSO
    UPDATE activity SET summary = 'other' WHERE seq = NEW.seq"""
LOSING = "CREATE RULE changing AS ON INSERT TO activity DO INSTEAD NOTHING"
NO_RULE = "DROP RULE changing ON activity"


@pytest.mark.parametrize(
    ("move", "changing", "ending"),
    [
        ("to sqlite", TRIGGER, "DROP TRIGGER changing"),
        ("to postgresql", RULE, NO_RULE),
        ("to postgresql", LOSING, NO_RULE),
    ],
    indirect=["move"],
    ids=["trigger", "rule", "losing rule"],
)
async def test_a_copy_that_differs_is_found(move: Move, changing: str, ending: str) -> None:
    """Every time, so nobody is told to copy again."""
    async with move.service(move.source) as bot:
        await fill(bot, 3)
    async with move.engines() as (_, target):
        await target.write(lambda tx: tx.run(changing))
    for _ in range(2):
        code, out, errors = await move.run()
        assert (code, out) == (1, "")
        last = errors.splitlines()[-1]
        assert last.startswith("Error: activity: ") and "changes what is written" in last
        assert "again" not in last
    async with move.engines(incomplete=True) as (_, target):
        await target.write(lambda tx: tx.run(ending))
    assert (await move.run())[0] == 0


async def test_ids_of_the_feed_are_not_given_out_again(move: Move) -> None:
    """A live stream resumes by id, so what was unlinked before the move must leave a gap."""
    async with move.service(move.source) as bot:
        await bot.experiment("checkout")
        await bot.experiment("last")

        def job(tx: store.Transaction) -> int:
            row = tx.one("SELECT MAX(seq) AS seq FROM activity")
            assert row is not None
            tx.run("DELETE FROM activity WHERE seq = :seq", {"seq": row["seq"]})
            return int(row["seq"])

        last = await bot.services.database.write(job)
    assert (await move.run())[0] == 0
    async with move.service(move.target) as bot:
        await bot.experiment("new")
        (item,) = (await bot.get("/api/v1/experiments/new/activity")).items
        assert int(item["id"].rsplit("-", 1)[1], 16) > last


@pytest.mark.parametrize("urls", [("mysql://a/b", "sqlite:///x"), ("sqlite:///x", "nonsense")])
async def test_an_address_that_is_none_is_said_in_one_line(
    urls: tuple[str, str], tmp_path: Path
) -> None:
    code, out, errors = await app("migrate-database", *urls, env=environment(tmp_path))
    assert (code, out) == (1, "")
    assert errors.startswith("Error: DATABASE_URL")
    assert errors.count("\n") == 1


async def test_a_source_that_is_the_target_is_refused(tmp_path: Path) -> None:
    same = f"sqlite:///{tmp_path / 'bot.db'}"
    move = Move(same, same, tmp_path / "data")
    async with move.service(move.source) as bot:
        await bot.experiment("precious")
    for options in ((), ("--overwrite",)):
        code, _, errors = await move.run(*options)
        assert code == 1
        assert errors.splitlines()[-1].startswith("Error: ")
    async with move.service(move.source) as bot:
        assert [one["key"] for one in await bot.walk("/api/v1/experiments")] == ["precious"]
