"""Sessions of the dashboard: where each begins and ends, but for those that run out unused."""

import secrets
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from bot import storage as store
from bot import times
from bot.domain import audit, sessions
from bot.domain.actors import SYSTEM, Actor
from bot.operations import found
from bot.services import Services


def listed(tx: store.Transaction, *part: Any) -> store.Part[store.Session]:
    """Return everybody's sessions in force, newest first."""
    return store.sessions.listed(tx, *sessions.oldest(times.now()), *part)


async def begin(
    services: Services,
    session: Mapping[str, Any],
    address: str | None,
    credential: Mapping[str, str] | None = None,
) -> str:
    """Begin a session of somebody at an address; return the secret that its cookie holds.

    `credential` is the token of who came through GitHub.
    """
    now, session_id, secret = times.now(), str(uuid.uuid4()), secrets.token_urlsafe(32)
    row = {
        **session,
        "id": session_id,
        "hash": store.hash_token(secret),
        "credential": credential and sealed(services, session_id, credential),
        "created_at": now,
        "seen_at": now,
    }

    def job(tx: store.Transaction) -> None:
        store.sessions.add(tx, row)
        if row.get("token_id") is not None:
            store.tokens.used(tx, row["token_id"], now)
        by = Actor(row.get("token_id") or row["subject"], row["name"], row["role"], "session")
        told = {"role": row["role"], "address": address}
        audit.record(tx, by, audit.SIGN_IN, _target(by.id, by.name), None, told, remote=address)

    await services.database.write(job)
    return secret


def sealed(services: Services, session_id: str, credential: Mapping[str, str]) -> str:
    """Return the token of who came through GitHub as it is stored."""
    return services.vault.seal(credential, store.sessions.about(session_id))


async def end(services: Services, actor: Actor, session_id: str) -> store.Session:
    """End a session, and with the commit its streams; return what it was."""

    def job(tx: store.Transaction) -> store.Session:
        row = found(store.sessions.find(tx, session_id), "session")
        store.sessions.remove(tx, session_id)
        _record_end(tx, actor, [row], everywhere=False)
        return row

    return await services.database.write(job)


async def end_all_of(services: Services, actor: Actor, subject: str) -> None:
    """End all sessions of somebody."""

    def job(tx: store.Transaction) -> None:
        rows = store.sessions.of_subject(tx, subject)
        if store.sessions.remove_of_subject(tx, subject):
            _record_end(tx, actor, rows[:1], everywhere=True)

    await services.database.write(job)


async def lose(services: Services, row: store.Session, reason: str) -> None:
    """End the session of somebody who has no access any more."""

    def job(tx: store.Transaction) -> None:
        if store.sessions.remove(tx, row.id):
            told = {"reason": reason}
            target = _target(holder_of(row), row.name)
            audit.record(tx, SYSTEM, audit.SESSION_ENDED, target, None, told, reason=reason)

    await services.database.write(job)


def holder_of(row: store.Session) -> str:
    """Return whose a session is, as actors are known: by their token, or on GitHub."""
    return row.token_id or row.subject


def _record_end(
    tx: store.Transaction, actor: Actor, rows: Sequence[store.Session], *, everywhere: bool
) -> None:
    for row in rows:
        holder = holder_of(row)
        kind = audit.SIGN_OUT if holder == actor.id else audit.SESSION_ENDED
        told = {"everywhere": everywhere}
        audit.record(tx, actor, kind, _target(holder, row.name), None, told)


def _target(holder: str, name: str) -> audit.Target:
    """Return a session as the audit names it: by whose it is."""
    return audit.Target("session", holder, name)
