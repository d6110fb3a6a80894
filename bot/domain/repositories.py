"""Which repository a payload speaks of, and whether an integration may hear of it.

GitHub's numeric id decides, a name where there is none. Whatever takes a repository from a payload
or a request goes through `resolve` (what it is about) or `other` (what it names beside), and so
through the integration's allow-list, of which `admit` is the one reading.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass

from bot import storage as store
from bot import times
from bot.domain import posts, speaking
from bot.github.payloads import Repository

_LOST = 0  # `named_at` of a repository whose name GitHub says is another's


class NotAllowed(Exception):
    """The integration's allow-list does not let a repository in."""


class Undecided(NotAllowed):
    """It may be allowed: GitHub is to be asked of some claims first.

    `locks` are what is locked to keep its answers.
    """

    def __init__(
        self, message: str, claims: Sequence[speaking.Claim], locks: Sequence[str]
    ) -> None:
        super().__init__(message)
        self.claims, self.locks = claims, locks


class Unconfirmed(Undecided):
    """It is, if the repository has the name that a payload gives it: GitHub knows.

    A payload alone could give any repository a name that is on the list, or that is another's. The
    claims are those of who tells of that other one.
    """

    def __init__(
        self,
        full_name: str,
        github_id: int,
        claims: Sequence[speaking.Claim] = (),
        locks: Sequence[str] = (),
    ) -> None:
        super().__init__(f"{full_name} is not known to be {github_id}", claims, locks)
        self.full_name, self.github_id = full_name, github_id


class Contested(Undecided):
    """It is, if the integration has a right to the repository, for which another speaks too."""


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
    """Return the repository that is meant, None if it is new; raises NotAllowed, Undecided.

    `old_name` is what a rename says that it was called before, `confirmed` are names and ids that
    GitHub itself has said belong together.
    """
    row = _find(tx, scope, about.full_name, about.id, old_name)
    _see_to_list(tx, scope, about, row, confirmed)
    _see_to_name(tx, scope, about, row, confirmed)
    if row is not None:
        if claims := speaking.unsettled(tx, scope.integration_id, row, about):
            locks = store.locks_of_repository(scope.host, row.github_id, row.full_name)
            raise Contested(f"others speak for {row.full_name}", claims, locks)
        if speaking.is_denied(tx, scope.integration_id, row):
            raise NotAllowed
    return row


def _see_to_list(
    tx: store.Transaction,
    scope: Scope,
    about: Repository,
    row: store.Repository | None,
    confirmed: Set[tuple[str, int]],
) -> None:
    """Refuse what is not on the allow-list; raises NotAllowed, Unconfirmed.

    An entry is a name. The repository that has come under it keeps its place whatever it is called
    later.
    """
    full_name, github_id = about.full_name, about.id
    if scope.entries is None or (row is not None and _has_place(tx, scope, row)):
        return
    listed = scope.entry_of(full_name)
    known = scope.entry_of(row.full_name) if row is not None else None
    if listed is None and known is None:
        raise NotAllowed
    if github_id is None and row is not None:
        github_id = row.github_id  # a name alone means whoever has it now
    if github_id is None or (listed is not None and (full_name.lower(), github_id) in confirmed):
        return
    is_from_outside = row is not None and known is None
    name = full_name if listed or row is None else row.full_name
    if is_from_outside or _is_taken(tx, scope, row, name, github_id):
        if listed is None:
            raise NotAllowed
        raise Unconfirmed(full_name, github_id)


def _see_to_name(
    tx: store.Transaction,
    scope: Scope,
    about: Repository,
    row: store.Repository | None,
    confirmed: Set[tuple[str, int]],
) -> None:
    """Raise Unconfirmed for a name by which another speaks for another repository."""
    full_name, github_id = about.full_name, about.id
    is_usual = row is not None and row.name_key == full_name.lower() and row.named_at != _LOST
    if github_id is None or is_usual or (full_name.lower(), github_id) in confirmed:
        return
    claims, locks = [], []
    for one in _others_so_called(tx, scope, full_name, github_id):
        claims += speaking.claims_of_others(tx, scope.integration_id, one)
        locks += store.locks_of_repository(scope.host, one.github_id, one.full_name)
    if claims:
        raise Unconfirmed(full_name, github_id, claims, locks)


def _others_so_called(
    tx: store.Transaction, scope: Scope, full_name: str, github_id: int
) -> list[store.Repository]:
    """Return other repositories that are known to have a name, and not to have lost it."""
    return [
        one
        for one in store.repositories.by_name(tx, scope.host, full_name)
        if one.github_id not in (None, github_id)
        and one.named_at != _LOST
        and one.deleted_at is None
    ]


def allows(tx: store.Transaction, scope: Scope, repository: store.Repository) -> bool:
    """Tell whether an integration may act on a repository that is known."""
    if speaking.is_denied(tx, scope.integration_id, repository):
        return False
    return scope.lists(repository.full_name) or _has_place(tx, scope, repository)


def allows_name(tx: store.Transaction, scope: Scope, full_name: str) -> bool:
    """Tell whether an integration may act on what has a name now, as far as is known here."""
    rows = store.repositories.by_name(tx, scope.host, full_name)
    return allows(tx, scope, rows[0]) if rows else scope.lists(full_name)


def resolve(
    tx: store.Transaction,
    scope: Scope,
    about: Repository,
    updated_at: int | None = None,
    *,
    is_rename: bool = False,
    old_name: str | None = None,
    confirmed: Set[tuple[str, int]] = frozenset(),
    speaks: bool = False,
) -> int:
    """Return our id of a repository, which is made or renamed as far as the payload knows better.

    A payload that tells of a rename is believed unless it is older than what is known. Any other
    is believed only if it is newer, since a late one still carries the old name. `speaks` says that
    it is a delivery, by which the integration speaks for the repository from now on. Raises
    NotAllowed, Undecided.
    """
    full_name, github_id, default_branch = about.full_name, about.id, about.default_branch
    visibility = _visibility_of(about)
    row = admit(tx, scope, about, old_name=old_name, confirmed=confirmed)
    is_certain = (full_name.lower(), github_id) in confirmed
    if is_certain and github_id is not None:
        for one in _others_so_called(tx, scope, full_name, github_id):
            store.repositories.change(tx, one.id, named_at=_LOST)
    is_new, row = row is None, row or _add(tx, scope, about, updated_at)
    if speaks:
        speaking.begin(tx, scope.integration_id, row)
    if is_new:
        if visibility is not None:  # nothing was written there that is to be looked over
            seen = {"visibility": visibility, "visibility_at": updated_at}
            store.repositories.change(tx, row.id, **seen)
        _take_place(tx, scope, row, full_name)
        return row.id
    _take_place(tx, scope, row, full_name)
    if github_id is not None and row.github_id is None:
        store.repositories.change(tx, row.id, github_id=github_id)
    is_nameless = not row.full_name
    if row.full_name != full_name and (
        is_nameless or is_certain or _is_news(row.named_at, updated_at, is_rename)
    ):
        store.repositories.rename(tx, row.id, full_name, updated_at or row.named_at)
    if default_branch is not None and row.default_branch != default_branch:
        store.repositories.change(tx, row.id, default_branch=default_branch)
    if row.visibility != visibility:
        observe_visibility(tx, row, visibility, updated_at)
    if row.deleted_at is not None and (updated_at or 0) > row.deleted_at:
        store.repositories.change(tx, row.id, deleted_at=None)
    return row.id


def correct(tx: store.Transaction, row: store.Repository, full_name: str) -> None:
    """Call a repository what somebody says who knows better than the deliveries so far."""
    for one in store.repositories.by_name(tx, row.host, full_name):
        if one.id != row.id:
            store.repositories.change(tx, one.id, named_at=_LOST)
    store.repositories.rename(tx, row.id, full_name, times.now())


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


def other(tx: store.Transaction, scope: Scope, named: Repository) -> int | None:
    """Return our id of a repository that a payload names beside the one that it is about.

    None unless the integration speaks for it and may. What is known of it stays as it is.
    """
    try:
        row = admit(tx, scope, named)
    except NotAllowed:
        return None
    if row is None or not speaking.speaks(tx, scope.integration_id, row):
        return None
    return row.id


def head(tx: store.Transaction, scope: Scope, named: Repository) -> int | None:
    """Return our id of the repository of a pull request's head, to compare pushes with.

    Of one for which nobody speaks the id of GitHub's alone is kept, so that its name stays free.
    None where another speaks for it, or the allow-list does not let it in.
    """
    try:
        row = admit(tx, scope, named)
    except NotAllowed:
        return None
    if row is None and named.id is not None:
        row = store.repositories.add(tx, scope.host, named.id, "", None, None)
    return row.id if row is not None else None


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
