"""Which repository a payload speaks of: GitHub's numeric id decides, a name where there is none."""

from typing import Any

from bot.domain import refresh
from bot.storage import facts
from bot.storage.database import Row, Transaction


def resolve(
    transaction: Transaction,
    host: str,
    full_name: str,
    github_id: int | None = None,
    updated_at: int | None = None,
    default_branch: str | None = None,
    visibility: str | None = None,
    *,
    is_rename: bool = False,
) -> int:
    """Return our id of a repository, which is made or renamed as far as the payload knows better.

    A payload that tells of a rename is believed unless it is older than what is known. Any other
    is believed only if it is newer, since a late one still carries the old name.
    """
    row = _find(transaction, host, full_name, github_id)
    if row is None:
        row = facts.add_repository(
            transaction, host, github_id, full_name, updated_at, default_branch
        )
        observe_visibility(transaction, row, visibility, updated_at)
        return int(row["id"])
    if github_id is not None and row["github_id"] is None:
        facts.identify_repository(transaction, row["id"], github_id)
    if row["full_name"] != full_name and _is_news(row["named_at"], updated_at, is_rename):
        facts.name_repository(transaction, row["id"], full_name, updated_at or row["named_at"])
    if default_branch is not None and row["default_branch"] != default_branch:
        facts.set_default_branch(transaction, row["id"], default_branch)
    if row["visibility"] != visibility:
        observe_visibility(transaction, row, visibility, updated_at)
    if row["deleted_at"] is not None and (updated_at or 0) > row["deleted_at"]:
        facts.set_repository_deleted(transaction, row["id"], None)
    return int(row["id"])


def visibility_of(private: Any, visibility: Any) -> str | None:
    """Return what a payload says of who sees a repository, None if it does not say.

    Only `private: false` is public: what is internal is seen by a company.
    """
    if visibility in ("private", "internal"):
        return str(visibility)
    return {True: "private", False: "public"}.get(private) if isinstance(private, bool) else None


def observe_visibility(
    transaction: Transaction, row: Row, visibility: str | None, at: int | None
) -> None:
    """Keep who sees a repository, unless something newer is known.

    Once everybody does, what the bot has written there is looked over.
    """
    known_at = row["visibility_at"]
    if visibility is None or (at is not None and known_at is not None and at < known_at):
        return
    facts.set_visibility(transaction, row["id"], visibility, at if at is not None else known_at)
    if visibility == "public" and row["visibility"] != "public":
        refresh.owe_rewriting(transaction, row)


def is_public(row: Row) -> bool:
    """Tell whether everybody may see a repository. One of which that is not known may be."""
    return row["visibility"] in ("public", None)


def identify(transaction: Transaction, host: str, full_name: str, github_id: int) -> None:
    """A repository that is known only by its name has turned out to be `github_id`."""
    if facts.repository_by_github_id(transaction, host, github_id) is None:
        for row in facts.repositories_by_name(transaction, host, full_name):
            if row["github_id"] is None:
                facts.identify_repository(transaction, row["id"], github_id)
                return


def _find(transaction: Transaction, host: str, full_name: str, github_id: int | None) -> Row | None:
    if github_id is not None:
        row = facts.repository_by_github_id(transaction, host, github_id)
        if row is not None:
            return row
    for row in facts.repositories_by_name(transaction, host, full_name):
        # A name may have passed to another repository; one that is known by its id is not it.
        if github_id is None or row["github_id"] is None:
            return row
    return None


def _is_news(known: int | None, told: int | None, is_rename: bool) -> bool:
    if is_rename:
        return known is None or told is None or told >= known
    return told is not None and known is not None and told > known
