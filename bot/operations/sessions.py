"""Sessions of the dashboard: where each begins and ends, but for those that run out unused."""

import secrets
import uuid
from collections.abc import Mapping
from typing import Any

from bot import storage as store
from bot import times
from bot.domain import sessions
from bot.domain.actors import Actor, log_change
from bot.log import logger
from bot.operations import found
from bot.services import Services


def listed(tx: store.Transaction, *part: Any) -> store.Part[store.Session]:
    """Return everybody's sessions in force, newest first."""
    return store.sessions.listed(tx, *sessions.oldest(times.now()), *part)


async def begin(
    services: Services, session: Mapping[str, Any], credential: Mapping[str, str] | None = None
) -> str:
    """Begin a session; return the secret that its cookie holds.

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

    await services.database.write(job)
    return secret


def sealed(services: Services, session_id: str, credential: Mapping[str, str]) -> str:
    """Return the token of who came through GitHub as it is stored."""
    return services.vault.seal(credential, store.sessions.about(session_id))


async def end(services: Services, actor: Actor, session_id: str) -> store.Session:
    """End a session; return what it was. Its streams end with the commit."""

    def job(tx: store.Transaction) -> store.Session:
        row = found(store.sessions.find(tx, session_id), "session")
        store.sessions.remove(tx, session_id)
        return row

    row = await services.database.write(job)
    log_change(actor, "session ended", session=row.id, of=row.name)
    return row


async def end_all_of(services: Services, actor: Actor, subject: str) -> None:
    """End all sessions of somebody."""
    count = await services.database.write(lambda tx: store.sessions.remove_of_subject(tx, subject))
    log_change(actor, "sessions ended", of=subject, count=count)


async def lose(services: Services, row: store.Session, reason: str) -> None:
    """End the session of somebody who has no access any more."""
    if await services.database.write(lambda tx: store.sessions.remove(tx, row.id)):
        logger.info("session ended", actor=row.name, session=row.id, reason=reason)
