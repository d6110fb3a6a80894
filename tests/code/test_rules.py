"""`.github/experiments.yml` at work: what a repository says of how the bot works in it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from bot import storage as store
from bot.code.experiments_yml import PATH, Settings
from bot.demo import payloads
from bot.domain import rules, rules_reading
from bot.storage import RepositoryRules
from tests.domain.lives import clock as at
from tests.kit.browsing import Browser
from tests.kit.marks import app_only, sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene, check_of, set_to
from tests.kit.project import Project

LINE = "experiment_key: a"
CONTENTS = "/repos/{+repository}/contents/{+path}"


def reads(scene: Scene) -> list[str]:
    """Return of which repositories the file was read, in that order."""
    found = [one.path for one in scene.github.calls() if one.path.endswith(f"/contents/{PATH}")]
    return [path.split("/contents/")[0].rpartition("/repos/")[2] for path in found]


@pytest.fixture
async def project(scene: Scene, tmp_path: Path) -> Project:
    """A repository with a commit, of which nobody has heard, and an experiment `a`."""
    await set_to(scene, code="on")
    await scene.bot.experiment("a")
    found = Project.of(scene, tmp_path / "shop")
    found.git.commit({"README.md": "A shop"})
    return found


async def of_owner(scene: Scene, tmp_path: Path, text: str) -> Project:
    """Make the owner's `.github` repository, with a file."""
    found = Project.of(scene, tmp_path / "dot-github", "acme/.github")
    found.git.commit({PATH: text})
    return found


async def opened(scene: Scene, project: Project, branch: str, body: str = LINE) -> int:
    """Open a pull request, and let the bot do what it does about it."""
    if branch not in project.git.branches():
        project.git.commit({f"{branch}.py": "pass"}, branch=branch)
    number = project.open(branch, body=body)
    await project.tell()
    await scene.work()
    return number


def labels(scene: Scene, number: int) -> list[str]:
    told = scene.github.pull_payload(REPOSITORY, number)["labels"]
    return [one["name"] for one in told]


async def page_of(scene: Scene, path: str) -> str:
    page = await (await Browser.sign_in(scene.bot)).get(path)
    assert page.status == 200
    return page.text


@sqlite_only
async def test_a_repository_is_quieter(scene: Scene, project: Project) -> None:
    """From the first pull request on: nothing is written before the file was read."""
    project.git.commit({PATH: "comments: off\nlabel: off\n"})
    project.take()  # what came before the bot was there it hears nothing of
    first = await opened(scene, project, "one")
    assert scene.comments(first) == [] and labels(scene, first) == []
    assert scene.check(first) == "success"
    # A push that changes the file brings what is open up to date.
    project.git.commit({PATH: "comments: once\nlabel: ab-test\ncheck: off\n"})
    await project.tell()
    await scene.work()
    assert len(scene.comments(first)) == 1 and labels(scene, first) == ["ab-test"]
    second = await opened(scene, project, "two")
    assert scene.check(second) is None
    # Without the file all is as the integration has it.
    project.git.commit({PATH: None})
    await project.tell()
    await scene.work()
    assert labels(scene, first) == ["experiment"] and scene.check(second) == "success"
    # A push that does not touch it costs no call.
    count = len(reads(scene))
    project.git.commit({"README.md": "Another"})
    await project.tell()
    await scene.work()
    assert len(reads(scene)) == count


@sqlite_only
@token_only
async def test_what_the_api_shows_late_is_read_again(scene: Scene, project: Project) -> None:
    """After a push that touches it, an answer that is the same as before is not believed."""
    await opened(scene, project, "one")
    old = project.git.tip()
    new = project.git.commit({PATH: "comments: off\n"})
    project.git.set_branch("main", old)
    payload = project.push_payload("main", old, new)
    await project.deliver(("push", payload))
    await scene.work()
    assert await effective(scene) == "on"
    project.git.set_branch("main", new)
    await scene.pass_time(5)
    assert await effective(scene) == "off"
    count = len(reads(scene))
    await scene.pass_time(600, 60)
    assert len(reads(scene)) == count


async def effective(scene: Scene, name: str = "comments") -> Any:
    """Return a setting that holds in the repository."""

    def job(tx: store.Transaction) -> Any:
        integration = store.integrations.find(tx, scene.integration)
        row = store.repositories.find(tx, REPOSITORY, None)
        assert integration is not None and row is not None
        return getattr(rules.effective(tx, integration, row.id), name)

    return await scene.bot.services.database.read(job)


@token_only
async def test_the_owners_file_counts_where_there_is_none(
    scene: Scene, project: Project, tmp_path: Path
) -> None:
    owner = await of_owner(scene, tmp_path, "comments: off\n")
    first = await opened(scene, project, "one")
    assert scene.comments(first) == []
    assert set(reads(scene)) == {"acme/shop", "acme/.github"}
    # A push there is followed in all of the owner's repositories.
    await owner.tell()
    owner.git.commit({PATH: "comments: on\nlabel: all-of-acme\n"})
    await owner.tell()
    await scene.work()
    assert len(scene.comments(first)) == 1 and labels(scene, first) == ["all-of-acme"]
    # One of its own comes before it, as a whole.
    project.git.commit({PATH: "check: on\n"})
    await project.tell()
    await scene.work()
    assert labels(scene, first) == ["experiment"]


@sqlite_only
@token_only
async def test_another_owners_file_never_counts(
    scene: Scene, project: Project, tmp_path: Path
) -> None:
    """`acme/.github` was transferred, and its address leads on to where it is now."""
    await of_owner(scene, tmp_path, "comments: off\n")
    scene.github.rename_repository("acme/.github", "initech/.github")
    first = await opened(scene, project, "one")
    assert len(scene.comments(first)) == 1
    # Somebody takes the name that the owner gave up, of which the bot has not heard yet.
    scene.github.rename_owner("acme", "acme-corp")
    taken = Project.of(scene, tmp_path / "taken", "acme/.github")
    taken.git.commit({PATH: "comments: off\n"})
    count = len(reads(scene))
    await read_again(scene)
    assert reads(scene)[count:][-1] == "acme/.github"
    assert await effective(scene) == "on"


async def read_again(scene: Scene) -> None:
    """Have the file read as it is once a day."""

    def job(tx: store.Transaction) -> None:
        row = store.repositories.find(tx, REPOSITORY, None)
        assert row is not None
        rules_reading.read_again(tx, scene.integration, row.id)

    await scene.bot.services.database.write(job)
    await scene.work()


@sqlite_only
@token_only
async def test_the_allow_list_lets_in_the_owners_it_names(
    scene: Scene, project: Project, tmp_path: Path
) -> None:
    await of_owner(scene, tmp_path, "comments: off\n")
    await set_to(scene, repositories=["acme/shop"])
    first = await opened(scene, project, "one")
    assert scene.comments(first) == [] and "acme/.github" in reads(scene)


@sqlite_only
@token_only
async def test_a_broken_file_has_no_effect_and_is_said(scene: Scene, project: Project) -> None:
    project.git.commit({PATH: "comments: off\ncode:\n  include: src/\n"})
    first = await opened(scene, project, "one")
    assert len(scene.comments(first)) == 1
    page = await page_of(scene, f"/repositories/{REPOSITORY}")
    assert "Line 3, column 12" in page and "must be a list" in page and "no effect" in page
    project.git.commit({PATH: "comments: off\ncode:\n  include: [src/]\n"})
    await project.tell()
    await scene.work()
    page = await page_of(scene, f"/repositories/{REPOSITORY}")
    assert "column" not in page and "<code>src/</code>" in page and "by the file" in page


@sqlite_only
@token_only
async def test_nothing_is_read_where_code_is_off(scene: Scene, project: Project) -> None:
    project.git.commit({PATH: "comments: off\n"})
    await set_to(scene, code="off")
    first = await opened(scene, project, "one")
    assert len(scene.comments(first)) == 1 and reads(scene) == []


@sqlite_only
@token_only
async def test_nothing_is_read_without_experiments(scene: Scene, tmp_path: Path) -> None:
    """Until something is to be written: a key that nobody has is told, and the file hushes that."""
    await set_to(scene, code="on")
    project = Project.of(scene, tmp_path / "shop")
    project.git.commit({PATH: "comments: off\n"})
    await opened(scene, project, "one", body="")
    assert scene.github.calls() == []
    second = await opened(scene, project, "two")
    assert reads(scene) == ["acme/shop"]
    assert scene.comments(second) == []


@sqlite_only
@token_only
async def test_a_repository_may_want_fewer_checks(scene: Scene, project: Project) -> None:
    await set_to(scene, check="required")
    project.git.commit({PATH: "check: on\n"})
    assert scene.check(await opened(scene, project, "one", body="")) is None
    project.git.commit({PATH: "check: always\n"})
    await project.tell()
    await scene.work()
    assert scene.check(await opened(scene, project, "two", body="")) == "success"
    project.git.commit({PATH: "check: required\n"})
    await project.tell()
    await scene.work()
    assert scene.check(await opened(scene, project, "three", body="")) == "failure"


@sqlite_only
@token_only
async def test_another_default_branch_has_another_file(scene: Scene, project: Project) -> None:
    project.git.commit({PATH: "comments: off\n"}, branch="next")
    await opened(scene, project, "one")
    assert await effective(scene) == "on"
    scene.github.repository(REPOSITORY).default_branch = "next"
    await opened(scene, project, "two")
    assert await effective(scene) == "off"


@sqlite_only
@token_only
async def test_which_environments_are_production(scene: Scene, project: Project) -> None:
    sha = project.git.commit({PATH: 'environments: {production: ["eu-*", front]}\n'})
    await project.tell()
    await scene.work()
    repo = scene.github.repository_payload(REPOSITORY)
    names = ["eu-west", "Front / blue", "production", "us-east", "backfront"]
    for number, name in enumerate(names, 1):
        told = payloads.deployment_status(
            sha, at(number), repo=repo, number=number, environment=name
        )
        await scene.bot.tell(scene.integration, told)

    def job(tx: store.Transaction) -> list[str]:
        row = store.repositories.find(tx, REPOSITORY, None)
        assert row is not None
        found = store.environments.of_repository(tx, row.id)
        return [one.name for one in found if one.is_production]

    found = await scene.bot.services.database.read(job)
    assert sorted(found) == ["Front / blue", "eu-west"]
    project.git.commit({PATH: "environments: {production: [us-east]}\n"})
    await project.tell()
    await scene.work()
    assert "us-east" in await scene.bot.services.database.read(job)


# --- What it says of code


async def code_of(scene: Scene, number: int) -> tuple[str, list[tuple[str, str]]]:
    """Return the state of what was read of a pull request, and where it names an experiment."""
    answer = await scene.bot.get(f"/api/v1/pull-requests/{REPOSITORY}/{number}")
    found = [(one["path"], one["change"]) for one in answer.body["code"]]
    return answer.body["code_status"], sorted(found)


FILES = {
    "src/a.ts": "if (isOn(CHECKOUT_FLOW)) {}\n",
    "src/b.ts": "useFlag('x', Flags.checkoutFlow)\n",
    "test/c.ts": 'use("checkout-flow")\n',
    "docs/d.py": 'use("checkout-flow")\n',
}


@sqlite_only
@token_only
async def test_what_counts_as_a_reference(scene: Scene, project: Project) -> None:
    """A change of that has open pull requests read again, and the default branch."""
    await scene.restart(github_archive_hosts=(scene.github.codeload.url,))
    project.bot = scene.bot
    await scene.bot.experiment("checkout-flow", status="active")
    project.git.commit(FILES, branch="feature")
    number = await opened(scene, project, "feature", body="")
    quoted = [("docs/d.py", "added"), ("test/c.ts", "added")]
    assert await code_of(scene, number) == ("read", quoted)
    text = "code:\n  include: [src/, test/]\n  exclude: [test/]\n  aliases: [upper_snake]\n"
    project.git.commit({PATH: text + "  patterns: [Flags.KEY]\n", **FILES})
    await project.tell()
    await scene.work()
    await scene.pass_time(120, 20)
    assert await code_of(scene, number) == ("read", [("src/a.ts", "added")])
    answer = await scene.bot.get(f"/api/v1/repositories/{REPOSITORY}/code")
    assert [one["path"] for one in answer.items] == ["src/a.ts"]
    project.git.commit({PATH: text.replace("upper_snake", "camel, upper_snake")})
    await project.tell()
    await scene.work()
    await scene.pass_time(120, 20)
    found = [("src/a.ts", "added"), ("src/b.ts", "added")]
    assert await code_of(scene, number) == ("read", found)
    project.git.commit({PATH: "code: off\n"})
    await project.tell()
    await scene.work()
    assert (await code_of(scene, number))[0] == "off"
    answer = await scene.bot.get(f"/api/v1/repositories/{REPOSITORY}/code")
    assert (answer.body["status"], answer.items) == ("off", [])


@sqlite_only
@token_only
async def test_clean_up_is_wanted_or_not(scene: Scene, project: Project) -> None:
    """The issue says whose a file is."""
    await scene.restart(github_archive_hosts=(scene.github.codeload.url,))
    project.bot = scene.bot
    scene.github.repository(REPOSITORY).private = True
    await set_to(scene, cleanup="on")
    owners = "owners: {docs/: 'the writers'}\n"
    project.git.commit({PATH: "cleanup: off\n" + owners, **FILES})
    await scene.bot.experiment("checkout-flow", status="completed")
    await project.tell()
    await scene.work()
    await scene.pass_time(30, 10)
    assert scene.github.issues(REPOSITORY) == []
    project.git.commit({PATH: owners})
    await project.tell()
    await scene.work()
    (issue,) = scene.github.issues(REPOSITORY)
    assert "`docs/d.py`, of `the writers`" in issue["body"]


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
async def test_mistakes_mention_nobody(scene: Scene, project: Project) -> None:
    project.git.commit({PATH: BY_MAIL}, branch="rules")
    number = await opened(scene, project, "rules")
    title = (check_of(scene, number) or ("",) * 4)[1]
    assert "no setting" in title and "@corp" not in title
    page = await page_of(scene, f"/pull-requests/{REPOSITORY}/{number}")
    assert "no setting" in page and "jane@corp" not in page


@sqlite_only
async def test_errors_stand_on_their_lines(scene: Scene, project: Project) -> None:
    """With a token the first is in the status, and all are on the details page."""
    project.git.commit({PATH: BROKEN}, branch="rules")
    number = await opened(scene, project, "rules")
    conclusion, title, summary, _ = check_of(scene, number) or ("",) * 4
    assert (conclusion, title) == ("failure", FIRST)
    sha = project.git.tip("rules")
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
    project.git.commit({PATH: "check: on\n"}, branch="rules")
    await project.tell()
    await scene.work()
    assert scene.check(number) == "success"
    assert "column" not in await page_of(scene, f"/pull-requests/{REPOSITORY}/{number}")


@sqlite_only
@app_only
async def test_a_forks_file_is_read_from_the_base(scene: Scene, project: Project) -> None:
    fork = project.fork("stranger/shop")
    fork.commit({PATH: "label: [a]\n"}, branch="rules")
    number = project.open("rules", fork="stranger/shop", author="stranger")
    await project.tell()
    await scene.work()
    assert scene.check(number) == "failure"
    assert not [one for one in scene.github.calls() if "/repos/stranger" in one.path]
