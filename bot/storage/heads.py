"""What a transaction knows of the branches that pull requests come from, or are pushed to.

To most nothing was pushed that anybody was told of, and no pull request of theirs has ended: then
nothing else has to be asked.
"""

from collections.abc import Sequence

import msgspec

from bot.storage import query
from bot.storage.joined import HeadInUse
from bot.storage.transaction import Transaction

Place = tuple[int, str]  # the repository and the branch
_ANY_TIME = 2**63  # of the last force push of a branch of which nothing was asked


def loading(tx: Transaction, places: Sequence[Place]) -> query.Load | None:
    """Return how to read when pull requests of some heads ended last, and if they have commits.

    None if all are known.
    """
    ends, pushed, rewritten = _ends(tx), _pushed(tx), _rewritten(tx)
    missing = [place for place in dict.fromkeys(places) if place not in ends]
    if not missing:
        return None

    def accept(rows: list[HeadInUse]) -> None:
        for row in rows:
            ends[row.repository_id, row.ref] = row
            pushed[row.repository_id, row.ref] = row.place_id is not None
            rewritten.setdefault((row.repository_id, row.ref), row.rewritten_at)

    of_head = """FROM items WHERE items.head_repository_id = wanted.repository_id
        AND items.head_ref = wanted.ref AND kind = 'pull_request' AND gone_at IS NULL"""
    last = f"{of_head} AND closed_at IS NOT NULL ORDER BY closed_at DESC LIMIT 1"
    sql = f"""SELECT wanted.repository_id, wanted.ref,
            (SELECT id {last}) AS last_id,
            (SELECT closed_at {last}) AS last_end,
            (SELECT MAX(created_at) {of_head} AND closed_at IS NULL) AS newest_at,
            COALESCE((SELECT id FROM branch_commits AS here
                WHERE here.repository_id = wanted.repository_id AND here.ref = wanted.ref
                ORDER BY here.commit_id LIMIT 1), (SELECT id FROM commits AS here
                WHERE here.repository_id = wanted.repository_id
                    AND here.ref || '' = wanted.ref || '' AND here.made_branch IS NOT NULL
                ORDER BY here.pushed_at LIMIT 1)) AS place_id,
            (SELECT id {of_head} AND closed_at IS NULL AND (SELECT links.id FROM links
                WHERE links.target_id = items.id AND links.kind = 'pull_request' LIMIT 1)
                IS NOT NULL ORDER BY created_at LIMIT 1) AS linked_id,
            (SELECT id FROM items WHERE items.repository_id = wanted.repository_id
                AND items.base_ref = wanted.ref ORDER BY created_at LIMIT 1) AS into_id,
            (SELECT MAX(pushed_at) FROM rewrites WHERE rewrites.repository_id = wanted.repository_id
                AND rewrites.ref = wanted.ref) AS rewritten_at
        FROM {{keys}} AS wanted"""
    return query.Load(HeadInUse, sql, ("repository_id", "ref"), missing, accept)


def changed(tx: Transaction, place: Place) -> None:
    """A pull request of a head has come or gone, has ended, or has not any more."""
    tx.drop(_ends(tx), place)


def ended(tx: Transaction, place: Place, item_id: int, at: int) -> None:
    """An open pull request of a head has ended."""
    known = _ends(tx).get(place)
    if known is not None and (known.last_end is None or known.last_end <= at):
        last = msgspec.structs.replace(known, last_id=item_id, last_end=at)
        tx.put(_ends(tx), place, last)


def opened(tx: Transaction, place: Place, at: int) -> None:
    """A pull request has come that is open."""
    known = _ends(tx).get(place)
    if known is not None and (known.newest_at is None or known.newest_at < at):
        tx.put(_ends(tx), place, msgspec.structs.replace(known, newest_at=at))


def linked(tx: Transaction, place: Place, item_id: int) -> None:
    """A pull request of a head has been linked."""
    known = _ends(tx).get(place)
    if known is not None and known.linked_id is None:
        tx.put(_ends(tx), place, msgspec.structs.replace(known, linked_id=item_id))


def find(tx: Transaction, place: Place) -> HeadInUse | None:
    """Return what is known of a head, None if nothing is known for certain."""
    return _ends(tx).get(place)


def is_last(tx: Transaction, place: Place, at: int) -> bool:
    """Tell whether no pull request of a head was opened at a time or later, as far as is known.

    One that has ended by then was opened before, or had no time of its own.
    """
    known = _ends(tx).get(place)
    return (
        known is not None
        and (known.newest_at is None or known.newest_at < at)
        and (known.last_end is None or known.last_end <= at)
    )


def end_before(tx: Transaction, place: Place, created_at: int, but: int) -> tuple[bool, int | None]:
    """Tell whether it is known which pull request of a head, `but` one, ended last before a time.

    And if so, when that was; None if none has.
    """
    last = _ends(tx).get(place)
    if last is None:
        return False, None
    if last.last_end is None:
        return True, None
    return last.last_id != but and last.last_end <= created_at, last.last_end


def has_pushes(tx: Transaction, place: Place) -> bool:
    """Tell whether commits may have been pushed to a head."""
    return _pushed(tx).get(place, True)


def pushed_to(tx: Transaction, place: Place) -> None:
    """Commits have been pushed to a branch."""
    tx.put(_pushed(tx), place, True)


def rewritten(tx: Transaction, place: Place, at: int) -> None:
    """A branch has been force pushed, as may be told late."""
    known = _rewritten(tx).get(place, _ANY_TIME)
    tx.put(_rewritten(tx), place, at if known is None else max(known, at))


def may_be_rewritten(
    tx: Transaction, place: Place, since: int, *, unless_known: bool = True
) -> bool:
    """Tell whether a branch may have been force pushed at a time or later.

    Where nothing is known of the branch the answer is `unless_known`.
    """
    known = _rewritten(tx)
    if place not in known:
        return unless_known
    at = known[place]
    return at is not None and at >= since


def may_land(tx: Transaction, shas: Sequence[str]) -> bool:
    """Tell whether a pull request that is linked may have landed as one of some commits."""
    known = landed(tx)
    return any(known.get(sha, True) for sha in shas)


def lands(tx: Transaction, sha: str) -> None:
    """A pull request has landed as a commit."""
    tx.put(landed(tx), sha, True)


def landed(tx: Transaction) -> dict[str, bool]:
    """Return, by SHA, whether a pull request that is linked has landed so."""
    found: dict[str, bool] = tx.kept.setdefault("landed", {})
    return found


def _ends(tx: Transaction) -> dict[Place, HeadInUse]:
    found: dict[Place, HeadInUse] = tx.kept.setdefault("ends of heads", {})
    return found


def _rewritten(tx: Transaction) -> dict[Place, int | None]:
    """Return when branches were last force pushed, None for those that never were."""
    # By a name that is no table's: what is written there is noted here, too.
    found: dict[Place, int | None] = tx.kept.setdefault("last rewrites", {})
    return found


def _pushed(tx: Transaction) -> dict[Place, bool]:
    """Return what is forgotten once something is pushed."""
    found: dict[Place, bool] = tx.kept.setdefault("branch_commits", {})
    return found
