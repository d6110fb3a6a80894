"""`pull_request`: brings what is stale of a pull request up to date: check, comment, label.

First every part is looked at: what GitHub is to show, and whether it does. Then one transaction
keeps what is about to be written, and only then is it, part by part. Each succeeds or fails by
itself, until GitHub itself is in trouble, which the next part would fare no better with.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot import storage as store
from bot import times
from bot.domain import parts
from bot.domain.parts import Outcome
from bot.github import CallFailed
from bot.outbox.outcomes import outcome_of, safely, unknown
from bot.outbox.registry import Change, Job, Planner

Planned = Change | dict[str, Any] | CallFailed


@dataclass(frozen=True, slots=True)
class CarriedOut:
    """How the parts have ended, and what is kept of them in columns of `posts`."""

    outcomes: list[Outcome]
    columns: dict[str, Any]
    writing: dict[str, str]

    def keep(self, tx: store.Transaction, action: store.Action) -> None:
        if self.columns and action.item_id is not None:
            store.actions.end_changes(tx, action.item_id, self.writing, self.columns)


async def carry_out(planners: Mapping[str, Planner], job: Job, failures: int) -> CarriedOut:
    """Carry out those parts that are due; `failures` are those of the queue until now."""
    plan = await _plan(planners, job, failures)
    await _begin(job, [one for _, one in plan if isinstance(one, Change)])
    done = CarriedOut([], {}, {})
    is_over = False
    for given, planned in plan:
        if is_over:
            if isinstance(planned, Change):
                _undo(done, given, planned)
            continue
        name = given.part
        ended: dict[str, Any] | CallFailed
        if isinstance(planned, Change):
            made = await safely(name, planned.make())
            if isinstance(made, CallFailed):
                ended = made
            else:
                ended = made.result
                _keep(done, given, planned, made.columns)
        else:
            ended = planned
        outcome = outcome_of(job.services, failures, job.action, name, ended, given.doubts)
        done.outcomes.append(outcome)
        failures, is_over = outcome.decision.failures, outcome.ends_attempt
    return done


async def _plan(
    planners: Mapping[str, Planner], job: Job, failures: int
) -> list[tuple[Job, Planned]]:
    """Look at each part, up to one for which GitHub cannot even be asked."""
    plan: list[tuple[Job, Planned]] = []
    for name in parts.due(job.action, times.now()):
        given = job.for_part(name)
        planned: Planned = unknown(name)
        if name in planners:
            planned = await safely(name, planners[name](given))
        plan.append((given, planned))
        if isinstance(planned, Change):
            continue
        if outcome_of(job.services, failures, job.action, name, planned, given.doubts).ends_attempt:
            break
    return plan


async def _begin(job: Job, changes: list[Change]) -> None:
    """Keep what is about to be written, before any of it is."""
    columns: dict[str, Any] = {}
    for change in changes:
        columns.update(change.columns)
        columns[f"{change.what}_writing"] = job.attempt
    if columns:
        marker = job.seen.post.marker
        await job.write(store.actions.begin_changes, job.item_id, marker, columns)


def _keep(done: CarriedOut, given: Job, change: Change, columns: Mapping[str, Any]) -> None:
    """Note what GitHub shows now that it has answered."""
    writing = f"{change.what}_writing"
    done.writing[writing] = given.attempt
    done.columns.update({**columns, writing: None})


def _undo(done: CarriedOut, given: Job, change: Change) -> None:
    """Note what was kept before of a part whose turn has not come."""
    writing = f"{change.what}_writing"
    done.writing[writing] = given.attempt
    before = given.seen.post
    done.columns.update({name: getattr(before, name) for name in (*change.columns, writing)})
