"""Asks GitHub again, every quarter of an hour, whether who signed in with it still has access.

A session is asked about when it is used, or a stream of it is open: once, however many requests
and processes it has. Where GitHub cannot be asked, it goes on for another quarter and no longer.
"""

import asyncio
from typing import Any

import msgspec

from bot import storage as store
from bot import times
from bot.dashboard import github_access
from bot.dashboard.github_access import Credential
from bot.github import CallFailed, Refused
from bot.log import logger
from bot.operations import sessions
from bot.services import Services
from bot.together import Once

ASKED_AFTER = 14 * 60  # seconds: a minute is left to get the answer
LONGEST = 30 * 60  # seconds that an answer counts while there is no other
ASK_SECONDS = 20.0  # for all that GitHub is asked
_TURN = 30 * times.SECOND  # after which whoever wanted to ask has died
_PAUSE = 120 * times.SECOND  # before GitHub is asked again if it could not be
_LOOK = 0.25  # seconds between looks while another process asks


def confirmed_now(person: github_access.Person) -> dict[str, Any]:
    """Return what a session keeps of an answer."""
    now = times.now()
    role = {"name": person.login, "role": person.role}
    ask_at = now + ASKED_AFTER * times.SECOND
    return {**role, "confirmed_at": now, "ask_at": ask_at, "asking_until": None}


def _asking(_: Services) -> "Once[store.Session | None]":
    """What is being asked in this process, by the session that it is about."""
    return Once()


async def confirmed(
    services: Services, row: store.Session, app: store.Integration | None
) -> store.Session | None:
    """Return the session of who came through GitHub as it is by now; None once it has ended."""
    if app is None or not app.is_active or app.config.client_id != row.client_id:
        return await _lost(services, row, "the App is gone")
    if _is_sure(row):
        return row
    asking = services.shared(_asking)
    try:
        return await asking.get(row.id, lambda: _settled(services, row.id, app))
    except store.StorageUnavailable:  # reading goes on while nothing can be written
        if _is_recent(row):
            return row
        raise


def _is_recent(row: store.Session) -> bool:
    """Tell whether GitHub has said so lately; a time ahead is of a clock that was wrong."""
    return abs(times.now() - (row.confirmed_at or 0)) <= LONGEST * times.SECOND


def _is_sure(row: store.Session) -> bool:
    """Tell whether a session counts without a question."""
    return times.now() < (row.ask_at or 0) and _is_recent(row)


async def _settled(
    services: Services, session_id: str, app: store.Integration
) -> store.Session | None:
    """Ask, or wait until another process has; None if that takes too long, too."""

    def job(tx: store.Transaction) -> tuple[store.Session | None, bool]:
        row, now = store.sessions.find(tx, session_id), times.now()
        is_open = row is not None and not _is_sure(row)
        return row, is_open and store.sessions.take_turn(tx, session_id, now, now + _TURN)

    for _ in range(int(ASK_SECONDS / _LOOK)):
        row, is_our_turn = await services.database.write(job, seconds=store.ASIDE_SECONDS)
        if row is None or _is_sure(row):
            return row
        if is_our_turn:
            return await _ask(services, row, app)
        await asyncio.sleep(_LOOK)
    return None


async def _ask(
    services: Services, row: store.Session, app: store.Integration
) -> store.Session | None:
    try:
        async with asyncio.timeout(ASK_SECONDS):
            person = await github_access.person(services, app, await _token(services, row, app))
    except (Refused, store.VaultError) as error:
        return await _lost(services, row, str(error))
    except (CallFailed, TimeoutError) as error:
        return await _unanswered(services, row, str(error) or "no answer in time")
    if person.role is None or person.subject != row.subject:
        return await _lost(services, row, "no access any more")
    if person.role != row.role:
        logger.info("role changed", actor=person.login, session=row.id, role=person.role)
    return await _kept(services, row, confirmed_now(person))


async def _token(services: Services, row: store.Session, app: store.Integration) -> str:
    """Return the token of who a session is of, a new one if it has run out; raises CallFailed."""
    opened = services.vault.open(row.credential or "", store.sessions.about(row.id))
    credential = msgspec.convert(opened, Credential)
    if credential.is_over and credential.refresh_token:
        credential = await github_access.refreshed(services, app, credential)
        # At once: the one before is no good any more.
        sealed = sessions.sealed(services, row.id, credential.texts)
        await _kept(services, row, {"credential": sealed})
    return credential.token


async def _unanswered(services: Services, row: store.Session, reason: str) -> store.Session | None:
    """Let a session go on for a while, but not without end."""
    if not _is_recent(row):
        return await _lost(services, row, f"GitHub cannot be asked: {reason}")
    logger.warning("access not confirmed", actor=row.name, session=row.id, reason=reason)
    last = (row.confirmed_at or 0) + LONGEST * times.SECOND
    columns = {"ask_at": min(times.now() + _PAUSE, last), "asking_until": None}
    return await _kept(services, row, columns)


async def _lost(services: Services, row: store.Session, reason: str) -> store.Session | None:
    await sessions.lose(services, row, reason)
    return None


async def _kept(
    services: Services, row: store.Session, columns: dict[str, Any]
) -> store.Session | None:
    """Change a session; return it as it is then, None if it has ended meanwhile."""

    def job(tx: store.Transaction) -> store.Session | None:
        store.sessions.change(tx, row.id, columns)
        return store.sessions.find(tx, row.id)

    return await services.database.write(job)
