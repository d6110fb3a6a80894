"""`.github/experiments.yml` at work: what a repository says of how the bot works in it."""

from pathlib import Path

from bot import storage as store
from bot.code.experiments_yml import PATH
from bot.demo import payloads
from bot.domain import rules_reading
from tests.code.ruled import effective, opened, page_of, reads
from tests.domain.lives import clock as at
from tests.github import REPO, Fault
from tests.kit.code import GARBLED
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene, set_to
from tests.kit.project import Project


async def of_owner(scene: Scene, tmp_path: Path, text: str) -> Project:
    """Make the owner's `.github` repository, with a file."""
    found = Project.of(scene, tmp_path / "dot-github", "acme/.github")
    found.git.commit({PATH: text})
    return found


def labels(scene: Scene, number: int) -> list[str]:
    told = scene.github.pull_payload(REPOSITORY, number)["labels"]
    return [one["name"] for one in told]


@sqlite_only
async def test_a_repository_is_quieter(scene: Scene, ruled: Project) -> None:
    """From the first pull request on: nothing is written before the file was read."""
    ruled.git.commit({PATH: "comments: off\nlabel: off\n"})
    ruled.take()  # what came before the bot was there it hears nothing of
    first = await opened(scene, ruled, "one")
    assert scene.comments(first) == [] and labels(scene, first) == []
    assert scene.check(first) == "success"
    # A push that changes the file brings what is open up to date.
    ruled.git.commit({PATH: "comments: once\nlabel: ab-test\ncheck: off\n"})
    await ruled.tell()
    await scene.work()
    assert len(scene.comments(first)) == 1 and labels(scene, first) == ["ab-test"]
    second = await opened(scene, ruled, "two")
    assert scene.check(second) is None
    # Without the file all is as the integration has it.
    ruled.git.commit({PATH: None})
    await ruled.tell()
    await scene.work()
    assert labels(scene, first) == ["experiment"] and scene.check(second) == "success"
    # A push that does not touch it costs no call.
    count = len(reads(scene))
    ruled.git.commit({"README.md": "Another"})
    await ruled.tell()
    await scene.work()
    assert len(reads(scene)) == count


@sqlite_only
@token_only
async def test_what_the_api_shows_late_is_read_again(scene: Scene, ruled: Project) -> None:
    """After a push that touches it, an answer that is the same as before is not believed."""
    await opened(scene, ruled, "one")
    old = ruled.git.tip()
    new = ruled.git.commit({PATH: "comments: off\n"})
    ruled.git.set_branch("main", old)
    payload = ruled.push_payload("main", old, new)
    await ruled.deliver(("push", payload))
    await scene.work()
    assert await effective(scene) == "on"
    ruled.git.set_branch("main", new)
    await scene.pass_time(5)
    assert await effective(scene) == "off"
    count = len(reads(scene))
    await scene.pass_time(600, 60)
    assert len(reads(scene)) == count


@token_only
async def test_the_owners_file_counts_where_there_is_none(
    scene: Scene, ruled: Project, tmp_path: Path
) -> None:
    owner = await of_owner(scene, tmp_path, "comments: off\n")
    first = await opened(scene, ruled, "one")
    assert scene.comments(first) == []
    assert set(reads(scene)) == {"acme/shop", "acme/.github"}
    # A push there is followed in all of the owner's repositories.
    await owner.tell()
    owner.git.commit({PATH: "comments: on\nlabel: all-of-acme\n"})
    await owner.tell()
    await scene.work()
    assert len(scene.comments(first)) == 1 and labels(scene, first) == ["all-of-acme"]
    # One of its own comes before it, as a whole.
    ruled.git.commit({PATH: "check: on\n"})
    await ruled.tell()
    await scene.work()
    assert labels(scene, first) == ["experiment"]


@sqlite_only
@token_only
async def test_another_owners_file_never_counts(
    scene: Scene, ruled: Project, tmp_path: Path
) -> None:
    """`acme/.github` was transferred, and its address leads on to where it is now."""
    await of_owner(scene, tmp_path, "comments: off\n")
    scene.github.rename_repository("acme/.github", "initech/.github")
    first = await opened(scene, ruled, "one")
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
    scene: Scene, ruled: Project, tmp_path: Path
) -> None:
    await of_owner(scene, tmp_path, "comments: off\n")
    await set_to(scene, repositories=["acme/shop"])
    first = await opened(scene, ruled, "one")
    assert scene.comments(first) == [] and "acme/.github" in reads(scene)


@sqlite_only
@token_only
async def test_a_broken_file_has_no_effect_and_is_said(scene: Scene, ruled: Project) -> None:
    ruled.git.commit({PATH: "comments: off\ncode:\n  include: src/\n"})
    first = await opened(scene, ruled, "one")
    assert len(scene.comments(first)) == 1
    page = await page_of(scene, f"/repositories/{REPOSITORY}")
    assert "Line 3, column 12" in page and "must be a list" in page and "no effect" in page
    ruled.git.commit({PATH: "comments: off\ncode:\n  include: [src/]\n"})
    await ruled.tell()
    await scene.work()
    page = await page_of(scene, f"/repositories/{REPOSITORY}")
    assert "column" not in page and "<code>src/</code>" in page and "by the file" in page


@sqlite_only
@token_only
async def test_nothing_is_read_where_code_is_off(scene: Scene, ruled: Project) -> None:
    ruled.git.commit({PATH: "comments: off\n"})
    await set_to(scene, code="off")
    first = await opened(scene, ruled, "one")
    assert len(scene.comments(first)) == 1 and reads(scene) == []


@sqlite_only
@token_only
async def test_a_file_that_github_fails_to_give_is_not_waited_for(
    scene: Scene, ruled: Project
) -> None:
    scene.github.fail(Fault("status", f"GET {REPO}/contents/{{path}}", times=None))
    first = await opened(scene, ruled, "one")
    assert scene.comments(first) == []
    await scene.pass_time(90, 5)
    assert len(scene.comments(first)) == 1
    scene.github.heal()
    ruled.git.commit({PATH: "comments: off\n"})
    await ruled.tell()
    second = await opened(scene, ruled, "two")
    assert scene.comments(second) == []


@sqlite_only
@token_only
async def test_a_file_that_nobody_can_read_has_no_effect_and_is_said(
    scene: Scene, ruled: Project
) -> None:
    template = f"GET {REPO}/contents/{{path}}"
    scene.github.fail(Fault("status", template, status=200, body=GARBLED, times=None))
    assert len(scene.comments(await opened(scene, ruled, "one"))) == 1
    page = await page_of(scene, f"/repositories/{REPOSITORY}")
    assert "a form that cannot be read" in page and "no effect" in page


@sqlite_only
@token_only
async def test_what_is_no_file_counts_as_none(scene: Scene, ruled: Project) -> None:
    template, body = f"GET {REPO}/contents/{{path}}", {"message": "?"}
    scene.github.fail(Fault("status", template, status=200, body=body, times=None))
    assert len(scene.comments(await opened(scene, ruled, "one"))) == 1


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
async def test_a_repository_may_want_fewer_checks(scene: Scene, ruled: Project) -> None:
    await set_to(scene, check="required")
    ruled.git.commit({PATH: "check: on\n"})
    assert scene.check(await opened(scene, ruled, "one", body="")) is None
    ruled.git.commit({PATH: "check: always\n"})
    await ruled.tell()
    await scene.work()
    assert scene.check(await opened(scene, ruled, "two", body="")) == "success"
    ruled.git.commit({PATH: "check: required\n"})
    await ruled.tell()
    await scene.work()
    assert scene.check(await opened(scene, ruled, "three", body="")) == "failure"


@sqlite_only
@token_only
async def test_another_default_branch_has_another_file(scene: Scene, ruled: Project) -> None:
    ruled.git.commit({PATH: "comments: off\n"}, branch="next")
    await opened(scene, ruled, "one")
    assert await effective(scene) == "on"
    scene.github.repository(REPOSITORY).default_branch = "next"
    await opened(scene, ruled, "two")
    assert await effective(scene) == "off"


@sqlite_only
@token_only
async def test_which_environments_are_production(scene: Scene, ruled: Project) -> None:
    sha = ruled.git.commit({PATH: 'environments: {production: ["eu-*", front]}\n'})
    await ruled.tell()
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
    ruled.git.commit({PATH: "environments: {production: [us-east]}\n"})
    await ruled.tell()
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
async def test_what_counts_as_a_reference(scene: Scene, ruled: Project) -> None:
    """A change of that has open pull requests read again, and the default branch."""
    await scene.restart(github_archive_hosts=(scene.github.codeload.url,))
    ruled.bot = scene.bot
    await scene.bot.experiment("checkout-flow", status="active")
    ruled.git.commit(FILES, branch="feature")
    number = await opened(scene, ruled, "feature", body="")
    quoted = [("docs/d.py", "added"), ("test/c.ts", "added")]
    assert await code_of(scene, number) == ("read", quoted)
    text = "code:\n  include: [src/, test/]\n  exclude: [test/]\n  aliases: [upper_snake]\n"
    ruled.git.commit({PATH: text + "  patterns: [Flags.KEY]\n", **FILES})
    await ruled.tell()
    await scene.work()
    await scene.pass_time(120, 20)
    assert await code_of(scene, number) == ("read", [("src/a.ts", "added")])
    answer = await scene.bot.get(f"/api/v1/repositories/{REPOSITORY}/code")
    assert [one["path"] for one in answer.items] == ["src/a.ts"]
    ruled.git.commit({PATH: text.replace("upper_snake", "camel, upper_snake")})
    await ruled.tell()
    await scene.work()
    await scene.pass_time(120, 20)
    found = [("src/a.ts", "added"), ("src/b.ts", "added")]
    assert await code_of(scene, number) == ("read", found)
    ruled.git.commit({PATH: "code: off\n"})
    await ruled.tell()
    await scene.work()
    assert (await code_of(scene, number))[0] == "off"
    answer = await scene.bot.get(f"/api/v1/repositories/{REPOSITORY}/code")
    assert (answer.body["status"], answer.items) == ("off", [])


@sqlite_only
@token_only
async def test_clean_up_is_wanted_or_not(scene: Scene, ruled: Project) -> None:
    """The issue says whose a file is."""
    await scene.restart(github_archive_hosts=(scene.github.codeload.url,))
    ruled.bot = scene.bot
    scene.github.repository(REPOSITORY).private = True
    await set_to(scene, cleanup="on")
    owners = "owners: {docs/: 'the writers'}\n"
    ruled.git.commit({PATH: "cleanup: off\n" + owners, **FILES})
    await scene.bot.experiment("checkout-flow", status="completed")
    await ruled.tell()
    await scene.work()
    await scene.pass_time(30, 10)
    assert scene.github.issues(REPOSITORY) == []
    ruled.git.commit({PATH: owners})
    await ruled.tell()
    await scene.work()
    (issue,) = scene.github.issues(REPOSITORY)
    assert "`docs/d.py`, of `the writers`" in issue["body"]
