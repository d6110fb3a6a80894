"""Clean-up issues: their life from completed to closed, and never more than one."""

import re

import pytest

from tests.code.clean_up import (
    CODE,
    ISSUE,
    ISSUES,
    KEY,
    ask,
    begin,
    change,
    close,
    issue_of,
    set_status,
    stands,
    state_of,
    tell,
    told,
)
from tests.github import REPO
from tests.kit.golden import Golden
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.outbox.lost import lose

LESS = {"src/checkout/page.tsx": (12,)}


async def test_the_life_of_a_clean_up_issue(scene: Scene, golden: Golden) -> None:
    scene.github.repository(REPOSITORY).private = True
    await begin(scene)
    assert scene.github.issues(REPOSITORY) == []
    await set_status(scene, "completed")
    number = issue_of(scene)["number"]
    golden(scene, number, "clean-up/completed and still in the code")
    await change(scene, LESS)
    golden(scene, number, "clean-up/less is left")
    assert await told(scene, "experiment.cleaned_up") == []
    await change(scene, {})
    golden(scene, number, "clean-up/nothing is left")
    assert state_of(scene) == ("closed", "completed")
    await tell(scene, "closed", issue_of(scene))
    (said,) = await told(scene, "experiment.cleaned_up")
    assert said == f"Nothing is left in the default branch of {REPOSITORY}"
    await change(scene, LESS)
    assert state_of(scene)[0] == "open"
    await change(scene, {})
    assert state_of(scene) == ("closed", "completed")
    assert len(await told(scene, "experiment.cleaned_up")) == 2
    (linked,) = await scene.bot.walk(f"/api/v1/experiments/{KEY}/issues")
    assert (linked["number"], linked["linked_by"]) == (number, "api")
    assert {one["status"] for one in await scene.actions()} == {"done"}


@sqlite_only
@token_only
async def test_it_is_edited_only_if_its_text_changes(scene: Scene) -> None:
    """Another commit alone, or another experiment, is no reason."""
    await begin(scene)
    await set_status(scene, "completed")
    before = len(scene.github.requests)
    await change(scene, CODE)
    await change(scene, {"other.py": (1,)}, key="another")
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"tags": ["growth"]})
    await scene.work()
    assert scene.github.requests[before:] == []
    await change(scene, LESS)
    edits = [one.template for one in scene.github.requests[before:] if one.template != f"GET {REPO}"]
    assert edits == [f"GET {ISSUE}", f"PATCH {ISSUE}"]


@sqlite_only
@pytest.mark.parametrize("kind", ["drop_after", "timeout_after", "status_after", "drop_before"])
async def test_there_is_one_issue_whatever_answer_is_lost(scene: Scene, kind: str) -> None:
    await begin(scene)
    fault = lose(scene, kind, ISSUES)
    await set_status(scene, "completed")
    assert fault.used == 1
    lost = lose(scene, kind, f"PATCH {ISSUE}", times=2)
    await change(scene, LESS)  # while nobody knows whether there is one
    await scene.pass_time(600, 60)
    await change(scene, {})
    await scene.pass_time(600, 60)
    assert lost.used == 2
    assert state_of(scene) == ("closed", "completed")
    await tell(scene, "closed", issue_of(scene))
    await change(scene, CODE)
    assert state_of(scene)[0] == "open"
    assert "4 references in 3 files" in issue_of(scene)["body"]
    assert {one["status"] for one in await scene.actions()} == {"done"}


@sqlite_only
@token_only
async def test_its_own_delivery_tells_of_one_whose_answer_is_lost(scene: Scene) -> None:
    """GitHub is down from then on. A copy of its marker by somebody else is no such issue."""
    await begin(scene)
    lose(scene, "drop_after", ISSUES)
    await set_status(scene, "completed")
    ours = issue_of(scene)
    scene.github.down = True
    copy = scene.github.open_issue(REPOSITORY, title="Mine", body=ours["body"], author="mallory")
    await tell(scene, "opened", scene.github.issue_payload(REPOSITORY, copy.number))
    assert await scene.bot.walk(f"/api/v1/experiments/{KEY}/issues") == []
    await tell(scene, "opened", ours)
    (linked,) = await scene.bot.walk(f"/api/v1/experiments/{KEY}/issues")
    assert linked["number"] == ours["number"]
    scene.github.heal()
    await scene.pass_time(600, 60)
    assert len(scene.github.issues(REPOSITORY)) == 2


@sqlite_only
@token_only
@pytest.mark.parametrize("reason", ["not_planned", "completed"])
async def test_what_people_have_closed_stays_so(scene: Scene, reason: str) -> None:
    """Neither edited nor opened, until somebody asks; the feed is told all the same."""
    await begin(scene)
    await set_status(scene, "completed")
    await close(scene, reason)
    before = issue_of(scene)
    await change(scene, LESS)
    await change(scene, {})
    assert issue_of(scene) == before
    assert len(await told(scene, "experiment.cleaned_up")) == 1
    await change(scene, LESS)
    assert issue_of(scene) == before
    assert (await ask(scene)).status == 202
    await scene.work()
    assert state_of(scene)[0] == "open"
    assert "1 reference in 1 file" in issue_of(scene)["body"]
    await change(scene, {})
    assert state_of(scene) == ("closed", "completed")


@sqlite_only
@token_only
async def test_what_was_closed_is_seen_where_no_delivery_has_told(scene: Scene) -> None:
    await begin(scene)
    await set_status(scene, "completed")
    scene.clock.ahead += 60
    item = scene.github.repository(REPOSITORY).issues[issue_of(scene)["number"]]
    item.state, item.state_reason = "closed", "not_planned"
    item.updated_at = scene.github.clock()
    before = issue_of(scene)
    await change(scene, {})
    assert issue_of(scene) == before


@sqlite_only
@token_only
async def test_what_people_open_again_is_gone_on_with(scene: Scene) -> None:
    await begin(scene)
    await set_status(scene, "completed")
    await close(scene, "not_planned")
    await change(scene, LESS)
    scene.clock.ahead += 60
    item = scene.github.repository(REPOSITORY).issues[issue_of(scene)["number"]]
    item.state, item.state_reason = "open", "reopened"
    item.updated_at = scene.github.clock()
    await tell(scene, "reopened", issue_of(scene))
    await scene.work()
    assert "1 reference in 1 file" in issue_of(scene)["body"]
    # One that the bot has closed is theirs to open, too.
    await change(scene, {})
    scene.clock.ahead += 60
    item.state, item.updated_at = "open", scene.github.clock()
    await tell(scene, "reopened", issue_of(scene))
    await scene.work()
    assert state_of(scene)[0] == "open"


@sqlite_only
@token_only
@pytest.mark.parametrize("is_told", [True, False])
async def test_a_deleted_issue_is_made_again_only_when_asked_for(
    scene: Scene, is_told: bool
) -> None:
    await begin(scene)
    await set_status(scene, "completed")
    issue = issue_of(scene)
    scene.clock.ahead += 60
    scene.github.delete_issue(REPOSITORY, issue["number"])
    if is_told:
        await tell(scene, "deleted", issue)
    await change(scene, LESS)
    await change(scene, CODE)
    assert scene.github.issues(REPOSITORY) == []
    assert (await ask(scene)).status == 202
    await scene.work()
    assert issue_of(scene)["number"] > issue["number"]


@sqlite_only
@token_only
async def test_an_experiment_that_is_active_again(scene: Scene) -> None:
    await begin(scene)
    await set_status(scene, "completed")
    await set_status(scene, "active")
    assert state_of(scene) == ("closed", "not_planned")
    assert "is not over any more" in issue_of(scene)["body"]
    await change(scene, LESS)
    await set_status(scene, "archived")
    assert state_of(scene)[0] == "open"
    await scene.bot.delete(f"/api/v1/experiments/{KEY}")
    await scene.work()
    assert state_of(scene)[0] == "open"


@sqlite_only
@token_only
async def test_only_a_whole_map_says_that_nothing_is_left(scene: Scene) -> None:
    await begin(scene)
    await set_status(scene, "completed")
    await change(scene, {}, status="partial")
    assert state_of(scene)[0] == "open"
    assert await told(scene, "experiment.cleaned_up") == []
    await change(scene, LESS, status="partial")
    assert "there may be more" in issue_of(scene)["body"]
    await scene.bot.patch(f"/api/v1/experiments/{KEY}", {"aliases": ["checkoutFlow"]})
    await change(scene, {})
    assert state_of(scene) == ("closed", "completed")


@sqlite_only
@token_only
async def test_where_issues_are_off(scene: Scene) -> None:
    """It is said, is no trouble of the integration's, and is not tried for each push."""
    scene.github.repository(REPOSITORY).has_issues = False
    await begin(scene)
    await set_status(scene, "completed")
    (action,) = await scene.actions("?kind=clean_up")
    assert action["status"] == "failed" and "410" in action["last_error"]
    integration = await scene.bot.get(f"/api/v1/integrations/{scene.integration}")
    assert integration.body["last_error"] is None
    await change(scene, LESS)
    assert len(await scene.actions("?kind=clean_up")) == 1
    scene.github.repository(REPOSITORY).has_issues = True
    assert (await ask(scene)).status == 202
    await scene.work()
    assert "1 reference in 1 file" in issue_of(scene)["body"]


@sqlite_only
@token_only
async def test_many_references_in_odd_places(scene: Scene) -> None:
    """400 are listed and the rest is counted, within GitHub's limit; no path does anything."""
    odd = "docs/`@acme/all` #7 experiment_key: other\n(x)<!-- y -->/é" + "z" * 300
    code = {odd: (1,), **{f"src/{number:03}.ts": (number + 1,) for number in range(401)}}
    await begin(scene, code)
    await set_status(scene, "completed")
    body = issue_of(scene)["body"]
    assert len(re.findall(r"\]\(https://\S+/blob/[0-9a-f]{40}/\S+#L[0-9]+\)", body)) == 400
    assert "402 references in 402 files" in body and "… and 2 more." in body
    assert len(body) <= 65_536 and "@a" not in body
    long = {f"{'p' * 200}/{'é' * 200}/{number:03}.ts": (1, 2) for number in range(300)}
    await change(scene, long)
    body = issue_of(scene)["body"]
    assert len(body) <= 65_536
    listed, more = len(re.findall("#L", body)), int(re.findall(r"… and ([0-9]+) more", body)[0])
    assert listed + more == 600
    await tell(scene, "edited", issue_of(scene))
    unresolved = await scene.bot.walk("/api/v1/links/unresolved")
    assert unresolved == []


@sqlite_only
@token_only
async def test_a_public_repository_is_told_the_key_alone(scene: Scene) -> None:
    await begin(scene)
    await set_status(scene, "completed")
    body = issue_of(scene)["body"]
    assert KEY in body and "One page checkout" not in body and "growth" not in body


@sqlite_only
@token_only
async def test_off_until_it_is_switched_on(scene: Scene) -> None:
    await begin(scene, cleanup="off")
    await set_status(scene, "completed")
    await change(scene, LESS)
    assert scene.github.issues(REPOSITORY) == []
    path = f"/api/v1/integrations/{scene.integration}"
    await scene.bot.patch(path, {"config": {"cleanup": "on"}})
    await scene.work()
    assert "1 reference in 1 file" in issue_of(scene)["body"]
