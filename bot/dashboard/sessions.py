"""Sessions: a sealed cookie that names a row, so that a session can be ended from here.

The cookie is encrypted and signed by aiohttp-session; the row holds only the hash of what is in
it. A session that a token began ends with the token, and has its role as it is now; one that came
through GitHub ends with the access (confirmation.py).
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from aiohttp_session.cookie_storage import EncryptedCookieStorage

from bot import characters, times
from bot import storage as store
from bot.dashboard import confirmation
from bot.domain.actors import ROLES, Actor
from bot.domain.sessions import ABSOLUTE_SECONDS, has_ended
from bot.log import logger
from bot.operations import sessions
from bot.services import SERVICES, Services
from bot.web.callers import address_of
from bot.web.guesses import Guesses

COOKIE = "experiment_bot_session"
FAILED_SIGN_INS = 10  # that one address may make in a minute, in one process
NOTICES = ("success", "warning", "error")
_NOTICE = "notice"  # what one is sealed about
_NOTED = 60 * times.SECOND  # how exactly the last use is known


@dataclass(frozen=True, slots=True)
class Session:
    """A session in force. `subject` is whose it is, in all their browsers."""

    id: str
    subject: str
    actor: Actor
    csrf: str


def failed_sign_ins(_: Services) -> Guesses:
    return Guesses(FAILED_SIGN_INS)


class _SealedCookie(EncryptedCookieStorage):
    """What we have not sealed is as good as none; bytes that are no text would be a fault."""

    def load_cookie(self, request: web.Request) -> str | None:
        cookie = super().load_cookie(request)
        return cookie if cookie is not None and cookie.isascii() else None


def sealed_cookie(
    services: Services, name: str, purpose: str, seconds: int
) -> EncryptedCookieStorage:
    """Return what reads and writes a cookie that only we can read.

    Over TLS its name binds it (https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes):
    neither plain HTTP nor another host of the domain can set one. `__Host-` is for `/` alone.
    """
    parts = urlsplit(services.settings.public_url)
    is_secure, path = parts.scheme == "https", parts.path.rstrip("/") or "/"
    prefix = ("__Host-" if path == "/" else "__Secure-") if is_secure else ""
    return _SealedCookie(
        services.vault.derive(purpose),
        cookie_name=f"{prefix}{name}",
        path=path,
        max_age=seconds,
        httponly=True,
        samesite="Lax",
        secure=is_secure,
    )


def drop_cookie(cookie: EncryptedCookieStorage, response: web.StreamResponse) -> None:
    """Take a cookie back. A browser heeds only what might have set it."""
    options = cookie.cookie_params
    response.del_cookie(cookie.cookie_name, path=options["path"], secure=options["secure"])


def cookies(services: Services) -> EncryptedCookieStorage:
    """Return what reads and writes the cookie of a session."""
    return sealed_cookie(services, COOKIE, "session cookies", ABSOLUTE_SECONDS)


async def begin(
    request: web.Request,
    response: web.StreamResponse,
    row: Mapping[str, Any],
    credential: Mapping[str, str] | None = None,
) -> None:
    """Begin a session and put its cookie on an answer."""
    services = request.config_dict[SERVICES]
    secret = await sessions.begin(services, row, address_of(request), credential)
    cookie = services.shared(cookies)
    session = await cookie.new_session()
    session["secret"] = secret
    session["csrf"] = secrets.token_urlsafe(24)
    await cookie.save_session(request, response, session)


async def of_request(request: web.Request, *, note: bool = True) -> Session | None:
    """Return the session of a request; None if there is none in force.

    `note` says that this is a use of it, as a page that refreshes itself is not.
    """
    services = request.config_dict[SERVICES]
    cookie = services.shared(cookies)
    if cookie.cookie_name not in request.cookies:
        return None
    kept = await cookie.load_session(request)
    secret, csrf = kept.get("secret"), kept.get("csrf")
    if not isinstance(secret, str) or not isinstance(csrf, str):
        return None
    row = await in_force(services, store.hash_token(secret))
    if row is None:
        return None
    if note and times.now() - row.seen_at > _NOTED:
        await _note_use(services, row.id)
    actor = Actor(row.token_id or row.subject, row.name, row.role, "session")
    return Session(row.id, row.subject, actor, csrf)


async def in_force(services: Services, hashed: str) -> store.Session | None:
    """Return a session with the role that it has by now; None if it has ended."""

    def find(
        tx: store.Transaction,
    ) -> tuple[store.Session | None, store.Token | None, store.Integration | None]:
        row = store.sessions.by_hash(tx, hashed)
        token = store.tokens.find(tx, row.token_id) if row and row.token_id else None
        app = (
            store.integrations.find(tx, row.integration_id) if row and row.integration_id else None
        )
        return row, token, app

    row, token, app = await services.database.read(find)
    if row is None or has_ended(times.now(), row.seen_at, row.created_at):
        return None
    if row.token_id is None:
        return await confirmation.confirmed(services, row, app)
    return msgspec.structs.replace(row, role=token.role) if token else None


async def may_still(services: Services, holder: str, role: str) -> bool:
    """Tell whether an actor, known by token or subject, may do by now what needs a role."""
    token, rows = await services.database.read(
        lambda tx: (store.tokens.find(tx, holder), store.sessions.of_subject(tx, holder))
    )
    roles = [token.role] if token else []
    roles += [known.role for row in rows if (known := await in_force(services, row.hash))]
    return any(ROLES.index(one) >= ROLES.index(role) for one in roles)


async def _note_use(services: Services, session_id: str) -> None:
    now = times.now()
    try:
        await services.database.write(
            lambda tx: store.sessions.seen(tx, session_id, now), seconds=store.ASIDE_SECONDS
        )
    except store.StorageUnavailable as error:  # reading goes on while nothing can be written
        logger.warning("last use of a session not noted", reason=str(error))


async def end(
    services: Services, session: Session, response: web.StreamResponse, *, everywhere: bool
) -> None:
    """End one's own session, or all of one's sessions."""
    if everywhere:
        await sessions.end_all_of(services, session.actor, session.subject)
    else:
        await sessions.end(services, session.actor, session.id)
    drop_cookie(services.shared(cookies), response)


@dataclass(frozen=True, slots=True)
class Notice:
    """What the page after a form says about it. `kind` is one of NOTICES: its colour."""

    text: str
    kind: str


def sign_notice(vault: store.Vault, text: str, kind: str) -> str:
    """Return a notice as it goes through an address: nobody else can put words on our pages."""
    assert kind in NOTICES
    return vault.seal(
        {"notice": characters.begin(text, 500), "kind": kind, "at": str(times.now())}, _NOTICE
    )


def open_notice(vault: store.Vault, sealed: str | None) -> Notice | None:
    """Return a notice of the last minute; None for anything else."""
    try:
        opened = vault.open(sealed or "", _NOTICE)
        fresh = times.now() - int(opened["at"]) < 60 * times.SECOND
        return Notice(opened["notice"], opened["kind"]) if fresh else None
    except (store.VaultError, ValueError, KeyError):
        return None
