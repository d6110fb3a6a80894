"""Queries for API tokens, of which only the hash is stored."""

from bot.characters import is_plain
from bot.storage import query
from bot.storage.access_rows import Token
from bot.storage.database import Transaction
from bot.storage.query import Part, Place


def is_name(text: str) -> bool:
    """Tell whether a token may have this name."""
    return bool(text.strip()) and len(text) <= 100 and is_plain(text)


def add(
    tx: Transaction,
    token_id: str,
    name: str,
    role: str,
    hashed: str,
    created_at: int,
    *,
    is_bootstrap: bool = False,
    maker: str | None = None,
    created_by: str | None = None,
) -> None:
    token = {"id": token_id, "name": name, "role": role, "hash": hashed, "created_at": created_at}
    made = {"is_bootstrap": is_bootstrap, "maker": maker, "created_by": created_by}
    seq = (query.number(tx, "SELECT MAX(seq) FROM api_tokens") or 0) + 1
    query.insert(tx, Token, {**token, **made, "seq": seq})


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
    """Return all tokens, the oldest first."""
    return query.select(tx, Token, "SELECT * FROM api_tokens ORDER BY seq")


def page(tx: Transaction, before: Place | None, limit: int) -> Part[Token]:
    """Return tokens, newest first."""
    return query.page(tx, Token, "SELECT * FROM api_tokens", [], {"seq": "seq"}, before, limit)


def revoke(tx: Transaction, token_id: str, at: int) -> None:
    query.change(tx, Token, {"id": token_id}, {"revoked_at": at})


def used(tx: Transaction, token_id: str, at: int) -> None:
    query.change(tx, Token, {"id": token_id}, {"last_used_at": at})
