"""Builds the aiohttp application (routes, middlewares) and runs it from start to stop."""

import asyncio
import gc
import itertools
import math
import re
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from http import HTTPStatus

import click
from aiohttp import StreamReader, web
from multidict import CIMultiDictProxy
from structlog.contextvars import bind_contextvars, get_contextvars

from bot import commands, dashboard, handlers, listening, log, output, times, worker
from bot import storage as store
from bot.api import resources
from bot.connection import Answering, Shortcut
from bot.dashboard import errors
from bot.deliveries import door
from bot.deliveries.door import Sent
from bot.deliveries.refusals import Refusals
from bot.domain.passing import Passing
from bot.github import GitHub
from bot.log import logger
from bot.metrics import Metrics
from bot.services import REQUEST_ID, SERVICES, Services
from bot.settings import Settings
from bot.stopping import stop_event
from bot.web.operations import MAX_BODY
from bot.web.problems import Problem, unavailable
from bot.web.replies import Reply

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_RUN, _numbers = secrets.token_hex(8), itertools.count(1)  # of the ids that we give
_FAULT = "Something went wrong in the service; its log has the details under the X-Request-ID."
_HSTS = f"max-age={365 * 86_400}"  # of this host alone: others of the domain are not ours
_MIGRATED = 1.0  # seconds in which a database is mostly up to date, and nothing is shown
_MIGRATION_TICK = 0.2
_AGAIN_IN = 1.0  # seconds, after the server was away at the start
_SAID_EVERY = 5.0  # seconds in which it is said that it is waited for
_DETAILS = {
    404: "There is nothing at this address; see GET /api/v1/docs.",
    405: "This method is not allowed here; the Allow header lists those that are.",
}


async def open_services(
    settings: Settings, waits_until: Callable[[], asyncio.Event] | None = None
) -> Services:
    """Open what a process needs: the vault and the database, migrated; handlers and commands.

    With `waits_until`, a server that is away is waited for until what that returns is set, which
    ends the program. Raises SettingsError, StorageRefused, StorageUnavailable or VaultError.
    """
    vault = store.Vault(await asyncio.to_thread(store.secret_keys, settings))
    database = store.engine(settings.database_url, settings.database_listen_url)
    metrics = Metrics()
    output.count_lost(metrics.log_lines_lost.inc)
    github = GitHub(metrics, settings.github_api_urls)
    services = Services(settings, database, vault, metrics, github)
    for extended in (handlers.dispatcher, commands.registered):
        services.shared(extended)  # an extension that cannot be used ends the start here
    if waits_until is None:
        await _migrate(database, vault)
    else:
        await _migrate_when_there(database, vault, waits_until)
    await database.start()
    seen_at = await database.read(services.shared(Passing).begin)
    if seen_at is not None:
        times.clock.go_on_from(seen_at)
    return services


async def _migrate_when_there(
    database: store.Database, vault: store.Vault, waits_until: Callable[[], asyncio.Event]
) -> None:
    """Bring the schema up to date once the server is there; end the program if it is to stop."""
    said_at = -math.inf
    while True:
        try:
            return await _migrate(database, vault)
        except store.StorageUnavailable as error:
            reason = str(error)
        stop = waits_until()  # before it is said: who reads it may end the program
        if time.monotonic() > said_at + _SAID_EVERY:
            logger.warning("waiting for the database", reason=reason)
            said_at = time.monotonic()
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _AGAIN_IN)
        if stop.is_set():
            logger.info("stopping")
            raise SystemExit(0)


async def _migrate(database: store.Database, vault: store.Vault) -> None:
    """Bring the schema up to date; raises StorageRefused or VaultError.

    A large database of an earlier version takes a while: then its steps are shown, and logged.
    """
    done, total = 0, 0

    def note(step: int, steps: int) -> None:
        nonlocal done, total
        done, total = step, steps

    def bind(integration_id: str, sealed: str) -> str:
        return vault.bind(sealed, store.integrations.about(integration_id))

    work = asyncio.create_task(asyncio.to_thread(database.migrate, note, bind))
    await asyncio.wait({work}, timeout=_MIGRATED)
    while not work.done() and not total:  # it is not the first, or there is no server yet
        await asyncio.wait({work}, timeout=_MIGRATION_TICK)
    if work.done():
        return await work
    logger.info("bringing the database up to date", schema=store.schema.VERSION, steps=total)
    label = f"Bringing the database to schema {store.schema.VERSION}"
    with click.progressbar(length=total, label=label, file=sys.stderr) as bar:
        while not work.done():
            bar.update(done - bar.pos)
            await asyncio.wait({work}, timeout=_MIGRATION_TICK)
        bar.update(done - bar.pos)
    await work
    logger.info("database up to date", schema=store.schema.VERSION)


def application(services: Services) -> web.Application:
    app = web.Application(middlewares=[_around], client_max_size=MAX_BODY)
    app[SERVICES] = services
    app[listening.SHORTCUT] = _shortcut(services)
    app.on_response_prepare.append(_add_headers)
    app.on_shutdown.append(_end_streams)
    app.on_cleanup.append(_keep_refusals)
    app.router.add_routes(door.routes())
    app.router.add_routes(resources.routes(services.settings))
    app.router.add_routes(dashboard.application_routes())
    return app


async def serve(
    services: Services,
    *,
    with_worker: bool,
    on_start: Callable[[], None] | None = None,
    supervised: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT; then stop accepting, finish what is in hand, and return.

    `on_start` is called once connections are accepted. A `supervised` process shares its port
    with others. Raises OSError if the address is taken.
    """
    settings = services.settings
    stop = stop_event(supervised=supervised)
    listening.raise_file_limit()
    sock = listening.bound_socket(settings.host, settings.port, reuse_port=supervised)
    runner = await listening.listen(application(services), sock)
    working = worker.Worker(services) if with_worker else None
    _spare_the_collector()
    logger.info("listening", host=settings.host, port=settings.port, worker=with_worker)
    if on_start is not None:
        on_start()
    await stop.wait()
    logger.info("stopping")
    await runner.cleanup()
    if working is not None:
        await working.stop()


def _spare_the_collector() -> None:
    """Let the garbage collector look seldom, and never again at what has been there from the start.

    A delivery makes some hundred objects that live as long as its batch: looked at each time, they
    cost up to a seventh of it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


async def check_secrets(services: Services) -> None:
    """Raise VaultError at the start, rather than at the first delivery, if a key is missing."""
    for integration_id, sealed in await services.database.read(store.integrations.all_secrets):
        services.vault.open(sealed, store.integrations.about(integration_id))


def _shortcut(services: Services) -> Shortcut:
    """Return what leads deliveries to the door: routes and middlewares cost more than the rest."""

    def shortcut(path: str) -> Answering | None:
        integration_id = door.integration_of(path)
        return partial(_deliver, services, path, integration_id) if integration_id else None

    return shortcut


async def _deliver(
    services: Services,
    path: str,
    integration_id: str,
    headers: CIMultiDictProxy[str],
    body: StreamReader,
) -> Reply:
    """Answer a delivery as `_around` and the route of the door would."""
    request_id = _request_id(headers)
    try:
        reply = await door.answer(services, Sent(headers, body), integration_id, request_id)
    except Exception:
        reply = _fault(path, request_id).reply()
    return Reply(reply.status, reply.body, {**reply.headers, **_headers(services, request_id)})


@web.middleware
async def _around(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Give the request an id, turn every exception into a problem, measure and log."""
    started = time.perf_counter()
    request[REQUEST_ID] = _request_id(request.headers)
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "none"
    if route != door.PATH:  # which binds what its lines tell, and only those but the last
        bind_contextvars(request=request[REQUEST_ID])
    response: web.StreamResponse
    try:
        response = await handler(request)
    except Problem as problem:
        response = await _answer(request, problem)
    except web.HTTPException as error:
        response = await _answer(request, _problem_of(error))
    except store.StorageUnavailable as error:
        logger.warning("storage unavailable", request=request[REQUEST_ID], reason=str(error))
        response = await _answer(request, unavailable(error))
    except Exception:
        response = await _answer(request, _fault(request.path, request[REQUEST_ID]))
    if route != door.PATH:
        _account(request, route, response.status, time.perf_counter() - started)
    return response


def _request_id(headers: Mapping[str, str]) -> str:
    """Return the id that a request came with, else one that we give it."""
    given = headers.get("X-Request-ID", "")
    return given if _REQUEST_ID.fullmatch(given) else f"{_RUN}-{next(_numbers):x}"


def _fault(path: str, request_id: str) -> Problem:
    """Log the exception that is being handled, and return what is answered to it."""
    logger.exception("request failed", request=request_id, path=path)
    return Problem(500, "internal error", _FAULT)


async def _answer(request: web.Request, problem: Problem) -> web.Response:
    """Return a problem as whoever asks can read it: a page for a browser, else JSON."""
    if errors.wanted(request):
        try:
            return await errors.generic(request, problem)
        except Exception:  # a fault in what all pages share must not hide the first one
            logger.exception("no page for the problem", request=request[REQUEST_ID])
    return problem.response()


def _account(request: web.Request, route: str, status: int, seconds: float) -> None:
    request.config_dict[SERVICES].metrics.count_request(request.method, route, status, seconds)
    fields = {
        "method": request.method,
        "path": request.path,
        "status": status,
        "ms": round(seconds * 1000, 2),
    }
    # Of what was refused, and so changed nothing, not every line is worth its room.
    kind = f"request {status}" if 400 <= status < 500 or status == 503 else None
    log.line("request", {**get_contextvars(), **fields}, kind=kind)


def _problem_of(error: web.HTTPException) -> Problem:
    detail = _DETAILS.get(error.status, "Check the request against GET /api/v1/docs.")
    headers = {name: error.headers[name] for name in ("Allow", "Location") if name in error.headers}
    return Problem(error.status, HTTPStatus(error.status).phrase.lower(), detail, headers=headers)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    services = request.config_dict[SERVICES]
    response.headers.update(_headers(services, request.get(REQUEST_ID, "")))


def _headers(services: Services, request_id: str) -> dict[str, str]:
    """Return what every answer has."""
    return {"X-Request-ID": request_id, **services.shared(_same_headers)}


def _same_headers(services: Services) -> dict[str, str]:
    headers = {"X-Content-Type-Options": "nosniff", "Server": "experiment-bot"}
    if services.settings.public_url.startswith("https:"):
        headers["Strict-Transport-Security"] = _HSTS
    return headers


async def _end_streams(app: web.Application) -> None:
    for task in list(app[SERVICES].open_streams):
        task.cancel()


async def _keep_refusals(app: web.Application) -> None:
    await app[SERVICES].shared(Refusals).close()
