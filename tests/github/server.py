"""The stand-in itself: it listens, answers and fails as told."""

import asyncio
import contextlib
import hashlib
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from tests.github import graphql, search  # noqa: F401 - routes of the search
from tests.github.checks import Checks
from tests.github.codeload import BELOW, Archives
from tests.github.comments import Comments
from tests.github.compare import Commits
from tests.github.faults import Fault
from tests.github.hooks import Hooks
from tests.github.limits import Limits, resource_of
from tests.github.log import Log
from tests.github.model import Clock, Credential, Request
from tests.github.permissions import Permissions, scope_headers
from tests.github.routes import ROUTES, Answer, Call, Failure, match_route, not_found
from tests.github.schema import API_VERSION, check_body, check_headers, check_query, operations
from tests.github.values import GRAPHQL, RAW

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HUGE = 50 * 1024 * 1024
_STEP = 0.02  # seconds between looks at a connection that is held


class GitHub(Comments, Checks, Commits, Archives, Hooks, Limits, Permissions, Log):
    """The stand-in itself. `clock` tells its time and may be replaced at any moment.

    Archives come from an origin of their own, `codeload`, which is another port, or a part of
    this one at an Enterprise Server.
    """

    _runners: list[web.AppRunner]

    @classmethod
    async def start(cls, *, prefix: str = "", clock: Clock = time.time, port: int = 0) -> "GitHub":
        """Start it on 127.0.0.1; with a prefix such as /api/v3 it is an Enterprise Server."""
        github = cls(prefix, clock)
        github._runners = []
        bound = await github._listen(github._handle, port)
        github.url = f"http://127.0.0.1:{bound}{prefix}"
        github.web_url = f"http://127.0.0.1:{bound}" if prefix else "https://github.com"
        github.codeload.url = github.web_url + BELOW
        if not prefix:
            other = await github._listen(github._send_archive, 0)
            github.codeload.url = f"http://127.0.0.1:{other}"
        return github

    async def _listen(self, handler: Handler, port: int) -> int:
        """Answer requests at a port of 127.0.0.1, a free one if it is 0; return it."""
        app = web.Application(client_max_size=HUGE)
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", port).start()
        bound: int = runner.addresses[0][1]
        return bound

    async def close(self) -> None:
        self._closing = True
        for task in self._tasks:
            task.cancel()
        for runner in self._runners:
            await runner.cleanup()

    def fail(self, fault: Fault) -> Fault:
        """Add a fault; the first of those that fit befalls a request."""
        self._faults.append(fault)
        return fault

    def heal(self) -> None:
        """End all faults."""
        self._faults.clear()
        self.down = False

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith(f"{BELOW}/"):
            return await self._send_archive(request)
        entry, arguments = self._log(request, await request.read())
        try:
            return await self._respond(request, entry, arguments)
        finally:
            entry.ended = entry.ended or time.monotonic()

    def _log(self, request: web.Request, content: bytes) -> tuple[Request, dict[str, str]]:
        wall = time.monotonic()
        path = request.raw_path.partition("?")[0]
        is_query = path == graphql.path_of(self.prefix)
        path = "/graphql" if is_query else path.removeprefix(self.prefix)
        template, arguments = match_route(request.method, self._usual_path(path))
        if template == GRAPHQL and not is_query:
            template = None
        try:
            body = json.loads(content) if content else None
        except ValueError:
            body = content.decode(errors="replace")
        headers = CIMultiDict(request.headers)
        headers.popall("Authorization", None)
        entry = Request(
            self.clock(),
            wall,
            request.method,
            path,
            template,
            dict(request.query),
            body,
            headers,
            self._label(request),
        )
        self.requests.append(entry)
        return entry, arguments

    def _usual_path(self, path: str) -> str:
        """Return a path of /repositories/ID as one of /repos/OWNER/NAME."""
        found = re.fullmatch(r"/repositories/([0-9]+)(/.*)?", path)
        if found is None:
            return path
        for repo in self.repositories.values():
            if repo.id == int(found[1]):
                return f"/repos/{repo.full_name}{found[2] or ''}"
        return f"/repos/-/{found[1]}{found[2] or ''}"

    async def _respond(
        self, request: web.Request, entry: Request, arguments: dict[str, str]
    ) -> web.StreamResponse:
        if self.down is True:
            return self._drop(request)
        if self.down:
            body = {"message": "Service unavailable"}
            return await self._send(request, entry, Answer(int(self.down), body))
        problems = self._check(request, entry)
        self.violations += [f"{entry.method} {entry.path}: {one}" for one in problems]
        fault = next((one for one in self._faults if one.takes(entry.template)), None)

        def perform() -> Answer:
            return self._perform(request, entry, arguments, problems)

        if fault is None:
            return await self._finish(request, entry, perform())
        return await self._fail(request, entry, fault, perform)

    async def _fail(
        self,
        request: web.Request,
        entry: Request,
        fault: Fault,
        perform: Callable[[], Answer],
    ) -> web.StreamResponse:
        """Do what a fault says with a request."""
        failed = Answer(fault.status, fault.body or {"message": "Server Error"}, fault.headers)
        match fault.kind:
            case "status":  # nothing done
                return await self._finish(request, entry, failed)
            case "status_after":  # done, but the answer says otherwise
                failed.events = perform().events
                return await self._finish(request, entry, failed)
            case "timeout_before":  # nothing done and no answer
                await self._hold(request, entry, fault.seconds)
                return self._drop(request)
            case "timeout_after":  # done, no answer
                await self._finish_silently(perform())
                await self._hold(request, entry, fault.seconds)
                return self._drop(request)
            case "late":  # done in the end, whether or not the client still waits
                await self._hold(request, entry, fault.seconds, to_the_end=True)
                if self._closing:
                    return self._drop(request)
                return await self._finish(request, entry, perform())
            case "slow":  # done, answered after a while
                answer = perform()
                await self._hold(request, entry, fault.seconds)
                return await self._finish(request, entry, answer)
            case "drop_before":  # nothing done, the connection closed
                return self._drop(request)
            case "drop_after":  # done, the connection closed
                await self._finish_silently(perform())
                return self._drop(request)
            case "garbage":
                page = "<!DOCTYPE html><html><body>Unicorn!</body></html>"
                return await self._finish(request, entry, Answer(200, page, fault.headers))
            case "huge":
                return await self._send_huge(request, entry)
            case "redirect_loop":
                where = {"Location": f"{self.url}{entry.path}"}
                return await self._finish(request, entry, Answer(self.redirect_status, {}, where))
            case "redirect_away":
                away = Answer(self.redirect_status, {}, fault.headers)
                return await self._finish(request, entry, away)
        raise ValueError(f"no such kind of fault: {fault.kind}")

    async def _hold(
        self, request: web.Request, entry: Request, seconds: float, to_the_end: bool = False
    ) -> None:
        """Wait, by real time, unless the client goes or this GitHub closes."""
        until = time.monotonic() + seconds
        while not self._closing and (left := until - time.monotonic()) > 0:
            if entry.ended is None and _has_gone(request):
                entry.ended = time.monotonic()
                if not to_the_end:
                    return
            await asyncio.sleep(min(_STEP, left))

    def _drop(self, request: web.Request) -> web.Response:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _finish_silently(self, answer: Answer) -> None:
        if self.deliver_before_answer:
            await self._deliver(answer.events)
        else:
            self._deliver_later(answer.events)

    async def _finish(
        self, request: web.Request, entry: Request, answer: Answer
    ) -> web.StreamResponse:
        if self.deliver_before_answer:
            await self._deliver(answer.events)
        try:
            return await self._send(request, entry, answer)
        finally:
            if not self.deliver_before_answer:
                self._deliver_later(answer.events)

    async def _send(
        self, request: web.Request, entry: Request, answer: Answer
    ) -> web.StreamResponse:
        response = web.Response(status=answer.status, headers={**self._headers(), **answer.headers})
        if isinstance(answer.body, str):
            response.body, response.content_type = answer.body.encode(), "text/html"
        elif isinstance(answer.body, bytes):
            response.body, response.content_type = answer.body, RAW[0]
        elif answer.status not in (204, 304):
            response.body = json.dumps(answer.body, ensure_ascii=False).encode()
            response.content_type, response.charset = "application/json", "utf-8"
        entry.status, entry.ended = answer.status, entry.ended or time.monotonic()
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            await response.write_eof()
        return response

    async def _send_huge(self, request: web.Request, entry: Request) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={**self._headers(), "Content-Type": "application/json; charset=utf-8"}
        )
        entry.status = 200
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            await response.write(b"[")
            for _ in range(HUGE // 2**20):
                await response.write(b" " * 2**20)
            await response.write(b"]")
            await response.write_eof()
        return response

    def _headers(self) -> dict[str, str]:
        return {
            "Date": formatdate(self.clock(), usegmt=True),
            "Server": "github.com",
            "X-GitHub-Media-Type": "github.v3; format=json",
            "X-GitHub-Request-Id": secrets.token_hex(8).upper(),
            "x-github-api-version-selected": API_VERSION,
        }

    def _check(self, request: web.Request, entry: Request) -> list[str]:
        problems = check_headers(request, entry)
        known = operations()
        if entry.template == GRAPHQL:  # none of the REST operations
            return problems
        if not request.raw_path.startswith(f"{self.prefix}/"):
            problems.append(f"not below {self.prefix}")
        if known and entry.template not in known:
            return [*problems, "no operation that is known"]
        if isinstance(entry.body, str):
            problems.append("the body is no JSON")
        elif known:
            problems += check_query(entry, known[entry.template or ""])
            problems += check_body(entry, known[entry.template or ""])
        return problems

    def _perform(
        self,
        request: web.Request,
        entry: Request,
        arguments: dict[str, str],
        problems: list[str],
    ) -> Answer:
        """Do what a request asks for and return the answer, whatever it is."""
        credential = Credential("none", "none")
        call: Call | None = None
        resource = resource_of(entry.template)
        try:
            if problems and entry.template is not None:
                raise Failure(422, f"Validation Failed: {'; '.join(problems)}"[:500])
            credential = self._authenticate(request)
            self._spend(credential, resource, entry)
            call = self._admit(entry, arguments, credential)
            answer = call.route.handler(call)
            answer.body = _without(answer.body, self.left_out)
            if answer.status < 300 and call.used is not None:
                self.permissions_used.add(call.used)
        except Failure as failure:
            answer = failure.answer
        answer.headers = {**answer.headers, **scope_headers(credential, entry.template, call)}
        if entry.method == "GET" and answer.status == 200:
            answer = self._conditional(request, answer, credential, resource)
        return self._with_limit(answer, credential, resource)

    def _conditional(
        self, request: web.Request, answer: Answer, credential: Credential, resource: str
    ) -> Answer:
        """Return 304, which is free, if the client has this very answer."""
        # As at GitHub, no other credential's answer has the same one.
        who = request.headers.get("Authorization")
        content = repr([answer.body, answer.headers.get("Link"), who])
        etag = f'W/"{hashlib.sha256(content.encode()).hexdigest()}"'
        headers = {**answer.headers, "ETag": etag, "Cache-Control": "private, max-age=60"}
        if request.headers.get("If-None-Match") != etag:
            return Answer(200, answer.body, headers)
        if resource != "none":
            self._limit(credential.label, resource).remaining += 1
        return Answer(304, None, headers)

    def _admit(self, entry: Request, arguments: dict[str, str], credential: Credential) -> Call:
        """Return the call that a request is, if its credential may make it."""
        found = ROUTES.get(entry.template or "")
        if found is None:
            raise not_found()
        body = entry.body if isinstance(entry.body, dict) else {}
        path = self._usual_path(entry.path)
        accept = entry.headers.get("Accept", "")
        call = Call(self, found, credential, arguments, entry.query, body, path, accept=accept)
        self._admit_kind(found, credential)
        if "repo" in arguments:
            call.repository = self._find_repository(entry, arguments, credential)
            if found.who == "repository":
                self._admit_to_repository(call)
        return call


def _without(body: Any, names: set[str]) -> Any:
    """Return an answer without fields of some names, wherever they stand."""
    if isinstance(body, dict) and names:
        return {name: _without(one, names) for name, one in body.items() if name not in names}
    return [_without(one, names) for one in body] if isinstance(body, list) and names else body


def _has_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()
