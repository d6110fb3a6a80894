"""Who may ask the doctor, over the API and on the command line."""

from pathlib import Path

import pytest

from bot import storage as store
from bot import times
from tests.doctor.scene import PUBLIC_URL, SHOP, TOKEN, Scene
from tests.github import GitHub
from tests.kit import processes
from tests.kit.marks import slow, sqlite_only
from tests.kit.running import SECRET, Bot


@sqlite_only
async def test_who_may_check(scene: Scene) -> None:
    """A developer may, a viewer may not; what is unknown or deleted is 404."""
    await scene.with_token()
    await processes_token(scene.bot, "viewer", "viewer-token-of-the-tests")
    await processes_token(scene.bot, "developer", "developer-token-of-the-tests")
    path = f"/api/v1/integrations/{scene.id}/check"
    assert (await scene.bot.post(path, token=None)).status == 401
    assert (await scene.bot.post(path, token="viewer-token-of-the-tests")).status == 403
    assert (await scene.bot.post(path, token="developer-token-of-the-tests")).status == 200
    assert (await scene.bot.post(path.replace(scene.id, scene.id.upper()))).status == 200
    unknown = path.replace(scene.id, "00000000-0000-4000-8000-000000000000")
    assert (await scene.bot.post(unknown)).status == 404
    await scene.bot.delete(f"/api/v1/integrations/{scene.id}")
    assert (await scene.bot.post(path)).status == 404


async def processes_token(bot: Bot, role: str, secret: str) -> None:

    await bot.services.database.write(
        lambda tx: store.tokens.add(
            tx, f"id of {role}", role, role, store.hash_token(secret), times.now()
        )
    )


@pytest.fixture
def env(tmp_path: Path, github: GitHub) -> dict[str, str]:
    return processes.environment(
        tmp_path / "data",
        GITHUB_API_URLS=github.url,
        PUBLIC_URL=PUBLIC_URL,
        LOG_LEVEL="info",
    )


@sqlite_only
@slow
async def test_the_command(scene: Scene, env: dict[str, str]) -> None:
    """All integrations unless one is named; each with its findings; 1 if there is a problem."""
    await scene.with_token()
    code, out, errors = await processes.app("doctor", env=env)
    assert (code, errors) == (0, ""), out
    assert f"Tests ({scene.id})\n  ok       integration: It is active.\n" in out
    assert out.endswith("\nProblems: 0. Warnings: 0.\n")
    second = await scene.bot.integration(
        name="Second", config={"token": f"{TOKEN}-2", "repositories": [SHOP]}
    )
    code, out, errors = await processes.app("doctor", env=env)
    assert (code, errors) == (1, "")
    assert out.index(f"Tests ({scene.id})") < out.index(f"Second ({second})")
    assert "\n  PROBLEM  credential: GitHub does not take the token: 401 " in out
    assert "\n           Make a new token in GitHub" in out
    assert "\n  warn     deliveries: No delivery" in out
    assert out.endswith("\nProblems: 1. Warnings: 1.\n")
    assert TOKEN not in out and SECRET not in out
    for one in ("Tests", scene.id, scene.id.upper()):
        code, out, errors = await processes.app("doctor", one, env=env)
        assert (code, errors) == (0, "") and second not in out
    code, out, errors = await processes.app("doctor", "tests", env=env)
    assert (code, out) == (1, "")
    assert errors == "Error: no integration has the id or name 'tests'\n"


@slow
async def test_the_command_without_an_integration(env: dict[str, str]) -> None:
    """It says what to do, on a new database as well."""
    code, _, errors = await processes.app("token", "create", "ci", "--role", "viewer", env=env)
    assert code == 0, errors
    for arguments in (("doctor",), ("doctor", "Tests")):
        code, out, errors = await processes.app(*arguments, env=env)
        assert (code, out) == (1, "")
        assert errors.startswith("Error: there is no integration yet; create one")
