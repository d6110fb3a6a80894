"""Declares the API's operations: one declaration routes, validates and describes each of them."""

import functools
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from aiohttp import web
from msgspec import Struct

from bot import jsontext
from bot import storage as store
from bot.domain.actors import Actor
from bot.domain.errors import Failed
from bot.github import CallFailed
from bot.github.names import NAME
from bot.services import SERVICES, Services
from bot.web.access import authenticate
from bot.web.conditions import NO_CONDITIONS, Conditions
from bot.web.cursors import Page, page_of, position_of
from bot.web.problems import Problem, expect, problem_of
from bot.web.validation import fit, parse_query

S = TypeVar("S", bound=Struct)
MAX_BODY = 1024 * 1024

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

    def page(self, part: store.Part[Any], item: Callable[[Any], Any]) -> Page[Any]:
        """Return a part of a list as the API shows it."""
        return page_of(part, self.list_name, item)


class NoQuery(Struct, forbid_unknown_fields=True):
    """No parameter is taken."""


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
        query: type[Struct] = NoQuery,
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
    try:
        return await _carry_out(operation, request)
    except (Failed, CallFailed) as error:
        raise problem_of(error) from None


async def _carry_out(operation: Operation, request: web.Request) -> web.StreamResponse:
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
    return fit(value, shape)
