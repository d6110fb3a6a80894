"""`/tokens`: API tokens. A new one is shown once, in the answer to the form that made it."""

from aiohttp import web

from bot import storage as store
from bot import times
from bot.api.routing import ROLES, forget_token
from bot.dashboard.page import Pages, Visit
from bot.domain import tokens
from bot.log import logger
from bot.web.problems import invalid, not_found

pages = Pages()


@pages.get("/tokens", role="admin")
async def show(visit: Visit) -> web.StreamResponse:
    return await _shown(visit)


@pages.post("/tokens", role="admin")
async def create(visit: Visit) -> web.StreamResponse:
    name, role = visit.form.get("name", ""), visit.form.get("role", "")
    errors = []
    if not store.tokens.is_name(name):
        errors.append(("name", "wants 1 to 100 printable characters"))
    if role not in ROLES:
        errors.append(("role", f"is one of {', '.join(ROLES)}"))
    if errors:
        return await _shown(visit, problem=invalid(errors).body, name=name, role=role)
    token_id, secret = await visit.services.database.write(lambda tx: tokens.issue(tx, name, role))
    logger.info("token created", actor=visit.actor.name, token=token_id, role=role)
    return await _shown(visit, secret=secret, secret_name=name)


@pages.post("/tokens/{token_id}/revoke", role="admin")
async def revoke(visit: Visit) -> web.StreamResponse:
    """Revoke one token; the sessions that it began end with it."""
    token_id = visit.path("token_id")

    def job(tx: store.Transaction) -> str | None:
        row = store.tokens.find(tx, token_id)
        if row is None:
            return None
        store.tokens.revoke(tx, token_id, times.now())
        store.sessions.remove_of_subject(tx, f"token:{token_id}")
        return str(row.name)

    name = await visit.services.database.write(job)
    if name is None:
        raise not_found("token in force")
    forget_token(visit.services, token_id)
    logger.info("token revoked", actor=visit.actor.name, token=token_id)
    if visit.session.subject == f"token:{token_id}":
        return visit.to("/sign-in")
    return visit.to("/tokens", f"{name} is revoked. Running services notice within seconds.")


async def _shown(
    visit: Visit,
    *,
    problem: object = None,
    name: str = "",
    role: str = "developer",
    secret: str | None = None,
    secret_name: str = "",
) -> web.StreamResponse:
    rows = await visit.services.database.read(store.tokens.listed)
    return visit.render(
        "tokens.html",
        status=200 if problem is None else 422,
        tokens=sorted(rows, key=lambda row: (row.revoked_at is not None, -row.created_at)),
        own=visit.session.subject.removeprefix("token:"),
        problem=problem,
        name=name,
        role=role,
        secret=secret,
        secret_name=secret_name,
    )
