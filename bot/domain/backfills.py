"""What is to be read of repositories that had a life before the bot heard of them.

An integration has one run at a time, which whatever is heard of meanwhile joins. In a run each
repository is read by itself, a page at a time: the page that is next is kept in the transaction
that keeps what the last one had, and so is the action that reads it.
"""

from collections.abc import Sequence

import msgspec

from bot import storage as store
from bot import times
from bot.domain import actions
from bot.domain.errors import Conflict

BACKFILL = actions.Kind("backfill", title="Backfill of a repository", priority=5, background=True)
PLAN = actions.Kind(
    "backfill_plan", title="Backfill: which repositories", priority=4, background=True
)
DAY = 86_400 * times.SECOND
USUAL_DAYS = 30  # of a backfill by hand, where the integration has none of its own
Named = tuple[str, int | None]  # a repository: its name, and GitHub's id of it where that is known


def heard_of(
    tx: store.Transaction,
    integration_id: str,
    repositories: Sequence[Named],
    *,
    is_back: bool = False,
) -> None:
    """Read repositories that were first heard of now, unless the integration wants none.

    With `is_back` those as well that were read before.
    """
    integration = store.integrations.find(tx, integration_id)
    if integration is None or not integration.is_active or not repositories:
        return
    days = integration.config.backfill_days
    if days == 0:
        return
    run = store.backfills.run_of(tx, integration_id)
    is_running = run is not None and store.backfills.is_running(tx, run)
    names = [name.lower() for name, _ in repositories]
    read = [one for one in store.backfills.named(tx, integration_id, names) if not one.dry_run]
    if not is_back and len(read) == len(repositories):
        return
    if run is None or not is_running or run.dry_run:
        run = _next_run(tx, integration_id, run, days)
    if _add(tx, run, repositories, days, anew=is_back):
        enqueue_plan(tx, integration)


def start(
    tx: store.Transaction,
    integration: store.Integration,
    repositories: Sequence[Named],
    days: int,
    listing: store.Listing | None,
    *,
    dry_run: bool,
) -> store.BackfillRun:
    """Read repositories, whatever was read before, and those of a `listing`; return the run.

    It joins the one that is under way. Raises Conflict if only one of them is a dry run.
    """
    run = store.backfills.run_of(tx, integration.id)
    if run is not None and store.backfills.is_running(tx, run):
        if run.dry_run != dry_run:
            raise Conflict("backfill_running", "a dry run" if run.dry_run else "no dry run")
        if listing is not None:
            run = msgspec.structs.replace(run, listing=listing, days=days)
            store.backfills.put_run(tx, run)
    else:
        run = _next_run(tx, integration.id, run, days, listing, dry_run=dry_run)
    _add(tx, run, repositories, days, anew=True)
    enqueue_plan(tx, integration)
    return run


def join(tx: store.Transaction, run: store.BackfillRun, repositories: Sequence[Named]) -> None:
    """Let repositories that an installation may see be read in a run, whatever was read before."""
    _add(tx, run, repositories, run.days, anew=True)


def _next_run(
    tx: store.Transaction,
    integration_id: str,
    last: store.BackfillRun | None,
    days: int,
    listing: store.Listing | None = None,
    *,
    dry_run: bool = False,
) -> store.BackfillRun:
    number = last.number + 1 if last is not None else 1
    if last is not None and (last.dry_run or dry_run):
        store.backfills.stop(tx, integration_id, times.now())
    elif last is not None and last.error is not None:  # it goes on with what was left
        store.backfills.take_along(tx, integration_id, number)
        listing = listing or last.listing
    run = store.BackfillRun(integration_id, number, dry_run, days, listing, times.now())
    store.backfills.put_run(tx, run)
    return run


def _add(
    tx: store.Transaction,
    run: store.BackfillRun,
    repositories: Sequence[Named],
    days: int,
    *,
    anew: bool,
) -> int:
    """Let repositories be read, those that were read before only if `anew`; return how many."""
    names = [name.lower() for name, _ in repositories]
    before = {row.name_key: row for row in store.backfills.named(tx, run.integration_id, names)}
    now = times.now()
    rows = {}  # by name: a list may have one twice
    for (full_name, github_id), key in zip(repositories, names, strict=True):
        known = before.get(key)
        is_read = known is not None and not known.dry_run and not anew
        is_in_hand = known is not None and known.run == run.number and known.days >= days
        if is_read or (is_in_hand and known is not None and known.is_open):
            continue
        rows[key] = store.Backfill(
            integration_id=run.integration_id,
            name_key=key,
            full_name=full_name,
            github_id=github_id,
            repository_id=None,
            run=run.number,
            days=days,
            dry_run=run.dry_run,
            status="waiting",
            since=now - days * DAY,
            stage="pull_request",
            page=None,
            boundary=None,
            top=None,
            caught_up_to=None,
            unread=(),
            step=known.step + 1 if known is not None else 0,
            pull_requests=0,
            issues=0,
            linked=0,
            error=None,
            started_at=None,
            finished_at=None,
        )
    store.backfills.put_all(tx, list(rows.values()))
    return len(rows)


def enqueue_plan(tx: store.Transaction, integration: store.Integration) -> None:
    """Enqueue what finds out which repositories are to be read, and begins with them."""
    name = f"{PLAN.name}:{integration.id}"
    wanted = actions.Wanted(kind=PLAN, request={}, ordering_key=name, dedup_key=name)
    actions.enqueue(tx, integration, store.actions.NOWHERE, wanted)


def enqueue_step(tx: store.Transaction, integration: store.Integration, repository_id: int) -> None:
    """Enqueue what reads the next page of a repository."""
    name = f"{BACKFILL.name}:{integration.id}:{repository_id}"
    wanted = actions.Wanted(kind=BACKFILL, request={}, ordering_key=name, dedup_key=name)
    actions.enqueue(tx, integration, repository_id, wanted)


def begin(
    tx: store.Transaction,
    integration: store.Integration,
    row: store.Backfill,
    repository: store.Repository,
) -> None:
    """Begin to read a repository that is known by now."""
    now = times.now()
    other = store.backfills.reading(tx, integration.id, repository.id)
    is_same = other is not None and (other.run, other.status) == (row.run, "reading")
    if other is not None and is_same and other.days >= row.days:  # that reads it, and as far back
        store.backfills.change(tx, row, status="done", finished_at=now)
        return
    if other is not None:  # it was known by another name
        store.backfills.change(tx, other, status="done", finished_at=now)
    columns = {"repository_id": repository.id, "github_id": repository.github_id}
    if store.backfills.change(tx, row, **columns, status="reading", started_at=now):
        enqueue_step(tx, integration, repository.id)


def action_failed(tx: store.Transaction, action: store.Action, error: str) -> None:
    """An action has failed for good, and what it was to read with it."""
    if action.kind == PLAN.name:
        store.backfills.set_error(tx, action.integration_id, error)
    elif action.kind == BACKFILL.name:
        row = store.backfills.reading(tx, action.integration_id, action.repository_id)
        if row is not None:
            fail(tx, row, error)


def fail(tx: store.Transaction, row: store.Backfill, error: str) -> None:
    """A repository cannot be read; the others of its run go on."""
    store.backfills.change(tx, row, status="failed", finished_at=times.now(), error=error)
