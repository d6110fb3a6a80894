"""The worked example of docs/extending.md does what the page says."""

import json
import re
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from bot.settings import Settings
from tests.api.auditing import audit
from tests.kit import outbound
from tests.kit.clock import Clock
from tests.kit.marks import slow, sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.kit.processes import ROOT, Process, app, environment

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example's module in a folder of its own, where Python finds it."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    folder = tmp_path / "opt"
    (folder / "my_company").mkdir(parents=True)
    (folder / "my_company" / "bot.py").write_text(code)
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_company"]:
        del sys.modules[name]


@pytest.fixture
async def extended(
    settings: Settings, credential: str, clock: Clock, example: Path
) -> AsyncIterator[Scene]:
    extended = replace(settings, extensions=("my_company.bot",))
    opened = await outbound.scene(extended, credential, clock)
    yield opened
    await outbound.close(opened)


@sqlite_only
@token_only
async def test_the_example_runs(extended: Scene) -> None:
    scene = extended
    await scene.bot.experiment("price-test", status="active", owner="web")
    number = await scene.open("")
    repository = scene.github.repository(REPOSITORY)
    repository.collaborators["jane"] = "maintain"
    comment = await scene.say(number, "/experiment assign price-test owner=growth")
    assert scene.reactions(comment) == ["eyes", "rocket"]
    assert "`price-test` is with `growth` now." in scene.replies(number)[0]
    answer = await scene.bot.get("/api/v1/experiments/price-test")
    assert answer.body["owner"] == "growth"
    repository.collaborators["jane"] = "write"
    comment = await scene.say(number, "/experiment assign price-test owner=web")
    assert "confused" in scene.reactions(comment)
    await scene.say(number, "/experiment help")
    assert "Hands an experiment to another owner." in scene.replies(number)[-1]
    path = f"/api/v1/integrations/{scene.integration}"
    answer = await scene.bot.patch(path, {"config": {"commands": {"assign": "admin"}}})
    assert answer.status == 200

    payload = {
        "action": "unpublished",
        "release": {"tag_name": "experiment/price-test"},
        "repository": scene.github.repository_payload(REPOSITORY),
    }
    answer = await scene.bot.deliver(scene.integration, "release", payload)
    assert answer.body == {"processed": True}
    answer = await scene.bot.get("/api/v1/experiments/price-test")
    assert answer.body["status"] == "paused"
    changes = [row for row in await audit(scene.bot) if row["before"] is not None]
    assert [(row["actor"]["kind"], row["actor"]["name"], row["after"]) for row in changes[:1]] == [
        ("login", "jane", {"owner": "growth"})
    ]
    assert [(row["actor"]["kind"], row["actor"]["name"], row["after"]) for row in changes[-1:]] == [
        ("system", "release", {"status": "paused"})
    ]


@slow
async def test_the_example_is_documented_with_the_others(example: Path, tmp_path: Path) -> None:
    env = environment(tmp_path / "data", PYTHONPATH=str(example), EXTENSIONS="my_company.bot")
    code, out, errors = await app("commands", env=env)
    assert code == 0, errors
    assert "## `/experiment assign KEY owner=TEAM`" in out
    assert "## `/experiment link KEY…`" in out


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no_such_module", "cannot be imported"),
        ("my_company.broken", "ZeroDivisionError"),
        ("my_company.bot,my_company.twin", "two commands named 'assign'"),
        ("../evil", "module names"),
    ],
)
@slow
async def test_what_cannot_be_loaded_ends_the_start(
    example: Path, tmp_path: Path, text: str, reason: str
) -> None:
    (example / "my_company" / "broken.py").write_text("1 / 0\n")
    twin = (
        'from bot.commands import command\n\n\n@command("assign")\ndef other(run):\n    """X."""\n'
    )
    (example / "my_company" / "twin.py").write_text(twin)
    env = environment(tmp_path / "data", PYTHONPATH=str(example), EXTENSIONS=text)
    for subcommand in ("serve", "worker", "commands"):
        code, out, errors = await app(subcommand, env=env)
        assert code == 1 and "EXTENSIONS" in errors and reason in errors, errors
        assert "Traceback" not in errors and out == ""


@slow
@sqlite_only
async def test_kinds_and_types_of_an_extension_are_known_everywhere(
    engine: str, tmp_path: Path
) -> None:
    """Also to each of several processes, started from the folder in which the module is."""
    code = """from bot.domain import actions, activity
from bot.outbox.registry import carries_out

KIND = actions.Kind("release_notes", title="Release notes", priority=3)
PUBLISHED = activity.Type("release.published", 9, "*", "Published {tag}")


@carries_out(KIND)
async def run(job):
    return {}
"""
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt" / "release_notes.py").write_text(code)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        options = {"PYTHONPATH": str(ROOT), "EXTENSIONS": "release_notes"}
        bot = Process(tmp_path / "data", session, "--processes", "2", **options)
        bot.program, bot.cwd = ("-m", "bot"), tmp_path / "opt"
        try:
            await bot.start()
            description = json.dumps((await bot.get("/api/v1/openapi.json", token=None)).body)
            assert '"release_notes"' in description and '"release.published"' in description
            await bot.experiment("a")
            feed = "/api/v1/experiments/a/activity"
            for path, expected in (
                ("/api/v1/actions?kind=release_notes", 200),
                ("/api/v1/actions?kind=unknown", 422),
                (f"{feed}?type=release.published", 200),
                (f"{feed}?type=release.unknown", 422),
            ):
                assert (await bot.get(path)).status == expected, path
        finally:
            await bot.end()
