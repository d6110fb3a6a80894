"""Installations of the GitHub App: which one serves a repository, and whether it may be called."""

from collections.abc import Collection

from bot import storage as store


def observe_repository(
    tx: store.Transaction, integration_id: str, repository_id: int, installation_id: int
) -> bool:
    """A delivery about a repository came through an installation, which can act there.

    True if another one did before. One that was removed does so no more: it came late.
    """
    before = store.installations.of_repository(tx, integration_id, repository_id)
    if before == installation_id:
        return False
    if before is not None and cannot_act(tx, integration_id, installation_id) == "removed":
        return False
    store.installations.set_of_repository(tx, integration_id, repository_id, installation_id)
    return before is not None


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
    return _cannot_act(row) if row is not None else None


def _cannot_act(row: store.Installation) -> str | None:
    return "removed" if row.deleted_at else "suspended" if row.suspended_at else None


def standing(
    tx: store.Transaction,
    integration_id: str,
    installation_id: int | None,
    repository: store.Repository,
) -> tuple[str | None, int | None]:
    """Return why an installation must not be called about a repository, and what it was granted.

    That is `suspended`, `removed` or `lost`, as far as deliveries told.
    """
    if installation_id is None:
        return None, None
    row = store.installations.find(tx, integration_id, installation_id)
    if row is None:
        return None, None
    state, github_id = _cannot_act(row), repository.github_id
    if state is None and github_id is not None and store.installations.has_lost(tx, row, github_id):
        state = "lost"
    return state, row.granted


def granted(tx: store.Transaction, integration_id: str, installation_id: int | None) -> int | None:
    """Return how often an installation was given something, None if it is not known."""
    if installation_id is None:
        return None
    row = store.installations.find(tx, integration_id, installation_id)
    return row.granted if row is not None else None


def given(
    tx: store.Transaction,
    integration_id: str,
    row: store.Installation,
    github_ids: Collection[int],
) -> None:
    """An installation was given repositories or permissions: it serves what it may see.

    Those are named, or for one that may see all, those of one that was there before.
    """
    store.installations.grant(tx, row.id)
    found = [store.repositories.by_github_id(tx, row.host, one) for one in github_ids]
    repository_ids = [one.id for one in found if one is not None]
    if row.account is not None and row.repository_selection == "all":
        repository_ids += store.installations.gone_from(tx, integration_id, row.account)
    for one in repository_ids:
        observe_repository(tx, integration_id, one, row.installation_id)


def replacing(tx: store.Transaction, integration_id: str, row: store.Installation) -> set[int]:
    """Let others of its account serve what an installation did that was removed; return which.

    So it is where the App was installed again, and GitHub's events of that come in reverse.
    """
    found: set[int] = set()
    if row.account is None or row.deleted_at is None:
        return found
    others = store.installations.of_account(tx, integration_id, row.account)
    for one in store.installations.gone_from(tx, integration_id, row.account) if others else ():
        serves = [other for other in others if store.installations.sees(tx, other, one)]
        for other in serves[:1]:
            observe_repository(tx, integration_id, one, other.installation_id)
            found.add(other.installation_id)
    return found
