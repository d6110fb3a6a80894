"""API tokens: who holds one may call the API and sign in. Only their hashes are stored."""

import uuid
from collections.abc import Sequence
from typing import NamedTuple

from bot import storage as store
from bot import times
from bot.domain import audit
from bot.domain.actors import SYSTEM, Actor
from bot.domain.sessions import host_of, subject_of_token


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
    """Store a token, a new one unless it is given; return its id and the token itself.

    Who asked `by` API or pages is kept as its maker; the command line has no name.
    """
    token_id, secret = str(uuid.uuid4()), secret or store.new_token()
    made_by = (by.id, by.name) if by.kind in ("token", "session") else (None, None)
    maker, created_by = made_by
    store.tokens.add(
        tx,
        token_id,
        name,
        role,
        store.hash_token(secret),
        times.now(),
        is_bootstrap=is_bootstrap,
        maker=maker,
        created_by=created_by,
    )
    target = audit.Target("token", token_id, name)
    audit.record(tx, by, audit.TOKEN_CREATED, target, None, {"name": name, "role": role})
    return token_id, secret


def revoke(tx: store.Transaction, tokens: Sequence[store.Token], by: Actor) -> None:
    """Revoke tokens, and end the sessions that they began."""
    for token in tokens:
        store.tokens.revoke(tx, token.id, times.now())
        store.sessions.remove_of_subject(tx, subject_of_token(token.id))
        told = audit.Target("token", token.id, token.name), {"name": token.name, "role": token.role}
        audit.record(tx, by, audit.TOKEN_REVOKED, *told)


def made_by(tokens: Sequence[store.Token], maker: str) -> list[store.Token]:
    """Return those that somebody made, and those that were made with them, in turn.

    `tokens` are all that there are, the oldest first: none was made with a younger one.
    """
    makers, made = {maker}, []
    for token in tokens:
        if token.maker in makers:
            makers.add(token.id)
            made.append(token)
    return made


class Maker(NamedTuple):
    """Whose a token is: who came through GitHub, or a token that nobody known has made."""

    id: str
    name: str

    @property
    def host(self) -> str | None:
        """Where on GitHub they are; None for a token."""
        return host_of(self.id)


def person_of(tokens: Sequence[store.Token], token: store.Token) -> Maker | None:
    """Return who made a token, if through others of their own; None if the command line did."""
    by_id = {one.id: one for one in tokens}
    while (parent := by_id.get(token.maker or "")) is not None and parent.maker:
        token = parent
    return Maker(token.maker, token.created_by or "") if token.maker else None


def ensure_admin(tx: store.Transaction, given: str | None) -> str | None:
    """Store the admin token if it is a new one, and return it.

    That is `given` if it is another than before, or one of ours on a first start. Raises Taken.
    """
    known = store.tokens.bootstrap(tx)
    if known is not None and (given is None or known.hash == store.hash_token(given)):
        return None
    if known is not None and known.revoked_at is None:
        revoke(tx, [known], SYSTEM)
    store.tokens.remove_bootstrap(tx)
    if given is not None and store.tokens.is_known(tx, store.hash_token(given)):
        raise Taken
    return issue(tx, "admin", "admin", SYSTEM, secret=given, is_bootstrap=True)[1]
