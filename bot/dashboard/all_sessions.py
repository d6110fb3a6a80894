"""`/sessions`: everybody's sessions, to be ended by an admin."""

from aiohttp import web

from bot.dashboard.page import Pages, Visit, address
from bot.domain.sessions import host_of
from bot.operations import sessions

pages = Pages()
PATH = "/sessions"
_SHOWN = 100


@pages.get(PATH, role="admin")
async def show(visit: Visit) -> web.StreamResponse:
    before = visit.position(1, PATH)
    part = await visit.read(lambda tx: sessions.listed(tx, before, _SHOWN))
    page = visit.page(part, PATH, lambda row: (row, host_of(row.subject)))
    return visit.render(
        "sessions.html",
        sessions=page.items,
        own=visit.session.id,
        more=page.next_cursor and address(PATH, cursor=page.next_cursor),
    )


@pages.post(f"{PATH}/{{session_id}}/end", role="admin")
async def end(visit: Visit) -> web.StreamResponse:
    """End a session, or all of whoever has it."""
    row = await sessions.end(visit.services, visit.actor, visit.path("session_id").lower())
    said = f"A session of {row.name} was ended."
    is_own = row.id == visit.session.id
    if visit.form.get("everywhere") == "yes":
        await sessions.end_all_of(visit.services, visit.actor, row.subject)
        said = f"All sessions of {row.name} were ended."
        is_own = row.subject == visit.session.subject
    return visit.to("/sign-in") if is_own else visit.to(PATH, said)
