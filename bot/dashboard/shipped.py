"""`/shipped`: the merged pull requests of all experiments, for who wants to see what shipped."""

import msgspec
from aiohttp import web

from bot import storage as store
from bot.api.shipped import ShippedQuery
from bot.dashboard.forms import helpful, refusal
from bot.dashboard.page import Pages, Visit, address
from bot.domain.errors import Invalid
from bot.web.validation import fit

pages = Pages()
_PATH = "/shipped"
_FILTERS = ("since", "until", "owner", "experiment", "repository")
_HELP = {
    "since": "Enter a day, such as 2026-03-02.",
    "until": "Enter a day, such as 2026-03-02.",
    "owner": "Use 200 characters at most.",
    "experiment": "Enter the key of an experiment.",
    "repository": "Enter it as owner/name.",
}


@pages.get(_PATH)
async def shipped(visit: Visit) -> web.StreamResponse:
    """The one merged last first."""
    asked = {name: text.strip() for name, text in visit.asked(*_FILTERS).items() if text.strip()}
    before, problem, wanted = visit.position(2, _PATH), None, store.shipped.Wanted()
    try:
        query = fit(asked, ShippedQuery)
        wanted = query.wanted()
    except Invalid as error:
        problem = refusal(
            error, helpful(_HELP), detail="Correct the filters that are marked below."
        )
    rows = (
        await visit.read(lambda tx: store.shipped.listed(tx, wanted, before, ShippedQuery().limit))
        if problem is None
        else store.Part([], None)
    )
    page = visit.page(rows, _PATH, lambda row: {**msgspec.structs.asdict(row), "lead": _lead(row)})
    return visit.render(
        "shipped.html",
        rows=page.items,
        problem=problem,
        filters={name: asked.get(name, "") for name in _FILTERS},
        is_filtered=bool(asked),
        is_first=before is None,
        more=address(_PATH, **asked, cursor=page.next_cursor) if page.next_cursor else None,
    )


def _lead(row: store.Shipped) -> tuple[int, str] | None:
    """Return the time from creation to merge in its greatest unit; None if it is not known."""
    if row.lead_time is None:
        return None
    for unit, seconds in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if row.lead_time >= seconds:
            return row.lead_time // seconds, unit
    return row.lead_time, "second"
