"""The page to sign in, sign-in with an API token, and sign-out."""

from aiohttp import web

from bot import storage as store
from bot.dashboard import github_sign_in, rendering, sessions
from bot.dashboard.page import OpenPages, Pages, Visit, local_path, read_form, redirect
from bot.domain.sessions import subject_of_token
from bot.operations import sign_ins
from bot.services import SERVICES
from bot.web.callers import address_of
from bot.web.problems import Problem

pages, open_pages = Pages(), OpenPages()


@open_pages.add("GET", "/sign-in")
async def form(request: web.Request) -> web.StreamResponse:
    services = request.config_dict[SERVICES]
    if await sessions.of_request(request) is not None:
        return redirect(services, local_path(request.query.get("next", "")) or "/")
    back = request.query.get("next", "")
    if back and not local_path(back):
        raise Problem(
            400, "not a page of ours", "The page to return to is not a page of this service."
        )
    return await _page(request, back=back)


@open_pages.add("POST", "/sign-in")
async def sign_in(request: web.Request) -> web.StreamResponse:
    services = request.config_dict[SERVICES]
    fields = await read_form(request)
    back = local_path(fields.get("next", ""))
    hashed = store.hash_token(fields.get("token", ""))
    row = await services.database.read(lambda tx: store.tokens.by_hash(tx, hashed))
    if row is None:
        await sign_ins.refused(services, address_of(request), "unknown token")
        if wait := services.shared(sessions.failed_sign_ins).wrong(address_of(request)):
            error = f"Too many wrong tokens from your address. Try again in {wait} seconds."
            return await _page(request, 429, error, {"Retry-After": str(wait)}, back=back)
        error = "This token is not valid. It may be mistyped or revoked."
        return await _page(request, 401, error, back=back)
    response = redirect(services, back or "/")
    begun = {"subject": subject_of_token(row.id), "name": row.name, "role": row.role}
    await sessions.begin(request, response, {**begun, "token_id": row.id})
    return response


@pages.post("/sign-out", role="viewer")
async def sign_out(visit: Visit) -> web.StreamResponse:
    response = redirect(visit.services, "/sign-in")
    everywhere = visit.form.get("everywhere") == "yes"
    await sessions.end(visit.services, visit.session, response, everywhere=everywhere)
    return response


async def _page(
    request: web.Request,
    status: int = 200,
    error: str | None = None,
    headers: dict[str, str] | None = None,
    *,
    back: str,
) -> web.Response:
    return rendering.page(
        request,
        "sign_in.html",
        status=status,
        headers=headers,
        error=error,
        next=back,
        apps=await github_sign_in.apps(request.config_dict[SERVICES]),
    )
