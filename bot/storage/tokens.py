"""Queries for API tokens, of which only the hash is stored."""

from collections.abc import Sequence

from bot.storage.database import Row, Transaction


def is_name(text: str) -> bool:
    """Tell whether a token may have this name."""
    return bool(text.strip()) and len(text) <= 100 and text.isprintable()


def add(
    tx: Transaction,
    token_id: str,
    name: str,
    role: str,
    hashed: str,
    created_at: int,
    *,
    is_bootstrap: bool = False,
) -> None:
    tx.run(
        """INSERT INTO api_tokens (id, name, role, hash, created_at, is_bootstrap)
            VALUES (:id, :name, :role, :hash, :created_at, :is_bootstrap)""",
        {
            "id": token_id,
            "name": name,
            "role": role,
            "hash": hashed,
            "created_at": created_at,
            "is_bootstrap": int(is_bootstrap),
        },
    )


def by_hash(tx: Transaction, hashed: str) -> Row | None:
    """Return a token that is in force."""
    return tx.one(
        "SELECT * FROM api_tokens WHERE hash = :hash AND revoked_at IS NULL", {"hash": hashed}
    )


def find(tx: Transaction, token_id: str) -> Row | None:
    """Return a token that is in force, by its id."""
    return tx.one(
        "SELECT * FROM api_tokens WHERE id = :id AND revoked_at IS NULL", {"id": token_id}
    )


def bootstrap(tx: Transaction) -> Row | None:
    """Return the admin token of the first start, even if it was revoked."""
    return tx.one("SELECT * FROM api_tokens WHERE is_bootstrap = 1")


def remove_bootstrap(tx: Transaction) -> None:
    tx.run("DELETE FROM api_tokens WHERE is_bootstrap = 1")


def listed(tx: Transaction) -> Sequence[Row]:
    return tx.all("SELECT * FROM api_tokens ORDER BY created_at, id")


def revoke(tx: Transaction, name_or_id: str, at: int) -> int:
    """Revoke the tokens in force with an id or a name; return how many there were."""
    return tx.run(
        """UPDATE api_tokens SET revoked_at = :at
            WHERE (id = :token OR name = :token) AND revoked_at IS NULL""",
        {"token": name_or_id, "at": at},
    )


def used(tx: Transaction, token_id: str, at: int) -> None:
    tx.run("UPDATE api_tokens SET last_used_at = :at WHERE id = :id", {"id": token_id, "at": at})
