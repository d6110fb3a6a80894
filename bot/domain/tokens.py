"""API tokens: who holds one may call the API and sign in. Only their hashes are stored."""

import uuid

from bot import storage as store
from bot import times
from bot.domain import audit
from bot.domain.actors import SYSTEM, Actor


class Taken(Exception):
    """A token has been given out as another one before."""


def issue(
    tx: store.Transaction,
    name: str,
    role: str,
    by: Actor,
    *,
    secret: str | None = None,
    is_bootstrap: bool = False,
) -> tuple[str, str]:
    """Store a token, a new one unless it is given; return its id and the token itself."""
    token_id, secret = str(uuid.uuid4()), secret or store.new_token()
    hashed = store.hash_token(secret)
    store.tokens.add(tx, token_id, name, role, hashed, times.now(), is_bootstrap=is_bootstrap)
    target = audit.Target("token", token_id, name)
    audit.record(tx, by, audit.TOKEN_CREATED, target, None, {"name": name, "role": role})
    return token_id, secret


def revoke(tx: store.Transaction, name_or_id: str, by: Actor) -> int:
    """Revoke the tokens in force with an id or a name; return how many there were."""
    for row in store.tokens.in_force(tx, name_or_id):
        told = audit.Target("token", row.id, row.name), {"name": row.name, "role": row.role}
        audit.record(tx, by, audit.TOKEN_REVOKED, *told)
    return store.tokens.revoke(tx, name_or_id, times.now())


def ensure_admin(tx: store.Transaction, given: str | None) -> str | None:
    """Store the admin token if it is a new one, and return it.

    That is `given` if it is another than before, or one of ours on a first start. Raises Taken.
    """
    known = store.tokens.bootstrap(tx)
    if known is not None and (given is None or known.hash == store.hash_token(given)):
        return None
    store.tokens.remove_bootstrap(tx)
    if given is not None and store.tokens.is_known(tx, store.hash_token(given)):
        raise Taken
    return issue(tx, "admin", "admin", SYSTEM, secret=given, is_bootstrap=True)[1]
