"""Declares the API's operations: one declaration routes, validates and describes each of them."""

import functools
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from bot import jsontext
from bot import storage as store
from bot.domain.actors import Actor
from bot.domain.errors import Failed
from bot.github import CallFailed
from bot.github.names import NAME
from bot.services import SERVICES, Services
from bot.web import bodies
from bot.web.access import authenticate
from bot.web.conditions import Conditions
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
    "token_id": (r"[0-9a-fA-F-]{36}", "An API token's id, a UUID."),
    "session_id": (r"[0-9a-fA-F-]{36}", "A session's id, a UUID."),
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
    headers: dict[str, str] = field(default_factory=dict)  # of the answer, if all goes well

    @property
    def conditions(self) -> Conditions:
        return Conditions.of(self.request)

    @property
    def values(self) -> dict[str, Any]:
        """The fields of the body that are given, or have a default."""
        values: dict[str, Any] = msgspec.to_builtins(self.body)
        return values

    def path(self, name: str) -> str:
        return self.request.match_info[name]

    def id(self, name: str) -> str:
        """Return a UUID of the path, in which case does not matter."""
        return self.path(name).lower()

    async def page(
        self,
        length: int,
        job: Callable[[store.Transaction, store.Place | None, int], store.Part[Any]],
        item: Callable[[Any], Any],
        order: str = "",
    ) -> Page[Any]:
        """Return the part of a list that is asked for, as the API shows it.

        `job` gets the place that the cursor stands for, of `length` numbers, and how many rows.
        Cursors of one `order` are none of another.
        """
        name = self.list_name + order
        before = position_of(self.query.cursor, length, name)
        part = await self.services.database.read(lambda tx: job(tx, before, self.query.limit))
        return page_of(part, name, item)


class NoQuery(Struct, forbid_unknown_fields=True):
    """No parameter is taken."""


Handler = Callable[[Call], Awaitable[Any]]


@dataclass(eq=False)
class Operation:
    """What is declared of an operation; as a decorator it takes the function that carries it out,
    which returns the answer's body, or (status, body).

    `answers` maps a status to the type of its body, None for no body, a text for a content type of
    its own. Without a body one that `is_body_optional` has its defaults. `problems` are statuses
    beyond those that follow from the rest. `headers` has each header that is read, with the pattern
    of its value, if it has one, and what it means. `tagged` answers have an ETag.
    """

    resource: "Operations"
    method: str
    path: str
    _: KW_ONLY
    role: str
    summary: str
    answers: dict[int, Any]
    query: type[Struct] = NoQuery
    body: type[Struct] | None = None
    is_body_optional: bool = False
    problems: Sequence[int] = ()
    headers: Mapping[str, tuple[str | None, str]] = field(default_factory=dict)
    tagged: bool = False
    handler: Handler = field(init=False)

    def __call__(self, handler: Handler) -> Handler:
        self.handler = handler
        self.resource.listed.append(self)
        return handler


class Operations:
    """The operations of one resource."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.listed: list[Operation] = []
        self.add = functools.partial(Operation, self)

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
    body = None
    if operation.body and operation.is_body_optional and not request.can_read_body:
        body = operation.body()
    elif operation.body:
        body = await _read_body(request, operation.body)
        # Again: a revoked token could else have a slow body on its way at all times.
        actor = await authenticate(services, request, operation.role)
    call = Call(request, services, actor, operation.path, query, body)
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
    raw = await bodies.read(request, MAX_BODY)
    try:
        value = jsontext.parse(raw)
    except jsontext.InvalidJSON as error:
        raise Problem(400, "invalid JSON", f"The body cannot be read: {error}") from None
    return fit(value, shape)
