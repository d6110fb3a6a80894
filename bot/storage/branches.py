"""Queries for pushed commits, the branches they are on, and the pull requests of a branch.

Each asks for what it needs by an index, and for many commits at once: what a delivery costs does
not depend on how long its branch has been in use. Where commits are given, each is looked up on
the branch by itself: neither the whole branch is walked for them, nor all branches that have them.
Only what asks by time says `ref || ''`, as the index by time does. Where a commit was pushed tells
`branch_commits`, or, if `made_branch` is not null, the commit itself (pushes.py).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from bot.storage import codec, heads, items, pushes, query
from bot.storage.commit_rows import BranchCommit, Commit
from bot.storage.database import Transaction
from bot.storage.joined import Head, HeadCommit, PushedSha
from bot.storage.rows import Item

FOREVER = 2**62  # later than anything that happens

# --- Commits


def add_commits(tx: Transaction, commits: Sequence[Mapping[str, Any]]) -> None:
    """Add commits that are not there yet; those of one repository are told apart by their SHA."""
    query.insert_many(tx, Commit, commits)
    pushes.note(tx, commits)


def commits_by_sha(tx: Transaction, repository_id: int, shas: Sequence[str]) -> dict[str, Commit]:
    sql = "SELECT * FROM commits WHERE repository_id = :repository_id AND sha IN ({names})"
    found = query.in_parts(tx, Commit, sql, shas, repository_id=repository_id)
    return {commit.sha: commit for commit in found}


def commits_by_id(tx: Transaction, commit_ids: Sequence[int]) -> dict[int, Commit]:
    sql = "SELECT * FROM commits WHERE id IN ({names})"
    return {commit.id: commit for commit in query.in_parts(tx, Commit, sql, commit_ids)}


def set_first_push(tx: Transaction, pushes: Sequence[Mapping[str, Any]]) -> None:
    """Change which push was the first that brought each of some commits (`id`)."""
    sql = """UPDATE commits SET ref = :ref, pushed_at = :pushed_at, actor = :actor, guid = :guid
        WHERE id = :id"""
    tx.run_many(sql, pushes)


# --- Commits on branches


def _places(tx: Transaction, repository_id: int, ref: str, commit_ids: Sequence[int]) -> list[int]:
    """Return the ids of the rows of `branch_commits` that place some commits on a branch."""
    sql = """SELECT (SELECT place.id FROM branch_commits AS place
            WHERE place.repository_id = :repository_id AND place.ref = :ref
                AND place.commit_id = commits.id) AS id
        FROM commits WHERE commits.id IN ({names})"""
    found = query.values_in_parts(tx, sql, commit_ids, repository_id=repository_id, ref=ref)
    return [one for one in found if one is not None]


def on_branch(
    tx: Transaction, repository_id: int, ref: str, commit_ids: Sequence[int]
) -> dict[int, BranchCommit]:
    """Return when those of some commits that are on a branch were first pushed to it.

    None of them tells that by itself.
    """
    places = _places(tx, repository_id, ref, commit_ids)
    sql = "SELECT * FROM branch_commits WHERE id IN ({names})"
    return {one.commit_id: one for one in query.in_parts(tx, BranchCommit, sql, places)}


def set_on_branch(tx: Transaction, places: Sequence[Mapping[str, Any]]) -> None:
    """Note when some commits were first pushed to a branch, and whether they were new then.

    And what is known of them there since.
    """
    sql = """INSERT INTO branch_commits
            (repository_id, ref, commit_id, pushed_at, is_new, again_at, gone_at)
        VALUES (:repository_id, :ref, :commit_id, :pushed_at, :is_new, :again_at, :gone_at)
        ON CONFLICT (repository_id, ref, commit_id)
            DO UPDATE SET pushed_at = excluded.pushed_at, is_new = excluded.is_new,
                again_at = excluded.again_at, gone_at = excluded.gone_at"""
    tx.run_many(sql, [codec.write(BranchCommit, place) for place in places])


def ids_by_sha(tx: Transaction, shas: Sequence[str]) -> list[int]:
    """Return the ids that some commits have, in every repository: a fork has rows of its own."""
    return query.values_in_parts(tx, "SELECT id FROM commits WHERE sha IN ({names})", shas)


def heads_of(tx: Transaction, commit_ids: Sequence[int]) -> list[Head]:
    """Return the branches that some commits are on, with their `earliest` and `latest` push."""
    sql = """SELECT repository_id, ref, MIN(pushed_at) AS earliest, MAX(pushed_at) AS latest
        FROM (SELECT repository_id, ref, pushed_at FROM branch_commits
                WHERE commit_id IN ({names})
            UNION ALL SELECT repository_id, ref, pushed_at FROM commits
                WHERE id IN ({names}) AND made_branch IS NOT NULL) AS here
        GROUP BY repository_id, ref"""
    return query.in_parts(tx, Head, sql, commit_ids)


_BASE = """FROM branch_commits AS base
    WHERE base.repository_id = :base_repository_id AND base.ref = :base_ref
        AND base.commit_id = (SELECT theirs.id FROM commits AS theirs
            WHERE theirs.repository_id = :base_repository_id AND theirs.sha = commits.sha)"""
_BASE_ALONE = """FROM commits AS base
    WHERE base.repository_id = :base_repository_id AND base.sha = commits.sha
        AND base.ref = :base_ref AND base.made_branch IS NOT NULL"""
_PUSHED = f"""SELECT commits.*, here.pushed_at AS on_branch_at,
        here.is_new, here.again_at AS again_at, here.gone_at AS gone_at,
        (SELECT MAX(rewrites.pushed_at) FROM rewrites
            WHERE rewrites.repository_id = :repository_id AND rewrites.ref = :ref
                AND rewrites.pushed_at > :since AND rewrites.pushed_at <= :until) AS rewritten_at,
        (SELECT MIN(rewrites.pushed_at) FROM rewrites
            WHERE rewrites.repository_id = :repository_id AND rewrites.ref = :ref
                AND rewrites.pushed_at >= here.pushed_at) AS first_rewrite_at,
        (SELECT MIN(rewrites.pushed_at) FROM rewrites
            WHERE rewrites.repository_id = :repository_id AND rewrites.ref = :ref
                AND rewrites.pushed_at >= COALESCE(here.again_at + 1, here.pushed_at)) AS next_at,
        COALESCE((SELECT base.pushed_at {_BASE}),
            (SELECT base.pushed_at {_BASE_ALONE})) AS on_base_at,
        COALESCE((SELECT base.is_new {_BASE}),
            (SELECT base.was_new {_BASE_ALONE})) AS is_new_on_base,
        (SELECT answers.listed FROM listed_commits AS answers
            WHERE answers.item_id = :item_id AND answers.commit_id = commits.id
                AND answers.base_ref = :base_ref) AS listed"""
_IN_TIME = "here.pushed_at > :since AND here.pushed_at <= :until"
_IN_ORDER = "ORDER BY here.pushed_at, here.is_alone, here.id"


def _on_branch(time: str) -> str:
    """Return the table of the commits that were pushed to a branch, wherever that is told."""
    branch = f"repository_id = :repository_id AND ref || '' = :ref AND {time}"
    return f"""(SELECT here.id, 0 AS is_alone, here.commit_id, here.pushed_at, here.is_new,
                here.again_at, here.gone_at
            FROM branch_commits AS here WHERE {branch}
        UNION ALL SELECT here.id, 1, here.id, here.pushed_at, here.was_new, NULL, NULL
            FROM commits AS here WHERE {branch} AND here.made_branch IS NOT NULL) AS here"""


_BY_TIME = f"""{_PUSHED} FROM {_on_branch(_IN_TIME)} JOIN commits ON commits.id = here.commit_id
    {_IN_ORDER}"""
_BY_PLACE = f"""{_PUSHED}
    FROM branch_commits AS here JOIN commits ON commits.id = here.commit_id
    WHERE here.id IN ({{names}}) AND here.pushed_at + 0 > :since AND here.pushed_at + 0 <= :until
    ORDER BY here.pushed_at, here.id"""
_ALONE = _PUSHED.replace("here.is_new", "here.was_new AS is_new")
_BY_ITSELF = f"""{re.sub("here.(again|gone)_at", "NULL", _ALONE)}
    FROM commits AS here JOIN commits ON commits.id = here.id
    WHERE here.id IN ({{names}}) AND here.made_branch IS NOT NULL
        AND here.repository_id + 0 = :repository_id AND here.ref = :ref
        AND here.pushed_at + 0 > :since AND here.pushed_at + 0 <= :until
    ORDER BY here.pushed_at, here.id"""


def pushed_to_head(
    tx: Transaction, pull: Item, time: tuple[int, int], commit_ids: Sequence[int] | None = None
) -> list[HeadCommit]:
    """Return the commits that were pushed to the head of a pull request within (since, until].

    With `on_branch_at` and `is_new` of that push, `on_base_at` and `is_new_on_base` of the push
    that brought the same commit to its base, and `listed`, what GitHub has answered. With
    `commit_ids` only those among them.
    """
    if pull.head_repository_id is None or pull.head_ref is None:
        return []
    known = {
        "item_id": pull.id,
        "base_repository_id": pull.repository_id,
        "base_ref": pull.base_ref or "",
        "repository_id": pull.head_repository_id,
        "ref": pull.head_ref,
        "since": time[0],
        "until": time[1],
    }
    if commit_ids is None:
        return query.select(tx, HeadCommit, _BY_TIME, **known)
    places = _places(tx, pull.head_repository_id, pull.head_ref, commit_ids)
    found = query.in_parts(tx, HeadCommit, _BY_PLACE, places, **known)
    if len(places) < len(commit_ids):
        found += query.in_parts(tx, HeadCommit, _BY_ITSELF, commit_ids, **known)
        found.sort(key=lambda commit: commit.on_branch_at)
    return found


def landed_with(tx: Transaction, pull: Item) -> list[HeadCommit]:
    """Return what came to the base of a pull request together with the commit as which it landed.

    Nothing if no push has brought that one yet.
    """
    if pull.merge_sha is None or pull.base_ref is None:
        return []
    base = {"repository_id": pull.repository_id, "ref": pull.base_ref}
    at = query.number(tx, _CAME, sha=pull.merge_sha, **base)
    if at is None:
        return []
    there = msgspec.structs.replace(
        pull, head_repository_id=pull.repository_id, head_ref=pull.base_ref
    )
    return pushed_to_head(tx, there, (at - 1, at))


_CAME = """SELECT COALESCE((SELECT place.pushed_at FROM branch_commits AS place
            WHERE place.repository_id = :repository_id AND place.ref = :ref
                AND place.commit_id = commits.id),
        CASE WHEN commits.made_branch IS NOT NULL AND commits.ref = :ref
            THEN commits.pushed_at END) AS came_at
    FROM commits WHERE commits.repository_id = :repository_id AND commits.sha = :sha"""


def newest_on_branch(tx: Transaction, repository_id: int, ref: str, until: int) -> list[PushedSha]:
    """Return the commits that the last push to a branch up to a time brought, the last one first.

    With `on_branch_at`, when that was, and `is_new`.
    """
    branch: dict[str, Any] = {"repository_id": repository_id, "ref": ref}
    last = query.number(tx, _LAST, until=until, **branch)
    if last is None:
        return []
    return query.select(tx, PushedSha, _NEWEST, last=last, **branch)


_UNTIL = "repository_id = :repository_id AND ref || '' = :ref AND pushed_at <= :until"
_LAST = f"""SELECT MAX(at) FROM (SELECT MAX(pushed_at) AS at FROM branch_commits WHERE {_UNTIL}
    UNION ALL SELECT MAX(pushed_at) FROM commits
        WHERE {_UNTIL} AND made_branch IS NOT NULL) AS last"""
_NEWEST = f"""SELECT commits.sha, here.pushed_at AS on_branch_at, here.is_new
    FROM {_on_branch("here.pushed_at = :last")} JOIN commits ON commits.id = here.commit_id
    ORDER BY here.is_alone DESC, here.id DESC"""


def add_start(tx: Transaction, repository_id: int, ref: str, started_at: int) -> bool:
    """Keep when a branch was made; False if that is known."""
    sql = """INSERT INTO branch_starts (repository_id, ref, started_at)
        VALUES (:repository_id, :ref, :started_at) ON CONFLICT DO NOTHING"""
    added = tx.run(sql, {"repository_id": repository_id, "ref": ref, "started_at": started_at})
    return added == 1


def last_start(tx: Transaction, repository_id: int, ref: str, until: int) -> int | None:
    """Return when a branch was made, the last time up to `until`; None if it was always there."""
    sql = """SELECT MAX(at) FROM (
        SELECT MAX(started_at) AS at FROM branch_starts
            WHERE repository_id = :repository_id AND ref = :ref AND started_at <= :until
        UNION ALL SELECT MAX(pushed_at) FROM commits
            WHERE repository_id = :repository_id AND ref = :ref AND made_branch = 1
                AND pushed_at <= :until) AS last"""
    return query.number(tx, sql, repository_id=repository_id, ref=ref, until=until)


def set_listed(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep whether GitHub lists some commits on the page of a pull request with a base."""
    sql = """INSERT INTO listed_commits (item_id, commit_id, base_ref, listed)
        VALUES (:item_id, :commit_id, :base_ref, :listed)
        ON CONFLICT (item_id, commit_id)
            DO UPDATE SET base_ref = excluded.base_ref, listed = excluded.listed"""
    tx.run_many(sql, rows)


# --- The pull requests of a branch

_STANDS = "kind = 'pull_request' AND gone_at IS NULL"
_OF_HEAD = f"head_repository_id = :repository_id AND head_ref = :ref AND {_STANDS}"
# Not EXISTS, which PostgreSQL would answer for all items of the branch by reading all links.
_LINKED = """(SELECT links.id FROM links
    WHERE links.target_id = items.id AND links.kind = 'pull_request' LIMIT 1) IS NOT NULL"""


def end_before(tx: Transaction, pull: Item) -> int | None:
    """Return when the last pull request of the same head before this one was closed."""
    if pull.head_repository_id is None or pull.head_ref is None:
        return None
    place = (pull.head_repository_id, pull.head_ref)
    is_known, end = heads.end_before(tx, place, pull.created_at, pull.id)
    if is_known:
        return end
    sql = f"""SELECT closed_at FROM items WHERE {_OF_HEAD} AND closed_at <= :created_at
            AND id <> :id ORDER BY closed_at DESC LIMIT 1"""
    known = {"repository_id": place[0], "ref": place[1], "created_at": pull.created_at}
    stored = tx if items.is_changing_at(tx, *place, pull.id) else tx.stored
    return query.number(stored, sql, id=pull.id, **known)


def first_end(tx: Transaction, repository_id: int, ref: str, at: int, but: int = 0) -> int:
    """Return when the first pull request of a head, `but` one, was closed at a time or later."""
    sql = f"""SELECT closed_at FROM items WHERE {_OF_HEAD} AND closed_at >= :at
            AND id <> :but ORDER BY closed_at LIMIT 1"""
    found = query.number(tx, sql, repository_id=repository_id, ref=ref, at=at, but=but)
    return FOREVER if found is None else found


def is_base(tx: Transaction, repository_id: int, ref: str) -> bool:
    """Tell whether a pull request, linked or not, leads into a branch."""
    sql = """SELECT 1 FROM items WHERE repository_id = :repository_id AND base_ref = :ref
        AND base_ref IS NOT NULL ORDER BY created_at LIMIT 1"""
    return query.exists(tx, sql, repository_id=repository_id, ref=ref)


def open_on(tx: Transaction, repository_id: int, ref: str) -> list[Item]:
    """Return the open pull requests of a head, linked or not."""
    sql = f"SELECT * FROM items WHERE {_OF_HEAD} AND closed_at IS NULL ORDER BY id"
    return query.select(tx, Item, sql, repository_id=repository_id, ref=ref)


def landed_as(tx: Transaction, repository_id: int, shas: Sequence[str]) -> list[Item]:
    """Return the linked pull requests of a repository that landed as one of some commits."""
    sql = f"""SELECT * FROM items WHERE merge_sha IN ({{names}}) AND merge_sha IS NOT NULL
            AND repository_id + 0 = :repository_id AND {_STANDS} AND {_LINKED}"""
    found = query.in_parts(tx, Item, sql, shas, repository_id=repository_id)
    return sorted(found, key=lambda pull: (pull.created_at, pull.id))


def landed_beside(tx: Transaction, places: Sequence[BranchCommit]) -> list[Item]:
    """Return the linked pull requests that landed by the pushes that brought some commits."""
    found: dict[int, Item] = {}
    pushes = {(one.repository_id, one.ref, one.pushed_at) for one in places}
    bases = {place: is_base(tx, *place) for place in {(one[0], one[1]) for one in pushes}}
    for repository_id, ref, at in sorted(pushes):
        if bases[repository_id, ref]:
            came = query.select(
                tx, PushedSha, _NEWEST, repository_id=repository_id, ref=ref, last=at
            )
            pulls = landed_as(tx, repository_id, [one.sha for one in came])
            found.update((pull.id, pull) for pull in pulls if pull.base_ref == ref)
    return list(found.values())


def linked_into(tx: Transaction, repository_id: int, ref: str, since: int) -> list[Item]:
    """Return the linked pull requests that lead into a branch, and began to at a time or later."""
    sql = f"""SELECT * FROM items WHERE repository_id = :repository_id AND base_ref = :ref
            AND base_ref IS NOT NULL AND COALESCE(base_since, created_at) >= :since
            AND {_STANDS} AND {_LINKED} ORDER BY created_at, id"""
    return query.select(tx, Item, sql, repository_id=repository_id, ref=ref, since=since)


def linked_between(
    tx: Transaction,
    repository_id: int,
    refs: Sequence[str],
    times: tuple[int, int],
    base: tuple[int, str] | None = None,
) -> list[Item]:
    """Return the linked pull requests that may have what was pushed to their heads in a time.

    Those that had ended when it began, or that came after another had ended since, do not. `refs`
    are the heads, all of one repository. With `base` (repository, branch) only those into it.
    """
    known: dict[str, Any] = {"earliest": times[0], "latest": times[1]}
    into = ""
    if base is not None:
        into = "AND items.repository_id = :base_repository_id AND items.base_ref = :base_ref"
        known.update(base_repository_id=base[0], base_ref=base[1])
    found: list[Item] = []
    for open_or_closed_later in ("closed_at IS NULL", "closed_at >= :earliest"):
        sql = f"""SELECT * FROM items WHERE head_repository_id = :repository_id
                AND head_ref IN ({{names}}) AND head_ref IS NOT NULL
                AND {open_or_closed_later} AND {_STANDS} {into} AND {_LINKED}
                AND (SELECT other.id FROM items AS other
                    WHERE other.head_repository_id = items.head_repository_id
                        AND other.head_ref = items.head_ref AND {_STANDS}
                        AND other.closed_at > :latest
                        AND other.closed_at <= items.created_at
                        AND other.id <> items.id
                        ORDER BY other.closed_at LIMIT 1) IS NULL"""
        found += query.in_parts(tx, Item, sql, refs, repository_id=repository_id, **known)
    return sorted(found, key=lambda pull: (pull.created_at, pull.id))


def linked_next(tx: Transaction, repository_id: int, ref: str, end: int, but: int) -> list[Item]:
    """Return the linked pull requests of a head whose time begins, or would, at `end`.

    They were created after it, and before the next one, `but` one, was closed.
    """
    if heads.is_last(tx, (repository_id, ref), end):
        return []
    latest = first_end(tx, repository_id, ref, end + 1, but)
    known = {"repository_id": repository_id, "ref": ref, "end": end, "latest": latest, "but": but}
    found: list[Item] = []
    for open_or_closed_later in ("closed_at IS NULL", "closed_at >= :end"):
        sql = f"""SELECT * FROM items WHERE {_OF_HEAD} AND {open_or_closed_later}
                AND created_at >= :end AND created_at <= :latest AND id <> :but AND {_LINKED}"""
        found += query.select(tx, Item, sql, **known)
    return sorted(found, key=lambda pull: (pull.created_at, pull.id))
