"""Queries for API tokens, of which only the hash is stored."""

from bot.storage import query
from bot.storage.database import Transaction
from bot.storage.rows import Token


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
    token = {"id": token_id, "name": name, "role": role, "hash": hashed, "created_at": created_at}
    query.insert(tx, Token, {**token, "is_bootstrap": is_bootstrap})


def by_hash(tx: Transaction, hashed: str) -> Token | None:
    """Return a token that is in force."""
    sql = "SELECT * FROM api_tokens WHERE hash = :hash AND revoked_at IS NULL"
    return query.first(tx, Token, sql, hash=hashed)


def is_known(tx: Transaction, hashed: str) -> bool:
    """Tell whether there is or was such a token."""
    sql = "SELECT 1 FROM api_tokens WHERE hash = :hash"
    return query.exists(tx, sql, hash=hashed)


def find(tx: Transaction, token_id: str) -> Token | None:
    """Return a token that is in force, by its id."""
    sql = "SELECT * FROM api_tokens WHERE id = :id AND revoked_at IS NULL"
    return query.first(tx, Token, sql, id=token_id)


def bootstrap(tx: Transaction) -> Token | None:
    """Return the admin token of the first start, even if it was revoked."""
    return query.by_key(tx, Token, is_bootstrap=1)


def remove_bootstrap(tx: Transaction) -> None:
    tx.run("DELETE FROM api_tokens WHERE is_bootstrap = 1")


def listed(tx: Transaction) -> list[Token]:
    return query.select(tx, Token, "SELECT * FROM api_tokens ORDER BY created_at, id")


def in_force(tx: Transaction, name_or_id: str) -> list[Token]:
    """Return the tokens in force with an id or a name."""
    sql = """SELECT * FROM api_tokens
        WHERE (id = :token OR name = :token) AND revoked_at IS NULL ORDER BY created_at, id"""
    return query.select(tx, Token, sql, token=name_or_id)


def revoke(tx: Transaction, name_or_id: str, at: int) -> int:
    """Revoke the tokens in force with an id or a name; return how many there were."""
    sql = """UPDATE api_tokens SET revoked_at = :at
        WHERE (id = :token OR name = :token) AND revoked_at IS NULL"""
    return tx.run(sql, {"token": name_or_id, "at": at})


def used(tx: Transaction, token_id: str, at: int) -> None:
    query.change(tx, Token, {"id": token_id}, {"last_used_at": at})
