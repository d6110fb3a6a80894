"""Installations of the GitHub App: remembered, suspended, forgotten; the newest word counts."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bot import storage as store


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
    tx: store.Transaction, observed: Observed, *, is_deleted: bool, is_suspended: bool
) -> int:
    """Remember an installation and return our id of it. A deleted one is kept as deleted."""
    values = asdict(observed)
    values["suspended_at"] = (
        (observed.suspended_at or observed.updated_at) if is_suspended else None
    )
    values["deleted_at"] = observed.updated_at if is_deleted else None
    return store.installations.put(tx, values)


def set_repositories(
    tx: store.Transaction,
    installation: int,
    added: Sequence[tuple[int, str]],
    removed: Sequence[tuple[int, str]],
    at: int,
) -> None:
    """Remember which repositories (GitHub id, full name) an installation gained and lost."""
    store.installations.put_repositories(
        tx,
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


def observe_repository(
    tx: store.Transaction, integration_id: str, repository_id: int, installation_id: int
) -> None:
    """A delivery about a repository came through an installation, which can act there."""
    if store.installations.of_repository(tx, integration_id, repository_id) != installation_id:
        store.installations.set_of_repository(tx, integration_id, repository_id, installation_id)


def serving(tx: store.Transaction, integration_id: str, repository: store.Repository) -> int | None:
    """Return the installation that serves a repository, as far as deliveries told."""
    known = store.installations.of_repository(tx, integration_id, repository.id)
    if known is not None:
        return known
    owner = repository.full_name.partition("/")[0]
    of_owner = store.installations.of_account(tx, integration_id, owner)
    return int(of_owner[0].installation_id) if of_owner else None


def cannot_act(tx: store.Transaction, integration_id: str, installation_id: int) -> str | None:
    """Return why an installation must not be called: `suspended` or `removed`; None if it may."""
    row = store.installations.find(tx, integration_id, installation_id)
    if row is None:
        return None
    return "removed" if row.deleted_at else "suspended" if row.suspended_at else None
