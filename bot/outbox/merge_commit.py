"""`merge_commit`: as which commit a pull request was merged, where no delivery has told it.

GraphQL is asked, which goes on telling it. Nothing is written on GitHub, and a delivery that tells
it meanwhile leaves nothing to ask. https://docs.github.com/en/graphql/reference/objects#pullrequest
"""

from typing import Any

from msgspec import Struct

from bot import storage as store
from bot.domain import landing, snapshots
from bot.domain.after import Waiting
from bot.github import Limited, NoQueries, Refused
from bot.github.payloads import Id, Sha
from bot.outbox import identity
from bot.outbox.registry import Job, carries_out

_QUERY = """query ($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) {
    databaseId pullRequest(number: $number) { mergeCommit { oid } }
  }
}"""


class Commit(Struct):
    oid: Sha


class Pull(Struct, rename="camel"):
    merge_commit: Commit | None = None


class Repository(Struct, rename="camel"):
    database_id: Id | None = None
    pull_request: Pull | None = None


class Answer(Struct):
    repository: Repository | None = None


async def _ask(job: Job, number: int) -> Answer:
    owner, name = job.action.repository.split("/", 1)
    try:
        return await job.client.query(
            Answer, _QUERY, {"owner": owner, "name": name, "number": number}
        )
    except Limited as error:
        if job.client.headers.get("X-RateLimit-Resource") != "graphql":
            raise
        # The limit of GraphQL is one of its own: what else is owed need not wait for it.
        raise Waiting(error.reason) from None


@carries_out(landing.MERGE_COMMIT)
async def run(job: Job) -> dict[str, Any]:
    pull = await job.read(store.items.get, job.item_id)
    if pull.state != "merged" or pull.merge_sha is not None:
        return {"sha": pull.merge_sha}
    try:
        answer = await _ask(job, pull.number)
    except NoQueries as error:  # nobody can mend that, and nothing else depends on it
        return {"sha": None, "reason": error.reason}
    there = answer.repository
    if there is not None and there.database_id is not None:
        row = await job.read(store.repositories.get, job.action.repository_id)
        await identity.see_to_id(job.services, row, there.database_id)
    found = there.pull_request if there is not None else None
    if found is None:
        raise Refused(404, "GitHub's GraphQL API knows no such pull request", lags=True)
    if found.merge_commit is None:
        return {"sha": None}
    await job.write(snapshots.observe_merge_commit, pull.id, found.merge_commit.oid)
    return {"sha": found.merge_commit.oid}
