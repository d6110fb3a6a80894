"""Queries for pull requests and issues: what is known of them, their versions and decisions."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage import heads, links, query
from bot.storage.actions import known_posts
from bot.storage.columns import Known, Snapshot
from bot.storage.database import Transaction
from bot.storage.joined import NamedItem, VersionPlace
from bot.storage.known_rows import KnownRows, add_rows
from bot.storage.query import Part, Place, Reader
from bot.storage.rows import REFUSED, TOLD, Decision, Item, Version


class _Known(KnownRows[Item]):
    """The items that a transaction knows, by where they are, and by id."""

    def __init__(self, tx: Transaction) -> None:
        super().__init__(tx, Item, ("repository_id", "kind", "number"), None)
        self.by_id: dict[int, Item] = {}


def known(tx: Transaction) -> _Known:
    """Return the items that a transaction knows."""
    found: _Known | None = tx.kept.get("items")
    if found is None:
        found = tx.kept["items"] = _Known(tx)
    return found


def find(tx: Transaction, repository_id: int, kind: str, number: int) -> Item | None:
    return known(tx).find(repository_id, kind, number)


def by_name(tx: Transaction, full_name: str, kind: str, number: int) -> NamedItem | None:
    """Return an item with its `repository` by the repository's present name, on any host."""
    sql = """SELECT items.*, repositories.full_name AS repository FROM items
        JOIN repositories ON repositories.id = items.repository_id
        WHERE repositories.name_key = :name_key AND items.kind = :kind
            AND items.number = :number AND items.gone_at IS NULL
        ORDER BY repositories.deleted_at IS NOT NULL,
            COALESCE(repositories.named_at, 0) DESC, repositories.id DESC LIMIT 1"""
    return query.first(tx, NamedItem, sql, name_key=full_name.lower(), kind=kind, number=number)


def open_in(tx: Transaction, repository_id: int) -> list[Item]:
    sql = """SELECT * FROM items WHERE repository_id = :repository_id AND state = 'open'
        AND gone_at IS NULL"""
    return query.select(tx, Item, sql, repository_id=repository_id)


def get(tx: Transaction, item_id: int) -> Item:
    here = known(tx)
    row = here.by_id.get(item_id)
    if row is None:
        sql = "SELECT * FROM items WHERE id = :id"
        row = here.by_id[item_id] = query.the(tx.stored, Item, sql, id=item_id)
        here.know(row)
    found = here.find(*here.key_of(row))
    assert found is not None
    return found


def by_id(tx: Transaction, item_id: int) -> Item | None:
    """Return an item that may have been removed meanwhile."""
    sql = "SELECT 1 FROM items WHERE id = :id"
    return get(tx, item_id) if query.exists(tx, sql, id=item_id) else None


def open_pull_requests(
    tx: Transaction, repository_id: int, before: Place | None, limit: int
) -> Part[Item]:
    """Return open pull requests of a repository, newest first."""
    where = ["repository_id = :id", "kind = 'pull_request'", "state = 'open'", "gone_at IS NULL"]
    sql, by = "SELECT * FROM items", {"number": "number"}
    return query.page(tx, Item, sql, where, by, before, limit, id=repository_id)


def posted_on(tx: Transaction, repository_id: int, before: Place | None, limit: int) -> Part[Item]:
    """Return the pull requests of a repository that show something of the bot's, newest first.

    Whatever their state.
    """
    sql = "SELECT items.* FROM items JOIN posts ON posts.item_id = items.id"
    where = [
        "items.repository_id = :id",
        "items.kind = 'pull_request'",
        "(posts.comment_id IS NOT NULL OR posts.check_sha IS NOT NULL)",
        "items.gone_at IS NULL",
    ]
    by = {"items.number": "number"}
    return query.page(tx, Item, sql, where, by, before, limit, id=repository_id)


def is_locked(tx: Transaction, repository_id: int, number: int) -> bool:
    """Tell whether a conversation is locked, as far as deliveries told."""
    sql = """SELECT 1 FROM items WHERE repository_id = :repository_id AND number = :number
        AND kind IN ('pull_request', 'issue') AND locked = :told"""
    return query.exists(tx, sql, repository_id=repository_id, number=number, told=TOLD)


def is_unlocked(tx: Transaction, repository_id: int, number: int) -> bool:
    """Tell whether a conversation is known to be open, whether deliveries or GitHub said so."""
    sql = """SELECT MAX(locked) FROM items WHERE repository_id = :repository_id
        AND number = :number AND kind IN ('pull_request', 'issue')"""
    return query.number(tx, sql, repository_id=repository_id, number=number) == 0


def note_lock(tx: Transaction, repository_id: int, number: int) -> None:
    """Note that GitHub has refused something because a conversation is locked."""
    sql = """UPDATE items SET locked = :refused WHERE repository_id = :repository_id
        AND number = :number AND kind IN ('pull_request', 'issue') AND locked = 0"""
    tx.run(sql, {"repository_id": repository_id, "number": number, "refused": REFUSED})


def open_pull_requests_of_experiment(tx: Transaction, key: str) -> list[Item]:
    sql = """SELECT items.* FROM links JOIN items ON items.id = links.target_id
        WHERE links.experiment_key = :key AND links.kind = 'pull_request'
            AND links.state = 'open' AND items.gone_at IS NULL ORDER BY items.id"""
    return query.select(tx, Item, sql, key=key)


def open_pull_requests_checked(tx: Transaction, repository_id: int, sha: str) -> list[Item]:
    """Return the open pull requests of a repository whose check was last put on a commit."""
    sql = """SELECT items.* FROM posts JOIN items ON items.id = posts.item_id
        WHERE posts.check_sha = :sha AND items.repository_id = :repository_id
            AND items.state = 'open' AND items.gone_at IS NULL ORDER BY items.id"""
    return query.select(tx, Item, sql, repository_id=repository_id, sha=sha)


def add(tx: Transaction, columns: Mapping[str, Any]) -> Item:
    """Add an item, which is not there yet, and return it."""
    row = Item(id=tx.stored.next_id("items"), **columns)
    here = known(tx)
    here.add(row)
    tx.put(here.by_id, row.id, row)
    links.known(tx).keys[row.id, row.kind] = ()
    known_posts(tx).rows[row.id,] = None
    if row.merge_sha is not None:
        heads.lands(tx, row.merge_sha)
    if row.closed_at is not None:
        _head_changed(tx, row)
    elif row.head_repository_id is not None and row.head_ref is not None:
        heads.opened(tx, (row.head_repository_id, row.head_ref), row.created_at)
    return row


def change(tx: Transaction, item: Item, **columns: Any) -> Item:
    """Set columns of an item; return it as it is then."""
    row = known(tx).change(item, **columns)
    if row.merge_sha is not None and row.merge_sha != item.merge_sha:
        heads.lands(tx, row.merge_sha)
    if _on_head(row) != _on_head(item):
        _head_changed(tx, item)
        _head_changed(tx, row)
    elif row.closed_at != item.closed_at and row.head_repository_id is not None and row.head_ref:
        place = (row.head_repository_id, row.head_ref)
        if item.closed_at is None and row.closed_at is not None:
            heads.ended(tx, place, row.id, row.closed_at)
        else:
            heads.changed(tx, place)
    return row


def _on_head(row: Item) -> tuple[object, ...]:
    """Return where a pull request is found among those of its head, but for when it ended."""
    return row.head_repository_id, row.head_ref, row.created_at, row.gone_at


def _head_changed(tx: Transaction, row: Item) -> None:
    if row.head_repository_id is not None and row.head_ref is not None:
        heads.changed(tx, (row.head_repository_id, row.head_ref))


def is_new(tx: Transaction, item_id: int) -> bool:
    """Tell whether an item was added in this transaction, and is still to be written."""
    row = known(tx).by_id.get(item_id)
    return row is not None and known(tx).is_added(row)


def is_changing_at(tx: Transaction, head_repository_id: int, head_ref: str, but: int) -> bool:
    """Tell whether changes are pending of pull requests of a head that have ended, `but` one."""
    place = (head_repository_id, head_ref)
    return any(
        row.closed_at is not None
        and (row.head_repository_id, row.head_ref) == place
        and row.id != but
        for row in known(tx).pending()
    )


def leads_into(tx: Transaction, repository_id: int, ref: str) -> bool:
    """Tell whether one of the pull requests that a transaction knows leads into a branch."""
    return any(
        row is not None and row.base_ref == ref and row.repository_id == repository_id
        for row in known(tx).rows.values()
    )


def knows_any(tx: Transaction, repository_id: int) -> bool:
    """Tell whether a transaction knows an item of a repository, or one whose head is there."""
    return any(
        row is not None and repository_id in (row.repository_id, row.head_repository_id)
        for row in known(tx).rows.values()
    )


# --- Versions and decisions, in the order in which they go: a decision behind the versions of its
# moment, and those of one moment and kind as they came


def add_version(
    tx: Transaction, item_id: int, guid: str, snapshot: Snapshot, known: Known | None
) -> None:
    """Keep a version of an item, with what is known after it, and which is not there yet."""
    version_at, version_rank = snapshot.order
    place = {"item_id": item_id, "guid": guid, "version_at": version_at}
    row = {**place, "version_rank": version_rank, "snapshot": snapshot, "known": known}
    add_rows(tx, Version, [row])
    tx.put(_told(tx), (item_id, guid), True)


def has_version(tx: Transaction, item_id: int, guid: str) -> bool:
    """Tell whether a version of an item that some delivery told is kept."""
    sql = "SELECT 1 FROM versions WHERE item_id = :item_id AND guid = :guid"
    return tx.looked_up(
        "versions",
        (item_id, guid),
        lambda: query.exists(tx.stored, sql, item_id=item_id, guid=guid),
    )


def has_versions(tx: Transaction, item_id: int) -> bool:
    """Tell whether any version of an item is kept: it has concerned an experiment then."""
    sql = "SELECT 1 FROM versions WHERE item_id = :item_id LIMIT 1"
    return query.exists(tx, sql, item_id=item_id)


def loading_versions(tx: Transaction, places: Sequence[tuple[int, str]]) -> query.Load | None:
    """Return how to read, for items and guids, whether there is such a version."""
    told = _told(tx)
    if not places:
        return None

    def accept(rows: list[VersionPlace]) -> None:
        told.update(dict.fromkeys(places, False))
        told.update({(row.item_id, row.guid): True for row in rows})

    sql = """SELECT versions.item_id, versions.guid FROM {keys} AS wanted CROSS JOIN versions
        WHERE versions.item_id = wanted.item_id AND versions.guid = wanted.guid"""
    return query.Load(VersionPlace, sql, ("item_id", "guid"), places, accept)


def _told(tx: Transaction) -> dict[tuple[int, str], bool]:
    told: dict[tuple[int, str], bool] = tx.kept.setdefault("versions", {})
    return told


def versions_of(tx: Transaction, item_id: int) -> list[Version]:
    """Return an item's versions in their order."""
    sql = "SELECT * FROM versions WHERE item_id = :item_id ORDER BY version_at, version_rank, id"
    return query.select(tx, Version, sql, item_id=item_id)


def last_version_up_to(tx: Reader, item_id: int, order: tuple[int, int]) -> Version | None:
    """Return the last version of an item of a moment or before."""
    sql = """SELECT * FROM versions WHERE item_id = :item_id
            AND (version_at, version_rank) <= (:version_at, :version_rank)
        ORDER BY version_at DESC, version_rank DESC, id DESC LIMIT 1"""
    at, rank = order
    return query.first(tx, Version, sql, item_id=item_id, version_at=at, version_rank=rank)


def versions_after(
    tx: Transaction, item_id: int, order: tuple[int, int], last: int, limit: int
) -> list[Version]:
    """Return the versions of an item after one, of that order and with the id `last`."""
    sql = """SELECT * FROM versions WHERE item_id = :item_id
            AND (version_at, version_rank, id) > (:version_at, :version_rank, :last)
        ORDER BY version_at, version_rank, id LIMIT :limit"""
    at, rank = order
    place = {"version_at": at, "version_rank": rank, "last": last}
    return query.select(tx, Version, sql, item_id=item_id, limit=limit, **place)


def versions_at(tx: Transaction, item_id: int, at: int) -> list[Version]:
    """Return the versions of an item of one moment in the order in which they came."""
    sql = "SELECT * FROM versions WHERE item_id = :item_id AND version_at = :at ORDER BY id"
    return query.select(tx, Version, sql, item_id=item_id, at=at)


def rank_version(tx: Transaction, version: Version, snapshot: Snapshot) -> None:
    """Give a version the place that its snapshot has by now."""
    columns = {"version_rank": snapshot.order[1], "snapshot": snapshot}
    query.change(tx, Version, {"id": version.id}, columns)


def rank_decisions(tx: Transaction, item_id: int, at: int, rank: int) -> None:
    """Let the decisions of a moment go behind the versions of it, the last of which has a rank."""
    query.change(tx, Decision, {"item_id": item_id, "version_at": at}, {"version_rank": rank})


def change_version(tx: Transaction, version: Version, known: Known) -> None:
    """Keep what is known after a version."""
    query.change(tx, Version, {"id": version.id}, {"known": known})


def add_decision(tx: Transaction, columns: Mapping[str, Any]) -> bool:
    """Keep a link or an unlinking by hand; False if it is there already."""
    return query.insert_new(tx, Decision, columns)


def decisions_of(tx: Reader, item_id: int) -> list[Decision]:
    """Return an item's decisions in their order."""
    sql = "SELECT * FROM decisions WHERE item_id = :item_id ORDER BY version_at, version_rank, id"
    return query.select(tx, Decision, sql, item_id=item_id)


def change_decision(tx: Transaction, guid: str, known: Known) -> None:
    """Keep what is known after a decision."""
    query.change(tx, Decision, {"guid": guid}, {"known": known})


def last_version(tx: Transaction) -> int:
    """Return the last version before which none can still come, 0 if there is none."""
    return tx.stored.settled("versions")
