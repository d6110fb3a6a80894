"""`app.py backfill`, beside a service that does what it asks for."""

import asyncio
from pathlib import Path
from typing import Any

from tests.kit.marks import slow, sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.kit.processes import app, environment
from tests.kit.running import eventually

pytestmark = slow


@token_only
@sqlite_only
async def test_it_follows_what_it_has_started(scene: Scene, tmp_path: Path) -> None:
    """Its exit code says whether all was read."""
    scene.github.open_pull(REPOSITORY, title="One", body="experiment_key: a")
    services = scene.bot.services
    env = environment(services.settings.data_dir, GITHUB_API_URLS=scene.github.url)
    env["DATABASE_URL"] = services.settings.database_url
    keys = services.settings.secret_keys
    assert not keys, "the key is the one in the folder"
    working = scene.work_on()
    try:
        options = ("--days", "7", "--repository", REPOSITORY)
        code, out, _ = await app("backfill", "Tests", *options, env=env)
        assert (code, out) == (
            0,
            "1 of 1 repositories: 1 pull requests, 0 issues, of which 1 are linked.\n",
        )
        code, out, errors = await app("backfill", "Tests", "--repository", "acme/gone", env=env)
        assert code == 1 and "acme/gone" in errors
        code, _, errors = await app("backfill", "Tests", "--repository", "gone", env=env)
        assert code == 1 and "repositories[0]" in errors
        code, _, errors = await app("backfill", "Nobody", env=env)
        assert code == 1 and "no integration" in errors
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

    async def is_done() -> Any:
        answer = await scene.bot.get(f"/api/v1/integrations/{scene.integration}/backfill")
        return answer.body["status"] == "failed"

    assert await eventually(is_done)
