"""Queries for installations of the GitHub App and the repositories they may see."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.storage import codec, query
from bot.storage.database import Transaction
from bot.storage.joined import CountedInstallation, HeardInstallation
from bot.storage.rows import Installation


def put(tx: Transaction, values: Mapping[str, Any]) -> int:
    """Store an installation unless what is stored is newer; return its row's id."""
    sql = """INSERT INTO installations (host, installation_id, integration_id, account,
            repository_selection, updated_at, suspended_at, deleted_at, permissions, events,
            html_url)
        VALUES (:host, :installation_id, :integration_id, :account, :repository_selection,
            :updated_at, :suspended_at, :deleted_at, :permissions, :events, :html_url)
        ON CONFLICT (integration_id, installation_id) DO UPDATE SET
            account = COALESCE(excluded.account, installations.account),
            repository_selection = COALESCE(
                excluded.repository_selection, installations.repository_selection),
            updated_at = excluded.updated_at,
            suspended_at = excluded.suspended_at,
            deleted_at = excluded.deleted_at,
            permissions = COALESCE(excluded.permissions, installations.permissions),
            events = COALESCE(excluded.events, installations.events),
            html_url = COALESCE(excluded.html_url, installations.html_url)
        WHERE installations.updated_at <= excluded.updated_at"""
    tx.run(sql, codec.write(Installation, values))
    row = find(tx, values["integration_id"], values["installation_id"])
    assert row is not None
    return row.id


def set_grants(
    tx: Transaction, integration_id: str, installation_id: int, grants: Mapping[str, Any]
) -> None:
    """Set what an installation was granted, as GitHub has just answered."""
    key = {"integration_id": integration_id, "installation_id": installation_id}
    query.change(tx, Installation, key, grants)


def put_repositories(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store which repositories an installation may see, each unless what is stored is newer."""
    sql = """INSERT INTO installation_repositories
            (installation_row, github_id, full_name, changed_at, removed)
        VALUES (:installation_row, :github_id, :full_name, :changed_at, :removed)
        ON CONFLICT (installation_row, github_id) DO UPDATE SET
            full_name = excluded.full_name,
            changed_at = excluded.changed_at,
            removed = excluded.removed
        WHERE installation_repositories.changed_at <= excluded.changed_at"""
    tx.run_many(sql, rows)


def find(tx: Transaction, integration_id: str, installation_id: int) -> Installation | None:
    key = {"integration_id": integration_id, "installation_id": installation_id}
    return query.by_key(tx, Installation, **key)


def rename(
    tx: Transaction, integration_id: str, installation_id: int, old: str | None, login: str
) -> None:
    """Call the account of an installation by another login, if it was `old` before."""
    sql = """UPDATE installations SET account = :login WHERE integration_id = :integration_id
        AND installation_id = :installation_id
        AND (CAST(:old AS TEXT) IS NULL OR account IS NULL OR LOWER(account) = :old)"""
    known = old.lower() if old is not None else None
    place = {"integration_id": integration_id, "installation_id": installation_id}
    tx.run(sql, {**place, "old": known, "login": login})


def of_repository(tx: Transaction, integration_id: str, repository_id: int) -> int | None:
    """Return the installation that a repository's deliveries came with last."""
    sql = """SELECT installation_id FROM repository_installations
        WHERE integration_id = :integration_id AND repository_id = :repository_id"""
    place = {"integration_id": integration_id, "repository_id": repository_id}
    return tx.looked_up(
        "repository_installations",
        (integration_id, repository_id),
        lambda: query.number(tx.stored, sql, **place),
    )


def set_of_repository(
    tx: Transaction, integration_id: str, repository_id: int, installation_id: int
) -> None:
    sql = """INSERT INTO repository_installations (integration_id, repository_id, installation_id)
        VALUES (:integration_id, :repository_id, :installation_id)
        ON CONFLICT (integration_id, repository_id)
            DO UPDATE SET installation_id = excluded.installation_id"""
    place = {"integration_id": integration_id, "repository_id": repository_id}
    tx.later("repository_installations", sql, {**place, "installation_id": installation_id})
    known = tx.kept.setdefault("repository_installations", {})
    tx.put(known, (integration_id, repository_id), installation_id)


def grant(tx: Transaction, row_id: int) -> None:
    """Note that an installation was given something: tokens from before do not know of it."""
    tx.run("UPDATE installations SET granted = granted + 1 WHERE id = :id", {"id": row_id})


def has_lost(tx: Transaction, row: Installation, github_id: int) -> bool:
    """Tell whether a repository was taken from an installation."""
    sql = """SELECT 1 FROM installation_repositories WHERE installation_row = :id
        AND github_id = :github_id AND removed = 1 AND (:all = 0 OR changed_at > :updated_at)"""
    is_all = int(row.repository_selection == "all")
    known = {"id": row.id, "github_id": github_id, "all": is_all, "updated_at": row.updated_at}
    return query.exists(tx, sql, **known)


def gone_from(tx: Transaction, integration_id: str, account: str) -> list[int]:
    """Return the repositories whose installation on an account was removed."""
    sql = """SELECT repository_id FROM repository_installations AS served
        JOIN installations ON installations.integration_id = served.integration_id
            AND installations.installation_id = served.installation_id
        WHERE served.integration_id = :integration_id AND LOWER(account) = :account
            AND deleted_at IS NOT NULL"""
    known = {"integration_id": integration_id, "account": account.lower()}
    return query.values(tx, sql, **known)


def sees(tx: Transaction, row: Installation, repository_id: int) -> bool:
    """Tell whether an installation may see a repository, as far as its events told."""
    sql = """SELECT 1 FROM installation_repositories AS seen
        JOIN repositories ON repositories.github_id = seen.github_id
        WHERE installation_row = :id AND repositories.id = :repository_id AND removed = 0"""
    is_all = row.repository_selection == "all"
    return is_all or query.exists(tx, sql, id=row.id, repository_id=repository_id)


def name_of(tx: Transaction, integration_id: str, github_id: int) -> str | None:
    """Return what events of an integration's installations called a repository last."""
    sql = """SELECT seen.full_name FROM installation_repositories AS seen
        JOIN installations ON installations.id = seen.installation_row
        WHERE installations.integration_id = :integration_id AND seen.github_id = :github_id
        ORDER BY seen.changed_at DESC LIMIT 1"""
    found: str | None = query.value(tx, sql, integration_id=integration_id, github_id=github_id)
    return found


def of_account(tx: Transaction, integration_id: str, account: str) -> list[Installation]:
    """Return the installations of an integration on an account, the newest first."""
    sql = """SELECT * FROM installations WHERE integration_id = :integration_id
        AND LOWER(account) = :account AND deleted_at IS NULL ORDER BY id DESC"""
    known = {"integration_id": integration_id, "account": account.lower()}
    return query.select(tx, Installation, sql, **known)


def of_integrations(tx: Transaction, integration_ids: Sequence[str]) -> list[CountedInstallation]:
    """Return the installations of some integrations, with a count of their repositories."""
    sql = """SELECT installations.*,
            (SELECT COUNT(*) FROM installation_repositories
                WHERE installation_row = installations.id AND removed = 0) AS repositories
        FROM installations WHERE deleted_at IS NULL AND integration_id IN ({names})
        ORDER BY installations.id"""
    return query.in_parts(tx, CountedInstallation, sql, integration_ids)


def only_heard_of(tx: Transaction, integration_ids: Sequence[str]) -> list[HeardInstallation]:
    """Return the installations that deliveries came through, and that no event has told of.

    They are older than the bot, or than its webhook.
    """
    sql = """SELECT heard.integration_id, heard.installation_id, heard.repositories,
            repositories.full_name
        FROM (SELECT integration_id, installation_id, COUNT(*) AS repositories,
                MAX(repository_id) AS repository_id FROM repository_installations
                WHERE integration_id IN ({names}) GROUP BY integration_id, installation_id
            ) AS heard
        JOIN repositories ON repositories.id = heard.repository_id
        WHERE NOT EXISTS (SELECT 1 FROM installations
            WHERE installations.integration_id = heard.integration_id
                AND installations.installation_id = heard.installation_id)
        ORDER BY heard.installation_id"""
    return query.in_parts(tx, HeardInstallation, sql, integration_ids)
