"""Clean-up issues: their life from completed to closed, and never more than one."""

import re

import pytest

from tests.code.clean_up import (
    CODE,
    ISSUE,
    ISSUES,
    KEY,
    LESS,
    Shop,
    ask,
    begin,
    calls,
    change,
    close,
    issue_of,
    moved,
    read_in_part,
    set_status,
    state_of,
    tell,
    told,
    transfer,
)
from tests.github import Fault
from tests.kit.golden import Golden
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import REPOSITORY
from tests.outbox.lost import lose


async def test_the_life_of_a_clean_up_issue(shop: Shop, golden: Golden) -> None:
    shop.github.repository(REPOSITORY).private = True
    await begin(shop)
    assert shop.github.issues(REPOSITORY) == []
    await set_status(shop, "completed")
    number = issue_of(shop)["number"]
    golden(shop, number, "clean-up/completed and still in the code")
    await change(shop, LESS)
    golden(shop, number, "clean-up/less is left")
    assert await told(shop, "experiment.cleaned_up") == []
    await change(shop, {})
    golden(shop, number, "clean-up/nothing is left")
    assert state_of(shop) == ("closed", "completed")
    await tell(shop, "closed", issue_of(shop))
    (said,) = await told(shop, "experiment.cleaned_up")
    assert said == f"Nothing is left in the default branch of {REPOSITORY}"
    await change(shop, LESS)
    assert state_of(shop)[0] == "open"
    await change(shop, {})
    assert state_of(shop) == ("closed", "completed")
    assert len(await told(shop, "experiment.cleaned_up")) == 2
    (linked,) = await shop.bot.walk(f"/api/v1/experiments/{KEY}/issues")
    assert (linked["number"], linked["linked_by"]) == (number, "api")
    assert {one["status"] for one in await shop.actions()} == {"done"}


@sqlite_only
@token_only
async def test_it_is_edited_only_if_its_text_changes(shop: Shop) -> None:
    """Another commit alone, or another experiment, is no reason."""
    await begin(shop)
    await set_status(shop, "completed")
    shop.github.requests.clear()
    await change(shop, CODE)
    await change(shop, {"other.py": (1,)}, key="another")
    await shop.bot.patch(f"/api/v1/experiments/{KEY}", {"tags": ["growth"]})
    await shop.bot.experiment("another")  # for which all is read again
    await shop.pass_time(10)
    assert calls(shop) == []
    await change(shop, LESS)
    assert calls(shop) == [f"GET {ISSUE}", f"PATCH {ISSUE}"]


@sqlite_only
@pytest.mark.parametrize(
    ("credential", "kind"),
    [
        *(("token", one) for one in ("drop_after", "timeout_after", "status_after", "drop_before")),
        ("app", "drop_after"),
    ],
    indirect=["credential"],
)
async def test_there_is_one_issue_whatever_answer_is_lost(shop: Shop, kind: str) -> None:
    await begin(shop)
    fault = lose(shop, kind, ISSUES)
    await set_status(shop, "completed")
    assert fault.used == 1
    lost = lose(shop, kind, f"PATCH {ISSUE}", times=2)
    await change(shop, LESS)  # while nobody knows whether there is one
    await shop.pass_time(600, 60)
    await change(shop, {})
    await shop.pass_time(600, 60)
    assert lost.used == 2
    assert state_of(shop) == ("closed", "completed")
    await tell(shop, "closed", issue_of(shop))
    await change(shop, CODE)
    assert state_of(shop)[0] == "open"
    assert "4 references in 3 files" in issue_of(shop)["body"]
    assert {one["status"] for one in await shop.actions()} == {"done"}


@sqlite_only
@token_only
async def test_its_own_delivery_tells_of_one_whose_answer_is_lost(shop: Shop) -> None:
    """GitHub is down from then on. A copy of its marker by somebody else is no such issue."""
    await begin(shop)
    lose(shop, "drop_after", ISSUES)
    await set_status(shop, "completed")
    ours = issue_of(shop)
    shop.github.down = True
    copy = shop.github.open_issue(REPOSITORY, title="Mine", body=ours["body"], author="mallory")
    await tell(shop, "opened", shop.github.issue_payload(REPOSITORY, copy.number))
    assert await shop.bot.walk(f"/api/v1/experiments/{KEY}/issues") == []
    await tell(shop, "opened", ours)
    (linked,) = await shop.bot.walk(f"/api/v1/experiments/{KEY}/issues")
    assert linked["number"] == ours["number"]
    shop.github.heal()
    await shop.pass_time(600, 60)
    assert len(shop.github.issues(REPOSITORY)) == 2


@sqlite_only
@token_only
@pytest.mark.parametrize("reason", ["not_planned", "completed"])
async def test_what_people_have_closed_stays_so(shop: Shop, reason: str) -> None:
    """Neither edited nor opened, until somebody asks; the feed is told all the same."""
    await begin(shop)
    await set_status(shop, "completed")
    await close(shop, reason)
    before = issue_of(shop)
    await change(shop, LESS)
    await change(shop, {})
    assert issue_of(shop) == before
    assert len(await told(shop, "experiment.cleaned_up")) == 1
    await change(shop, LESS)
    assert issue_of(shop) == before
    assert (await ask(shop)).status == 202
    await shop.work()
    assert state_of(shop)[0] == "open"
    assert "1 reference in 1 file" in issue_of(shop)["body"]
    await change(shop, {})
    assert state_of(shop) == ("closed", "completed")


@sqlite_only
@token_only
async def test_what_was_closed_is_seen_where_no_delivery_has_told(shop: Shop) -> None:
    await begin(shop)
    await set_status(shop, "completed")
    shop.clock.ahead += 60
    item = shop.github.repository(REPOSITORY).issues[issue_of(shop)["number"]]
    item.state, item.state_reason = "closed", "not_planned"
    item.updated_at = shop.github.clock()
    before = issue_of(shop)
    await change(shop, {})
    assert issue_of(shop) == before


@sqlite_only
@token_only
async def test_what_people_open_again_is_gone_on_with(shop: Shop) -> None:
    await begin(shop)
    await set_status(shop, "completed")
    await close(shop, "not_planned")
    await change(shop, LESS)
    shop.clock.ahead += 60
    item = shop.github.repository(REPOSITORY).issues[issue_of(shop)["number"]]
    item.state, item.state_reason = "open", "reopened"
    item.updated_at = shop.github.clock()
    await tell(shop, "reopened", issue_of(shop))
    await shop.work()
    assert "1 reference in 1 file" in issue_of(shop)["body"]
    # One that the bot has closed is theirs to open, too.
    await change(shop, {})
    shop.clock.ahead += 60
    item.state, item.updated_at = "open", shop.github.clock()
    await tell(shop, "reopened", issue_of(shop))
    await shop.work()
    assert state_of(shop)[0] == "open"


@sqlite_only
@token_only
@pytest.mark.parametrize("is_told", [True, False])
async def test_a_deleted_issue_is_made_again_only_when_asked_for(shop: Shop, is_told: bool) -> None:
    await begin(shop)
    await set_status(shop, "completed")
    issue = issue_of(shop)
    shop.clock.ahead += 60
    shop.github.delete_issue(REPOSITORY, issue["number"])
    if is_told:
        await tell(shop, "deleted", issue)
    await change(shop, LESS)
    await change(shop, CODE)
    assert shop.github.issues(REPOSITORY) == []
    assert (await ask(shop)).status == 202
    await shop.work()
    assert issue_of(shop)["number"] > issue["number"]


@sqlite_only
@token_only
async def test_an_experiment_that_is_active_again(shop: Shop) -> None:
    await begin(shop)
    await set_status(shop, "completed")
    await set_status(shop, "active")
    assert state_of(shop) == ("closed", "not_planned")
    assert "is not over any more" in issue_of(shop)["body"]
    await change(shop, LESS)
    await set_status(shop, "archived")
    assert state_of(shop)[0] == "open"
    await shop.bot.delete(f"/api/v1/experiments/{KEY}")
    await shop.work()
    assert state_of(shop)[0] == "open"


@sqlite_only
@token_only
async def test_only_a_whole_map_says_that_nothing_is_left(shop: Shop) -> None:
    await begin(shop)
    await set_status(shop, "completed")
    await read_in_part(shop, of="large.sql")
    assert "there may be more" in issue_of(shop)["body"]
    await change(shop, {})
    assert state_of(shop)[0] == "open"
    assert await told(shop, "experiment.cleaned_up") == []
    await read_in_part(shop, of=None)
    assert state_of(shop) == ("closed", "completed")


@sqlite_only
@token_only
async def test_another_name_is_looked_for_before_nothing_is_left(shop: Shop) -> None:
    await begin(shop)
    await set_status(shop, "completed")
    await change(shop, {"old.ts": (2,)}, key="checkout-old")
    await shop.bot.patch(f"/api/v1/experiments/{KEY}", {"aliases": ["checkout-old"]})
    await change(shop, {})
    assert state_of(shop)[0] == "open"
    await shop.pass_time(10)
    assert "In `old.ts`" in issue_of(shop)["body"]
    assert ", as `checkout-old`" in issue_of(shop)["body"]


@sqlite_only
@token_only
async def test_where_issues_are_off(shop: Shop) -> None:
    """It is said, is no trouble of the integration's, and is not tried for each push."""
    shop.github.repository(REPOSITORY).has_issues = False
    await begin(shop)
    await set_status(shop, "completed")
    (action,) = await shop.actions("?kind=clean_up")
    assert action["status"] == "failed" and "410" in action["last_error"]
    integration = await shop.bot.get(f"/api/v1/integrations/{shop.integration}")
    assert integration.body["last_error"] is None
    await change(shop, LESS)
    assert len(await shop.actions("?kind=clean_up")) == 1
    shop.github.repository(REPOSITORY).has_issues = True
    assert (await ask(shop)).status == 202
    await shop.work()
    assert "1 reference in 1 file" in issue_of(shop)["body"]


@sqlite_only
@token_only
async def test_many_references_in_odd_places(shop: Shop) -> None:
    """400 are listed and the rest is counted, within GitHub's limit; no path does anything."""
    odd = "docs/`@acme/all` #7 experiment_key: other\n(x)<!-- y -->/é" + "z" * 300 + ".ts"
    code = {odd: (1,), **{f"src/{number:03}.ts": (number + 1,) for number in range(401)}}
    await begin(shop, code)
    await set_status(shop, "completed")
    body = issue_of(shop)["body"]
    assert len(re.findall(r"\]\(https://\S+/blob/[0-9a-f]{40}/\S+#L[0-9]+\)", body)) == 400
    assert "402 references in 402 files" in body and "… and 2 more." in body
    assert len(body) <= 65_536 and "@a" not in body
    long = {f"{'p' * 200}/{'é' * 200}/{number:03}.ts": (1, 2) for number in range(300)}
    await change(shop, long)
    body = issue_of(shop)["body"]
    assert len(body) <= 65_536
    listed, more = len(re.findall("#L", body)), int(re.findall(r"… and ([0-9]+) more", body)[0])
    assert listed + more == 600
    await tell(shop, "edited", issue_of(shop))
    unresolved = await shop.bot.walk("/api/v1/links/unresolved")
    assert unresolved == []


@sqlite_only
@token_only
async def test_a_public_repository_is_told_the_key_alone(shop: Shop) -> None:
    await begin(shop)
    await set_status(shop, "completed")
    body = issue_of(shop)["body"]
    assert KEY in body and "One page checkout" not in body and "growth" not in body


@sqlite_only
@token_only
async def test_a_repository_that_becomes_public(shop: Shop) -> None:
    shop.github.repository(REPOSITORY).private = True
    await begin(shop)
    await set_status(shop, "completed")
    assert "One page checkout" in issue_of(shop)["body"]
    shop.clock.ahead += 60
    repository = shop.github.repository(REPOSITORY)
    repository.private, repository.updated_at = False, shop.github.clock()
    payload = {"action": "publicized", "repository": shop.github.repository_payload(REPOSITORY)}
    await shop.bot.deliver(shop.integration, "repository", payload)
    await shop.work()
    assert "One page checkout" not in issue_of(shop)["body"]


@sqlite_only
@token_only
async def test_off_until_it_is_switched_on(shop: Shop) -> None:
    await begin(shop, cleanup="off")
    await set_status(shop, "completed")
    await change(shop, LESS)
    assert shop.github.issues(REPOSITORY) == []
    path = f"/api/v1/integrations/{shop.integration}"
    await shop.bot.patch(path, {"config": {"cleanup": "on"}})
    await shop.work()
    assert "1 reference in 1 file" in issue_of(shop)["body"]


@sqlite_only
@token_only
@pytest.mark.parametrize("told_by", ["leaving", "arriving", "nobody"])
async def test_a_transferred_issue_is_followed(shop: Shop, told_by: str) -> None:
    await begin(shop)
    await set_status(shop, "completed")
    old = issue_of(shop)
    leaves, arrives = transfer(shop, "acme/chores")
    there = {"full_name": "acme/chores", "id": shop.github.repository("acme/chores").id}
    await tell(shop, "created", arrives, repository=there)  # by which it is heard of
    if told_by == "leaving":
        changes = {"new_issue": arrives, "new_repository": there}
        await tell(shop, "transferred", leaves, changes=changes)
    elif told_by == "arriving":
        here = shop.github.repository_payload(REPOSITORY)
        changes = {"old_issue": leaves, "old_repository": here}
        await tell(shop, "opened", arrives, repository=there, changes=changes)
    else:
        shop.github.fail(Fault("redirect_away", f"GET {ISSUE}", headers=moved(shop, arrives)))
    await change(shop, LESS)
    assert shop.github.issues(REPOSITORY) == []
    (issue,) = shop.github.issues("acme/chores")
    assert "1 reference in 1 file" in issue["body"] != old["body"]
    assert f"/{REPOSITORY}/blob/" in issue["body"]
    await change(shop, {})
    (issue,) = shop.github.issues("acme/chores")
    assert (issue["state"], issue["state_reason"]) == ("closed", "completed")


@sqlite_only
@token_only
async def test_an_archived_repository_is_waited_for(shop: Shop) -> None:
    await begin(shop)
    repository = shop.github.repository(REPOSITORY)
    repository.archived = True
    await set_status(shop, "completed")
    (action,) = await shop.actions("?kind=clean_up")
    assert action["status"] == "pending" and "archived" in action["last_error"]
    repository.archived = False
    payload = {"action": "unarchived", "repository": shop.github.repository_payload(REPOSITORY)}
    await shop.bot.deliver(shop.integration, "repository", payload)
    await shop.work()
    assert state_of(shop)[0] == "open"
