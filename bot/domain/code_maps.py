"""Which default branches are read for keys of experiments, when, and by whom.

A repository's map says where in its default branch experiments are named, as of one commit. It is
read whole once, and then follows the pushes (bot/outbox/code_map.py). Who reads it is one
integration that speaks for the repository and has `code` on. One action for each repository stands
for all that is told meanwhile: what is to be read is found out when it runs.
"""

from collections.abc import Collection, Sequence
from typing import get_args

import msgspec

from bot import storage as store
from bot import times
from bot.code.files import passed_over
from bot.code.ignoring import work_of
from bot.code.spellings import Spelling, spellings
from bot.code.vocabulary import Rules
from bot.domain import actions, clean_ups
from bot.domain.diffs import look_again
from bot.domain.integrations import serving
from bot.domain.rules import code_is_on, rules_of

MAP = actions.Kind(
    "code_map",
    title="Code of the default branch",
    priority=7,
    background=True,
    follows_rules=True,
)
SWEEP = actions.Kind(
    "code_sweep", title="Code: which repositories are to be read", priority=4, background=True
)
_GATHERED = 5 * times.SECOND  # for which a change of what is looked for waits for others
_MOST_PATHS = 2_000  # of pushes that wait to be read; beyond, they are compared
_MOST_LOOKS = 200_000  # to hold the paths of a push against a repository's patterns


def reader(
    tx: store.Transaction, repository: store.Repository, first: str | None = None
) -> store.Integration | None:
    """Return who reads a repository's code: `first` if that may, else who speaks for it and may."""
    found = serving(tx, repository, first)
    return next((one for one in found if code_is_on(tx, one, repository.id)), None)


def enqueue(
    tx: store.Transaction,
    integration: store.Integration,
    repository_id: int,
    after: int = 0,
    *,
    can_wait: bool = False,
) -> str:
    """Have a default branch read, unless that waits already; return the action's id.

    It `can_wait` where nobody has told of anything new in it: what was pushed is read before.
    """
    name = f"{MAP.name}:{repository_id}"
    wanted = actions.Wanted(
        kind=MAP,
        request={},
        ordering_key=name,
        dedup_key=name,
        after=after,
        can_wait=can_wait,
    )
    known = store.actions.pending_like(tx, name)
    actions.enqueue(tx, integration, repository_id, wanted)
    return known.id if known is not None else wanted.id


# --- What is heard of


def heard_of(tx: store.Transaction, integration_id: str, repository_id: int) -> None:
    """Have a repository read that was first heard of now, if there is anything to look for."""
    integration = store.integrations.find(tx, integration_id)
    if integration is None or not code_is_on(tx, integration, repository_id):
        return
    if not store.vocabulary.is_empty(tx):
        begin(tx, store.repositories.get(tx, repository_id), integration_id)


def installed(tx: store.Transaction, integration_id: str) -> None:
    """Have repositories read that an installation may see from now on."""
    integration = store.integrations.find(tx, integration_id)
    is_on = integration is not None and integration.config.code == "on"
    if integration is not None and is_on and not store.vocabulary.is_empty(tx):
        enqueue_sweep(tx, integration, after=_GATHERED)


def begin(
    tx: store.Transaction,
    repository: store.Repository,
    first: str | None = None,
    after: int = 0,
    *,
    anew: bool = False,
    can_wait: bool = True,
) -> str | None:
    """Have a default branch read; return the action's id, None if nobody may read it.

    All of it if `anew`, or if something else is looked for. `can_wait`: see `enqueue`.
    """
    row = store.code_maps.find(tx, repository.id)
    integration = reader(tx, repository, row.integration_id if row is not None else first)
    if integration is None:
        return None
    version = store.vocabulary.version(tx)
    if row is None:
        store.code_maps.add(tx, repository.id, integration.id, version, times.now())
    else:
        wanted = {"is_wanted": True, "anew": anew or row.anew, "wanted_version": version}
        store.code_maps.change(tx, repository.id, integration_id=integration.id, **wanted)
    return enqueue(tx, integration, repository.id, after, can_wait=can_wait)


def read_again(tx: store.Transaction, repository: store.Repository) -> str | None:
    """Have all of a default branch read again; return the action's id, None if nobody may."""
    return begin(tx, repository, anew=True, can_wait=False)


def pushed(
    tx: store.Transaction,
    repository: store.Repository,
    integration_id: str,
    push: store.FilesPushed,
) -> None:
    """Take in a push to the default branch, of which an integration has told.

    One of nothing that is read moves the map on to its commit without a call.
    """
    teller = store.integrations.find(tx, integration_id)
    if teller is None or not code_is_on(tx, teller, repository.id):
        return  # whoever reads the code is told by its own deliveries
    row = store.code_maps.find(tx, repository.id)
    if row is None:
        return
    if row.sha == push.after and not row.is_wanted:
        if push.forced:  # what it has taken back may be told later
            turned_at = max(row.turned_at, push.at)
            store.code_maps.change(tx, repository.id, turned_at=turned_at, step=row.step + 1)
        return
    if any((one.before, one.after) == (push.before, push.after) for one in row.pushes):
        return
    push = _readable(push, rules_of(tx, repository.id))
    is_next = not row.is_wanted and follows(row, row.sha, push)
    if is_next and row.branch == repository.default_branch and not (push.changed or push.removed):
        store.code_maps.change(tx, repository.id, sha=push.after, step=row.step + 1)
        return
    integration = reader(tx, repository, row.integration_id)
    if integration is None:
        return
    store.code_maps.change(
        tx,
        repository.id,
        is_wanted=True,
        integration_id=integration.id,
        pushes=_bounded((*row.pushes, push)),
    )
    enqueue(tx, integration, repository.id)


def _readable(push: store.FilesPushed, rules: Rules) -> store.FilesPushed:
    """Return a push without the files that are not read; without any, if they are a great many."""
    told = (*(push.changed or ()), *push.removed)
    is_long = len(told) > _MOST_PATHS or sum(map(len, told)) > _MOST_PATHS * 100
    if is_long or sum(work_of(one, told) for one in (rules.include, rules.exclude)) > _MOST_LOOKS:
        return msgspec.structs.replace(push, changed=None, removed=())
    if push.changed is None:
        return push
    changed, removed = (
        tuple(one for one in paths if passed_over(one, rules) is None)
        for paths in (push.changed, push.removed)
    )
    return msgspec.structs.replace(push, changed=changed, removed=removed)


def follows(row: store.CodeMap, sha: str | None, push: store.FilesPushed) -> bool:
    """Tell whether a push has gone on from a commit, and its files are told.

    A push that is older than one that has led elsewhere may be told late, when the branch has come
    back to where that had begun.
    """
    is_sure = push.changed is not None and not push.forced and push.at > row.turned_at
    return is_sure and push.before == sha


def _bounded(pushes: Sequence[store.FilesPushed]) -> tuple[store.FilesPushed, ...]:
    """Return pushes; where they have many files, the last one without them: it is compared."""
    paths = sum(len(one.changed or ()) + len(one.removed) for one in pushes)
    if paths <= _MOST_PATHS and len(pushes) <= _MOST_PATHS:
        return tuple(pushes)
    last = pushes[-1]
    latest = max(one.at for one in pushes)
    return (store.FilesPushed(last.before, last.after, latest, last.forced, last.actor),)


def branch_changed(tx: store.Transaction, repository_id: int) -> None:
    """Another branch is the default one now."""
    row = store.code_maps.find(tx, repository_id)
    if row is None:
        return
    integration = reader(tx, store.repositories.get(tx, repository_id), row.integration_id)
    if integration is not None:
        store.code_maps.change(tx, repository_id, is_wanted=True, integration_id=integration.id)
        enqueue(tx, integration, repository_id)


def rules_changed(
    tx: store.Transaction, integration: store.Integration, repository_id: int
) -> None:
    """Something else counts as a reference in a repository now, other files are read, or none."""
    if not code_is_on(tx, integration, repository_id):
        leave(tx, repository_id, integration.id)
    elif not store.vocabulary.is_empty(tx):
        begin(tx, store.repositories.get(tx, repository_id), integration.id, can_wait=False)
        look_again(tx, repository_id, None)


# --- What is not read any more


def leave(tx: store.Transaction, repository_id: int, integration_id: str | None = None) -> None:
    """Forget what was read of a repository, if it was by that integration; another may read it."""
    row = store.code_maps.find(tx, repository_id)
    if row is None or integration_id not in (None, row.integration_id):
        return
    _remove(tx, [repository_id])
    if not store.vocabulary.is_empty(tx):
        begin(tx, store.repositories.get(tx, repository_id))


def setting_changed(
    tx: store.Transaction, before: store.Integration, now: store.Integration
) -> None:
    """An integration was changed: it may read code now, or no more, or in other repositories."""
    if now.config.code == "off":
        if before.config.code == "on":
            integration_left(tx, now.id)
    elif now.is_active and before != now and not store.vocabulary.is_empty(tx):
        enqueue_sweep(tx, now, after=_GATHERED)


def integration_left(tx: store.Transaction, integration_id: str) -> None:
    """An integration reads no code any more: what it has read goes, and others may read it."""
    read = store.code_maps.read_by(tx, integration_id)
    _remove(tx, read)
    if read:
        look_everywhere(tx)


def _remove(tx: store.Transaction, repository_ids: Sequence[int]) -> None:
    keys = {one: store.code_references.counted(tx, one) for one in repository_ids}
    store.code_maps.remove(tx, repository_ids)
    for repository_id, counted in keys.items():
        clean_ups.follow(tx, repository_id, counted)


def forget_names(
    tx: store.Transaction, key: str, went: Collection[str] | None
) -> Collection[str] | None:
    """An experiment is gone, or some of its aliases are: so are the references by these.

    Returns what is looked for no longer, None for all.
    """
    gone: set[str] | None = None
    if went is not None:
        row = store.experiments.find(tx, key)
        kept = (key, *row.aliases) if row is not None else ()
        gone = spelled(went) - spelled(kept)
    for repository_id in store.code_references.remove_names(tx, key, gone):
        clean_ups.follow(tx, repository_id, {key})
    return gone


def spelled(names: Collection[str]) -> set[str]:
    """Return names with all ways in which code may spell them."""
    found = set(names)
    for name in names:
        found.update(one for _, one in spellings(name, get_args(Spelling)))
    return found


# --- What is looked for again


def look_everywhere(tx: store.Transaction) -> None:
    """Have all repositories looked over in a moment: something else is looked for."""
    for integration in store.integrations.active(tx):
        if integration.config.code == "on":
            enqueue_sweep(tx, integration, after=_GATHERED)


def enqueue_sweep(
    tx: store.Transaction, integration: store.Integration, after: int = 0, heard_to: int = 0
) -> None:
    """Enqueue what looks over the repositories of an integration, unless that waits already.

    Of those that only its installations know it looks at the ones behind the id `heard_to`.
    """
    name = f"{SWEEP.name}:{integration.id}"
    wanted = actions.Wanted(
        kind=SWEEP,
        request={"heard_to": heard_to},
        ordering_key=name,
        dedup_key=name,
        after=after,
    )
    actions.enqueue(tx, integration, store.actions.NOWHERE, wanted)
