"""Who may speak for a repository: whose deliveries about it count.

Whoever was the first, and nobody is asked, until an integration with another credential speaks for
the same repository. Then GitHub says which of them has a right there; that the repository can be
read proves nothing. The database keeps what it said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import msgspec

from bot import storage as store
from bot import times
from bot.domain import naming, withdrawal
from bot.github.names import web_host
from bot.github.payloads import Repository

_REMEMBERED = 3600 * times.SECOND  # how long GitHub's answer counts
_UNREACHED = 60 * times.SECOND  # after which GitHub is asked again where it did not answer
Standing = Mapping[str, store.Speaker]


@dataclass(frozen=True, slots=True)
class Claim:
    """That an integration has a right to a repository of ours, which has one of some names.

    `changed_at` is when the integration was last changed: an answer to another credential than it
    has counts for nothing. `is_new`: it does not speak for it yet, or not any more. `is_lost`:
    another has its name.
    """

    integration_id: str
    changed_at: int
    repository_id: int
    github_id: int | None
    names: tuple[str, ...]
    is_new: bool = False
    is_lost: bool = False


class Answer(Enum):
    """What GitHub says of a claim, where it is not the repository to which there is a right."""

    NO = "no"
    NONE = "none"  # it cannot be asked now


Answers = Sequence[tuple[Claim, Repository | Answer]]


def unsettled(
    tx: store.Transaction, integration_id: str, row: store.Repository, told: Repository
) -> list[Claim]:
    """Return what GitHub is to be asked before what an integration tells of a repository counts."""
    if _is_alone(row, integration_id):
        return []
    standing = _standing(tx, row)
    mine = standing.get(integration_id, store.Speaker(row.id, integration_id, None, None))
    others = _others(tx, integration_id, standing)
    if _is_denied(mine) and _is_fresh(mine):
        return []
    if not others and not _is_denied(mine):
        return []
    # Who speaks for one that is known by its name alone speaks for whatever has that name: an id
    # that is told now may be made up, or another's.
    more = [told.full_name] if row.github_id is not None else []
    names = tuple(dict.fromkeys([row.full_name, *more]))
    return [
        _claim(tx, one, row, names, is_new=_is_new(one, standing))
        for one in (mine, *others)
        if not _is_fresh(one)
    ]


def claims_of_others(
    tx: store.Transaction, integration_id: str, row: store.Repository
) -> list[Claim]:
    """Return the claims to a repository of those with another credential."""
    if _is_alone(row, integration_id):
        return []
    return [
        _claim(tx, one, row, (row.full_name,), is_lost=True)
        for one in _others(tx, integration_id, _standing(tx, row))
    ]


def is_refused(tx: store.Transaction, integration_id: str, row: store.Repository) -> bool:
    """Tell whether a delivery about a repository would be refused without a question to GitHub."""
    mine = _standing(tx, row).get(integration_id)
    return mine is not None and _is_denied(mine) and _is_fresh(mine)


def is_denied(tx: store.Transaction, integration_id: str, row: store.Repository) -> bool:
    """Tell whether GitHub has said that an integration has no right to a repository."""
    if not row.is_contested:
        return False
    mine = _standing(tx, row).get(integration_id)
    return mine is not None and _is_denied(mine)


def speaks(tx: store.Transaction, integration_id: str, row: store.Repository) -> bool:
    """Tell whether an integration, or one with its credential, speaks for a repository."""
    if _is_alone(row, integration_id):
        return True
    standing = _standing(tx, row)
    mine = standing.get(integration_id)
    if mine is not None:
        return not _is_denied(mine)
    others = {one.integration_id for one in _others(tx, integration_id, standing)}
    return any(not _is_denied(one) and key not in others for key, one in standing.items())


def begin(tx: store.Transaction, integration_id: str, row: store.Repository) -> bool:
    """An integration has told of a repository, and may: it speaks for it from now on.

    True if nobody has spoken for it until now.
    """
    if _is_alone(row, integration_id):
        return False
    standing = _standing(tx, row)
    if not row.is_contested and not standing:
        store.repositories.change(tx, row.id, speaker_id=integration_id)
        return True
    if integration_id not in standing:
        _contest(tx, row)
        store.speakers.add(tx, row.id, [integration_id])
    return False


def is_left_alone(tx: store.Transaction, integration_id: str, row: store.Repository) -> bool:
    """Tell whether an integration has a right to a repository, and all others that spoke have none.

    It stands then as if nobody had spoken before.
    """
    if not row.is_contested:
        return False
    standing = dict(_standing(tx, row))
    mine = standing.pop(integration_id, None)
    has_right = mine is not None and mine.has_right is True
    return has_right and bool(standing) and all(map(_is_denied, standing.values()))


def ask_again(tx: store.Transaction, repository_id: int, integration_id: str | None = None) -> None:
    """Let GitHub be asked again, at the next occasion, who has a right to a repository.

    Of one integration, or of all.
    """
    if store.repositories.get(tx, repository_id).is_contested:
        store.speakers.ask_again(tx, repository_id, integration_id)


def settle(tx: store.Transaction, answers: Answers) -> None:
    """Keep what GitHub has answered; who has no right speaks for the repository no longer."""
    now = times.now()
    answers = [one for one in answers if _is_current(tx, one[0])]
    for claim, answer in answers:
        if answer is Answer.NO:
            _deny(tx, claim, now)
    for claim, answer in answers:
        row = store.repositories.get(tx, claim.repository_id)
        if isinstance(answer, Repository):
            _contest(tx, row)
            store.speakers.answered(tx, store.Speaker(row.id, claim.integration_id, True, now))
            store.integrations.clear_last_error(tx, claim.integration_id, _about(row))
            _identify(tx, row, answer)
            _rename(tx, row, answer)
        elif answer is Answer.NONE:
            known = _standing(tx, row).get(claim.integration_id)
            if known is not None:  # who has spoken goes on until GitHub can be asked
                _contest(tx, row)
                asked_at = now - _REMEMBERED + _UNREACHED
                store.speakers.answered(tx, msgspec.structs.replace(known, asked_at=asked_at))


def _claim(
    tx: store.Transaction,
    one: store.Speaker,
    row: store.Repository,
    names: tuple[str, ...],
    **more: bool,
) -> Claim:
    known = store.integrations.find(tx, one.integration_id)
    assert known is not None  # as all who stand there
    return Claim(known.id, known.updated_at, row.id, row.github_id, names, **more)


def _is_current(tx: store.Transaction, claim: Claim) -> bool:
    """Tell whether neither side of a claim was changed, or forgotten, while GitHub was asked."""
    known = store.integrations.find(tx, claim.integration_id)
    is_same = known is not None and known.updated_at == claim.changed_at
    return is_same and store.repositories.get(tx, claim.repository_id).host != ""


def _deny(tx: store.Transaction, claim: Claim, now: int) -> None:
    row = store.repositories.get(tx, claim.repository_id)
    _contest(tx, row)
    store.speakers.answered(tx, store.Speaker(row.id, claim.integration_id, False, now))
    withdrawal.withdraw(tx, row, claim.integration_id)
    why = (
        f"it has no right to {row.full_name}, says GitHub, and another integration speaks for that"
    )
    store.integrations.set_last_error(tx, claim.integration_id, why, _about(row), row.id)
    if all(_is_denied(one) for one in _standing(tx, row).values()):
        # What it is called, who sees it and that it was deleted was told by nobody else.
        unknown = ["named_at", "owner_id", "visibility", "visibility_at", "default_branch"]
        unknown += ["deleted_at", "archived", "archived_at"]
        store.repositories.change(tx, row.id, **dict.fromkeys(unknown))


def _about(row: store.Repository) -> str:
    return f"speaking for {row.id}"


def _identify(tx: store.Transaction, row: store.Repository, found: Repository) -> None:
    """Know by its id from now on what was known by its name alone."""
    if row.github_id is not None or found.id is None:
        return
    if store.repositories.by_github_id(tx, row.host, found.id) is None:
        store.repositories.change(tx, row.id, github_id=found.id)


def _rename(tx: store.Transaction, row: store.Repository, found: Repository) -> None:
    """Call a repository as GitHub does, to whoever has a right there."""
    is_other = row.full_name != found.full_name or row.named_at == store.repositories.LOST
    if row.github_id in (None, found.id) and is_other:
        naming.confirmed(tx, row, found.full_name)


def _contest(tx: store.Transaction, row: store.Repository) -> None:
    """Keep from now on who speaks for a repository in a table of its own."""
    if row.is_contested:
        return
    known = list(_standing(tx, row))
    store.repositories.change(tx, row.id, is_contested=True)
    store.speakers.add(tx, row.id, known)


def _is_alone(row: store.Repository, integration_id: str) -> bool:
    return row.speaker_id == integration_id and not row.is_contested


def _standing(tx: store.Transaction, row: store.Repository) -> Standing:
    """Return those who speak or have spoken for a repository, by their integration.

    Without those that were deleted, or act on another GitHub by now.
    """
    row = store.repositories.get(tx, row.id)
    if row.is_contested:
        found: Sequence[store.Speaker] = store.speakers.of_repository(tx, row.id)
    elif row.speaker_id is not None:
        found = [store.Speaker(row.id, row.speaker_id, None, None)]
    else:
        found = []
    return {one.integration_id: one for one in found if _is_there(tx, row, one.integration_id)}


def _is_there(tx: store.Transaction, row: store.Repository, integration_id: str) -> bool:
    known = store.integrations.find(tx, integration_id)
    return known is not None and web_host(known.config.api_url) == row.host


def _others(tx: store.Transaction, integration_id: str, standing: Standing) -> list[store.Speaker]:
    """Return who speaks with another credential."""
    own = store.integrations.find(tx, integration_id)
    assert own is not None
    return [
        one
        for one in standing.values()
        if not _is_denied(one) and _credential(tx, one.integration_id) != own.credential
    ]


def _credential(tx: store.Transaction, integration_id: str) -> str | None:
    known = store.integrations.find(tx, integration_id)
    return known.credential if known is not None else None


def _is_new(one: store.Speaker, standing: Standing) -> bool:
    return one.integration_id not in standing or _is_denied(one)


def _is_denied(one: store.Speaker) -> bool:
    return one.has_right is False


def _is_fresh(one: store.Speaker) -> bool:
    return one.asked_at is not None and abs(times.now() - one.asked_at) < _REMEMBERED
