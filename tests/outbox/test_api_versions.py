"""What version 2026-03-10 of GitHub's API has removed is not missed, in deliveries or in answers.

https://docs.github.com/en/rest/about-the-rest-api/breaking-changes
"""

from typing import Any

from tests.kit.marks import each_credential, sqlite_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.outbox.stories import KEY, LINE

# Of pull requests, issues, repositories, the limits, the beta media type and the root, as they are.
REMOVED = {
    *("merge_commit_sha", "assignee", "has_downloads", "use_squash_pr_title_as_default", "rate"),
    *("master_branch", "authorizations_url", "hub_url"),
}


def without(value: Any) -> Any:
    """Return a payload as it is with that version."""
    if isinstance(value, dict):
        return {name: without(one) for name, one in value.items() if name not in REMOVED}
    return [without(one) for one in value] if isinstance(value, list) else value


@sqlite_only
@each_credential
async def test_all_of_it(scene: Scene) -> None:
    scene.github.left_out = REMOVED
    await scene.bot.experiment(KEY)
    number = await scene.open(LINE, tell=False)
    payload = scene.payload("opened", number)
    await scene.bot.tell(scene.integration, without(payload))
    await scene.say(number, '/experiment issue "Track it" assignee=jane')
    await scene.work()
    assert scene.check(number) == "success" and len(scene.comments(number)) == 2
    (issue,) = scene.github.issues(REPOSITORY)
    assert [one["login"] for one in issue["assignees"]] == ["jane"]
    by_hand = await scene.open("", tell=False)
    link = {"integration_id": scene.integration, "repository": REPOSITORY, "number": by_hand}
    assert (await scene.bot.post(f"/api/v1/experiments/{KEY}/pull-requests", link)).status == 201
    checked = await scene.bot.post(f"/api/v1/integrations/{scene.integration}/check")
    found = {one["check"]: one["status"] for one in checked.body["findings"]}
    assert (found["credential"], found["rate_limit"]) == ("ok", "ok")
    pulls = await scene.bot.walk(f"/api/v1/experiments/{KEY}/pull-requests")
    assert {one["number"] for one in pulls} == {number, by_hand}
