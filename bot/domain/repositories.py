"""Which repository a payload speaks of, and whether an integration may hear of it.

GitHub's numeric id decides, a name where there is none. Whatever takes a repository from a payload
or a request goes through `resolve` (what it is about) or `other` (what it names beside), and so
through the integration's allow-list, of which `admit` is the one reading.
"""

from collections.abc import Set
from dataclasses import dataclass

from bot import storage as store
from bot.domain import posts
from bot.github.payloads import Repository


class NotAllowed(Exception):
    """The integration's allow-list does not let a repository in."""


class Unconfirmed(NotAllowed):
    """It would, if the repository has the name that a payload gives it: GitHub knows.

    A payload alone could give any repository a name that is on the list.
    """

    def __init__(self, full_name: str, github_id: int) -> None:
        super().__init__(f"{full_name} is not known to be {github_id}")
        self.full_name, self.github_id = full_name, github_id


@dataclass(frozen=True, slots=True)
class Scope:
    """Which repositories an integration may hear of and act on: those of its allow-list.

    `entries` are its entries in lower case, as GitHub's names ignore case; None lets all in.
    """

    integration_id: str
    host: str
    entries: tuple[str, ...] | None

    def entry_of(self, full_name: str) -> str | None:
        """Return the entry that lists a name, the one that names it before `owner/*`."""
        name = full_name.lower()
        for entry in (name, f"{name.partition('/')[0]}/*"):
            if self.entries is not None and entry in self.entries:
                return entry
        return None

    def lists(self, full_name: str) -> bool:
        return self.entries is None or self.entry_of(full_name) is not None


def admit(
    tx: store.Transaction,
    scope: Scope,
    about: Repository,
    *,
    old_name: str | None = None,
    confirmed: Set[tuple[str, int]] = frozenset(),
) -> store.Repository | None:
    """Return the repository that is meant, None if it is new; raises NotAllowed, Unconfirmed.

    An entry of an allow-list is a name. The repository that has come under it keeps its place
    whatever it is called later. `old_name` is what a rename says that it was called before,
    `confirmed` are names and ids that GitHub itself has said belong together.
    """
    full_name, github_id = about.full_name, about.id
    row = _find(tx, scope, full_name, github_id, old_name)
    if scope.entries is None or (row is not None and _has_place(tx, scope, row)):
        return row
    listed = scope.entry_of(full_name)
    known = scope.entry_of(row.full_name) if row is not None else None
    if listed is None and known is None:
        raise NotAllowed
    if github_id is None and row is not None:
        github_id = row.github_id  # a name alone means whoever has it now
    if github_id is None or (listed is not None and (full_name.lower(), github_id) in confirmed):
        return row
    is_from_outside = row is not None and known is None
    name = full_name if listed or row is None else row.full_name
    if is_from_outside or _is_taken(tx, scope, row, name, github_id):
        if listed is None:
            raise NotAllowed
        raise Unconfirmed(full_name, github_id)
    return row


def allows(tx: store.Transaction, scope: Scope, repository: store.Repository) -> bool:
    """Tell whether an integration may act on a repository that is known."""
    return scope.lists(repository.full_name) or _has_place(tx, scope, repository)


def allows_name(tx: store.Transaction, scope: Scope, full_name: str) -> bool:
    """Tell whether an integration may act on what has a name now, as far as is known here."""
    if scope.lists(full_name):
        return True
    rows = store.repositories.by_name(tx, scope.host, full_name)
    return bool(rows) and _has_place(tx, scope, rows[0])


def resolve(
    tx: store.Transaction,
    scope: Scope,
    about: Repository,
    updated_at: int | None = None,
    *,
    is_rename: bool = False,
    old_name: str | None = None,
    confirmed: Set[tuple[str, int]] = frozenset(),
) -> int:
    """Return our id of a repository, which is made or renamed as far as the payload knows better.

    A payload that tells of a rename is believed unless it is older than what is known. Any other
    is believed only if it is newer, since a late one still carries the old name. Raises
    NotAllowed, Unconfirmed.
    """
    full_name, github_id, default_branch = about.full_name, about.id, about.default_branch
    visibility = _visibility_of(about)
    row = admit(tx, scope, about, old_name=old_name, confirmed=confirmed)
    if row is None:
        row = _add(tx, scope, about, updated_at)
        if visibility is not None:  # nothing was written there that is to be looked over
            seen = {"visibility": visibility, "visibility_at": updated_at}
            store.repositories.change(tx, row.id, **seen)
        _take_place(tx, scope, row, full_name)
        return row.id
    _take_place(tx, scope, row, full_name)
    if github_id is not None and row.github_id is None:
        store.repositories.change(tx, row.id, github_id=github_id)
    is_certain = (full_name.lower(), github_id) in confirmed
    if row.full_name != full_name and (is_certain or _is_news(row.named_at, updated_at, is_rename)):
        store.repositories.rename(tx, row.id, full_name, updated_at or row.named_at)
    if default_branch is not None and row.default_branch != default_branch:
        store.repositories.change(tx, row.id, default_branch=default_branch)
    if row.visibility != visibility:
        observe_visibility(tx, row, visibility, updated_at)
    if row.deleted_at is not None and (updated_at or 0) > row.deleted_at:
        store.repositories.change(tx, row.id, deleted_at=None)
    return row.id


def _visibility_of(about: Repository) -> str | None:
    """Return what a payload says of who sees a repository, None if it does not say.

    Only `private: false` is public: what is internal is seen by a company.
    """
    if about.visibility in ("private", "internal"):
        return str(about.visibility)
    if not isinstance(about.private, bool):
        return None
    return "private" if about.private else "public"


def observe_visibility(
    tx: store.Transaction, row: store.Repository, visibility: str | None, at: int | None
) -> None:
    """Keep who sees a repository, unless something newer is known.

    Once everybody does, what the bot has written there is looked over.
    """
    known_at = row.visibility_at
    if visibility is None or (at is not None and known_at is not None and at < known_at):
        return
    store.repositories.change(
        tx, row.id, visibility=visibility, visibility_at=at if at is not None else known_at
    )
    if visibility == "public" and row.visibility != "public":
        posts.enqueue_rewriting(tx, row)


def is_public(row: store.Repository) -> bool:
    """Tell whether everybody may see a repository. One of which that is not known may be."""
    return row.visibility in ("public", None)


def other(
    tx: store.Transaction, scope: Scope, named: Repository, updated_at: int | None
) -> int | None:
    """Return our id of a repository that a payload names beside the one that it is about.

    None if the allow-list does not let it in, or its name is known to be another's. What is known
    of it already stays as it is.
    """
    try:
        row = admit(tx, scope, named)
    except NotAllowed:
        return None
    if row is None:
        if store.repositories.by_name(tx, scope.host, named.full_name):
            return None
        row = _add(tx, scope, named, updated_at)
    return row.id


def _add(
    tx: store.Transaction, scope: Scope, new: Repository, updated_at: int | None
) -> store.Repository:
    return store.repositories.add(
        tx, scope.host, new.id, new.full_name, updated_at, new.default_branch
    )


def _find(
    tx: store.Transaction, scope: Scope, full_name: str, github_id: int | None, old_name: str | None
) -> store.Repository | None:
    if github_id is not None:
        row = store.repositories.by_github_id(tx, scope.host, github_id)
        if row is not None:
            return row
    # One that was only known by its old name so far is known by its id from now on.
    is_ours = old_name is not None and github_id is not None and scope.lists(old_name)
    for name in ([old_name] if is_ours else []) + [full_name]:
        for row in store.repositories.by_name(tx, scope.host, name or ""):
            # A name may have passed to another repository; one that is known by its id is not it.
            if github_id is None or row.github_id is None:
                return row
    return None


def _has_place(tx: store.Transaction, scope: Scope, row: store.Repository) -> bool:
    held = store.places.of_repository(tx, scope.integration_id, row.id)
    return any(entry in (scope.entries or ()) for entry in held)


def _take_place(tx: store.Transaction, scope: Scope, row: store.Repository, full_name: str) -> None:
    """Note under which entry a repository has come, the first time."""
    entry = scope.entry_of(full_name) or scope.entry_of(row.full_name)
    if entry is not None and not _has_place(tx, scope, row):
        store.places.hold(tx, scope.integration_id, entry, row.id)


def _is_taken(
    tx: store.Transaction,
    scope: Scope,
    row: store.Repository | None,
    full_name: str,
    github_id: int,
) -> bool:
    """Tell whether another repository is known under a name, or has its place on the list."""
    found = list(store.repositories.by_name(tx, scope.host, full_name))
    if full_name.lower() in (scope.entries or ()):
        found += store.places.holders(tx, scope.integration_id, full_name.lower())
    return any(
        one.deleted_at is None
        and one.github_id not in (None, github_id)
        and (row is None or one.id != row.id)
        for one in found
    )


def _is_news(known: int | None, told: int | None, is_rename: bool) -> bool:
    if is_rename:
        return known is None or told is None or told >= known
    return told is not None and known is not None and told > known
