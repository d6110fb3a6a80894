"""What a repository is called now: which of the names that were told of it is the newest.

A delivery shows how it was when it was made, and may come late. What it tells of times decides;
where it tells none, it is new if it has a name of which nobody has heard, and late if it has one
that the repository is known to have given up.
"""

from collections.abc import Sequence

import msgspec

from bot import storage as store
from bot import times
from bot.github.payloads import Repository

Time = str | int | None


class Word(msgspec.Struct, frozen=True):
    """When and how something tells what a repository is called.

    `told` are the times in it as they were written, that of the repository first. `is_rename`: it
    is the delivery of a rename or transfer, which says that it was `old_name` before.
    """

    received_at: int
    told: Sequence[Time] = (None,)
    is_rename: bool = False
    old_name: str | None = None

    @property
    def updated_at(self) -> int | None:
        """When the repository was last changed."""
        return times.told(self.told[0], self.received_at)

    @property
    def latest(self) -> int | None:
        """The latest time that is told: the delivery was not made before. None if it tells none."""
        moments = (times.told(one, self.received_at) for one in self.told)
        return max((one for one in moments if one is not None), default=None)

    @property
    def named_at(self) -> int | None:
        """When the repository had its name. Renames are compared by their own times alone."""
        return self.updated_at if self.is_rename else self.latest

    @property
    def at(self) -> int:
        """When it was so, as far as is known."""
        latest = self.latest
        return self.received_at if latest is None else latest


def believed(
    tx: store.Transaction, row: store.Repository, about: Repository, word: Word
) -> Repository:
    """Return what a payload says of a repository that is known, under the newest name.

    Owner and repository are renamed each by itself: who tells late of the one may tell first of the
    other.
    """
    if about.full_name == row.full_name or not row.full_name:
        return about
    name = _of_present_owner(tx, row, about, word)
    if name != row.full_name and not _is_news(tx, row, name, word):
        return msgspec.structs.replace(about, full_name=row.full_name, owner=None)
    return msgspec.structs.replace(about, full_name=name)


def call(
    tx: store.Transaction, row: store.Repository, full_name: str, named_at: int | None, at: int
) -> None:
    """Call a repository by a name that it has had since some time at the latest."""
    if row.full_name and row.full_name != full_name:
        store.former_names.add(tx, row.id, row.full_name, at)
    store.repositories.rename(tx, row.id, full_name, named_at)


def confirmed(tx: store.Transaction, row: store.Repository, full_name: str) -> None:
    """Call a repository by a name that it has now for certain: GitHub says so, or an admin."""
    now = times.now()
    call(tx, row, full_name, now, now)


def owner_of(full_name: str) -> str:
    return full_name.partition("/")[0]


def given_up(tx: store.Transaction, row: store.Repository, full_name: str) -> int | None:
    """Return by when a repository had given up a name; None if it never had it before."""
    known = store.former_names.of_repository(tx, row.id)
    return next((one.until for one in known if one.full_name == full_name), None)


def given_up_by_owner(tx: store.Transaction, row: store.Repository, login: str) -> int | None:
    """Return by when a repository's owner had given up a login; None if it never had it before."""
    known = store.former_names.of_repository(tx, row.id)
    found = [one.until for one in known if owner_of(one.full_name) == login]
    return max(found, default=None)


def _of_present_owner(
    tx: store.Transaction, row: store.Repository, about: Repository, word: Word
) -> str:
    """Return the name that is told, below the present name of the same owner if that is newer."""
    login, _, name = about.full_name.partition("/")
    known = owner_of(row.full_name)
    if login == known or about.owner_id is None or about.owner_id != row.owner_id:
        return about.full_name
    until, latest = given_up_by_owner(tx, row, login), word.latest
    is_late = until is not None and (latest is None or latest <= until)
    is_late = is_late or _is_overtaken_elsewhere(tx, row, known, word)
    return f"{known}/{name}" if is_late else about.full_name


def _is_overtaken_elsewhere(
    tx: store.Transaction, row: store.Repository, login: str, word: Word
) -> bool:
    """Tell whether another repository of the same owner has told of the present login later.

    The one that is told of may have followed it without a word of its own.
    """
    others = store.repositories.of_owner(tx, row.host, row.owner_id)
    return any(owner_of(one.full_name) == login and is_before(word, one) for one in others)


def is_after(word: Word, row: store.Repository) -> bool:
    """Tell whether a repository was last changed after the time since which it has its name."""
    told, named_at = word.updated_at, row.named_at
    return told is not None and (named_at is None or told > named_at)


def is_before(word: Word, row: store.Repository) -> bool:
    """Tell whether something is known to have been told before a repository had its name."""
    latest, named_at = word.latest, row.named_at
    return latest is not None and named_at is not None and latest < named_at


def _is_news(tx: store.Transaction, row: store.Repository, full_name: str, word: Word) -> bool:
    known, told, latest = row.named_at, word.updated_at, word.latest
    until = given_up(tx, row, full_name)
    if word.is_rename:
        # One that leaves the repository's time as it was first heard of tells none of its own.
        is_unmoved = told == row.visibility_at and (word.old_name or "").lower() == row.name_key
        if known is not None and told is not None and not is_unmoved:
            return told >= known
        return not _is_overtaken(tx, row, word) and (until is None or word.at > until)
    if until is None:
        return known is None or latest is None or latest >= known
    is_older = known is not None and told is not None and told < known
    return not is_older and latest is not None and latest > until


def _is_overtaken(tx: store.Transaction, row: store.Repository, word: Word) -> bool:
    """Tell whether a repository had given up already what a rename says that it was before."""
    old = word.old_name
    if old is None or old.lower() == row.name_key:
        return False
    return given_up(tx, row, old) is not None
