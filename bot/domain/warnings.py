"""What somebody is warned of who starts or completes an experiment; nothing is refused for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from bot import storage as store

_NAMED = 3  # pull requests in one warning


@dataclass(frozen=True, slots=True)
class Warning:
    """What is not as it should be: how many pull requests, and some of them as `owner/name#1`."""

    code: Literal["not_live", "still_open"]
    count: int
    pull_requests: Sequence[str]


def of_change(
    tx: store.Transaction,
    old_status: str | None,
    now: store.Experiment,
    repository_id: int | None = None,
) -> list[Warning]:
    """Return what to warn of whoever has given an experiment its status; None was no experiment.

    Who starts it, of what is merged and not live in production, where there is any. Who completes
    it, of what is open still, which may be what takes it out of the code. All are counted; with
    `repository_id` only those of one repository are named.
    """
    if now.status == old_status:
        return []
    if now.status == "active":
        return _some("not_live", *store.live.not_in_production(tx, now.key, _NAMED, repository_id))
    if now.status == "completed":
        return _some("still_open", *store.live.still_open(tx, now.key, _NAMED, repository_id))
    return []


def _some(
    code: Literal["not_live", "still_open"], count: int, rows: Sequence[store.NamedItem]
) -> list[Warning]:
    named = [f"{row.repository}#{row.number}" for row in rows]
    return [Warning(code, count, named)] if count else []


def words(warning: Warning, name: Callable[[str], str] = str) -> str:
    """Return a warning as a sentence, in which `name` writes what a pull request is called."""
    is_one = warning.count == 1
    noun, verb = ("pull request", "is") if is_one else ("pull requests", "are")
    what, how = {
        "not_live": (f"merged {noun}", "not live in production"),
        "still_open": (noun, "still open"),
    }[warning.code]
    said = f"{warning.count} {what} {verb} {how}"
    if not warning.pull_requests:
        return f"{said}."
    listed = ", ".join(name(one) for one in warning.pull_requests)
    left = warning.count - len(warning.pull_requests)
    return f"{said}: {listed}{f' and {left} more' if left else ''}."
