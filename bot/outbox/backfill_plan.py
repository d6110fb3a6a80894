"""`backfill_plan`: finds out which repositories are to be read, and begins with each of them.

Those of a delivery, or of GitHub's own list of what an installation may see, are known by then. Of
one that somebody has only named GitHub is asked which it is, and whether the credential has a right
there: that a public repository can be read proves nothing.
https://docs.github.com/en/rest/apps/installations#list-repositories-accessible-to-the-app-installation
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from bot import storage as store
from bot.deliveries import rights
from bot.domain import allowed, backfills, snapshots, speaking
from bot.domain.allowed import NotAllowed, Undecided
from bot.github import Client, Refused, payloads
from bot.outbox.registry import Job, carries_out

_REPOSITORY = "/repos/{+repository}"
_LIST = "/installation/repositories?{+query}"
_FIRST = "per_page=100"
_GONE = (403, 404)  # an installation that was suspended, or is no more; the others go on
_AT_ONCE = 50  # repositories that are begun in one step, without a question
_NO_RIGHT = "the credential has no right there: that it can be read is not enough"
_NOT_ALLOWED = "the integration does not allow this repository, or another speaks for it"
_CONTESTED = (
    "another integration speaks for it: GitHub is asked who may with the next delivery about it, "
    "after which it can be read"
)


@carries_out(backfills.PLAN)
async def run(job: Job) -> dict[str, Any]:
    known = await job.read(store.backfills.run_of, job.integration.id)
    if known is not None and known.error is not None:  # it had failed, and is tried again
        await job.write(store.backfills.set_error, job.integration.id, None)
        known = msgspec.structs.replace(known, error=None)
    if known is not None and known.listing is not None:
        return await _list(job, known, known.listing)
    rows = await job.read(store.backfills.waiting, job.integration.id, _AT_ONCE)
    host = job.integration.host
    locks = [
        name
        for row in rows
        for name in store.locks_of_repository(host, row.github_id, row.full_name)
    ]
    begun = await job.services.database.write(lambda tx: _begin_known(tx, job, rows), locks=locks)
    row = await job.read(store.backfills.next_waiting, job.integration.id)
    if row is None:
        return {"begun": begun}
    if begun == 0:  # else there may be more of which nothing is to be asked
        await _ask(job, row)
    await job.write(_go_on, job.integration.id)
    return {"begun": begun}


def _go_on(tx: store.Transaction, integration_id: str) -> None:
    integration = store.integrations.find(tx, integration_id)
    if integration is not None and store.backfills.next_waiting(tx, integration_id) is not None:
        backfills.enqueue_plan(tx, integration)


# --- What an installation may see


async def _list(job: Job, run: store.BackfillRun, listing: store.Listing) -> dict[str, Any]:
    """Read a page of what the installations of an App may see."""
    if not listing.installations:
        await job.write(_listed, job, run, listing, [], None)
        return {"listed": 0}
    client = _as_installation(job, listing.installations[0])
    try:
        found, more = await client.fetch_page(
            _LIST, {"query": listing.page or _FIRST}, "repositories"
        )
    except Refused as refusal:
        if refusal.status not in _GONE:
            raise
        found, more = [], None
    repositories = payloads.readable(found, payloads.InstalledRepository)
    await job.write(_listed, job, run, listing, repositories, more)
    return {"listed": len(repositories)}


def _listed(
    tx: store.Transaction,
    job: Job,
    run: store.BackfillRun,
    listing: store.Listing,
    found: list[payloads.InstalledRepository],
    more: str | None,
) -> None:
    if store.backfills.run_of(tx, run.integration_id) != run:
        return  # it was stopped, or another process was faster
    scope = job.integration.scope
    named = [(one.full_name, one.id) for one in found if scope.lists(one.full_name)]
    backfills.join(tx, run, named)
    rest = listing.installations if more is not None else listing.installations[1:]
    left = store.Listing(rest, more) if rest else None
    store.backfills.set_listing(tx, run.integration_id, left)
    integration = store.integrations.find(tx, run.integration_id)
    assert integration is not None
    backfills.enqueue_plan(tx, integration)


def _as_installation(job: Job, installation_id: int) -> Client:
    """Return the client of an installation, which keeps the queue as the job's own does."""
    github, credentials = job.services.github, job.integration.credentials
    client = github.client(credentials, installation_id, background=True)
    client.before_write = job.client.before_write
    return client


# --- Repositories that are known


def _begin_known(tx: store.Transaction, job: Job, rows: Sequence[store.Backfill]) -> int:
    """Begin with the repositories of which nothing is to be asked; return how many those are."""
    integration = store.integrations.find(tx, job.integration.id)
    assert integration is not None
    begun = 0
    for row in rows:
        repository = _known(tx, job, row)
        if repository is not None:
            backfills.begin(tx, integration, row, repository)
            begun += 1
    return begun


def _known(tx: store.Transaction, job: Job, row: store.Backfill) -> store.Repository | None:
    """Return a repository that the integration speaks for, or that GitHub has named to it."""
    scope = job.integration.scope
    known = store.repositories.told(tx, scope.host, row.github_id, row.full_name)
    is_named = known is not None and known.deleted_at is None and bool(known.full_name)
    if known is not None and is_named and speaking.speaks(tx, scope.integration_id, known):
        return known if allowed.allows(tx, scope, known) else None
    if row.github_id is None:
        return None
    told = snapshots.by_answer(tx, scope)
    try:
        about = payloads.Repository(full_name=row.full_name, id=row.github_id)
        return store.repositories.get(tx, _told(told, row).repository(about))
    except NotAllowed:  # GitHub is asked
        return None


def _told(told: snapshots.Told, row: store.Backfill) -> snapshots.Told:
    """Return who tells of a repository to which GitHub has shown them a right.

    They speak for it from now on, unless it is a dry run.
    """
    return msgspec.structs.replace(told, speaks=not row.dry_run)


# --- Repositories that somebody has named


async def _ask(job: Job, row: store.Backfill) -> None:
    """Ask GitHub which repository has a name, and begin with it; raises CallFailed."""
    try:
        found, installation_id = await _found(job, row.full_name)
    except Refused as refusal:
        await job.write(backfills.fail, row, str(refusal))
        return

    def begin(tx: store.Transaction) -> None:
        integration = store.integrations.find(tx, job.integration.id)
        assert integration is not None
        told = _told(snapshots.by_answer(tx, job.integration.scope, found), row)
        told = msgspec.structs.replace(told, installation_id=installation_id)
        try:
            repository_id = told.repository(found)
        except Undecided:
            backfills.fail(tx, row, _CONTESTED)
            return
        except NotAllowed:
            backfills.fail(tx, row, _NOT_ALLOWED)
            return
        repository = store.repositories.get(tx, repository_id)
        backfills.begin(tx, integration, row, repository)

    locks = store.locks_of_repository(job.integration.host, found.id, found.full_name)
    await job.services.database.write(begin, locks=locks)


async def _found(job: Job, full_name: str) -> tuple[payloads.Repository, int | None]:
    """Return the repository of a name, and the installation that may act there.

    Raises Refused where there is no right to it.
    """
    github, credentials = job.services.github, job.integration.credentials
    at: Mapping[str, str] = {"repository": full_name}
    if job.integration.token is None:
        installation_id = await github.installation_of(credentials, full_name)
        client = _as_installation(job, installation_id)
        return await client.fetch(payloads.Repository, _REPOSITORY, at), installation_id
    found = await job.client.fetch(payloads.ServedRepository, _REPOSITORY, at)
    try:
        may = await rights.may(job.client, job.integration, found)
    except Refused:  # a person's token, which was given nothing
        may = False
    if not may:
        raise Refused(403, _NO_RIGHT)
    return found, None
