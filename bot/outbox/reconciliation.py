"""`reconciliation`: reads a pull request or a repository again that nobody has told of for long.

Unchanged, it costs nothing: GitHub is asked with the ETag of the last answer, as long as the
process has that. What has changed is taken in as if a delivery had told it. That something is not
found proves nothing, so nothing follows from it.
https://docs.github.com/en/rest/pulls/pulls#get-a-pull-request
https://docs.github.com/en/rest/repos/repos#get-a-repository
"""

from typing import Any

from bot import storage as store
from bot import times
from bot.domain import fetched, reconciliation, rules_reading, snapshots, speaking
from bot.domain.after import Waiting
from bot.domain.allowed import NotAllowed
from bot.github import Refused, payloads
from bot.outbox import identity
from bot.outbox.registry import Job, carries_out

_PULL = "/repos/{+repository}/pulls/{number}"
_REPOSITORY = "/repos/{+repository}"
_NOT_FOUND = (404, 410, 451)


@carries_out(reconciliation.RECONCILIATION)
async def run(job: Job) -> dict[str, Any]:
    number, read_at = job.action.number, times.now()
    try:
        answer = await job.client.getitem(_PULL if number else _REPOSITORY, job.at())
    except Refused as refusal:
        if refusal.status not in _NOT_FOUND:
            raise
        where = job.action.repository_id, job.integration.id
        await job.write(speaking.ask_again, *where)
        return {"found": False}
    row = await job.read(store.repositories.get, job.action.repository_id)
    pull = None
    if number:
        pull = payloads.read_answer(answer, payloads.PullRequest)
        pull.number = number
        base = pull.base.repo if pull.base else None
        about = base if isinstance(base, payloads.Repository) else None
        about = about or payloads.Repository(full_name=row.full_name, id=row.github_id)
    else:
        about = payloads.read_answer(answer, payloads.Repository)
    if about.id is not None:
        await identity.see_to_id(job.services, row, about.id)

    def keep(tx: store.Transaction) -> None:
        source = snapshots.by_answer(tx, job.integration.scope, about)
        try:
            repository_id = source.repository(about)
        except NotAllowed:
            raise Waiting(f"another integration speaks for {about.full_name}") from None
        if pull is None:
            rules_reading.read_again(tx, job.integration.id, repository_id)
        if pull is not None:
            fetched.observe_pull_request(source, about, repository_id, pull, read_at)

    locks = store.locks_of_repository(row.host, row.github_id, about.full_name)
    await job.services.database.write(keep, locks=locks)
    return {"found": True}
