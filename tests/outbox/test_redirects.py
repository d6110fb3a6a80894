"""Wherever GitHub, or whoever answers in its name, leads to: the credential stays at home."""

from typing import Any

from tests.github import Fault
from tests.kit.marks import slow, sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.outbox.addresses import Decoy
from tests.outbox.stories import KEY, LINE

COMMENTS = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"
LIST = "GET /repos/{owner}/{repo}/issues/{issue_number}/comments"


def away(decoy: Decoy, url: str) -> list[str]:
    """Return addresses that lead out of an API at `url`, which ends in /api/v3."""
    host = url.removeprefix("http://").removesuffix("/api/v3")
    other = decoy.url.removeprefix("http://")
    return [
        f"{decoy.url}/api/v3/x",
        f"//{other}/api/v3/x",
        f"\\\\{other}\\x",
        f"/\\{other}/x",
        f"http://{host}@{other}/api/v3/x",
        f"http://x@{host}/api/v3/x",
        f"HTTP://{other.upper()}/api/v3/x",
        f"http://{host.partition(':')[0]}/api/v3/x",
        f"https://{host}/api/v3/x",
        f"http://{host}.evil.example/api/v3/x",
        f"http:///{other}/api/v3/x",
        "/x",
        "/api/v3",
        "/api/v33/x",
        "/api/v3/../../x",
        "/api/v3/%2e%2e/%2E%2E/x",
        "/api/v3/%2e./x",
        "/api/v3/%252e%252e/x",
        "/api/v3%2f..%2f..%2fx",
        "/api/v3/..%2f..%2fx",
        "/api/v3/..%5c..%5cx",
        "/api/v3/..\\..\\x",
        "/api/v3/..;/..;a=b/x",
        "/api/v3//x",
        "/api/v3/./x",
        f"{url}/../../x",
        f"{url}/%2e%2e/%2e%2e/x",
        "../../../../../../../x",
        "..",
        f"/api/v3/\t//{other}/x",
        "http://[::1/x",
        f"http://{host}:99999/api/v3/x",
    ]


@sqlite_only
@slow
async def test_no_redirect_leaves_the_api_url(enterprise: Scene, decoy: Decoy) -> None:
    scene = enterprise
    await scene.bot.experiment(KEY)
    await scene.bot.experiment("another-key")
    number = await scene.open(LINE)
    await scene.work()
    (made,) = scene.comments(number)
    edit = "PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}"
    for position, location in enumerate(away(decoy, scene.github.url)):
        if "\t" in location:
            continue  # cannot be in a header
        fault = scene.github.fail(Fault("redirect_away", edit, headers={"Location": location}))
        before = len(scene.github.requests)
        await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"name": f"Name {position}"})
        await scene.work()
        assert fault.used == 1, location
        # GitHub was asked that once, and before it whether the repository still has its name.
        asked = [one.template for one in scene.github.requests[before:]]
        assert asked == ["GET /repos/{owner}/{repo}", edit], location
        assert scene.comments(number) == [made], location
        (action,) = await scene.actions("?status=pending")
        assert "not followed" in action["last_error"]
        await scene.pass_time(30, 10)
        (made,) = scene.comments(number)
        assert f"Name {position}" in made
    assert decoy.requests == []


@sqlite_only
async def test_redirects_within_it_are_followed(enterprise: Scene) -> None:
    scene = enterprise
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE)
    repository = scene.github.repository(REPOSITORY).id
    where = f"/api/v3/repositories/{repository}/issues/{number}/comments"
    upper = scene.github.url.replace("http://127.0.0.1", "HTTP://127.0.0.1")
    for location in (where, f"{upper.removesuffix('/api/v3')}{where}"):
        scene.github.fail(Fault("redirect_away", COMMENTS, headers={"Location": location}))
    await scene.work()
    assert len(scene.comments(number)) == 1
    assert [one.status for one in scene.github.writes(COMMENTS)] == [301, 301, 201]


@sqlite_only
@token_only
async def test_redirects_end(enterprise: Scene) -> None:
    scene = enterprise
    await scene.bot.experiment(KEY)
    await scene.open(LINE)
    scene.github.fail(Fault("redirect_loop", COMMENTS, times=None))
    await scene.work()
    assert len(scene.github.writes(COMMENTS)) == 4
    scene.github.heal()


@sqlite_only
async def test_no_next_page_leaves_the_api_url(enterprise: Scene, decoy: Decoy) -> None:
    scene = enterprise
    await scene.bot.experiment(KEY)
    locations = [one for one in away(decoy, scene.github.url) if "\t" not in one]
    for location in (locations[0], locations[4], f"{scene.github.url}/../../x", "//x/y", "/x"):
        # An answer is lost, so the comments are listed; the list leads elsewhere.
        scene.github.fail(Fault("drop_before", COMMENTS))
        link = {"Link": f'<{location}>; rel="next"'}
        body: Any = [{"id": 1, "body": "x", "user": {"login": "jane"}}]
        scene.github.fail(Fault("status", LIST, status=200, headers=link, body=body))
        number = await scene.open(LINE)
        await scene.pass_time(120, 20)
        assert len(scene.comments(number)) == 1, location
    assert decoy.requests == []


@sqlite_only
@token_only
async def test_pages_that_go_on_for_ever_end(scene: Scene) -> None:
    await scene.bot.experiment(KEY)
    scene.github.fail(Fault("drop_before", COMMENTS))
    number = await scene.open(LINE)
    again = f"{scene.github.url}/repos/{REPOSITORY}/issues/{number}/comments?per_page=100"
    body: Any = [{"id": 1, "body": "x", "user": {"login": "jane"}}]
    link = {"Link": f'<{again}>; rel="next"'}
    scene.github.fail(Fault("status", LIST, times=None, status=200, headers=link, body=body))
    await scene.work()
    await scene.pass_time(10)
    assert len(scene.github.calls(LIST)) <= 3
    assert "no end" in (await scene.part("status_comment"))["error"]
    scene.github.heal()
