"""Organisations and users that are renamed take all their repositories along.

GitHub tells an App and an organisation's webhook of it. A repository's webhook hears nothing but
the new name in what comes next, of an owner who has the same id.
"""

from collections.abc import Set

from bot import storage as store
from bot.domain import allowed, naming, speaking
from bot.domain.naming import Word, owner_of
from bot.github.payloads import Repository


def heard(
    tx: store.Transaction,
    scope: allowed.Scope,
    row: store.Repository,
    about: Repository,
    word: Word,
) -> None:
    """Keep whose a repository is, which was `row` before; if they have another name, follow it."""
    owner_id, login = about.owner_id, owner_of(about.full_name)
    is_same_name = not row.full_name or login == owner_of(row.full_name)
    if owner_id is None or (is_same_name and owner_id == row.owner_id):
        return
    is_same = row.owner_id in (None, owner_id)
    if owner_id != row.owner_id:
        store.repositories.change(tx, row.id, owner_id=owner_id)
    is_transfer = word.old_name is not None and owner_of(word.old_name) != login
    if is_same and not is_same_name and not is_transfer:
        rows = store.repositories.of_owner(tx, scope.host, owner_id)
        renamed = [one for one in rows if _follows(tx, scope, one, login, word)]
        _rename_installations(tx, scope, [row, *renamed], login)


def renamed(
    tx: store.Transaction,
    scope: allowed.Scope,
    owner: tuple[int | None, str],
    old: str | None,
    word: Word,
    confirmed: Set[tuple[str, int]],
) -> None:
    """GitHub tells that an owner of some id has a login, and was `old` before.

    So are the repositories called that the integration tells of. Raises Unconfirmed where another
    tells of one that has the name.
    """
    owner_id, login = owner
    for row in store.repositories.of_owner(tx, scope.host, owner_id, old):
        if _tells_of(tx, scope, row) and _comes_after(tx, row, old, login, word):
            _call(tx, scope, row, login, word, confirmed, is_asked=True)
            if row.owner_id is None and owner_id is not None:
                store.repositories.change(tx, row.id, owner_id=owner_id)


def _follows(
    tx: store.Transaction, scope: allowed.Scope, row: store.Repository, login: str, word: Word
) -> bool:
    """Rename a repository where another tells that the owner is renamed, if that is news."""
    until, latest = naming.given_up_by_owner(tx, row, login), word.latest
    is_news = until is None or (latest is not None and latest > until)
    is_news = is_news and not naming.is_before(word, row)
    if owner_of(row.full_name) == login or not is_news or not _tells_of(tx, scope, row):
        return False
    return _call(tx, scope, row, login, word)


def _comes_after(
    tx: store.Transaction, row: store.Repository, old: str | None, login: str, word: Word
) -> bool:
    """Tell whether a repository's owner has not been called otherwise since a rename.

    The names that it had by then are remembered in any case. One from a name that nobody has heard
    to one that was given up is an earlier one of a row that is told from its end.
    """
    now, _, name = row.full_name.partition("/")
    until = naming.given_up_by_owner(tx, row, login)
    if old is not None and now.lower() != old.lower():
        since = naming.given_up_by_owner(tx, row, old)
        if now != login and since is not None:
            store.former_names.add(tx, row.id, f"{login}/{name}", since)
            return False
        store.former_names.add(tx, row.id, f"{old}/{name}", word.at if until is None else until)
        return now != login and until is None
    return now != login and (until is None or word.at > until)


def _tells_of(tx: store.Transaction, scope: allowed.Scope, row: store.Repository) -> bool:
    is_told = speaking.speaks(tx, scope.integration_id, row)
    return is_told and allowed.allows(tx, scope, row)


def _call(
    tx: store.Transaction,
    scope: allowed.Scope,
    row: store.Repository,
    login: str,
    word: Word,
    confirmed: Set[tuple[str, int]] = frozenset(),
    *,
    is_asked: bool = False,
) -> bool:
    """Call a repository by its own name below a login; False if another's claim is against it.

    GitHub `is_asked` then, or nobody, and its own next delivery has it asked.
    """
    full_name = f"{login}/{row.full_name.partition('/')[2]}"
    try:
        allowed.see_to_name(tx, scope, Repository(full_name, row.github_id), row, confirmed)
    except allowed.Unconfirmed:
        if is_asked:
            raise
        return False
    for one in allowed.others_so_called(tx, scope, full_name, row.github_id):
        store.repositories.change(tx, one.id, named_at=store.repositories.LOST)
    allowed.take_place(tx, scope, row, row.full_name)
    naming.call(tx, row, full_name, row.named_at or None, word.at)
    return True


def _rename_installations(
    tx: store.Transaction, scope: allowed.Scope, rows: list[store.Repository], login: str
) -> None:
    """Call the accounts of the installations that serve some repositories by a login."""
    ids = {store.installations.of_repository(tx, scope.integration_id, row.id) for row in rows}
    for one in ids:
        if one is not None:
            store.installations.rename(tx, scope.integration_id, one, None, login)
