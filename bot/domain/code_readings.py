"""What is to be read of a default branch, and what is kept of it once it was.

A reading and the commit that it is of are kept in one transaction: the map is at a commit or at the
next one, never between. What is told while it is read waits for the next reading.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from bot import storage as store
from bot import times
from bot.code.vocabulary import Rules
from bot.domain import activity, clean_ups, code_maps
from bot.domain.rules import code_is_on, rules_of
from bot.emails import name_without_email

ADDED = activity.Type("code.reference_added", 11, "+", "Named in the code: {where}")
REMOVED = activity.Type("code.reference_removed", 12, "-", "No longer in the code: {where}")
MOST_REFERENCES = 100_000  # of a repository
_MOST_UNREAD = 100  # that are told one by one

Names = Sequence[tuple[str, Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be read: where the map is, what was told since, and what is looked for."""

    row: store.CodeMap
    repository: store.Repository
    version: int
    names: Names
    rules: Rules


@dataclass(frozen=True, slots=True)
class Found:
    """What was read of a commit: all files, or those of `paths`.

    `files` were looked at, of the `tree_files` that it has; `is_broken`: all is to be read again
    some time. `push` is the last one that led there, if one was told.
    """

    branch: str | None
    sha: str | None
    digest: str | None
    paths: Sequence[str] | None
    references: Sequence[store.CodeReference]
    unread: Sequence[store.Unread]
    files: int = 0
    tree_files: int = 0
    is_broken: bool = False
    push: store.FilesPushed | None = None


@dataclass(frozen=True, slots=True)
class Followed:
    """Where pushes lead from a commit: to which, with which files, and whether to all of them."""

    sha: str
    changed: frozenset[str]
    removed: frozenset[str]
    is_whole: bool


def task(tx: store.Transaction, integration_id: str, repository_id: int) -> Task | None:
    """Return what an integration is to read of a repository, None if nothing is."""
    row = store.code_maps.find(tx, repository_id)
    integration = store.integrations.find(tx, integration_id)
    if row is None or integration is None:
        return None
    if not row.is_wanted and row.version == row.wanted_version:
        return None
    if not code_is_on(tx, integration, repository_id):
        return None
    names = store.vocabulary.names(tx)
    if not names:
        return None
    repository = store.repositories.get(tx, repository_id)
    rules = rules_of(tx, repository_id)
    return Task(row, repository, store.vocabulary.version(tx), names, rules)


def followed(row: store.CodeMap) -> Followed:
    """Go from push to push as far as they lead, in whichever order they were told."""
    assert row.sha is not None
    sha, left = row.sha, list(row.pushes)
    changed: set[str] = set()
    removed: set[str] = set()
    while True:
        found = next((one for one in left if code_maps.follows(row, sha, one)), None)
        if found is None:
            return Followed(sha, frozenset(changed), frozenset(removed - changed), not left)
        left.remove(found)
        sha = found.after
        changed.update(found.changed or ())
        removed.update(found.removed)


def keep(tx: store.Transaction, asked: Task, found: Found) -> bool:
    """Keep what was read; False if another reading was kept meanwhile, or none is wanted."""
    row = store.code_maps.find(tx, asked.row.repository_id)
    if row is None:
        return False
    if row.step != asked.row.step:
        _read_again(tx, row)
        return False
    references = _known_still(tx, asked, found.references)[:MOST_REFERENCES]
    came, went = _differences(tx, row, found, references)
    store.code_references.change(tx, came, went)
    changes = _changes(came, went)
    _see_to_branch(tx, row, found)
    _keep_row(tx, row, asked, found)
    if _is_of_pushes(row, found, asked):
        _tell(tx, asked, found, changes)
    now = store.code_maps.find(tx, row.repository_id)
    is_same = now is not None and (now.status, now.version) == (row.status, row.version)
    clean_ups.follow(tx, row.repository_id, changes if is_same else None)
    return True


def say_why(tx: store.Transaction, repository_id: int, why: store.Unread) -> None:
    """Say of a default branch that was never read what keeps it from being; it is tried again."""
    row = store.code_maps.find(tx, repository_id)
    if row is not None and row.sha is None:
        store.code_maps.change(tx, repository_id, status="partial", unread=(why,))


def _see_to_branch(tx: store.Transaction, row: store.CodeMap, found: Found) -> None:
    """Keep which branch is the default one where no delivery has told: pushes to it count."""
    is_known = store.repositories.get(tx, row.repository_id).default_branch is not None
    if not is_known and found.branch is not None:
        store.repositories.change(tx, row.repository_id, default_branch=found.branch)


def _keep_row(tx: store.Transaction, row: store.CodeMap, asked: Task, found: Found) -> None:
    known = {*asked.row.pushes}
    left = tuple(one for one in row.pushes if one not in known)
    branch = store.repositories.get(tx, row.repository_id).default_branch
    has_moved = None not in (branch, found.branch) and branch != found.branch
    is_asked_anew = row.anew and not asked.row.anew
    is_outdated = row.wanted_version > asked.version
    unread = _unread(row, found)
    columns: dict[str, Any] = {
        "status": "partial" if unread else "read",
        "unread": unread,
        "pushes": left,
        "is_wanted": bool(left) or is_outdated or has_moved or is_asked_anew,
        "anew": found.is_broken or is_asked_anew,
        "checked_at": times.now(),
        "turned_at": _turned_at(asked.row),
    }
    if found.sha is not None:
        columns |= {"sha": found.sha, "branch": found.branch, "read_at": times.now()}
        columns |= {"version": asked.version, "digest": found.digest}
    if found.sha is not None and found.paths is None:
        columns |= {"files": found.files, "tree_files": found.tree_files}
    store.code_maps.take_step(tx, row, **columns)
    if columns["is_wanted"]:
        _read_again(tx, row)


def _read_again(tx: store.Transaction, row: store.CodeMap) -> None:
    """Have read what has come meanwhile."""
    repository = store.repositories.get(tx, row.repository_id)
    integration = code_maps.reader(tx, repository, row.integration_id)
    if integration is not None:
        code_maps.enqueue(tx, integration, row.repository_id)


def _turned_at(row: store.CodeMap) -> int:
    """Return when the last push was made of those read that did not go on from where it was."""
    if row.sha is None:
        return row.turned_at
    sha, times_of = row.sha, [row.turned_at]
    for one in row.pushes:
        if code_maps.follows(row, sha, one):
            sha = one.after
        else:
            times_of.append(one.at)
    return max(times_of)


def _unread(row: store.CodeMap, found: Found) -> tuple[store.Unread, ...]:
    """Return what is not read as of the commit that was, with what was not read before."""
    told = list(found.unread)
    if len(found.references) > MOST_REFERENCES:
        told.insert(0, store.Unread("there are more references than are kept"))
    if found.sha is not None and found.paths is not None:
        read = {*found.paths}
        told = [one for one in row.unread if one.path is None or one.path not in read] + told
    told = list(dict.fromkeys(told))
    if len(told) <= _MOST_UNREAD:
        return tuple(told)
    rest = store.Unread(f"and {len(told) - _MOST_UNREAD} more")
    return (*told[:_MOST_UNREAD], rest)


def _known_still(
    tx: store.Transaction, asked: Task, references: Sequence[store.CodeReference]
) -> list[store.CodeReference]:
    """Return references without those by names that have gone while they were read."""
    now = store.vocabulary.names(tx)
    if now == list(asked.names):
        return list(references)
    spelled = {key: code_maps.spelled((key, *aliases)) for key, aliases in now}
    return [
        one
        for one in references
        if one.experiment_key in spelled
        and (not one.alias or one.alias in spelled[one.experiment_key])
    ]


# --- What has changed, for the feed and for who follows it


_References = Set[store.CodeReference]


def _differences(
    tx: store.Transaction,
    row: store.CodeMap,
    found: Found,
    references: Iterable[store.CodeReference],
) -> tuple[_References, _References]:
    """Return the references that are new and those that are gone, in the files that were read.

    All the others are left as they are kept: most readings of a whole branch change few.
    """
    if found.sha is None:
        return frozenset(), frozenset()
    old = {*store.code_references.in_files(tx, row.repository_id, found.paths)}
    new = {*references}
    return new - old, old - new


def _changes(came: _References, went: _References) -> dict[str, Counter[str]]:
    """Return the keys whose references are others now: in which files there are how many more."""
    changed: dict[str, Counter[str]] = {}
    for some, sign in ((came, 1), (went, -1)):
        for one in some:
            changed.setdefault(one.experiment_key, Counter())[one.path] += sign
    return changed


def _is_of_pushes(row: store.CodeMap, found: Found, asked: Task) -> bool:
    """Tell whether what has changed was pushed: not looked for, or found, for the first time."""
    is_same = row.digest == found.digest and row.branch == found.branch
    return row.sha not in (None, found.sha) and is_same and not asked.row.anew


def _tell(
    tx: store.Transaction, asked: Task, found: Found, changes: Mapping[str, Counter[str]]
) -> None:
    """Tell in the feed which experiments are named more often than before, and which less often."""
    push, news = found.push, []
    repository = store.repositories.get(tx, asked.repository.id)
    page = f"https://{repository.host}/{repository.full_name}/commit/{found.sha}"
    for key, by_path in sorted(changes.items()):
        number = sum(by_path.values())
        if not number:
            continue
        sign = 1 if number > 0 else -1
        first = min(path for path, more in by_path.items() if more * sign > 0)
        kind = ADDED if number > 0 else REMOVED
        where = first if abs(number) == 1 else f"{first} and {abs(number) - 1} more"
        news.append(
            activity.News(
                type=kind,
                experiment_key=key,
                occurred_at=push.at if push is not None else times.now(),
                actor=name_without_email(push.actor) if push is not None else None,
                summary=kind.says(where=where),
                html_url=page,
                repository_id=repository.id,
                guid=f"code:{repository.id}:{found.sha}",
            )
        )
    activity.record(tx, news)
