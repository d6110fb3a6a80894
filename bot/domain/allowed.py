"""Whether an integration may hear of a repository: its allow-list, and who else speaks for it.

Whatever takes a repository from a payload or a request goes through `admit`.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

from bot import storage as store
from bot.domain import naming, speaking
from bot.github import names
from bot.github.payloads import Repository


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

    def where(self, about: Repository | None) -> "Scope":
        """Return the scope for what is told of a repository: on GitHub's own host, or on another.

        An Enterprise Server's delivery may come to an integration of GitHub's own hosts, without
        the header that says whose it is. Of any other integration its own host is believed.
        """
        page = about.html_url if about is not None else None
        if page is None or page.startswith(f"https://{self.host}/"):
            return self
        return self.on(names.host_in(page))

    def on(self, host: str | None) -> "Scope":
        """Return the scope for what is told of a host, if that is believed; see `where`."""
        if host in (None, self.host) or not names.is_githubs(self.host):
            return self
        return replace(self, host=host)

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
    word: naming.Word,
    confirmed: Set[tuple[str, int]] = frozenset(),
) -> tuple[store.Repository | None, Repository]:
    """Return the repository that is told of, None if it is new, and what is told of it, by the
    newest name; raises NotAllowed, Undecided.

    `confirmed` are names and ids that GitHub itself has said belong together.
    """
    row = _find(tx, scope, about.full_name, about.id, word.old_name)
    if row is not None and (about.full_name.lower(), about.id) not in confirmed:
        about = naming.believed(tx, row, about, word)
    _see_to_list(tx, scope, about, row, confirmed)
    see_to_name(tx, scope, about, row, confirmed)
    if row is not None:
        if claims := speaking.unsettled(tx, scope.integration_id, row, about):
            locks = store.locks_of_repository(scope.host, row.github_id, row.full_name)
            raise Contested(f"others speak for {row.full_name}", claims, locks)
        if speaking.is_denied(tx, scope.integration_id, row):
            raise NotAllowed
    return row, about


def find(tx: store.Transaction, scope: Scope, named: Repository) -> store.Repository | None:
    """Return the repository that is named, whoever speaks for it; None if it is new.

    Raises NotAllowed, Unconfirmed where the allow-list, or another of that name, is against it.
    """
    row = _find(tx, scope, named.full_name, named.id, None)
    _see_to_list(tx, scope, named, row)
    see_to_name(tx, scope, named, row)
    return row


def _see_to_list(
    tx: store.Transaction,
    scope: Scope,
    about: Repository,
    row: store.Repository | None,
    confirmed: Set[tuple[str, int]] = frozenset(),
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


def see_to_name(
    tx: store.Transaction,
    scope: Scope,
    about: Repository,
    row: store.Repository | None,
    confirmed: Set[tuple[str, int]] = frozenset(),
) -> None:
    """Raise Unconfirmed for a name by which another speaks for another repository."""
    full_name, github_id = about.full_name, about.id
    is_usual = (
        row is not None
        and row.name_key == full_name.lower()
        and row.named_at != store.repositories.LOST
    )
    if github_id is None or is_usual or (full_name.lower(), github_id) in confirmed:
        return
    claims, locks = [], []
    for one in others_so_called(tx, scope, full_name, github_id):
        claims += speaking.claims_of_others(tx, scope.integration_id, one)
        locks += store.locks_of_repository(scope.host, one.github_id, one.full_name)
    if claims:
        raise Unconfirmed(full_name, github_id, claims, locks)


def others_so_called(
    tx: store.Transaction, scope: Scope, full_name: str, github_id: int | None
) -> list[store.Repository]:
    """Return other repositories that are known to have a name, and not to have lost it."""
    return [
        one
        for one in store.repositories.by_name(tx, scope.host, full_name)
        if one.github_id not in (None, github_id)
        and one.named_at != store.repositories.LOST
        and one.deleted_at is None
    ]


def allows(tx: store.Transaction, scope: Scope, repository: store.Repository) -> bool:
    """Tell whether an integration may act on a repository that is known."""
    if repository.host != scope.host or speaking.is_denied(tx, scope.integration_id, repository):
        return False
    return scope.lists(repository.full_name) or _has_place(tx, scope, repository)


def is_outside(tx: store.Transaction, scope: Scope, github_id: int, account: str | None) -> bool:
    """Tell whether what is told of a repository would be refused, as far as its id alone tells.

    `account` is the owner of the App's installation that tells of it, if that is known.
    """
    row = store.repositories.by_github_id(tx, scope.host, github_id)
    if row is not None:
        is_listed = scope.lists(row.full_name) or _has_place(tx, scope, row)
        return not is_listed or speaking.is_refused(tx, scope.integration_id, row)
    if scope.entries is None:
        return False
    name = store.installations.name_of(tx, scope.integration_id, github_id)
    if name is not None:
        return not scope.lists(name)
    owners = {entry.partition("/")[0] for entry in scope.entries}
    if account is not None and account.lower() not in owners:
        return True
    # Each entry is a name whose repository is known by another id. Of an owner there may be more.
    return all(
        not entry.endswith("/*")
        and any(one.github_id for one in store.places.holders(tx, scope.integration_id, entry))
        for entry in scope.entries
    )


def allows_name(tx: store.Transaction, scope: Scope, full_name: str) -> bool:
    """Tell whether an integration may act on what has a name now, as far as is known here."""
    rows = store.repositories.by_name(tx, scope.host, full_name)
    return allows(tx, scope, rows[0]) if rows else scope.lists(full_name)


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


def take_place(tx: store.Transaction, scope: Scope, row: store.Repository, full_name: str) -> None:
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
