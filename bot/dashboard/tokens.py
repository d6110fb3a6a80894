"""`/tokens`: API tokens. A new one is shown once, in the answer to the form that made it."""

from aiohttp import web

from bot import storage as store
from bot.dashboard.forms import Refusal, refusal
from bot.dashboard.page import Pages, Visit
from bot.dashboard.rendering import plural
from bot.domain import tokens as made
from bot.domain.actors import ROLES
from bot.domain.errors import Invalid
from bot.operations import found, tokens

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
        tokens=[
            (row, made.person_of(rows, row))
            for row in sorted(rows, key=lambda row: (row.revoked_at is not None, -row.seq))
        ],
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
    """Revoke one token, or all that its maker has made; the sessions that they began end."""
    token_id, services = visit.path("token_id").lower(), visit.services
    if visit.form.get("all") == "yes":
        said = await _revoke_all(visit, token_id)
    else:
        said = f"{await tokens.revoke(services, visit.actor, token_id)} was revoked."
    if await visit.read(lambda tx: store.sessions.find(tx, visit.session.id)) is None:
        return visit.to("/sign-in")
    return visit.to("/tokens", f"{said} Running services notice within seconds.")


async def _revoke_all(visit: Visit, token_id: str) -> str:
    rows = await visit.read(store.tokens.listed)
    row = found(next((one for one in rows if one.id == token_id), None), "token")
    person = found(made.person_of(rows, row), "maker of this token")
    count = await tokens.revoke_made_by(visit.services, visit.actor, person.id)
    return f"All that {person.name} made was revoked: {plural(count, 'token')}."
