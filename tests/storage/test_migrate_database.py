"""`migrate-database`: a running installation moves to the other engine and nothing is lost."""

import asyncio
import sqlite3
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bot import storage as store
from bot.demo import payloads
from bot.settings import Settings
from tests.kit.deliveries import REPO
from tests.kit.processes import address_of, app, environment
from tests.kit.running import ADMIN_TOKEN, Bot, start

AT = "2026-03-02T10:00:00Z"
SECRETS = ("first-webhook-secret", "second-webhook-secret")
DELIVERIES = 600  # more than one step of the copy


@dataclass
class Move:
    """From where to where, with one folder of keys."""

    source: str
    target: str
    folder: Path

    async def run(self, *options: str) -> tuple[int, str, str]:
        env = environment(self.folder)
        return await app("migrate-database", self.source, self.target, *options, env=env)

    @asynccontextmanager
    async def service(self, url: str) -> AsyncIterator[Bot]:
        settings = Settings.from_environment(
            {"DATA_DIR": str(self.folder), "DATABASE_URL": url, "ADMIN_TOKEN": ADMIN_TOKEN}
        )
        bot = await start(settings)
        try:
            yield bot
        finally:
            await bot.close()

    @asynccontextmanager
    async def engines(self) -> AsyncIterator[tuple[store.Database, store.Database]]:
        both = store.engine(self.source), store.engine(self.target)
        for one in both:
            one.migrate()
            await one.start()
        try:
            yield both
        finally:
            for one in both:
                await one.close()


@pytest.fixture(params=["to postgresql", "to sqlite"])
def move(request: pytest.FixtureRequest, postgres: str, tmp_path: Path) -> Any:
    """Two empty databases of different engines."""
    name = f"test_{uuid.uuid4().hex}"
    urls = [f"sqlite:///{tmp_path / 'bot.db'}", address_of(postgres, name)]
    if request.param == "to sqlite":
        urls.reverse()
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield Move(urls[0], urls[1], tmp_path / "data")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


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


class Interrupted(Exception):
    """What a test raises in the middle."""


def stop_in(table: str) -> Callable[[str, int], None]:
    """Return an `advance` that raises once a step of `table` is copied."""

    def advance(of: str, rows: int) -> None:
        if of == table and rows:
            raise Interrupted

    return advance


@pytest.mark.parametrize("table", ["integrations", "deliveries", "items", "links", "activity"])
async def test_an_interrupted_copy_is_resumed(move: Move, table: str) -> None:
    async with move.service(move.source) as bot:
        integrations = await fill(bot, DELIVERIES)
        before = await everything(bot, integrations)
    async with move.engines() as (source, target):
        with pytest.raises(Interrupted):
            await store.transfer.copy(source, target, overwrite=False, advance=stop_in(table))
    code, _, errors = await move.run()
    assert code == 0, errors
    async with move.service(move.target) as bot:
        assert await everything(bot, integrations) == before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE deliveries SET event = 'other' WHERE seq = (SELECT MIN(seq) FROM deliveries)",
        "UPDATE integrations SET description = '' WHERE description IS NULL",
        "DELETE FROM links WHERE id = (SELECT MIN(id) FROM links)",
    ],
)
async def test_a_copy_that_differs_is_found(move: Move, change: str) -> None:
    async with move.service(move.source) as bot:
        await fill(bot, 3)
    async with move.engines() as (source, target):
        with pytest.raises(Interrupted):
            await store.transfer.copy(source, target, overwrite=False, advance=stop_in("activity"))

        def job(tx: store.Transaction) -> None:
            assert tx.run(change) >= 1

        await target.write(job)
    code, out, errors = await move.run()
    assert code == 1
    assert out == ""
    table = change.removeprefix("DELETE FROM ").removeprefix("UPDATE ").partition(" ")[0]
    assert errors.splitlines()[-1].startswith(f"Error: {table}: ")
    code, _, errors = await move.run("--overwrite")
    assert code == 0, errors


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


# --- What cannot be copied is said, and nothing is made or changed


async def refused(source: str, target: str, folder: Path, *options: str) -> str:
    """Return the one line that says why, after checking that the target was not made."""
    env = environment(folder / "keys")
    code, out, errors = await app("migrate-database", source, target, *options, env=env)
    assert (code, out) == (1, ""), errors
    (line,) = [one for one in errors.splitlines() if not one.startswith("{")]
    assert line.startswith("Error: FROM: ")
    assert not (folder / "target").exists()
    return line


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE notes (text TEXT)")
    connection.close()


def older(path: Path) -> None:
    """Make the file of an installation that an older version has left."""
    database = store.engine(f"sqlite:///{path}")
    database.migrate()
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO api_tokens (id, name, role, hash, created_at)"
            " VALUES ('a', 'a', 'admin', 'a', 0)"
        )
        connection.execute("PRAGMA user_version = 1")
    connection.close()


SOURCES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda path: None, "there is no file"),
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "empty": (lambda path: path.touch(), "is empty"),
    "text": (lambda path: path.write_text("no database " * 100), "cannot be used"),
    "foreign": (foreign, "a database of another program"),
    "older": (older, "Start the service on it once"),
    "bare": (lambda path: store.engine(f"sqlite:///{path}").migrate(), "holds nothing at all"),
}


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
@pytest.mark.parametrize("kind", SOURCES)
async def test_a_source_that_is_none_is_refused(
    kind: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "bot-of-the-tests.db"
    make, words = SOURCES[kind]
    make(path)
    before = path.read_bytes() if path.is_file() else path.exists()
    line = await refused(
        f"sqlite:///{path}", f"sqlite:///{tmp_path / 'target' / 'new.db'}", tmp_path, *options
    )
    assert words in line
    assert path.name in line or kind in ("older", "bare")
    assert (path.read_bytes() if path.is_file() else path.exists()) == before
    assert [one.name for one in tmp_path.iterdir()] in ([], [path.name])


async def test_a_mistyped_source_does_not_empty_the_target(tmp_path: Path) -> None:
    """Not even with --overwrite, and not a second time either."""
    move = Move(
        f"sqlite:///{tmp_path / 'mistyped.db'}", f"sqlite:///{tmp_path / 'bot.db'}", tmp_path
    )
    async with move.service(move.target) as bot:
        await bot.experiment("precious")
    for _ in range(2):
        code, _, errors = await move.run("--overwrite")
        assert code == 1 and "mistyped.db" in errors
    async with move.service(move.target) as bot:
        assert [one["key"] for one in await bot.walk("/api/v1/experiments")] == ["precious"]


async def test_a_source_on_postgresql_that_is_none_is_refused(
    postgres: str, tmp_path: Path
) -> None:
    target = f"sqlite:///{tmp_path / 'target' / 'new.db'}"
    missing = address_of(postgres, "no_such_database")
    line = await refused(missing, target, tmp_path)
    assert 'database "no_such_database" does not exist' in line
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        line = await refused(address_of(postgres, name), target, tmp_path)
        assert "holds nothing of Experiment Bot" in line
        with psycopg.connect(address_of(postgres, name)) as inside:
            assert inside.execute("SELECT to_regclass('api_tokens')").fetchone() == (None,)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def test_a_password_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "bot.db"
    for address in (
        "postgresql://bot:hunter2@127.0.0.1:1/bot",
        "postgresql://bot:hunter2@[::1/bot",
        "postgresql://bot:hunter2%zz@127.0.0.1/bot",
        "postgresql://bot:hunter2@127.0.0.1/bot?nonsense=hunter2",
    ):
        for urls in ((address, f"sqlite:///{path}"), (f"sqlite:///{path}", address)):
            code, out, errors = await app("migrate-database", *urls, env=environment(tmp_path))
            assert (code, out) == (1, "")
            assert "hunter2" not in errors and "Traceback" not in errors
            assert not path.exists()


async def test_a_target_that_cannot_be_is_named(postgres: str, tmp_path: Path) -> None:
    move = Move(f"sqlite:///{tmp_path / 'bot.db'}", "", tmp_path / "data")
    async with move.service(move.source) as bot:
        await bot.experiment("checkout")
    foreign(tmp_path / "foreign.db")
    (tmp_path / "file").touch()
    for target, words in (
        (f"sqlite:///{tmp_path}", "is a folder"),
        (f"sqlite:///{tmp_path / 'foreign.db'}", "a database of another program"),
        (f"sqlite:///{tmp_path / 'file' / 'new.db'}", str(tmp_path / "file")),
        (address_of(postgres, "no_such_database"), '"no_such_database" does not exist'),
    ):
        code, out, errors = await Move(move.source, target, move.folder).run()
        assert (code, out) == (1, "")
        assert errors.splitlines()[-1].startswith("Error: TO: ") and words in errors
        assert "Traceback" not in errors
    # A folder for the target is made, as the service makes one for its own database.
    new = Move(move.source, f"sqlite:///{tmp_path / 'new folder' / 'new.db'}", move.folder)
    assert (await new.run())[0] == 0
