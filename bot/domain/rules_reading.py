"""When `.github/experiments.yml` is read, and what follows from what it says.

It is read when a repository is first heard of, when a push to its default branch touches it, when
another branch becomes that, and about once a day: as long as there are experiments. Where there are
none nothing is read until something is to be written. A repository that has no file goes by that of
its owner's `.github` repository: what is pushed there is read again for all of those, in steps.
"""

import msgspec
from msgspec import Struct

from bot import storage as store
from bot import times
from bot.code.experiments_yml import Settings
from bot.code.yaml_nodes import Problem
from bot.domain import actions, clean_ups, code_maps, environments, posts, rules
from bot.domain.naming import owner_of
from bot.domain.parts import Cause

RULES = actions.Kind(
    "rules", title="Reading of .github/experiments.yml", priority=3, background=True
)
OF_OWNER = ".github"  # the repository whose file is that of all the owner's
STEP = 50  # repositories of an owner that are looked at in one go
# GitHub's API lags behind its webhooks: what is the same after a push is asked for again so long
# after.
WAITS = tuple(seconds * times.SECOND for seconds in (3, 15, 45))


class Found(Struct, frozen=True, kw_only=True):
    """What was read for a repository: its own file, its owner's, or none (`source` is None).

    `begun_at` is when it was begun to be read, in microseconds.
    """

    begun_at: int
    source: store.Source | None = None
    sha: str | None = None
    settings: Settings | None = None
    problems: list[Problem] = []


# --- When it is read


def heard_of(tx: store.Transaction, integration_id: str, repository_id: int) -> None:
    """An integration has begun to speak for a repository: its file is read, if none has yet."""
    if store.rules.find(tx, repository_id) is None:
        _enqueue_for(tx, integration_id, repository_id)


def may_have_changed(
    tx: store.Transaction, integration_id: str, repository_id: int, *, pushed: bool = False
) -> None:
    """A delivery tells that the file may be another by now, or another file may count.

    It surely is another if a push has told of it.
    """
    store.rules.mark_stale(tx, repository_id)
    _enqueue_for(tx, integration_id, repository_id, pushed=pushed)
    full_name = store.repositories.get(tx, repository_id).full_name
    if full_name.lower().endswith(f"/{OF_OWNER}"):
        integration = _reading(tx, integration_id)
        if integration is not None:
            _enqueue_step(tx, integration, repository_id, after=0)


def read_again(tx: store.Transaction, integration_id: str, repository_id: int) -> None:
    """Nobody has told of the repository for long, so nobody may have told of its file."""
    _enqueue_for(tx, integration_id, repository_id)


def _reading(tx: store.Transaction, integration_id: str | None) -> store.Integration | None:
    """Return an integration if it reads files."""
    found = store.integrations.find(tx, integration_id) if integration_id else None
    reads = found is not None and found.is_active and found.config.code == "on"
    return found if reads else None


def _enqueue_for(
    tx: store.Transaction, integration_id: str | None, repository_id: int, *, pushed: bool = False
) -> None:
    integration = _reading(tx, integration_id)
    if integration is not None and not store.vocabulary.is_empty(tx):
        enqueue(tx, integration, repository_id, pushed=pushed)


def enqueue(
    tx: store.Transaction,
    integration: store.Integration,
    repository_id: int,
    *,
    pushed: bool = False,
    look: int = 1,
) -> None:
    """Have the file read; `pushed`: it is expected to be another than is known, at which `look`."""
    # One that waits for its time holds none of the others up: the last to begin reading counts.
    name = f"{RULES.name}:{repository_id}" + (f":look {look}" if pushed else "")
    wanted = actions.Wanted(
        kind=RULES,
        request={"pushed": True, "look": look} if pushed else {},
        ordering_key=name,
        dedup_key=name,
        after=WAITS[look - 2] if look > 1 else 0,
    )
    actions.enqueue(tx, integration, repository_id, wanted)


def _enqueue_step(
    tx: store.Transaction, integration: store.Integration, repository_id: int, *, after: int
) -> None:
    name = f"{RULES.name}:owner:{repository_id}"
    wanted = actions.Wanted(
        kind=RULES,
        request={"owner": True, "after": after},
        ordering_key=name,
        dedup_key=f"{name}:{after}",
    )
    actions.enqueue(tx, integration, repository_id, wanted)


def take_step(tx: store.Transaction, integration_id: str, repository_id: int, after: int) -> int:
    """Have the file read for some of an owner's repositories without one; return how many.

    `repository_id` is the owner's `.github`, and `after` the last repository that had its turn.
    """
    row = store.repositories.get(tx, repository_id)
    owner = owner_of(row.full_name)
    found = store.rules.without_own(tx, row.host, owner, after, STEP)
    for one in found:
        integration = _reading(tx, one.speaker_id)
        if one.id != repository_id and integration is not None:
            store.rules.mark_stale(tx, one.id)
            enqueue(tx, integration, one.id, pushed=True)
    integration = _reading(tx, integration_id)
    if len(found) == STEP and integration is not None:
        _enqueue_step(tx, integration, repository_id, after=found[-1].id)
    return len(found)


# --- What follows


def keep(
    tx: store.Transaction,
    integration_id: str,
    repository_id: int,
    found: Found,
    request: "Request",
) -> bool:
    """Keep what was read, and let follow what follows from it; tell whether it is another.

    What was begun to be read before what is known changes nothing.
    """
    before = store.rules.find(tx, repository_id)
    if before is not None and before.read_at > found.begun_at:
        return False
    is_same = before is not None and (before.source, before.sha) == (found.source, found.sha)
    lags = request.pushed and is_same and request.look <= len(WAITS)
    settings = None if found.settings is None else msgspec.to_builtins(found.settings)
    row = store.RepositoryRules(
        repository_id=repository_id,
        source=found.source,
        sha=found.sha,
        settings=settings,
        problems=msgspec.to_builtins(found.problems),
        is_stale=lags,
        read_at=found.begun_at,
        integration_id=integration_id,
    )
    store.rules.keep(tx, row)
    integration = _reading(tx, integration_id)
    if integration is None:
        return not is_same
    if lags and request.look:
        enqueue(tx, integration, repository_id, pushed=True, look=request.look + 1)
    _follow(tx, integration, repository_id, rules.settings_of(before), rules.settings_of(row))
    return not is_same


class Request(Struct, frozen=True):
    """What an action is to read: see `enqueue` and `take_step`.

    With `look` 0 it is read beside the looks that have been enqueued.
    """

    pushed: bool = False
    look: int = 1
    owner: bool = False
    after: int = 0


def _follow(
    tx: store.Transaction,
    integration: store.Integration,
    repository_id: int,
    before: Settings,
    now: Settings,
) -> None:
    shown = ("comments", "label", "check")
    if any(getattr(before, name) != getattr(now, name) for name in shown):
        posts.settings_changed(tx, integration, repository_id)
    if before.environments != now.environments:
        _look_at_environments(tx, repository_id)
    if before.code != now.code:
        code_maps.rules_changed(tx, integration, repository_id)
    if (before.cleanup, [*before.owners.items()]) != (now.cleanup, [*now.owners.items()]):
        clean_ups.follow(tx, repository_id)


def _look_at_environments(tx: store.Transaction, repository_id: int) -> None:
    """Let environments be production that are by their names.

    That one is no longer shows with its next deployment: GitHub itself may call it production.
    """
    patterns = rules.production_of(tx, repository_id)
    for row in store.environments.of_repository(tx, repository_id):
        if not row.is_production and environments.is_production(row.name, patterns=patterns):
            store.environments.change(tx, row.id, is_production=True)


def keep_problems(
    tx: store.Transaction,
    item: store.Item,
    head_sha: str,
    problems: list[Problem] | None,
    integration_id: str,
) -> None:
    """Keep what is wrong with the file at the head of a pull request; None if it changes none.

    An answer of an older head changes nothing.
    """
    if item.head_sha != head_sha:
        return
    before = rules.problems_at(tx, item)
    if problems is None:
        store.rules.forget_problems(tx, item.id)
    else:
        told = msgspec.to_builtins(problems)
        store.rules.keep_problems(tx, store.RulesProblems(item.id, head_sha, told))
    if before != (problems or []):
        posts.follow(tx, item, Cause.FILE, integration_id)
