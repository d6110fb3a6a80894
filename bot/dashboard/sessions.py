"""Sessions: a sealed cookie that names a row, so that a session can be ended from here.

The cookie is encrypted and signed by aiohttp-session; the row holds only the hash of what is in
it. A session that a token began ends with the token, and has its role as it is now.
"""

import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp_session.cookie_storage import EncryptedCookieStorage

from bot import storage as store
from bot import times
from bot.domain.actors import Actor
from bot.log import logger
from bot.services import SERVICES, Services
from bot.web.callers import address_of
from bot.web.guesses import Guesses

COOKIE = "experiment_bot_session"
IDLE_SECONDS = 8 * 3600
ABSOLUTE_SECONDS = 7 * 86_400
FAILED_SIGN_INS = 10  # that one address may make in a minute, in one process
NOTICES = ("success", "warning", "error")
_NOTICE = "notice"  # what one is sealed about
_NOTED = 60 * times.SECOND  # how exactly the last use is known


@dataclass(frozen=True, slots=True)
class Session:
    """A session in force. `subject` is whose it is, in all their browsers."""

    id: str  # the hash that storage knows
    subject: str
    actor: Actor
    csrf: str


def failed_sign_ins(_: Services) -> Guesses:
    return Guesses(FAILED_SIGN_INS)


def sealed_cookie(
    services: Services, name: str, purpose: str, path: str, seconds: int
) -> EncryptedCookieStorage:
    """Return what reads and writes a cookie that only we can read, below a path of ours."""
    parts = urlsplit(services.settings.public_url)
    return EncryptedCookieStorage(
        services.vault.derive(purpose),
        cookie_name=name,
        path=parts.path.rstrip("/") + path or "/",
        max_age=seconds,
        httponly=True,
        samesite="Lax",
        secure=parts.scheme == "https",
    )


def cookies(services: Services) -> EncryptedCookieStorage:
    """Return what reads and writes the cookie of a session."""
    return sealed_cookie(services, COOKIE, "session cookies", "", ABSOLUTE_SECONDS)


def _oldest(now: int) -> tuple[int, int]:
    """Return since when a session must have been used, and since when it may have begun."""
    return now - IDLE_SECONDS * times.SECOND, now - ABSOLUTE_SECONDS * times.SECOND


async def begin(
    request: web.Request,
    response: web.StreamResponse,
    *,
    subject: str,
    name: str,
    role: str,
    token_id: str | None = None,
) -> None:
    """Begin a session and put its cookie on an answer."""
    services = request.config_dict[SERVICES]
    now = times.now()
    secret = secrets.token_urlsafe(32)

    def job(tx: store.Transaction) -> None:
        store.sessions.remove_ended(tx, *_oldest(now))
        store.sessions.add(
            tx,
            {
                "id": store.hash_token(secret),
                "subject": subject,
                "name": name,
                "role": role,
                "token_id": token_id,
                "created_at": now,
                "seen_at": now,
            },
        )
        if token_id is not None:
            store.tokens.used(tx, token_id, now)

    await services.database.write(job)
    cookie = cookies(services)
    session = await cookie.new_session()
    session["secret"] = secret
    session["csrf"] = secrets.token_urlsafe(24)
    await cookie.save_session(request, response, session)
    logger.info("signed in", actor=name, role=role, token=token_id, remote=address_of(request))


async def of_request(request: web.Request, *, note: bool = True) -> Session | None:
    """Return the session of a request; None if there is none in force.

    `note` says that this is a use of it, as a page that refreshes itself is not.
    """
    if COOKIE not in request.cookies:
        return None
    services = request.config_dict[SERVICES]
    kept = await cookies(services).load_session(request)
    secret, csrf = kept.get("secret"), kept.get("csrf")
    if not isinstance(secret, str) or not isinstance(csrf, str):
        return None
    session_id, now = store.hash_token(secret), times.now()

    def find(tx: store.Transaction) -> tuple[store.Session | None, store.Token | None]:
        row = store.sessions.find(tx, session_id)
        token_id = row.token_id if row else None
        return row, store.tokens.find(tx, token_id) if token_id else None

    row, token = await services.database.read(find)
    if row is None or (row.token_id is not None and token is None):
        return None
    used_since, begun_since = _oldest(now)
    if row.seen_at < used_since or row.created_at < begun_since:
        return None
    if note and now - row.seen_at > _NOTED:
        try:
            await services.database.write(lambda tx: store.sessions.seen(tx, session_id, now))
        except store.StorageUnavailable as error:  # reading goes on while nothing can be written
            logger.warning("last use of a session not noted", reason=str(error))
    role = token.role if token else row.role
    actor = Actor(row.token_id or row.subject, row.name, role)
    return Session(session_id, row.subject, actor, csrf)


async def end(
    services: Services, session: Session, response: web.StreamResponse, *, everywhere: bool
) -> None:
    """End a session, or all of its subject."""

    def job(tx: store.Transaction) -> None:
        if everywhere:
            store.sessions.remove_of_subject(tx, session.subject)
        else:
            store.sessions.remove(tx, session.id)

    await services.database.write(job)
    response.del_cookie(COOKIE, path=urlsplit(services.settings.public_url).path or "/")
    logger.info("signed out", actor=session.actor.name, everywhere=everywhere)


@dataclass(frozen=True, slots=True)
class Notice:
    """What the page after a form says about it. `kind` is one of NOTICES: its colour."""

    text: str
    kind: str


def sign_notice(vault: store.Vault, text: str, kind: str) -> str:
    """Return a notice as it goes through an address: nobody else can put words on our pages."""
    assert kind in NOTICES
    return vault.seal({"notice": text[:500], "kind": kind, "at": str(times.now())}, _NOTICE)


def open_notice(vault: store.Vault, sealed: str | None) -> Notice | None:
    """Return a notice of the last minute; None for anything else."""
    try:
        opened = vault.open(sealed or "", _NOTICE)
        fresh = times.now() - int(opened["at"]) < 60 * times.SECOND
        return Notice(opened["notice"], opened["kind"]) if fresh else None
    except (store.VaultError, ValueError, KeyError):
        return None
