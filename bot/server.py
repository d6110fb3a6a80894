"""Builds the aiohttp application (routes, middlewares) and runs it from start to stop."""

import asyncio
import itertools
import re
import secrets
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from bot import commands, dashboard, handlers, webhook, worker
from bot import storage as store
from bot.api import (
    actions,
    activity,
    checks,
    deliveries,
    experiments,
    integrations,
    linking,
    links,
    openapi,
    service,
)
from bot.api import commands as api_commands
from bot.api.problems import Problem, unavailable
from bot.api.routing import MAX_BODY
from bot.dashboard import errors
from bot.github import GitHub
from bot.log import logger
from bot.metrics import Metrics
from bot.services import REQUEST_ID, SERVICES, Services
from bot.settings import Settings

RESOURCES = (
    experiments,
    links,
    linking,
    activity,
    integrations,
    checks,
    deliveries,
    actions,
    api_commands,
)
SHUTDOWN_SECONDS = 4.0  # for requests in hand when the service is told to stop
_IDLE_SECONDS = 75.0  # how long a connection may sit without (the rest of) a request's headers
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_RUN, _numbers = secrets.token_hex(8), itertools.count(1)  # of the ids that we give
_DETAILS = {
    404: "There is nothing at this address; GET /api/v1/docs lists what there is.",
    405: "This address does not take this method; the Allow header lists those it takes.",
}


async def open_services(settings: Settings) -> Services:
    """Open what a process needs: the vault and the database, migrated; handlers and commands.

    Raises SettingsError, StorageRefused or VaultError.
    """
    dispatcher = handlers.dispatcher(settings.extensions)
    all_commands = commands.load(settings.extensions)
    keys = await asyncio.to_thread(store.secret_keys, settings)
    database = store.engine(settings.database_url)
    await asyncio.to_thread(database.migrate)
    await database.start()
    metrics = Metrics()
    github = GitHub(metrics, settings.github_api_urls)
    return Services(
        settings, database, store.Vault(keys), dispatcher, all_commands, metrics, github
    )


def application(services: Services) -> web.Application:
    """Return the web application."""
    app = web.Application(middlewares=[_around], client_max_size=MAX_BODY)
    app[SERVICES] = services
    app.on_response_prepare.append(_add_headers)
    app.on_shutdown.append(_end_streams)
    app.router.add_post(webhook.PATH, webhook.receive, expect_handler=webhook.expect)
    operations = [operation for one in RESOURCES for operation in one.operations.listed]
    for resource in RESOURCES:
        app.router.add_routes(resource.operations.routes())
    app.router.add_routes(service.routes(openapi.describe(operations, services.settings)))
    app.router.add_routes(dashboard.application_routes())
    return app


async def serve(
    services: Services,
    *,
    with_worker: bool,
    on_start: Callable[[], None],
    supervised: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT; then stop accepting, finish what is in hand, and return.

    `on_start` is called once connections are accepted. A `supervised` process shares its port
    with others, and stops too when its supervisor, at the other end of its standard input, is
    gone. Raises OSError if the address is taken.
    """
    settings = services.settings
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if supervised:
        loop.add_reader(sys.stdin.fileno(), stop.set)
    sock = listening_socket(settings.host, settings.port, reuse_port=supervised)
    runner = await listen(services, sock)
    working = worker.Worker(services) if with_worker else None
    logger.info("listening", host=settings.host, port=settings.port, worker=with_worker)
    on_start()
    await stop.wait()
    logger.info("stopping")
    await runner.cleanup()
    if working is not None:
        await working.stop()


async def check_secrets(services: Services) -> None:
    """Raise VaultError at the start, rather than at the first delivery, if a key is missing."""

    def job(tx: store.Transaction) -> None:
        for sealed in store.integrations.all_secrets(tx):
            services.vault.open(sealed)

    await services.database.read(job)


async def listen(services: Services, sock: socket.socket) -> web.AppRunner:
    """Accept connections on `sock`; `cleanup()` of what is returned ends it."""
    runner = _Runner(
        application(services),
        access_log=None,
        keepalive_timeout=_IDLE_SECONDS,
        shutdown_timeout=SHUTDOWN_SECONDS,
        auto_decompress=False,
    )
    await runner.setup()
    await web.SockSite(runner, sock, backlog=1024).start()
    return runner


def listening_socket(host: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """Return a socket bound to an address; raises OSError. Port 0 takes a free one.

    With `reuse_port` several processes may listen there, and the kernel spreads connections.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


@web.middleware
async def _around(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Give the request an id, turn every exception into a problem, measure and log."""
    started = time.perf_counter()
    given = request.headers.get("X-Request-ID", "")
    request[REQUEST_ID] = given if _REQUEST_ID.fullmatch(given) else f"{_RUN}-{next(_numbers):x}"
    response: web.StreamResponse
    try:
        response = await handler(request)
    except Problem as problem:
        response = await _answer(request, problem)
    except web.HTTPException as error:
        response = await _answer(request, _problem_of(error))
    except store.StorageUnavailable as error:
        logger.warning("storage unavailable", request=request[REQUEST_ID], reason=str(error))
        response = await _answer(request, unavailable())
    except Exception:
        logger.exception("request failed", request=request[REQUEST_ID], path=request.path)
        fault = "This is a fault of the service; its log has more under the X-Request-ID."
        response = await _answer(request, Problem(500, "internal error", fault))
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "none"
    if route != webhook.PATH:
        _account(request, route, response.status, time.perf_counter() - started)
    return response


async def _answer(request: web.Request, problem: Problem) -> web.Response:
    """Return a problem as whoever asks can read it: a page for a browser, else JSON."""
    if errors.wanted(request):
        try:
            return await errors.generic(request, problem)
        except Exception:  # a fault in what all pages share must not hide the first one
            logger.exception("no page for the problem", request=request[REQUEST_ID])
    return problem.response()


def _account(request: web.Request, route: str, status: int, seconds: float) -> None:
    metrics = request.config_dict[SERVICES].metrics
    metrics.requests.labels(request.method, route, str(status)).inc()
    metrics.request_seconds.observe(seconds)
    logger.info(
        "request",
        method=request.method,
        path=request.path,
        status=status,
        ms=round(seconds * 1000, 2),
        request=request[REQUEST_ID],
    )


def _problem_of(error: web.HTTPException) -> Problem:
    detail = _DETAILS.get(error.status, "Check the request against GET /api/v1/docs.")
    headers = {name: error.headers[name] for name in ("Allow", "Location") if name in error.headers}
    return Problem(error.status, HTTPStatus(error.status).phrase.lower(), detail, headers=headers)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Request-ID"] = request.get(REQUEST_ID, "")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Server"] = "experiment-bot"


async def _end_streams(app: web.Application) -> None:
    for task in list(app[SERVICES].open_streams):
        task.cancel()


class _Protocol(RequestHandler):
    """Answers what is not even HTTP with a problem too, and without a traceback in the log."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        """Take the rest of a body also while closing; aiohttp would drop it."""
        closing = self._close, self._force_close
        if self._current_request is not None:
            self._close = self._force_close = False
        super().data_received(data)
        self._close, self._force_close = self._close or closing[0], self._force_close or closing[1]

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if status >= 500:
            logger.error("connection failed", exc_info=exc)
        else:
            logger.info("request refused", status=status, remote=request.remote)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun")
        detail = "The request is not HTTP/1.1 as this service reads it (line and header limits: "
        problem = Problem(
            status, "malformed request", f"{detail}{self.max_field_size} bytes each)."
        )
        response = problem.response()
        response.force_close()
        return response


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class _Runner(web.AppRunner):
    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = _Server  # aiohttp offers no other way to name the protocol
        return server
