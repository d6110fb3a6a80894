"""Installations of the GitHub App: which one serves a repository, and whether it may be called."""

from bot import storage as store


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
