"""Who is asking: the holder of an API token, let in by its role."""

from aiohttp import web
from cachetools import TTLCache

from bot import storage as store
from bot import times
from bot.domain.actors import ROLES, Actor
from bot.log import logger
from bot.services import CACHE_SECONDS, Services
from bot.web.callers import address_of
from bot.web.guesses import Guesses
from bot.web.problems import Problem

UNKNOWN_TOKENS = 100  # that one address may try in a minute, in one process


def _actors(_: Services) -> "TTLCache[str, Actor]":
    """Who was asking lately, by the hash of the token."""
    return TTLCache(maxsize=1024, ttl=CACHE_SECONDS)


def unknown_tokens(_: Services) -> Guesses:
    return Guesses(UNKNOWN_TOKENS)


def forget_token(services: Services, token_id: str) -> None:
    """Drop what memory holds of a token that has been revoked."""
    actors = services.shared(_actors)
    for hashed in [one for one, actor in actors.items() if actor.id == token_id]:
        actors.pop(hashed, None)


async def authenticate(services: Services, request: web.Request, role: str) -> Actor:
    """Return whose token the request carries; raises 401, 403, or 429 for too many guesses.

    A token that is known is let in however many others were tried from the same address.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise unauthorized()
    actor = await _actor(services, token)
    if actor is None:
        if wait := services.shared(unknown_tokens).wrong(address_of(request)):
            raise Problem(
                429,
                "too many unknown tokens",
                f"Too many tokens that are not known came from your address. Try again in {wait} "
                "seconds with one that is; it is let in before that, too.",
                headers={"Retry-After": str(wait)},
            )
        raise unauthorized()
    if not actor.may(role):
        raise Problem(403, "forbidden", f"This needs the role {role}; the token has {actor.role}.")
    return actor


def unauthorized() -> Problem:
    return Problem(
        401,
        "unauthorized",
        "Send an API token as `Authorization: Bearer <token>`; "
        "`python app.py token create NAME --role ROLE` makes one.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def may_still(tx: store.Transaction, actor: Actor, role: str) -> bool:
    """Tell whether an actor's token, or a session without one, is there with enough of a role."""
    token = store.tokens.find(tx, actor.id)
    found = [token] if token is not None else store.sessions.of_subject(tx, actor.id)
    return any(ROLES.index(row.role) >= ROLES.index(role) for row in found)


async def _actor(services: Services, token: str) -> Actor | None:
    hashed = store.hash_token(token)
    if (known := services.shared(_actors).get(hashed)) is not None:
        return known
    row = await services.database.read(lambda tx: store.tokens.by_hash(tx, hashed))
    if row is None:
        return None
    actor = services.shared(_actors)[hashed] = Actor(row.id, row.name, row.role)
    now = times.now()
    if row.last_used_at is None or now - row.last_used_at > 60 * times.SECOND:
        try:
            await services.database.write(
                lambda tx: store.tokens.used(tx, actor.id, now), seconds=store.ASIDE_SECONDS
            )
        except store.StorageUnavailable as error:  # reading goes on while nothing can be written
            logger.warning("last use of a token not noted", token=actor.id, reason=str(error))
    return actor
