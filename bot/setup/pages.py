"""The pages of `/setup`: post the manifest to GitHub, take its answer, go on to install.

https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
"""

import asyncio
import json
import math
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from bot import storage as store
from bot import times
from bot.api.routing import authenticate
from bot.dashboard import rendering, sessions
from bot.dashboard.page import to_sign_in
from bot.dashboard.sessions import Session
from bot.domain import integrations
from bot.github.failures import CallFailed, Limited, Refused
from bot.github.names import web_origin
from bot.handlers import dispatcher
from bot.log import logger
from bot.services import Services
from bot.setup import manifest
from bot.web.problems import expect

STATE_SECONDS = 3600  # GitHub's codes hold as long
_PURPOSE = "register an App"  # tells a state from all else that the vault seals
_ORGANIZATION = re.compile(r"[A-Za-z0-9-]{1,39}")
_CODE = re.compile(r"[A-Za-z0-9_-]{1,200}")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_START = [("Start again", "/setup")]


class State(Struct):
    """What goes to GitHub and comes back sealed: which registration this is, and whose."""

    purpose: str
    integration_id: str
    api_url: str
    organization: str
    token_id: str
    actor: str
    until: str  # as microseconds


class Registered(Struct):
    """What GitHub answers for a code, as far as it is used."""

    id: Annotated[int, Meta(ge=1, le=2**53)]
    pem: Annotated[str, Meta(min_length=1)]
    webhook_secret: Annotated[str, Meta(min_length=1)]
    name: str = ""
    slug: str | None = None
    html_url: str = ""
    client_id: str | None = None
    client_secret: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which App is to be registered, and where."""

    api_url: str
    organization: str
    name: str
    errors: tuple[str, ...]


def application(services: Services) -> web.Application:
    """Return the sub-application."""
    setup = Setup(services)
    app = web.Application(middlewares=[setup.without_storage])
    app.router.add_get("", setup.form, expect_handler=expect)
    app.router.add_get("/callback", setup.callback, expect_handler=expect)
    return app


class Setup:
    """The handlers of `/setup`, and what they keep from one request to the next."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._exchanging = asyncio.Lock()  # a page loaded twice waits for what became of it
        self._template = manifest.template(services.shared(dispatcher).events)

    # --- Pages

    async def form(self, request: web.Request) -> web.StreamResponse:
        """Show the form that posts the manifest to GitHub."""
        session = None
        if "Authorization" in request.headers:
            actor = await authenticate(self._services, request, "admin")
        else:
            session = await sessions.of_request(self._services, request)
            if session is None:
                return to_sign_in(request)
            actor = session.actor
            if actor.role != "admin":
                return self._message(
                    request,
                    403,
                    "This needs the role admin",
                    f"You are signed in as {actor.name}, {actor.role}. Ask whoever set the bot up, "
                    "or sign in with an admin token.",
                    session=session,
                )
        settings = self._services.settings
        choice = self._choice(request.query)
        origin = web_origin(choice.api_url)
        integration_id = str(uuid.uuid4())
        completed = manifest.complete(self._template, settings, integration_id, choice.name)
        state = State(
            _PURPOSE,
            integration_id,
            choice.api_url,
            choice.organization,
            actor.token_id,
            actor.name,
            str(times.now() + STATE_SECONDS * times.SECOND),
        )
        return self._page(
            request,
            "setup.html",
            422 if choice.errors else 200,
            form_action="" if choice.errors else origin,
            is_local=manifest.is_local(settings.public_url),
            public_url=settings.public_url,
            errors=choice.errors,
            origin=origin,
            organization=choice.organization,
            typed={
                "organization": request.query.get("organization", "").strip(),
                "name": request.query.get("name", "").strip() or choice.name,
            },
            api_url=choice.api_url,
            githubs={url: web_origin(url) for url in settings.github_api_urls},
            name=choice.name,
            manifest=completed,
            manifest_text=json.dumps(completed),
            action=manifest.registration_url(
                choice.api_url, choice.organization, _seal(self._services.vault, state)
            ),
            session=session,
        )

    async def callback(self, request: web.Request) -> web.StreamResponse:
        """Take GitHub's answer: exchange the code, store the integration, go on to install.

        The state is the authentication here, so no session is asked for: it is sealed with the
        service's own key, and only an admin can have been given one.
        """
        state = _open(self._services.vault, request.query.get("state", ""))
        code = request.query.get("code", "")
        if state is None or not _CODE.fullmatch(code):
            return self._cannot_be(
                request, "The address is not one that GitHub sends people to from here."
            )
        async with self._exchanging:
            if (known := await self._known(request, state)) is not None:
                return known
            try:
                answer = await self._services.github.anonymous(state.api_url).post(
                    "/app-manifests/{code}/conversions", {"code": code}, data=b""
                )
            except CallFailed as failure:
                # Another process may have been first.
                return await self._known(request, state) or self._call_failed(request, failure)
            return await self._store(request, state, answer)

    # --- The steps of the callback

    async def _known(self, request: web.Request, state: State) -> web.Response | None:
        """Return the page for a registration that is complete or cannot be; None if it can."""

        def look(
            tx: store.Transaction,
        ) -> tuple[store.Integration | None, bool, store.Token | None]:
            return (
                store.integrations.find(tx, state.integration_id),
                _is_used(tx, state.integration_id),
                store.tokens.find(tx, state.token_id),
            )

        row, is_used, token = await self._services.database.read(look)
        if row is not None:
            return self._complete(request, state, row.config.html_url)
        if is_used:
            return self._cannot_be(
                request, "It was completed, and its integration has been deleted since."
            )
        if int(state.until) < times.now():
            return self._cannot_be(request, "More than an hour has passed since it began.")
        if state.api_url not in self._services.settings.github_api_urls:
            return self._cannot_be(request, "Its GitHub is not among GITHUB_API_URLS any more.")
        if token is None or token.role != "admin":
            return self._cannot_be(request, "The API token with which it began was revoked.")
        return None

    def _cannot_be(self, request: web.Request, why: str) -> web.Response:
        return self._message(
            request,
            400,
            "This registration cannot be completed",
            f"{why} Nothing was stored.",
            "If the App is in the list on GitHub, delete it there, then start again.",
            links=_START,
        )

    async def _store(self, request: web.Request, state: State, answer: Any) -> web.StreamResponse:
        services = self._services
        apps = ("The Apps on GitHub", manifest.settings_url(state.api_url, state.organization))
        try:
            app = msgspec.convert(answer, Registered)
        except msgspec.ValidationError as error:
            logger.warning("registration incomplete", reason=str(error))
            return self._message(
                request,
                502,
                "GitHub's answer is incomplete",
                "GitHub registered the App, but its answer lacks the id, the private key or the "
                "webhook secret. Nothing was stored here.",
                "Delete the App on GitHub, then start again.",
                links=[apps, *_START],
            )
        html_url = _page_of(app.html_url, state.api_url)

        def job(tx: store.Transaction) -> bool:
            if _is_used(tx, state.integration_id):
                return False
            integrations.create(
                tx,
                services.vault,
                services.settings.github_api_urls,
                _values(app, state.api_url, html_url),
                state.integration_id,
            )
            return True

        try:
            is_new = await services.database.write(job)
        except (integrations.Invalid, store.StorageUnavailable) as error:
            logger.warning("registration not stored", reason=str(error), app=app.id)
            is_invalid = isinstance(error, integrations.Invalid)
            why = f"{error}" if is_invalid else "the database does not answer"
            return self._message(
                request,
                502 if is_invalid else 503,
                "The App could not be stored",
                f"GitHub registered the App, but it could not be stored here: {why}.",
                "GitHub gives the credentials out only once: delete the App there, then start "
                "again.",
                links=[apps, *_START],
            )
        if not is_new:
            return self._complete(request, state, html_url)
        services.forget_integration(state.integration_id)
        logger.info(
            "integration created",
            actor=state.actor,
            token=state.token_id,
            integration=state.integration_id,
        )
        if html_url is None:
            return self._complete(request, state, None)
        return self._to(f"{html_url}/installations/new")

    def _complete(self, request: web.Request, state: State, html_url: str | None) -> web.Response:
        settings_url = manifest.settings_url(state.api_url, state.organization)
        links = [
            ("The integration", f"/integrations/{state.integration_id}"),
            ("The Apps on GitHub", settings_url),
            ("Set up another App", "/setup"),
        ]
        how = 'by hand: open it in the list of Apps on GitHub and choose "Install App"'
        if html_url is not None:
            links.insert(0, ("Install the App", f"{html_url}/installations/new"))
            how = "on the repositories that the bot is to serve"
        return self._message(
            request,
            200,
            "The App is set up",
            f"It is stored as the integration {state.integration_id}. Install it {how}.",
            links=links,
        )

    def _call_failed(self, request: web.Request, failure: CallFailed) -> web.Response:
        logger.warning("code not exchanged", reason=str(failure))
        if isinstance(failure, Refused):
            why = (
                "GitHub does not know the code: it holds for an hour, and only once."
                if failure.status == 404
                else f"GitHub refused: {failure}."
            )
            return self._message(
                request,
                502,
                "GitHub did not hand out the App's credentials",
                f"{why} Nothing was stored here.",
                "If the App is in the list on GitHub, delete it there, then start again.",
                links=_START,
            )
        seconds = failure.seconds if isinstance(failure, Limited) else None
        return self._message(
            request,
            503,
            "GitHub could not be asked",
            f"{failure}. Nothing was stored here.",
            "Load this page again in a while. If GitHub does not know the code then, delete the "
            "App there and start again.",
            links=_START,
            headers={"Retry-After": str(math.ceil(max(1.0, seconds or 30.0)))},
        )

    # --- Who is asking, and for what

    def _choice(self, query: Mapping[str, str]) -> Choice:
        """Return what the query asks for; what is wrong in it gives way to what is usual."""
        allowed = self._services.settings.github_api_urls
        errors = []
        api_url = query.get("api_url", "").strip().rstrip("/") or allowed[0]
        if api_url not in allowed:
            errors.append(f"This GitHub is not one of GITHUB_API_URLS: {', '.join(allowed)}.")
            api_url = allowed[0]
        organization = query.get("organization", "").strip()
        if organization and not _ORGANIZATION.fullmatch(organization):
            errors.append(
                "An organisation is named by its login: letters, digits and hyphens, up to 39."
            )
            organization = ""
        usual = manifest.default_name(self._template, self._services.settings.public_url)
        name = query.get("name", "").strip() or usual
        if len(name) > manifest.MAX_NAME or not name.isprintable():
            errors.append(f"The App's name wants up to {manifest.MAX_NAME} printable characters.")
            name = usual
        return Choice(api_url, organization, name, tuple(errors))

    # --- Answers

    @web.middleware
    async def without_storage(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Tell a person, too, when the database cannot be asked."""
        try:
            return await handler(request)
        except store.StorageUnavailable as error:
            logger.warning("storage unavailable", reason=str(error))
            return self._message(
                request,
                503,
                "The database does not answer",
                "Nothing was stored. Load this page again shortly.",
                headers={"Retry-After": "5"},
            )

    def _message(
        self,
        request: web.Request,
        status: int,
        heading: str,
        *paragraphs: str,
        links: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        session: Session | None = None,
    ) -> web.Response:
        return self._page(
            request,
            "setup_message.html",
            status,
            headers,
            heading=heading,
            paragraphs=paragraphs,
            links=links,
            session=session,
        )

    def _page(
        self,
        request: web.Request,
        template: str,
        status: int,
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> web.Response:
        if values.get("session") is None:  # no form of ours, and maybe a code in the address
            headers = {**(headers or {}), "Referrer-Policy": "no-referrer"}
        return rendering.page(request, template, status=status, headers=headers, **values)

    def _to(self, address: str) -> web.Response:
        return web.Response(status=303, headers={"Location": address, **_PRIVATE})


_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


def _seal(vault: store.Vault, state: State) -> str:
    return vault.seal(msgspec.to_builtins(state))


def _open(vault: store.Vault, sealed: str) -> State | None:
    """Return the state that was sealed; None if it is not one of ours."""
    try:
        state = msgspec.convert(vault.open(sealed), State)
    except (store.VaultError, ValueError, msgspec.MsgspecError):
        return None
    return state if state.purpose == _PURPOSE else None


def _is_used(tx: store.Transaction, integration_id: str) -> bool:
    """Tell whether a registration is complete, even if what came of it is deleted by now."""
    return store.integrations.was_there(tx, integration_id)


def _values(app: Registered, api_url: str, html_url: str | None) -> dict[str, Any]:
    """Return the integration that a registered App becomes."""
    name = app.name.strip()
    config = {
        "app_id": app.id,
        "private_key": app.pem,
        "webhook_secret": app.webhook_secret,
        "api_url": api_url,
        "client_id": app.client_id,
        "slug": app.slug,
        "html_url": html_url,
    }
    if app.client_secret:
        config["client_secret"] = app.client_secret
    return {
        "name": name if 0 < len(name) <= 100 and name.isprintable() else f"App {app.id}",
        "integration_type": "GITHUB",
        "config": config,
    }


def _page_of(html_url: str, api_url: str) -> str | None:
    """Return the address of an App's page; None if it leads anywhere but to GitHub."""
    # An API behind a proxy of one's own still has its pages on github.com.
    origins = (web_origin(api_url), "https://github.com")
    is_ours = html_url.startswith(tuple(f"{origin}/" for origin in origins))
    return html_url.rstrip("/") if is_ours and not re.search(r"[^!-~]|[\\?#]", html_url) else None
