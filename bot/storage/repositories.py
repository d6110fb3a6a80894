"""Queries for repositories."""

from collections.abc import Sequence
from typing import Any

from bot.storage import query
from bot.storage.database import Transaction, locks_of_repository
from bot.storage.joined import CountedRepository
from bot.storage.known_rows import KnownRows
from bot.storage.query import Part, Place
from bot.storage.rows import REFUSED, Repository

_MOST_LOCKED = 1000  # of an owner's, since PostgreSQL has room for some thousand locks
LOST = 0  # `named_at` of a repository whose name is known to be another's


class _Known(KnownRows[Repository]):
    """The repositories that a transaction knows, by id, and by what GitHub calls them."""

    def __init__(self, tx: Transaction) -> None:
        super().__init__(tx, Repository, ("id",), None)
        self.by_github_id: dict[tuple[str, int], int | None] = {}
        self.by_name: dict[tuple[str, str], tuple[int, ...]] = {}
        self.made: dict[int, bool] = {}


def known(tx: Transaction) -> _Known:
    """Return the repositories that a transaction knows."""
    found: _Known | None = tx.kept.get("repositories")
    if found is None:
        found = tx.kept["repositories"] = _Known(tx)
    return found


def by_github_id(tx: Transaction, host: str, github_id: int) -> Repository | None:
    here, place = known(tx), (host, github_id)
    if place not in here.by_github_id:
        row = query.by_key(tx.stored, Repository, host=host, github_id=github_id)
        here.by_github_id[place] = row.id if row is not None else None
        if row is not None:
            here.know(row)
    row_id = here.by_github_id[place]
    return here.find(row_id) if row_id is not None else None


def loading(tx: Transaction, places: Sequence[tuple[str, int]]) -> query.Load | None:
    """Return how to read the repositories that have some ids of GitHub's, None if all are known."""
    here = known(tx)
    missing = [place for place in dict.fromkeys(places) if place not in here.by_github_id]
    if not missing:
        return None

    def accept(rows: list[Repository]) -> None:
        here.by_github_id.update(dict.fromkeys(missing))
        for row in rows:
            here.know(row)
            if row.github_id is not None:
                here.by_github_id[row.host, row.github_id] = row.id

    sql = """SELECT repositories.* FROM {keys} AS wanted CROSS JOIN repositories
        WHERE repositories.host = wanted.host AND repositories.github_id = wanted.github_id"""
    return query.Load(Repository, sql, ("host", "github_id"), missing, accept)


def loading_named(tx: Transaction, places: Sequence[tuple[str, str]]) -> query.Load | None:
    """Return how to read the repositories that have some names, None if all are known."""
    here = known(tx)
    wanted = dict.fromkeys((host, full_name.lower()) for host, full_name in places)
    missing = [place for place in wanted if place not in here.by_name]
    if not missing:
        return None

    def accept(rows: list[Repository]) -> None:
        here.by_name.update(dict.fromkeys(missing, ()))
        for row in rows:
            here.know(row)
            here.by_name[row.host, row.name_key] += (row.id,)

    sql = """SELECT repositories.* FROM {keys} AS wanted CROSS JOIN repositories
        WHERE repositories.host = wanted.host AND repositories.name_key = wanted.name_key"""
    return query.Load(Repository, sql, ("host", "name_key"), missing, accept)


def is_known(tx: Transaction, host: str, github_id: int | None) -> bool:
    """Tell whether a transaction knows the repository that has an id of GitHub's."""
    return github_id is not None and known(tx).by_github_id.get((host, github_id)) is not None


def told(
    tx: Transaction, host: str, github_id: int | None, full_name: str | None
) -> Repository | None:
    """Return the repository that has an id of GitHub's, or where none is told, a name."""
    if github_id is not None:
        return by_github_id(tx, host, github_id)
    rows = by_name(tx, host, full_name) if full_name is not None else []
    return rows[0] if rows else None


def by_name(tx: Transaction, host: str, full_name: str) -> list[Repository]:
    """Return the repositories that were last seen under a name, the present holder first."""
    here, place = known(tx), (host, full_name.lower())
    if place not in here.by_name:
        sql = "SELECT * FROM repositories WHERE host = :host AND name_key = :name_key"
        rows = query.select(tx.stored, Repository, sql, host=host, name_key=place[1])
        for row in rows:
            here.know(row)
        renamed = [
            row.id for row in here.rows.values() if row and (row.host, row.name_key) == place
        ]
        here.by_name[place] = tuple(dict.fromkeys([*[row.id for row in rows], *renamed]))
    found = [here.find(row_id) for row_id in here.by_name[place]]
    named = [row for row in found if row is not None and row.name_key == place[1]]
    return sorted(named, key=_as_holder, reverse=True)


def ids_named(tx: Transaction, full_name: str) -> list[int]:
    """Return our ids of the repositories that have a name, on whichever host."""
    sql = """SELECT id FROM repositories WHERE name_key = :name_key AND deleted_at IS NULL
        ORDER BY id"""
    return query.values(tx, sql, name_key=full_name.lower())


def ids_called(tx: Transaction, full_name: str) -> list[int]:
    """Return our ids of all repositories that lists show under a name, also those that are gone."""
    sql = "SELECT id FROM repositories WHERE name_key = :name_key ORDER BY id"
    return query.values(tx, sql, name_key=full_name.lower())


def _as_holder(row: Repository) -> tuple[bool, int, int]:
    """Return what is the greater, the more likely it is who has its name now."""
    return row.deleted_at is None, row.named_at or 0, row.id


def add(
    tx: Transaction,
    host: str,
    github_id: int | None,
    full_name: str,
    named_at: int | None,
    default_branch: str | None,
    owner_id: int | None = None,
) -> Repository:
    """Add a repository that is not there yet, and return it.

    One of which no name is known is found by its id alone: there may be a great many.
    """
    row = Repository(
        id=tx.stored.next_id("repositories"),
        host=host,
        github_id=github_id,
        full_name=full_name,
        name_key=full_name.lower(),
        named_at=named_at,
        default_branch=default_branch,
        deleted_at=None,
        last_activity=0,
        visibility=None,
        visibility_at=None,
        speaker_id=None,
        is_contested=False,
        archived=None,
        archived_at=None,
        owner_id=owner_id,
    )
    here = known(tx)
    others = by_name(tx, host, full_name) if full_name else []
    here.add(row)
    tx.put(here.made, row.id, True)
    if github_id is not None:
        tx.put(here.by_github_id, (host, github_id), row.id)
    if full_name:
        tx.put(here.by_name, (host, row.name_key), (*[one.id for one in others], row.id))
    return row


def is_made(tx: Transaction, repository_id: int) -> bool:
    """Tell whether a repository was added in this transaction: all that is in it is known."""
    return repository_id in known(tx).made


def get(tx: Transaction, repository_id: int) -> Repository:
    row = known(tx).find(repository_id)
    assert row is not None
    return row


def change(tx: Transaction, repository_id: int, **columns: Any) -> None:
    here, before = known(tx), get(tx, repository_id)
    now = here.change(before, **columns)
    if now.github_id != before.github_id and now.github_id is not None:
        tx.put(here.by_github_id, (now.host, now.github_id), now.id)
    if now.name_key == before.name_key:
        return
    for name, is_new in ((before.name_key, False), (now.name_key, True)):
        place = (now.host, name)
        if place in here.by_name:
            others = tuple(one for one in here.by_name[place] if one != now.id)
            tx.put(here.by_name, place, (*others, now.id) if is_new else others)


def note_archive(tx: Transaction, repository_id: int) -> None:
    """Note that GitHub has refused something because a repository is archived."""
    sql = """UPDATE repositories SET archived = :refused
        WHERE id = :id AND COALESCE(archived, 0) = 0"""
    tx.run(sql, {"id": repository_id, "refused": REFUSED})


def rename(tx: Transaction, repository_id: int, full_name: str, named_at: int | None) -> None:
    change(tx, repository_id, full_name=full_name, name_key=full_name.lower(), named_at=named_at)


def of_owner(
    tx: Transaction, host: str, owner_id: int | None, login: str | None = None
) -> list[Repository]:
    """Return the repositories of an owner, locked as deliveries lock them.

    With `login` also those below it of which it is not known whose they are, or all of them where
    no id is known.
    """
    here, place = f"{login or ''}/".lower(), {"host": host, "owner_id": owner_id}
    sql = """SELECT * FROM repositories WHERE host = :host AND owner_id = :owner_id
        UNION SELECT * FROM repositories WHERE host = :host AND :length > 1
            AND SUBSTR(name_key, 1, :length) = :here
            AND (owner_id IS NULL OR CAST(:owner_id AS BIGINT) IS NULL)
        ORDER BY id"""
    wanted = {**place, "here": here, "length": len(here)}
    there = query.select(tx, Repository, sql, **wanted)[:_MOST_LOCKED]
    locks = [locks_of_repository(host, one.github_id, one.full_name)[0] for one in there]
    tx.stored.lock(locks)
    found = query.select(tx, Repository, sql, **wanted)
    for row in found:
        known(tx).know(row)
    return [get(tx, row.id) for row in found]


def with_open_pull_requests(tx: Transaction, integration_id: str) -> list[Repository]:
    """Return the repositories with open pull requests that an integration saw first."""
    sql = """SELECT * FROM repositories WHERE deleted_at IS NULL AND id IN (
            SELECT repository_id FROM items WHERE integration_id = :integration_id
                AND kind = 'pull_request' AND state = 'open' AND gone_at IS NULL)
        ORDER BY id"""
    return query.select(tx, Repository, sql, integration_id=integration_id)


_COUNTED = 1000  # a list of repositories counts no further


_IN_REPOSITORY = ", ".join(
    f"""(SELECT COUNT(*) FROM (SELECT DISTINCT state_at, target_id FROM links
            WHERE links.repository_id = repositories.id AND links.kind = '{kind}'
                AND links.state = '{state}' LIMIT {_COUNTED}) AS linked) AS {state}_{kind}s"""
    for kind, state in (
        ("pull_request", "open"),
        ("pull_request", "merged"),
        ("issue", "open"),
        ("issue", "closed"),
    )
)


def heard_of(
    tx: Transaction, text: str, before: Place | None, limit: int
) -> Part[CountedRepository]:
    """Return repositories in which something is linked, the last one heard of first.

    Each has how many pull requests and issues of each state are linked, a thousand at most. `text`
    is a part of the name.
    """
    sql = f"SELECT repositories.*, {_IN_REPOSITORY} FROM repositories"
    where = ["last_activity > 0", "name_key LIKE :pattern ESCAPE '!'" if text else None]
    by, pattern = {"last_activity": "last_activity", "id": "id"}, query.containing(text.lower())
    return query.page(tx, CountedRepository, sql, where, by, before, limit, pattern=pattern)


def formerly(tx: Transaction, full_name: str) -> Repository | None:
    """Return the repository that had a name last which none has now, on whichever host."""
    sql = """SELECT repositories.* FROM former_names
        JOIN repositories ON repositories.id = former_names.repository_id
        WHERE former_names.name_key = :name_key AND deleted_at IS NULL AND NOT EXISTS (
            SELECT 1 FROM repositories AS holder WHERE holder.name_key = :name_key)
        ORDER BY former_names.until DESC, repositories.id DESC LIMIT 1"""
    return query.first(tx, Repository, sql, name_key=full_name.lower())


def find(tx: Transaction, full_name: str, host: str | None = None) -> CountedRepository | None:
    """Return a repository, with counts as in the list, by its present name; on any host if None."""
    sql = f"""SELECT repositories.*, {_IN_REPOSITORY} FROM repositories
        WHERE name_key = :name_key {"AND host = :host" if host else ""}
        ORDER BY deleted_at IS NOT NULL, COALESCE(named_at, 0) DESC, id DESC LIMIT 1"""
    return query.first(tx, CountedRepository, sql, name_key=full_name.lower(), host=host)
