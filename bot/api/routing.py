"""Declares the API's operations: one declaration routes, validates and describes each of them."""

import base64
import binascii
import functools
import re
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from cachetools import TTLCache
from msgspec import Struct

from bot import jsontext, times
from bot import storage as store
from bot.api import models
from bot.api.conditions import NO_CONDITIONS, Conditions
from bot.github.names import NAME
from bot.log import logger
from bot.services import CACHE_SECONDS, SERVICES, Services
from bot.web.guesses import Guesses
from bot.web.problems import Problem, expect, invalid

S = TypeVar("S", bound=Struct)
MAX_BODY = 1024 * 1024
UNKNOWN_TOKENS = 100  # that one address may try in a minute, in one process
ROLES = ("viewer", "developer", "admin")  # each may do all that those before it may

# Path parameters: the pattern that their values have, and what they are.
PARAMETERS = {
    "integration_id": (r"[0-9a-fA-F-]{36}", "An integration's id, a UUID."),
    "delivery_id": (
        r"[ -~]{1,128}",
        "A delivery's id, its X-GitHub-Delivery: a GUID, or what else the sender numbers by.",
    ),
    "action_id": (r"[0-9a-fA-F-]{36}", "An action's id, a UUID."),
    "token_id": (r"[0-9a-f-]{36}", "An API token's id, a UUID."),
    "key": (r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", "An experiment's key."),
    "owner": (NAME, "The owner of a repository."),
    "repo": (NAME, "The name of a repository."),
    "number": (r"[1-9][0-9]{0,9}", "The number of a pull request."),
}
# How the value looks in an address, where that is not the same: a slash is %2F there.
_IN_ADDRESSES = {"delivery_id": r"[^/]{1,384}"}


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever holds an API token."""

    token_id: str
    name: str
    role: str


@dataclass(slots=True)
class Call:
    """A request that has been let in and validated."""

    request: web.Request
    services: Services
    actor: Actor
    list_name: str
    query: Any
    body: Any
    conditions: Conditions = NO_CONDITIONS
    headers: dict[str, str] = field(default_factory=dict)  # of the answer, if all goes well

    def path(self, name: str) -> str:
        return self.request.match_info[name]

    def position(self, length: int) -> tuple[int, ...] | None:
        """Return the place in the list that the cursor stands for, None for its beginning."""
        return position_of(self.query.cursor, length, self.list_name)

    def page(
        self,
        part: store.Part[Any],
        item: Callable[[Any], Any],
    ) -> models.Page[Any]:
        """Return a part of a list as the API shows it."""
        cursor = cursor_of(part.next, self.list_name) if part.next is not None else None
        return models.Page([item(row) for row in part], cursor)


Handler = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `answers` maps each status to its type, None for no body;
    `headers` has the pattern and the meaning of those that are read, `conditions` the meaning of
    those that tell when not to carry it out. `tagged` answers have an ETag."""

    method: str
    path: str
    role: str
    summary: str
    handler: Handler
    tag: str
    answers: dict[int, Any]
    query: type[Struct]
    body: type[Struct] | None
    problems: Sequence[int]
    headers: Mapping[str, tuple[str, str]]
    description: str
    tagged: bool
    conditions: Mapping[str, str]


@dataclass
class Operations:
    """The operations of one resource."""

    tag: str
    listed: list[Operation] = field(default_factory=list)

    def add(
        self,
        method: str,
        path: str,
        *,
        role: str,
        summary: str,
        answers: dict[int, Any],
        query: type[Struct] = models.NoQuery,
        body: type[Struct] | None = None,
        problems: Sequence[int] = (),
        headers: Mapping[str, tuple[str, str]] = MappingProxyType({}),
        tagged: bool = False,
        conditions: Mapping[str, str] = MappingProxyType({}),
    ) -> Callable[[Handler], Handler]:
        """Register the decorated function; it returns the answer's body, or (status, body)."""

        def register(handler: Handler) -> Handler:
            operation = Operation(
                method,
                path,
                role,
                summary,
                handler,
                self.tag,
                answers,
                query,
                body,
                problems,
                headers,
                " ".join((handler.__doc__ or "").split()),
                tagged,
                conditions,
            )
            self.listed.append(operation)
            return handler

        return register

    def routes(self) -> list[web.RouteDef]:
        return [
            web.route(
                operation.method,
                aiohttp_path(operation.path),
                functools.partial(_serve, operation),
                expect_handler=expect,
            )
            for operation in self.listed
        ]


def aiohttp_path(path: str) -> str:
    """Return a path whose parameters match the values that they may have."""

    def pattern(match: re.Match[str]) -> str:
        name = match[1]
        return f"{{{name}:{_IN_ADDRESSES.get(name, PARAMETERS[name][0])}}}"

    return re.sub(r"\{(\w+)\}", pattern, path)


async def _serve(operation: Operation, request: web.Request) -> web.StreamResponse:
    services = request.config_dict[SERVICES]
    actor = await authenticate(services, request, operation.role)
    query = parse_query(request, operation.query)
    body = await _read_body(request, operation.body) if operation.body else None
    call = Call(request, services, actor, operation.path, query, body)
    if operation.conditions:
        call.conditions = Conditions.of(request)
    answer = await operation.handler(call)
    if isinstance(answer, web.StreamResponse):
        return answer
    status, content = answer if isinstance(answer, tuple) else (200, answer)
    if content is None:
        return web.Response(status=status, headers=call.headers)
    return web.Response(
        status=status,
        body=jsontext.render(content),
        content_type="application/json",
        headers=call.headers,
    )


# --- Who is asking


def _actors(_: Services) -> "TTLCache[str, Actor]":
    """Who was asking lately, by the hash of the token."""
    return TTLCache(maxsize=1024, ttl=CACHE_SECONDS)


def unknown_tokens(_: Services) -> Guesses:
    return Guesses(UNKNOWN_TOKENS)


def forget_token(services: Services, token_id: str) -> None:
    """Drop what memory holds of a token that has been revoked."""
    actors = services.shared(_actors)
    for hashed in [one for one, actor in actors.items() if actor.token_id == token_id]:
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
        if wait := services.shared(unknown_tokens).wrong(request.remote):
            raise Problem(
                429,
                "too many unknown tokens",
                f"Too many tokens that are not known came from your address. Try again in {wait} "
                "seconds with one that is; it is let in before that, too.",
                headers={"Retry-After": str(wait)},
            )
        raise unauthorized()
    if ROLES.index(actor.role) < ROLES.index(role):
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
    """Tell whether an actor's token is in force, with a role that is enough, as of now."""
    row = store.tokens.find(tx, actor.token_id)
    return row is not None and ROLES.index(row.role) >= ROLES.index(role)


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
            await services.database.write(lambda tx: store.tokens.used(tx, actor.token_id, now))
        except store.StorageUnavailable as error:  # reading goes on while nothing can be written
            logger.warning("last use of a token not noted", token=actor.token_id, reason=str(error))
    return actor


# --- What is asked


def parse_query(request: web.Request, shape: type[S]) -> S:
    """Return the query string as `shape`; raises a 422 for an unknown or malformed parameter."""
    values: dict[str, str | int] = {}
    for name, value in request.query.items():
        if name in values:
            raise invalid([(name, "is given twice")])
        is_number = name == "limit" and value.isascii() and value.isdigit()
        values[name] = int(value) if is_number and len(value) < 10 else value
    return validate(values, shape)


def validate(value: Any, shape: type[S]) -> S:
    """Return `value` as `shape`; raises a 422 that names the field."""
    try:
        result = msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        name = path.rstrip("`").lstrip(".")
        if match := re.search(r"(?:unknown|required) field `(.+?)`", message):
            name = f"{name}.{match[1]}".lstrip(".")
        # What was sent is not repeated: it may be a secret in the wrong field.
        message = message.partition("Invalid enum value")[0] or "Not one of the allowed values"
        raise invalid([(name, message)]) from None
    return result


async def _read_body(request: web.Request, shape: type[S]) -> S:
    if request.content_type != "application/json":
        raise Problem(415, "unsupported content type", "Send the body as application/json.")
    try:
        raw = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Problem(413, "body too large", f"The limit is {MAX_BODY} bytes.") from None
    except (web.RequestPayloadError, ConnectionError):
        raise Problem(400, "broken body", "The body ended before its announced length.") from None
    try:
        value = jsontext.parse(raw)
    except jsontext.InvalidJSON as error:
        raise Problem(400, "invalid JSON", f"The body cannot be read: {error}") from None
    return validate(value, shape)


# --- Parts of lists


def cursor_of(position: Sequence[int], list_name: str) -> str:
    """Return the cursor that stands for a place in a list, named by its operation's path."""
    tagged = [zlib.crc32(list_name.encode()), *position]
    return base64.urlsafe_b64encode(msgspec.json.encode(tagged)).decode().rstrip("=")


def position_of(cursor: str | None, length: int, list_name: str) -> tuple[int, ...] | None:
    """Return the place that a cursor stands for; raises a 422 if it is none of this list."""
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        tag, *position = msgspec.json.decode(text, type=list[int])
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        tag, position = 0, []
    is_ours = tag == zlib.crc32(list_name.encode()) and len(position) == length
    if not is_ours or any(abs(number) >= 2**63 for number in position):
        raise invalid([("cursor", "is not a next_cursor of this list")])
    return tuple(position)


def log_change(call: Call, what: str, **fields: Any) -> None:
    """Write the line that tells who changed what."""
    logger.info(what, actor=call.actor.name, token=call.actor.token_id, **fields)
