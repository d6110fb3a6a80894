"""`/tokens`: API tokens. A new one is shown once, in the answer to the form that made it."""

from aiohttp import web

from bot import storage as store
from bot.dashboard.forms import Refusal, refusal
from bot.dashboard.page import Pages, Visit
from bot.domain.actors import ROLES
from bot.domain.errors import Invalid
from bot.operations import tokens

pages = Pages()


@pages.get("/tokens", role="admin")
async def show(
    visit: Visit,
    *,
    problem: Refusal | None = None,
    name: str = "",
    role: str = "developer",
    secret: str | None = None,
    secret_name: str = "",
) -> web.StreamResponse:
    rows = await visit.read(store.tokens.listed)
    return visit.render(
        "tokens.html",
        tokens=sorted(rows, key=lambda row: (row.revoked_at is not None, -row.created_at)),
        own=visit.session.subject.removeprefix("token:"),
        problem=problem,
        name=name,
        role=role,
        roles=[(one, one) for one in ROLES],
        secret=secret,
        secret_name=secret_name,
    )


@pages.post("/tokens", role="admin")
async def create(visit: Visit) -> web.StreamResponse:
    name, role = visit.form.get("name", ""), visit.form.get("role", "")
    try:
        secret = await tokens.create(visit.services, visit.actor, name, role)
    except Invalid as error:
        return await show(visit, problem=refusal(error), name=name, role=role)
    return await show(visit, secret=secret, secret_name=name)


@pages.post("/tokens/{token_id}/revoke", role="admin")
async def revoke(visit: Visit) -> web.StreamResponse:
    """Revoke one token; the sessions that it began end with it."""
    token_id = visit.path("token_id")
    name = await tokens.revoke(visit.services, visit.actor, token_id)
    if visit.session.subject == f"token:{token_id}":
        return visit.to("/sign-in")
    return visit.to("/tokens", f"{name} was revoked. Running services notice within seconds.")
