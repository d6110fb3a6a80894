"""Sign-in with GitHub: the web flow of an App that was set up here, with `state` and PKCE.

Who may enter, and as what, is asked with the person's own token (github_access.py), which is kept
sealed with their session to ask again.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from aiohttp_session.cookie_storage import EncryptedCookieStorage

from bot import storage as store
from bot.dashboard import github_access, rendering, sessions
from bot.dashboard.confirmation import ASK_SECONDS, confirmed_now
from bot.dashboard.github_access import Credential, Person
from bot.dashboard.page import OpenPages, lead_away, local_path, redirect
from bot.domain.errors import NotFound
from bot.github import CallFailed, NotListed, Refused
from bot.github.names import web_origin
from bot.operations import sign_ins
from bot.services import SERVICES, Services
from bot.web.callers import address_of
from bot.web.problems import Problem, problem_of

open_pages = OpenPages()
_AT_ONCE = 8  # sign-ins of those who fail too often that GitHub is asked about
_COOKIE = "experiment_bot_state"
_STATE_SECONDS = 600  # as long as GitHub's code is good


async def apps(services: Services) -> list[store.Integration]:
    """Return the Apps that were set up here and are active, the oldest first, one per client."""
    rows = await services.database.read(lambda tx: store.integrations.listed(tx, None, 1000).rows)
    found: dict[tuple[str, str], store.Integration] = {}
    for row in reversed(rows):
        if row.is_active and row.config.client_id:
            found.setdefault((row.config.api_url, row.config.client_id), row)
    return list(found.values())


@open_pages.add("GET", "/sign-in/github/{integration_id}")
async def begin(request: web.Request) -> web.StreamResponse:
    """Send somebody to GitHub; a cookie remembers that it was this browser."""
    services = request.config_dict[SERVICES]
    app = await _app(services, request.match_info["integration_id"])
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
    query = {
        "client_id": app.config.client_id or "",
        "redirect_uri": _callback_url(services),
        "state": state,
        "code_challenge": challenge.decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    response = lead_away(
        f"{web_origin(app.config.api_url)}/login/oauth/authorize?{urlencode(query)}"
    )
    cookies = services.shared(_cookies)
    kept = await cookies.new_session()
    kept["state"], kept["verifier"] = state, verifier
    kept["app"], kept["next"] = app.id, local_path(request.query.get("next", ""))
    await cookies.save_session(request, response, kept)
    return response


@open_pages.add("GET", "/sign-in/github/callback")
async def callback(request: web.Request) -> web.StreamResponse:
    """Take GitHub's answer: ask who it is and what they may, and let them in or say why not.

    Only what GitHub refuses counts as a failed sign-in: what did not begin in this browser costs
    nothing, and could be sent by anybody to lock out those behind the same address.
    """
    services = request.config_dict[SERVICES]
    kept = await services.shared(_cookies).load_session(request)
    back = local_path(str(kept.get("next", "")))
    try:
        _check_state(request.query, kept)
        app = await _app(services, str(kept["app"]))
    except Problem as problem:
        return await _refused(request, problem, problem.error, back)
    in_turn = services.shared(sessions.failed_sign_ins).is_over(address_of(request))
    lane = services.shared(_lane) if in_turn else contextlib.nullcontext()
    try:
        async with asyncio.timeout(ASK_SECONDS), lane:
            person, credential = await _ask(services, app, request.query["code"], kept["verifier"])
    except Problem as problem:
        return await _refused(request, _failed(request, problem), problem.error, back)
    except Refused as error:
        said = f"{error}. A code is valid for ten minutes, and only once. Sign in again."
        failed = _failed(request, Problem(502, "refused by GitHub", said))
        return await _refused(request, failed, str(error), back)
    except (TimeoutError, CallFailed) as error:
        said = f"{error}. Try again later."
        if isinstance(error, TimeoutError):
            said = "GitHub did not answer in time. Try again."
        failed = Problem(503, "GitHub unavailable", said)
        return await _refused(request, failed, str(error) or "timeout", back)
    response = redirect(services, back or "/")
    sessions.drop_cookie(services.shared(_cookies), response)
    begun = {"subject": person.subject, **confirmed_now(person)}
    begun |= {"integration_id": app.id, "client_id": app.config.client_id}
    await sessions.begin(request, response, begun, credential.texts)
    return response


def _check_state(query: Mapping[str, str], kept: Any) -> None:
    """Raise Problem unless GitHub answers what this browser has asked."""
    state = kept.get("state")
    if not isinstance(state, str) or not hmac.compare_digest(
        state.encode(), query.get("state", "").encode()
    ):
        raise Problem(
            400,
            "not started here",
            "This sign-in was not started in this browser, or was started over ten minutes ago.",
        )
    if query.get("error") == "access_denied":
        raise Problem(403, "cancelled", "You did not allow GitHub to tell who you are.")
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", query.get("code", "")):
        raise Problem(400, "no code", "GitHub did not send the expected code.")


async def _ask(
    services: Services, app: store.Integration, code: str, verifier: str
) -> tuple[Person, Credential]:
    """Return who somebody is, and their token; raises CallFailed, or Problem if they may not in."""
    fields = {"code": code, "redirect_uri": _callback_url(services), "code_verifier": verifier}
    credential = await github_access.exchanged(services, app, fields)
    person = await github_access.person(services, app, credential.token)
    if person.role is None:
        raise Problem(403, "access denied", _denied(services, person.login))
    return person, credential


def _denied(services: Services, login: str) -> str:
    said = f"{login} is not a member of an allowed organisation"
    if services.settings.sign_in_collaborators != "off":
        said += ", and has no access to a repository where the App is installed"
    return f"{said}. Whoever runs the bot can change that, or give you a token."


def _lane(_: Services) -> asyncio.Semaphore:
    """Who fails too often signs in a few at a time: each asks GitHub.

    Not one at a time, or those who share an address with a guesser wait too long.
    """
    return asyncio.Semaphore(_AT_ONCE)


async def _app(services: Services, integration_id: str) -> store.Integration:
    for app in await apps(services):
        if app.id == integration_id.lower():
            if app.config.api_url not in services.settings.github_api_urls:
                raise Problem(503, "GitHub not called", f"{NotListed(app.config.api_url)}.")
            return app
    raise problem_of(NotFound("App to sign in with"))


def _failed(request: web.Request, problem: Problem) -> Problem:
    """Count a failed sign-in; return its problem, or that there were too many."""
    guesses = request.config_dict[SERVICES].shared(sessions.failed_sign_ins)
    wait = guesses.wrong(address_of(request))
    if not wait:
        return problem
    return Problem(
        429,
        "too many failed sign-ins",
        f"{problem.body.detail} Too many failed sign-ins from your address. Try again in "
        f"{wait} seconds.",
        headers={"Retry-After": str(wait)},
    )


async def _refused(request: web.Request, problem: Problem, reason: str, back: str) -> web.Response:
    await sign_ins.refused(request.config_dict[SERVICES], address_of(request), reason)
    return rendering.page(
        request,
        "sign_in_refused.html",
        status=problem.status,
        # The address of this page holds GitHub's code.
        headers={**problem.headers, "Referrer-Policy": "no-referrer"},
        problem=problem.body,
        next=back,
    )


def _callback_url(services: Services) -> str:
    return f"{services.settings.public_url}/sign-in/github/callback"


def _cookies(services: Services) -> EncryptedCookieStorage:
    return sessions.sealed_cookie(services, _COOKIE, "state of a sign-in", _STATE_SECONDS)
