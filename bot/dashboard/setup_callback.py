"""`/setup/callback`: stores the App that GitHub registered, and leads on to where it is installed.

The state is the authentication here, so no session is asked for: it is sealed with the service's
own key, only an admin can have been given one, and it counts in the browser alone that was shown
the form: nobody can have an admin's browser complete what they began themselves, or the other way.
"""

import asyncio
import hmac
import math
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from bot import characters
from bot import storage as store
from bot.dashboard import rendering, sessions
from bot.dashboard.page import OpenPages, lead_away
from bot.dashboard.setup import State, browser_of, opened
from bot.domain import integrations
from bot.domain.actors import Actor
from bot.domain.errors import Invalid
from bot.github import CallFailed, Limited, Refused, manifest
from bot.github.names import web_origin
from bot.log import logger
from bot.services import SERVICES, Services
from bot.web.validation import sentence

open_pages = OpenPages()
_CODE = re.compile(r"[A-Za-z0-9_-]{1,200}")
_START = ("Start again", "/setup")
_DELETE = "If the App is in the list on GitHub, delete it there, then start again."


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


class _Told(Exception):
    """What the page says instead of leading on to GitHub."""

    def __init__(
        self,
        status: int,
        heading: str,
        *paragraphs: str,
        links: Sequence[tuple[str, str]] = (_START,),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(heading)
        self.status, self.headers = status, headers or {}
        self.shown: dict[str, Any] = {"heading": heading, "paragraphs": paragraphs, "links": links}


def _registering(_: Services) -> asyncio.Lock:
    """Apps are registered one after the other: a page loaded twice spends one code of GitHub's."""
    return asyncio.Lock()


@open_pages.add("GET", "/setup/callback")
async def callback(request: web.Request) -> web.StreamResponse:
    """Exchange the code, store the integration, go on to install."""
    services = request.config_dict[SERVICES]
    state = opened(services.vault, request.query.get("state", ""))
    code = request.query.get("code", "")
    try:
        if state is None or not _CODE.fullmatch(code):
            raise _cannot_be("This is not an address to which GitHub returned you.")
        if not hmac.compare_digest(state.browser, await browser_of(request)):
            raise _cannot_be("It was not started in this browser, or over an hour ago.")
        async with services.shared(_registering):
            return lead_away(await _register(services, state, code))
    except _Told as told:
        # The address of this page holds GitHub's code.
        headers = {**told.headers, "Referrer-Policy": "no-referrer"}
        return rendering.page(
            request, "setup_message.html", status=told.status, headers=headers, **told.shown
        )


async def _register(services: Services, state: State, code: str) -> str:
    """Store the App that GitHub hands out for a code; return where it is to be installed.

    Raises _Told if there is something else to say.
    """
    await _see_to_state(services, state)
    try:
        answer = await services.github.anonymous(state.api_url).post(
            "/app-manifests/{code}/conversions", {"code": code}, data=b""
        )
    except CallFailed as failure:
        await _see_to_state(services, state)  # another process may have been first
        raise _not_exchanged(failure) from None
    try:
        app = msgspec.convert(answer, Registered)
    except msgspec.ValidationError as error:
        logger.warning("registration incomplete", reason=str(error))
        raise _Told(
            502,
            "GitHub's answer is incomplete",
            "GitHub registered the App, but its answer lacks the id, the private key or the "
            "webhook secret. Nothing was stored here.",
            "Delete the App on GitHub, then start again.",
            links=(_apps(state), _START),
        ) from None
    html_url = _page_of(app.html_url, state.api_url)
    if not await _store(services, state, app, html_url) or html_url is None:
        raise _complete(state, html_url)
    return f"{html_url}/installations/new"


async def _see_to_state(services: Services, state: State) -> None:
    """Raise _Told for a registration that is complete, or cannot be."""
    row, is_used = await services.database.read(
        lambda tx: (
            store.integrations.find(tx, state.integration_id),
            store.integrations.was_there(tx, state.integration_id),
        )
    )
    if row is not None:
        raise _complete(state, row.config.html_url)
    if is_used:
        raise _cannot_be("It was completed, and its integration has been deleted since.")
    if state.is_over:
        raise _cannot_be("More than an hour has passed since it began.")
    if state.api_url not in services.settings.github_api_urls:
        raise _cannot_be("Its GitHub is no longer in GITHUB_API_URLS.")
    if not await sessions.may_still(services, state.token_id, "admin"):
        raise _cannot_be("Who began it is no admin any more: the token was revoked, or signed out.")


async def _store(services: Services, state: State, app: Registered, html_url: str | None) -> bool:
    """Store an App as an integration; False if that has been done meanwhile. Raises _Told."""
    values = _values(app, state.api_url, html_url)

    def job(tx: store.Transaction) -> bool:
        if store.integrations.was_there(tx, state.integration_id):
            return False  # also if what came of it is deleted by now
        api_urls = services.settings.github_api_urls
        by = Actor(state.token_id, state.actor, "admin", state.kind)
        integrations.create(tx, services.vault, api_urls, values, by, state.integration_id)
        return True

    try:
        is_new = await services.database.write(job)
    except (Invalid, store.StorageUnavailable) as error:
        logger.warning("registration not stored", reason=str(error), app=app.id)
        status, why = 503, "the database does not answer"
        if isinstance(error, Invalid):
            status, why = 502, sentence(error)
        raise _Told(
            status,
            "The App could not be stored",
            f"GitHub registered the App, but it could not be stored here: {why}.",
            "GitHub hands out the credentials only once: delete the App there, then start again.",
            links=(_apps(state), _START),
        ) from None
    if is_new:
        services.forget_integration(state.integration_id)
    return is_new


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
        "name": name if 0 < len(name) <= 100 and characters.is_plain(name) else f"App {app.id}",
        "integration_type": "GITHUB",
        "config": config,
    }


def _page_of(html_url: str, api_url: str) -> str | None:
    """Return the address of an App's page; None if it leads anywhere but to GitHub."""
    # An API behind a proxy of one's own still has its pages on github.com.
    origins = (web_origin(api_url), "https://github.com")
    is_ours = html_url.startswith(tuple(f"{origin}/" for origin in origins))
    return html_url.rstrip("/") if is_ours and not re.search(r"[^!-~]|[\\?#]", html_url) else None


# --- What the pages say


def _complete(state: State, html_url: str | None) -> _Told:
    links = [
        ("The integration", f"/integrations/{state.integration_id}"),
        _apps(state),
        ("Set up another App", "/setup"),
    ]
    how = 'by hand: open it in the list of Apps on GitHub and choose "Install App"'
    if html_url is not None:
        links.insert(0, ("Install the App", f"{html_url}/installations/new"))
        how = "on the repositories that the bot should serve"
    stored = f"It is stored as the integration {state.integration_id}. Install it {how}."
    return _Told(200, "The App is set up", stored, links=links)


def _cannot_be(why: str) -> _Told:
    heading = "This registration cannot be completed"
    return _Told(400, heading, f"{why} Nothing was stored.", _DELETE)


def _not_exchanged(failure: CallFailed) -> _Told:
    logger.warning("code not exchanged", reason=str(failure))
    if isinstance(failure, Refused):
        why = (
            "GitHub does not know the code: it is valid for an hour, and only once."
            if failure.status == 404
            else f"GitHub refused: {failure}."
        )
        heading = "GitHub did not hand out the App's credentials"
        return _Told(502, heading, f"{why} Nothing was stored here.", _DELETE)
    seconds = failure.seconds if isinstance(failure, Limited) else None
    return _Told(
        503,
        "GitHub could not be asked",
        f"{failure}. Nothing was stored here.",
        "Load this page again in a while. If GitHub does not know the code then, delete the "
        "App there and start again.",
        headers={"Retry-After": str(math.ceil(max(1.0, seconds or 30.0)))},
    )


def _apps(state: State) -> tuple[str, str]:
    return "The Apps on GitHub", manifest.settings_url(state.api_url, state.organization)
