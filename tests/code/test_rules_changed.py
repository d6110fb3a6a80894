"""How loud a repository may be, in a table, and a pull request that changes its file."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from bot.code.experiments_yml import PATH, Settings
from bot.domain import rules
from bot.storage import RepositoryRules
from tests.code.ruled import effective, opened, page_of
from tests.github import REPO, Fault
from tests.kit.code import GARBLED
from tests.kit.marks import app_only, sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene, check_of
from tests.kit.project import Project

# --- The bounds, in a table: what the integration allows, what the file says, what holds

BOUNDS = [
    ({"comments": "off"}, {"comments": "on"}, {"comments": "off"}),
    ({"comments": "once"}, {"comments": "on"}, {"comments": "once"}),
    ({"comments": "on"}, {"comments": "once"}, {"comments": "once"}),
    ({"comments": "once"}, {"comments": "off"}, {"comments": "off"}),
    ({"check": "on"}, {"check": "required"}, {"check": "on"}),
    ({"check": "off"}, {"check": "always"}, {"check": "off"}),
    ({"check": "required"}, {"check": "always"}, {"check": "always"}),
    ({"check": "always"}, {"check": "off"}, {"check": "off"}),
    ({"label": None}, {"label": "mine"}, {"label": None}),
    ({"label": "theirs"}, {"label": "mine"}, {"label": "mine"}),
    ({"label": "theirs"}, {"label": None}, {"label": None}),
    ({"label": "theirs"}, {}, {"label": "theirs"}),
    ({"cleanup": "off"}, {"cleanup": "on"}, {"cleanup": "off"}),
    ({"cleanup": "on"}, {"cleanup": "off"}, {"cleanup": "off"}),
    ({"cleanup": "on"}, {}, {"cleanup": "on"}),
    ({}, {"code": "off"}, {"code": "off"}),
    ({"code": "off"}, {"code": "on", "comments": "off"}, {"code": "off", "comments": "on"}),
]


@pytest.mark.parametrize(("allowed", "said", "holds"), BOUNDS)
def test_never_louder_than_allowed(
    allowed: dict[str, Any], said: dict[str, Any], holds: dict[str, Any]
) -> None:
    usual = {"comments": "on", "label": "x", "check": "on", "code": "on", "cleanup": "off"}
    settings = msgspec.to_builtins(Settings(**said))
    row = RepositoryRules(1, "own", "1" * 40, settings, [], False, 0, "i")
    found = rules.within(SimpleNamespace(**{**usual, **allowed}), row)
    assert {name: getattr(found, name) for name in holds} == holds


# --- A pull request that changes the file


BROKEN = "# Ours\nchekc: on\ncode:\n  include: src/\n"
FIRST = f'{PATH}, line 2: There is no setting "chekc": did you mean "check"?'


BY_MAIL = "jane@corp.example: on\n'#12': on\n"


@sqlite_only
@token_only
async def test_mistakes_mention_nobody(scene: Scene, ruled: Project) -> None:
    ruled.git.commit({PATH: BY_MAIL}, branch="rules")
    number = await opened(scene, ruled, "rules")
    title = (check_of(scene, number) or ("",) * 4)[1]
    assert "no setting" in title and "@corp" not in title
    page = await page_of(scene, f"/pull-requests/{REPOSITORY}/{number}")
    assert "no setting" in page and "jane@corp" not in page


@sqlite_only
@token_only
async def test_a_change_that_nobody_can_read_is_a_mistake(scene: Scene, ruled: Project) -> None:
    template = f"GET {REPO}/git/blobs/{{file_sha}}"
    scene.github.fail(Fault("status", template, status=200, body=GARBLED, times=None))
    ruled.git.commit({PATH: "check: on\n"}, branch="rules")
    number = await opened(scene, ruled, "rules")
    conclusion, title, *_ = check_of(scene, number) or ("",) * 4
    assert conclusion == "failure" and "a form that cannot be read" in title


@sqlite_only
async def test_errors_stand_on_their_lines(scene: Scene, ruled: Project) -> None:
    """With a token the first is in the status, and all are on the details page."""
    ruled.git.commit({PATH: BROKEN}, branch="rules")
    number = await opened(scene, ruled, "rules")
    conclusion, title, summary, _ = check_of(scene, number) or ("",) * 4
    assert (conclusion, title) == ("failure", FIRST)
    sha = ruled.git.tip("rules")
    if scene.is_app:
        assert "Line 4, column 12" in summary and "is draft" in summary
        sent = [one.body for one in scene.github.writes() if one.path.endswith("/check-runs")]
        told = [one for one in sent if one["head_sha"] == sha][-1]["output"]["annotations"]
        assert [(one["path"], one["start_line"], one["annotation_level"]) for one in told] == [
            (PATH, 2, "failure"),
            (PATH, 4, "failure"),
        ]
    page = await page_of(scene, f"/pull-requests/{REPOSITORY}/{number}")
    assert "Line 2, column 1" in page and "Line 4, column 12" in page
    # It has no effect before it is merged.
    assert await effective(scene, "check") == "on" and len(scene.comments(number)) == 1
    # It is mended, and then taken out of the pull request.
    ruled.git.commit({PATH: "check: on\n"}, branch="rules")
    await ruled.tell()
    await scene.work()
    assert scene.check(number) == "success"
    assert "column" not in await page_of(scene, f"/pull-requests/{REPOSITORY}/{number}")


@sqlite_only
@app_only
async def test_a_forks_file_is_read_from_the_base(scene: Scene, ruled: Project) -> None:
    fork = ruled.fork("stranger/shop")
    fork.commit({PATH: "label: [a]\n"}, branch="rules")
    number = ruled.open("rules", fork="stranger/shop", author="stranger")
    await ruled.tell()
    await scene.work()
    assert scene.check(number) == "failure"
    assert not [one for one in scene.github.calls() if "/repos/stranger" in one.path]
