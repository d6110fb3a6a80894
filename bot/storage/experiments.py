"""Queries for experiments."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args

import msgspec

from bot.storage import linked, query, repositories, tallies
from bot.storage.columns import ExperimentStatus
from bot.storage.database import Transaction, lock_of_experiment
from bot.storage.query import Part, Place
from bot.storage.rows import Experiment


def folded(*texts: str | None) -> str:
    """Return texts in the form in which they are searched: case does not matter."""
    return "\n".join(text.casefold() for text in texts if text)


def add(tx: Transaction, columns: Mapping[str, Any]) -> Experiment | None:
    """Add an experiment and return its row; None if the key exists.

    Its feed may have begun before it, and its links: what names its key was told already.
    """
    sql = "SELECT MAX(position) FROM activity WHERE experiment_key = :key"
    told = query.number(tx, sql, key=columns["key"])
    known = {"last_activity": told or 0, **tallies.of_links(tx, columns["key"])}
    return query.insert_returning(tx, Experiment, {**columns, **known})


def lock(tx: Transaction, key: str) -> None:
    """Let nobody else make, change or link an experiment until this transaction ends."""
    tx.stored.lock([lock_of_experiment(key)])


def find(tx: Transaction, key: str) -> Experiment | None:
    return query.by_key(tx, Experiment, key=key)


def by_keys(tx: Transaction, keys: Sequence[str]) -> list[Experiment]:
    """Return those experiments that there are of some keys."""
    return query.in_parts(tx, Experiment, "SELECT * FROM experiments WHERE key IN ({names})", keys)


def exists(tx: Transaction, key: str) -> bool:
    def ask() -> bool:
        tx.stored.share([lock_of_experiment(key)])
        sql = "SELECT 1 FROM experiments WHERE key = :key"
        return query.exists(tx.stored, sql, key=key)

    return tx.looked_up("experiments", key, ask)


def change(tx: Transaction, key: str, columns: Mapping[str, Any]) -> None:
    query.change(tx, Experiment, {"key": key}, columns)


def remove(tx: Transaction, key: str) -> bool:
    return tx.run("DELETE FROM experiments WHERE key = :key", {"key": key}) == 1


def words_of(text: str | None) -> tuple[str, ...]:
    """Return the words of a text in the form in which they are looked for, each once."""
    return tuple(dict.fromkeys(folded(text).split()))


class Wanted(NamedTuple):
    """Which experiments are looked for: those that meet all that is given.

    `words` are parts of the key, name, owner or tags, folded; `repository` is where something is
    linked to it, and `has_open` whether a pull request of its is open.
    """

    statuses: Sequence[str] = ()
    words: Sequence[str] = ()
    owner: str | None = None
    tag: str | None = None
    repository: str | None = None
    has_open: bool | None = None


# What lists go by, the highest first, but for names. But for those and `created`, it is an index
# for each status.
SORTS = {
    "activity": ("last_activity", "seq"),
    "created": ("seq",),
    "open": ("open_count", "seq"),
    "last_merged": ("last_merged", "seq"),
    "name": ("LOWER(name)", "seq"),
}
STATUSES: tuple[str, ...] = get_args(ExperimentStatus)
_STATUS = dict(zip(STATUSES, STATUSES, strict=True))  # as parameters
# Among those of a list as JSON, each of which stands behind a comma or at its beginning.
_HAS_TAG = "REPLACE(',' || SUBSTR(tags, 2), :tag, '') <> ',' || SUBSTR(tags, 2)"
_FEW = 500  # keys of a repository that are named in a query
_TYPOS = 5_000  # keys that are gone through for them


def listed(
    tx: Transaction, wanted: Wanted, sort: str, before: Place | None, limit: int
) -> Part[Experiment]:
    """Return experiments in the order of `sort`, one of SORTS but `name`."""
    where, known = _matching(tx, wanted)
    is_behind, place = query.behind(SORTS[sort], before)
    found = _in_order(wanted, sort, [*where, is_behind])
    sql = _whole(f"SELECT seq FROM ({found}) AS found", sort)
    return query.part(tx, Experiment, sql, SORTS[sort], limit, **known, **place)


def page(tx: Transaction, wanted: Wanted, sort: str, offset: int, limit: int) -> list[Experiment]:
    """Return experiments in the order of `sort`, one of SORTS, from a place on."""
    where, known = _matching(tx, wanted)
    if sort == "name":
        found = f"experiments {query.where_all(_has_status(wanted), *where)}"
    else:
        found = f"({_in_order(wanted, sort, where)}) AS found"
    part = f"{_order_by(sort)} LIMIT :shown OFFSET :offset"
    sql = _whole(f"SELECT seq FROM {found} {part}", sort)
    upto = {"limit": offset + limit, "offset": offset, "shown": limit}
    return query.select(tx, Experiment, sql, **upto, **known)


def _in_order(wanted: Wanted, sort: str, where: Sequence[str | None]) -> str:
    """Return a query of the first experiments of a list.

    Where many are in it, those of each status are taken in their order; few are found and sorted.
    """
    each = [_has_status(wanted)]
    if not (wanted.words or wanted.tag or wanted.owner or where[0]):
        some = wanted.statuses or ([] if sort == "created" else STATUSES)
        each = [f"status = :{one}" for one in STATUSES if one in some] or [None]
    arms = [
        f"SELECT {', '.join(SORTS[sort])} FROM experiments {query.where_all(one, *where)}"
        for one in each
    ]
    return query.highest_of(arms, SORTS[sort])


def _order_by(sort: str) -> str:
    way = "" if sort == "name" else " DESC"
    return f"ORDER BY {', '.join(f'{column}{way}' for column in SORTS[sort])}"


def _whole(seqs: str, sort: str) -> str:
    """Return a query that reads experiments whole, of which another gives the numbers."""
    return f"SELECT * FROM experiments WHERE seq IN ({seqs}) {_order_by(sort)}"


def _has_status(wanted: Wanted) -> str | None:
    names = ", ".join(f":{one}" for one in STATUSES if one in wanted.statuses)
    return f"status IN ({names})" if names else None


def _matching(tx: Transaction, wanted: Wanted) -> tuple[list[str | None], dict[str, Any]]:
    """Return the conditions of what is looked for, but for the status, and their parameters."""
    words = {f"word{n}": query.containing(one) for n, one in enumerate(wanted.words)}
    named, is_here, places = _linked_in(tx, wanted.repository)
    where = [
        named,
        is_here,
        "owner = :owner" if wanted.owner else None,
        f"tags LIKE :like ESCAPE '!' AND {_HAS_TAG}" if wanted.tag else None,
        {None: None, True: "open_count > 0", False: "open_count = 0"}[wanted.has_open],
        *(f"search LIKE :{name} ESCAPE '!'" for name in words),
    ]
    tag = msgspec.json.encode(wanted.tag).decode()
    tags = {"tag": f",{tag}", "like": query.containing(tag)}
    return where, {**_STATUS, **words, **places, **tags, "owner": wanted.owner}


def _linked_in(
    tx: Transaction, full_name: str | None
) -> tuple[str | None, str | None, dict[str, Any]]:
    """Return the condition of experiments to which something in a repository is linked.

    It is the first if they are few, which are named. Where many are, those that are passed on the
    way are looked up, of which many meet the second.
    """
    if full_name is None:
        return None, None, {}
    ids = repositories.ids_called(tx, full_name)
    keys = _keys_in(tx, ids)
    if keys is not None:
        named = {f"key{number}": key for number, key in enumerate(keys)}
        return f"key IN ({', '.join(f':{name}' for name in named) or 'NULL'})", None, named
    places = {f"repository{number}": id for number, id in enumerate(ids)}
    # As a value: PostgreSQL would make a join of EXISTS, and read all that is linked there.
    is_here = f"""(SELECT 1 FROM links WHERE links.experiment_key = experiments.key
        AND links.repository_id IN ({", ".join(f":{name}" for name in places)})
        LIMIT 1) IS NOT NULL"""
    return None, is_here, places


def _keys_in(tx: Transaction, repository_ids: Sequence[int]) -> list[str] | None:
    """Return the keys of the experiments in some repositories, None if they are many.

    Behind a few keys, most of which are those of experiments, come more of these; else it is typos
    that are many, and they are gone through.
    """
    found: list[str] = []
    for id in repository_ids:
        for most in (_FEW, _TYPOS):
            keys = linked.keys_of_repository(tx, id, most)
            experiments = [one.key for one in keys if one.name is not None]
            if len(keys) < most:
                found += experiments
                break
            if len(experiments) > most // 2:
                return None
        else:
            return None
    return found if len(found) < _FEW else None


def counts_by_status(tx: Transaction, wanted: Wanted) -> dict[str, int]:
    """Return how many experiments that meet the rest of what is wanted are in each status."""
    where, known = _matching(tx, wanted)
    sql = f"""SELECT status, COUNT(*) AS count FROM experiments {query.where_all(*where)}
        GROUP BY status"""
    return {row["status"]: row["count"] for row in tx.all(sql, known)}


def newest(tx: Transaction) -> Experiment | None:
    return query.first(tx, Experiment, "SELECT * FROM experiments ORDER BY seq DESC LIMIT 1")


def owners(tx: Transaction, limit: int) -> list[str]:
    """Return the owners in their order, `limit` at most."""
    sql = """SELECT owner FROM experiments WHERE owner IS NOT NULL AND owner <> ''
        GROUP BY owner ORDER BY owner LIMIT :limit"""
    return query.values(tx, sql, limit=limit)


def keys(tx: Transaction) -> list[str]:
    """Return every experiment's key."""
    return query.values(tx, "SELECT key FROM experiments ORDER BY key")


def any_at_all(tx: Transaction) -> bool:
    return query.exists(tx, "SELECT 1 FROM experiments LIMIT 1")
