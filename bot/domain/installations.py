"""Installations of the GitHub App: remembered, suspended, forgotten; the newest word counts."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bot.storage import installations as storage
from bot.storage.database import Transaction


@dataclass(frozen=True, slots=True)
class Observed:
    """What a delivery says of an installation. Times in microseconds."""

    host: str
    installation_id: int
    integration_id: str
    account: str | None
    repository_selection: str | None
    updated_at: int
    suspended_at: int | None


def observe(
    transaction: Transaction, observed: Observed, *, is_deleted: bool, is_suspended: bool
) -> int:
    """Remember an installation and return our id of it. A deleted one is kept as deleted."""
    values = asdict(observed)
    values["suspended_at"] = (
        (observed.suspended_at or observed.updated_at) if is_suspended else None
    )
    values["deleted_at"] = observed.updated_at if is_deleted else None
    return storage.put(transaction, values)


def set_repositories(
    transaction: Transaction,
    installation: int,
    added: Sequence[tuple[int, str]],
    removed: Sequence[tuple[int, str]],
    at: int,
) -> None:
    """Remember which repositories (GitHub id, full name) an installation gained and lost."""
    storage.put_repositories(
        transaction,
        [
            {
                "installation_row": installation,
                "github_id": github_id,
                "full_name": full_name,
                "changed_at": at,
                "removed": int(is_removed),
            }
            for is_removed, repositories in ((False, added), (True, removed))
            for github_id, full_name in repositories
        ],
    )
