"""What the command line and a start leave in the audit."""

import asyncio
import dataclasses
from pathlib import Path

from bot.operations import settings as noted
from bot.settings import Settings
from tests.api.auditing import audit, told
from tests.kit.marks import slow, sqlite_only
from tests.kit.processes import app, environment, running
from tests.kit.running import ADMIN_TOKEN, Bot, start

SETTINGS = (
    *("PUBLIC_URL", "GITHUB_API_URLS", "GITHUB_ARCHIVE_HOSTS", "RECOVERY_MINUTES", "EXTENSIONS"),
    *("SIGN_IN_ORGANIZATIONS", "SIGN_IN_COLLABORATORS", "TRUSTED_PROXIES"),
)


@slow
@sqlite_only
async def test_tokens_of_the_command_line(bot: Bot, settings: Settings) -> None:
    """Each one that is revoked by its name is told of, and a refused command leaves nothing."""
    env = environment(settings.data_dir, DATABASE_URL=settings.database_url)
    made = [await app("token", "create", "ci", "--role", "developer", env=env) for _ in range(2)]
    assert [code for code, _, _ in made] == [0, 0]
    for code in (0, 1):
        assert (await app("token", "revoke", "ci", env=env))[0] == code
    assert (await app("token", "create", "ci", "--role", "king", env=env))[0] != 0
    rows = await audit(bot, "?actor=cli")
    values = {"name": "ci", "role": "developer"}
    assert [(row["type"], row["before"], row["after"]) for row in rows] == [
        ("token.created", None, values),
        ("token.created", None, values),
        ("token.revoked", values, None),
        ("token.revoked", values, None),
    ]
    assert {row["actor"]["kind"] for row in rows} == {"cli"}
    assert [row["target"]["id"] for row in rows[2:]] == [row["target"]["id"] for row in rows[:2]]
    assert not [secret for _, secret, _ in made if secret.strip() in str(rows)]


@slow
async def test_settings_that_differ_from_the_last_start(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    changes = []
    for organizations in ("", "", "acme,acme-labs", "acme-labs"):
        env = {"DATABASE_URL": database_url, "SIGN_IN_ORGANIZATIONS": organizations}
        async with running(folder, 1, PUBLIC_URL="https://bot.example", **env) as (process,):
            changes.append(await told(process, "settings"))
    first, again, added, removed = changes
    assert first == again and [one[0] for one in first] == ["settings.changed"]
    assert {name for name, value in first[0][2].items() if value} == {
        *("PUBLIC_URL", "GITHUB_API_URLS", "RECOVERY_MINUTES", "SIGN_IN_COLLABORATORS"),
    }
    assert first[0][1] is None
    name = "SIGN_IN_ORGANIZATIONS"
    assert added[1:] == [("settings.changed", {name: []}, {name: ["acme", "acme-labs"]})]
    assert removed[2:] == [
        ("settings.changed", {name: ["acme", "acme-labs"]}, {name: ["acme-labs"]})
    ]


async def test_several_that_start_at_once_tell_once(settings: Settings) -> None:
    bots = [
        await start(dataclasses.replace(settings, public_url="https://other.example"))
        for _ in range(3)
    ]
    await asyncio.gather(*(noted.note(bot.services) for bot in bots))
    (row,) = await audit(bots[0], "?type=settings.changed")
    assert row["after"]["PUBLIC_URL"] == "https://other.example"
    assert row["actor"] == {"kind": "system", "id": "system", "name": "system"}
    for bot in bots:
        await bot.close()


async def test_the_admin_token_of_the_first_start_and_another(settings: Settings, bot: Bot) -> None:
    (first,) = await told(bot, "token")
    assert first == ("token.created", None, {"name": "admin", "role": "admin"})
    other = "another-admin-token-of-the-tests"
    again = await start(dataclasses.replace(settings, admin_token=other))
    rows = (await again.get("/api/v1/audit", token=other)).items
    assert [row["type"] for row in rows] == ["token.created", "token.revoked", "token.created"]
    assert rows[1]["target"] == rows[2]["target"] and rows[1]["actor"]["kind"] == "system"
    assert other not in str(rows) and ADMIN_TOKEN not in str(rows)
    await again.close()


def test_no_secret_is_among_the_settings(settings: Settings) -> None:
    assert tuple(settings.audited()) == SETTINGS
    hidden = {one.metadata["setting"].name for one in dataclasses.fields(settings) if not one.repr}
    assert hidden >= {"SECRET_KEY", "ADMIN_TOKEN"} and not hidden.intersection(SETTINGS)
