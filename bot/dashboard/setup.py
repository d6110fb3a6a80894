"""`/setup`: the form that posts the App's manifest to GitHub, and the state that comes back.

https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
"""

import json
import re
import secrets
import uuid
from collections.abc import Mapping

import msgspec
from aiohttp import web
from aiohttp_session.cookie_storage import EncryptedCookieStorage
from msgspec import Struct

from bot import characters, times
from bot import storage as store
from bot.dashboard import rendering
from bot.dashboard.page import Pages, Visit
from bot.dashboard.sessions import Session, sealed_cookie
from bot.domain.actors import Actor, Kind
from bot.github import manifest
from bot.github.names import web_origin
from bot.github.reach import is_local
from bot.handlers import dispatcher
from bot.services import SERVICES, Services
from bot.web.access import authenticate
from bot.web.problems import Problem

pages = Pages()
STATE_SECONDS = 3600  # GitHub's codes hold as long
_ABOUT = "registration"  # what a state is sealed about
_ORGANIZATION = re.compile(r"[A-Za-z0-9-]{1,39}")


class State(Struct):
    """What goes to GitHub and comes back sealed: which registration this is, and whose.

    `browser` is what the cookie of the browser holds in which it began.
    """

    integration_id: str
    api_url: str
    organization: str
    token_id: str
    actor: str
    browser: str
    until: str  # as microseconds
    kind: Kind = "session"

    @property
    def is_over(self) -> bool:
        return int(self.until) < times.now()


def opened(vault: store.Vault, sealed: str) -> State | None:
    """Return the state that was sealed; None if it is not one of ours."""
    try:
        return msgspec.convert(vault.open(sealed, _ABOUT), State)
    except (store.VaultError, msgspec.MsgspecError):
        return None


def _cookie(services: Services) -> EncryptedCookieStorage:
    return sealed_cookie(services, "experiment_bot_setup", "registration of an App", STATE_SECONDS)


async def browser_of(request: web.Request) -> str:
    """Return what tells a browser that has been shown the form from others; empty for them."""
    kept = await request.config_dict[SERVICES].shared(_cookie).load_session(request)
    return str(kept.get("browser", ""))


async def for_program(request: web.Request) -> web.StreamResponse | None:
    """Show the form to a program that sends an admin's token, and answer any other as the API."""
    if "Authorization" not in request.headers:
        return None
    services = request.config_dict[SERVICES]
    try:
        return await _form(request, services, await authenticate(services, request, "admin"))
    except Problem as problem:
        return problem.response()


@pages.get("/setup", role="admin", open_to_all=for_program)
async def form(visit: Visit) -> web.StreamResponse:
    return await _form(visit.request, visit.services, visit.actor, visit.session)


async def _form(
    request: web.Request, services: Services, actor: Actor, session: Session | None = None
) -> web.Response:
    settings, template = services.settings, manifest.template(services.shared(dispatcher).events)
    usual = manifest.default_name(template, settings.public_url)
    api_url, organization, name, errors = _choice(request.query, settings.github_api_urls, usual)
    browser = await browser_of(request) or secrets.token_urlsafe(32)
    state = State(
        integration_id=str(uuid.uuid4()),
        api_url=api_url,
        organization=organization,
        token_id=actor.id,
        actor=actor.name,
        kind=actor.kind,
        browser=browser,  # the same in all its tabs
        until=str(times.now() + STATE_SECONDS * times.SECOND),
    )
    sealed = services.vault.seal(msgspec.to_builtins(state), _ABOUT)
    completed = manifest.complete(template, settings, state.integration_id, name)
    origin = web_origin(api_url)
    response = rendering.page(
        request,
        "setup.html",
        status=422 if errors else 200,
        session=session,
        form_action="" if errors else origin,
        is_local=is_local(settings.public_url),
        public_url=settings.public_url,
        errors=errors,
        origin=origin,
        organization=organization,
        typed={
            "organization": request.query.get("organization", "").strip(),
            "name": request.query.get("name", "").strip() or name,
        },
        api_url=api_url,
        githubs={url: web_origin(url) for url in settings.github_api_urls},
        name=name,
        manifest=completed,
        manifest_text=json.dumps(completed),
        action=manifest.registration_url(api_url, organization, sealed),
    )
    cookie = services.shared(_cookie)
    kept = await cookie.new_session()
    kept["browser"] = browser
    await cookie.save_session(request, response, kept)
    return response


def _choice(
    query: Mapping[str, str], allowed: tuple[str, ...], usual: str
) -> tuple[str, str, str, list[str]]:
    """Return the API, organisation and name that are asked for, and what was wrong with them.

    What is wrong gives way to what is usual.
    """
    errors = []
    api_url = query.get("api_url", "").strip().rstrip("/") or allowed[0]
    if api_url not in allowed:
        errors.append(f"This GitHub is not one of GITHUB_API_URLS: {', '.join(allowed)}.")
        api_url = allowed[0]
    organization = query.get("organization", "").strip()
    if organization and not _ORGANIZATION.fullmatch(organization):
        errors.append("The name of an organisation has up to 39 letters, digits and hyphens.")
        organization = ""
    name = query.get("name", "").strip() or usual
    if len(name) > manifest.MAX_NAME or not characters.is_plain(name):
        errors.append(f"The App's name must have up to {manifest.MAX_NAME} printable characters.")
        name = usual
    return api_url, organization, name, errors
