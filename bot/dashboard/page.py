"""Declares pages and forms: who may see them, what a handler is given, how an answer is made."""

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from aiohttp import web

from bot import extensions
from bot import storage as store
from bot.dashboard import errors, origin, rendering, sessions
from bot.dashboard.forms import Refusal
from bot.dashboard.sessions import Session
from bot.domain.actors import Actor
from bot.domain.errors import Failed
from bot.github import CallFailed
from bot.log import logger
from bot.services import SERVICES, Services
from bot.web import bodies
from bot.web.cursors import Page, page_of, position_of
from bot.web.operations import aiohttp_path
from bot.web.problems import Problem, expect, problem_of, unavailable

MAX_FORM = 256 * 1024
MAX_PATH = 2_000  # of an address to go back to: it has to fit into a cookie
_MAX_FIELDS = 200
T = TypeVar("T")


@dataclass(slots=True)
class Visit:
    """A request of somebody who is signed in, and the means to answer it."""

    request: web.Request
    services: Services
    session: Session
    form: dict[str, str] = field(default_factory=dict)  # of a POST; white space trimmed

    @property
    def actor(self) -> Actor:
        return self.session.actor

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query

    def asked(self, *names: str) -> dict[str, str]:
        """Return those of the address's parameters that are not empty."""
        return {name: text for name in names if (text := self.query.get(name))}

    def path(self, name: str) -> str:
        return self.request.match_info[name]

    async def read(self, job: Callable[[store.Transaction], T]) -> T:
        return await self.services.database.read(job)

    def position(self, length: int, path: str, name: str = "cursor") -> tuple[int, ...] | None:
        """Return the place in the list of the page at `path` that a parameter stands for."""
        return position_of(self.query.get(name) or None, length, f"page {path}")

    def page(self, part: store.Part[Any], path: str, item: Callable[[Any], T]) -> Page[T]:
        """Return a part of the list of the page at `path` as it is shown."""
        return page_of(part, f"page {path}", item)

    def render(
        self,
        template: str,
        *,
        status: int = 200,
        problem: Refusal | None = None,
        **values: Any,
    ) -> web.Response:
        """Return a page; with a `problem` it is the answer to a form that was refused."""
        return rendering.page(
            self.request,
            template,
            status=problem.status if problem else status,
            session=self.session,
            problem=problem,
            **values,
        )

    def to(
        self, path: str, notice: str | None = None, *, kind: str = "success", **query: str
    ) -> web.Response:
        """Send the visitor on after a form, with a notice that the next page shows once.

        `kind` is `success`, or `warning` or `error` where not all, or nothing, went well.
        """
        if notice is not None:
            query["notice"] = sessions.sign_notice(self.services.vault, notice, kind)
        return redirect(self.services, path, query)


Handler = Callable[[Visit], Awaitable[web.StreamResponse]]
H = TypeVar("H", bound=Handler)
RequestHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# What somebody is shown who is not signed in; None leads to the sign-in, as anywhere else.
Open = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


class _Declared(NamedTuple):
    method: str
    path: str
    handler: RequestHandler


class OpenPages:
    """Pages for those who are not signed in: plain handlers of requests."""

    def __init__(self) -> None:
        self.declared: list[_Declared] = []

    def add(self, method: str, path: str) -> Callable[[RequestHandler], RequestHandler]:
        def register(handler: RequestHandler) -> RequestHandler:
            self.declared.append(_Declared(method, path, handler))
            return handler

        return register


class Pages(OpenPages):
    """The pages of one subject, for those who are signed in. Path parameters are the API's."""

    def get(
        self, path: str, *, role: str = "viewer", open_to_all: Open | None = None
    ) -> Callable[[H], H]:
        """Register a page. `open_to_all` answers who is not signed in, if there is an answer."""
        return self._declare("GET", path, role, open_to_all)

    def post(self, path: str, *, role: str) -> Callable[[H], H]:
        """Register what a form does: it has been proved to come from a page of the session."""
        return self._declare("POST", path, role)

    def _declare(
        self, method: str, path: str, role: str, open_to_all: Open | None = None
    ) -> Callable[[H], H]:
        def register(handler: H) -> H:
            self.add(method, path)(_serving(path, role, handler, open_to_all))
            return handler

        return register


def application_routes() -> list[web.RouteDef]:
    """Return the routes of every module of this package, and of the static files."""
    routes = [web.get("/static/{digest}/{name}", rendering.static, expect_handler=expect)]
    for pages in extensions.instances(extensions.modules_of("bot.dashboard"), OpenPages):
        for method, path, handler in pages.declared:
            routes.append(
                web.route(method, aiohttp_path(path), _explaining(handler), expect_handler=expect)
            )
    return routes


def redirect(services: Services, path: str, query: Mapping[str, str] | None = None) -> web.Response:
    """Send a browser to a page of ours."""
    address = rendering.root(services) + path + (f"?{urlencode(query)}" if query else "")
    return web.Response(status=303, headers={"Location": address, "Cache-Control": "no-store"})


def lead_away(address: str) -> web.Response:
    """Send a browser to GitHub, which learns nothing of the address that it comes from."""
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return web.Response(status=303, headers={"Location": address, **headers})


async def read_form(request: web.Request) -> dict[str, str]:
    """Return the fields of a posted form, trimmed; raises Problem for what is none."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Problem(415, "unsupported content type", "This address accepts the form of its page.")
    raw = await bodies.read(request, MAX_FORM)
    try:
        fields = parse_qs(raw.decode("utf-8"), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise Problem(400, "broken form", "The form could not be read. Send it again.") from None
    return {name: values[-1].strip() for name, values in fields.items()}


def _serving(path: str, role: str, handler: Handler, open_to_all: Open | None) -> RequestHandler:
    async def serve(request: web.Request) -> web.StreamResponse:
        services = request.config_dict[SERVICES]
        by_itself = "X-Live" in request.headers or path == "/live"
        session = await _session(request, role, note=not by_itself)
        if session is None:
            if path == "/live":  # what is no stream ends it, and this without a complaint
                return web.Response(status=204, headers={"Cache-Control": "no-store"})
            if open_to_all and (page := await open_to_all(request)) is not None:
                return page
            if request.method == "GET":
                back = local_path(request.path_qs) if request.path != "/" else ""
                return redirect(services, "/sign-in", {"next": back} if back else None)
            raise _signed_out()
        visit = Visit(request, services, session)
        if request.method == "POST":
            visit.form = await read_form(request)
            # Asked again: who is thrown out could else have a slow form on its way at all times.
            if await _session(request, role, note=False) is None:
                raise _signed_out()
            given = visit.form.pop("csrf", "")
            if not hmac.compare_digest(given.encode(), session.csrf.encode()):
                raise Problem(
                    403,
                    "not from here",
                    "The form did not come from a page of this session, so nothing was done. Go "
                    "back, reload the page and try again.",
                )
        return await handler(visit)

    return serve


async def _session(request: web.Request, role: str, *, note: bool) -> Session | None:
    """Return the session of a request, None if there is none; raises Problem for one of less."""
    session = await sessions.of_request(request, note=note)
    if session is not None and not session.actor.may(role):
        said = f"This requires the {role} role; you are {session.actor.role}."
        raise Problem(403, "forbidden", said)
    return session


def _signed_out() -> Problem:
    return Problem(401, "signed out", "The session has ended. Sign in again.")


def _explaining(handler: RequestHandler) -> RequestHandler:
    """Take no form of another site, and let problems be pages for people."""

    async def explained(request: web.Request) -> web.StreamResponse:
        try:
            if "\0" in request.path or any("\0" in text for text in request.query.values()):
                raise Problem(422, "invalid address", "An address cannot contain U+0000.")
            if request.method == "POST":
                origin.check(request)
            return await handler(request)
        except Problem as problem:
            found = problem
        except (Failed, CallFailed) as failed:
            found = problem_of(failed)
        except store.StorageUnavailable as error:
            logger.warning("storage unavailable", reason=str(error))
            found = unavailable(error)
        return await errors.page_of(request, found)

    return explained


def address(path: str, **query: str | int | Sequence[str] | None) -> str:
    """Return a path with a query string of what is given; several values stand one by one."""
    given = {name: value for name, value in query.items() if value not in (None, "", ())}
    return quote(path) + (f"?{urlencode(given, doseq=True)}" if given else "")


def local_path(text: str) -> str:
    """Return an address to go back to if it leads to a page of ours, else nothing."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    is_ours = (
        text.startswith("/")
        and not text.startswith("//")
        and not (parts.scheme or parts.netloc)
        and text.isprintable()
        and "\\" not in text
        and len(text) <= MAX_PATH
    )
    return text if is_ours else ""
