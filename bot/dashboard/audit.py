"""`/audit`: who changed what, when, from what to what."""

import json
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any

import msgspec
from aiohttp import web

from bot import characters
from bot import storage as store
from bot.api.audit import AuditQuery
from bot.dashboard import concealing
from bot.dashboard.page import Pages, Visit, address
from bot.domain import audit
from bot.web.validation import fit

pages = Pages()
_PATH = "/audit"
_LONGEST = 300  # characters of a value that the page shows; the API has more
_KINDS = {"token": "API token", "session": "dashboard", "login": "GitHub", "cli": "command line"}
_PAGES = {"integration": "integrations", "experiment": "experiments"}  # of what was changed


@pages.get(_PATH, role="admin")
async def show(visit: Visit) -> web.StreamResponse:
    """The newest first."""
    asked = visit.asked("actor", "type", "cursor")
    query, before = fit(asked, AuditQuery), visit.position(1, _PATH)
    rows = await visit.read(
        lambda tx: store.audit.listed(tx, query.actor, query.type, before, query.limit)
    )
    page = visit.page(rows, _PATH, _shown)
    filters = {name: asked.get(name, "") for name in ("actor", "type")}
    types = ((one.name, one.words.capitalize()) for one in audit.TYPES.values())
    return visit.render(
        "audit.html",
        entries=page.items,
        types=sorted(types, key=itemgetter(1)),
        filters=filters,
        is_filtered=any(filters.values()),
        days=audit.KEPT_DAYS,
        is_first="cursor" not in asked,
        more=address(_PATH, **filters, cursor=page.next_cursor) if page.next_cursor else None,
    )


def _shown(row: store.Audit) -> dict[str, Any]:
    """Return a row as the page shows it; `page` is that of what was changed, if it has one."""
    type_, there = audit.TYPES.get(row.type), _PAGES.get(row.target_kind)
    return {
        **msgspec.structs.asdict(row),
        "words": type_.words.capitalize() if type_ else row.type,
        "by": _KINDS.get(row.actor_kind),
        "page": address(f"/{there}/{row.target_id}") if there else None,
        "fields": list(_fields(row.before or {}, row.after or {})),
    }


def _fields(
    before: Mapping[str, Any], after: Mapping[str, Any], within: str = ""
) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield the name of each field that changed, what it was and what it is; None for nothing."""
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if isinstance(old, dict) or isinstance(new, dict):
            yield from _fields(old or {}, new or {}, f"{within}{name}.")
        elif not (_is_nothing(old) and _is_nothing(new)):
            yield f"{within}{name}", _text(old), _text(new)


def _is_nothing(value: Any) -> bool:
    return value is None or value == []


def _text(value: Any) -> str | None:
    if _is_nothing(value):
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = concealing.text(text)
    return text if len(text) <= _LONGEST else f"{characters.begin(text, _LONGEST)}…"
