"""Backfills: reading what repositories had before the bot heard of them, and how far that is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bot import storage as store
from bot import times
from bot.domain import allowed, audit, backfills
from bot.domain.actors import Actor
from bot.domain.errors import Conflict, FieldError, Invalid
from bot.domain.integrations import scope_of, target_of
from bot.github.names import is_repository
from bot.operations import actions, found
from bot.services import Services

Status = Literal["pending", "running", "done", "failed"]
STOPPED = "it was stopped"


@dataclass(frozen=True, slots=True)
class Repositories:
    """How many repositories a backfill has read, of how many; those that failed count as read."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the last backfill of an integration is. Times in microseconds.

    `linked` counts what names an experiment; `waits_for` is why it does not go on. Without any, it
    is done, with nothing to read.
    """

    status: Status
    repositories: Repositories
    pull_requests: int
    issues: int
    linked: int
    dry_run: bool
    started_at: int | None
    finished_at: int | None
    error: str | None
    waits_for: str | None = None

    @property
    def is_running(self) -> bool:
        return self.status in ("pending", "running")


async def start(
    services: Services,
    actor: Actor,
    integration_id: str,
    repositories: Sequence[str] | None,
    days: int | None,
    *,
    dry_run: bool,
) -> Progress:
    """Read repositories, all that the integration serves unless some are named.

    What is under way goes on, and the others join it. Raises NotFound, Invalid, Conflict.
    """

    def job(tx: store.Transaction) -> Progress:
        row = found(store.integrations.find(tx, integration_id), "integration")
        if not row.is_active:
            raise Conflict("integration_inactive")
        if repositories is None:
            named, listing = _all(tx, row), _listing(tx, row)
        else:
            named, listing = _named(tx, row, repositories), None
        wanted_days = days or row.config.backfill_days or backfills.USUAL_DAYS
        before = store.backfills.run_of(tx, row.id)
        run = backfills.start(tx, row, named, wanted_days, listing, dry_run=dry_run)
        told = {
            "repositories": list(repositories) if repositories is not None else None,
            "days": wanted_days,
            "dry_run": dry_run,
            "joins": before is not None and before.number == run.number,
        }
        audit.record(tx, actor, audit.BACKFILL_STARTED, target_of(row), None, told)
        return _progress(tx, run)

    return await services.database.write(job)


async def stop(services: Services, actor: Actor, integration_id: str) -> None:
    """Read nothing more; what was read stays. Raises NotFound."""

    def job(tx: store.Transaction) -> None:
        row = found(store.integrations.find(tx, integration_id), "integration")
        left = store.backfills.stop(tx, row.id, times.now())
        told = {"repositories_left": left}
        audit.record(tx, actor, audit.BACKFILL_STOPPED, target_of(row), None, told)

    await services.database.write(job)


def progress(tx: store.Transaction, integration_id: str) -> Progress:
    """Return how far the last backfill of an integration is; raises NotFound."""
    row = found(store.integrations.find(tx, integration_id), "integration")
    run = store.backfills.run_of(tx, row.id)
    if run is None:
        return Progress("done", Repositories(0, 0), 0, 0, 0, False, None, None, None)
    return _progress(tx, run)


def _progress(tx: store.Transaction, run: store.BackfillRun) -> Progress:
    sums = store.backfills.sums(tx, run)
    is_open = run.listing is not None or sums.waiting + sums.reading > 0
    is_open = is_open and run.error is None
    has_begun = sums.total > sums.waiting or run.listing is not None
    status: Status = "done"
    if is_open:
        status = "running" if has_begun else "pending"
    elif run.error is not None or sums.failed or sums.stopped:
        status = "failed"
    done = sums.total - sums.waiting - sums.reading - sums.stopped
    return Progress(
        status=status,
        repositories=Repositories(done, sums.total),
        pull_requests=sums.pull_requests,
        issues=sums.issues,
        linked=sums.linked,
        dry_run=run.dry_run,
        started_at=run.started_at,
        finished_at=None if is_open else sums.finished_at or run.started_at,
        error=_error(tx, run, sums),
        waits_for=_waits_for(tx, run) if is_open else None,
    )


def _waits_for(tx: store.Transaction, run: store.BackfillRun) -> str | None:
    open_ones = actions.open_of(tx, run.integration_id, backfills.PLAN, backfills.BACKFILL)
    reasons = [one.last_error for one in open_ones]
    # As long as something goes on, nothing is waited for.
    return reasons[0] if reasons and all(reasons) else None


def _error(tx: store.Transaction, run: store.BackfillRun, sums: store.BackfillSums) -> str | None:
    if run.error is not None:
        return run.error
    first = store.backfills.first_failed(tx, run) if sums.failed else None
    if first is not None:
        more = f" (and {sums.failed - 1} more)" if sums.failed > 1 else ""
        return f"{first.full_name}: {first.error}{more}"
    return STOPPED if sums.stopped else None


def _named(
    tx: store.Transaction, row: store.Integration, repositories: Sequence[str]
) -> list[backfills.Named]:
    """Return repositories that somebody has named; raises Invalid."""
    scope, errors = scope_of(row), []
    seen: set[str] = set()
    for position, name in enumerate(repositories):
        field = f"repositories[{position}]"
        if not is_repository(name):
            errors.append(FieldError(field, "no_full_name"))
        elif name.lower() in seen:
            errors.append(FieldError(field, "twice"))
        elif not allowed.allows_name(tx, scope, name):
            errors.append(FieldError(field, "repository_not_allowed"))
        seen.add(name.lower())
    if not repositories:
        errors.append(FieldError("repositories", "empty_list"))
    if errors:
        raise Invalid(errors)
    return [(name, None) for name in repositories]


def _all(tx: store.Transaction, row: store.Integration) -> list[backfills.Named]:
    """Return all repositories that an integration is known to serve, or that its list names."""
    scope = scope_of(row)
    names = [
        name
        for name in store.backfills.names_served(tx, row.id, scope.host)
        if allowed.allows_name(tx, scope, name)
    ]
    listed = [one for one in row.config.repositories or () if not one.endswith("/*")]
    by_key = {name.lower(): name for name in [*names, *listed]}
    return [(name, None) for name in by_key.values()]


def _listing(tx: store.Transaction, row: store.Integration) -> store.Listing | None:
    """Return which installations GitHub is asked for what they may see; None for a token."""
    if row.config.auth != "app":
        return None
    ids = [one.installation_id for one in store.installations.of_integrations(tx, [row.id])]
    ids += [one.installation_id for one in store.installations.only_heard_of(tx, [row.id])]
    default = row.config.installation_id
    ids += [default] if default is not None else []
    return store.Listing(tuple(dict.fromkeys(ids))) if ids else None
