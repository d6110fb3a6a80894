"""`/outbox`: what the bot owes GitHub, what keeps it, and trying again."""

from operator import itemgetter
from typing import Any, get_args

import msgspec
from aiohttp import web

from bot import storage as store
from bot.api.actions import ActionQuery
from bot.dashboard import concealing
from bot.dashboard.forms import Refusal, refusal
from bot.dashboard.page import Pages, Visit, address
from bot.domain.actions import KINDS, title_of
from bot.domain.errors import Conflict, NotFound
from bot.operations import actions as operations
from bot.web.cursors import cursor_of, position_of
from bot.web.validation import fit

pages = Pages()
AT_ONCE = 200  # actions that one press of the button looks at
_ON_PAGE = 50
_LIST = "outbox"
_STATUSES = {
    store.actions.OWED: "Not done yet",
    **{name: name.capitalize() for name in get_args(store.ActionStatus)},
    "all": "All",
}


@pages.get("/outbox")
async def outbox(visit: Visit, problem: Refusal | None = None) -> web.StreamResponse:
    """The newest first; what is done only if it is asked for."""
    asked = visit.asked("status", "kind", "cursor")
    status, kind = asked.get("status", store.actions.OWED), asked.get("kind")
    checked = {} if status in (store.actions.OWED, "all") else {"status": status}
    fit({**checked, **({"kind": kind} if kind else {})}, ActionQuery)
    before = position_of(asked.get("cursor"), 1, _LIST)

    def job(tx: store.Transaction) -> tuple[list[dict[str, Any]], store.Place | None, bool]:
        only = None if status == "all" else status
        found = store.actions.listed(tx, only, kind, before, _ON_PAGE)
        failed = store.actions.listed(tx, "failed", None, None, 1)
        known: dict[str, store.Integration | None] = {}
        return [_shown(tx, row, known) for row in found], found.next, bool(failed.rows)

    shown, rest, any_failed = await visit.read(job)
    more = {**asked, "cursor": cursor_of(rest, _LIST)} if rest is not None else None
    return visit.render(
        "outbox.html",
        problem=problem,
        actions=shown,
        chosen=status,
        kind=kind or "",
        statuses=list(_STATUSES.items()),
        kinds=sorted(((one.name, one.title) for one in KINDS.values()), key=itemgetter(1)),
        any_failed=any_failed,
        is_filtered=bool(kind) or status != store.actions.OWED,
        is_first=before is None,
        more=address("/outbox", **more) if more else None,
    )


@pages.post("/outbox/retry", role="developer")
async def retry_failed(visit: Visit) -> web.StreamResponse:
    """Try everything that failed again, the newest first."""
    rows = await visit.read(lambda tx: store.actions.listed(tx, "failed", None, None, AT_ONCE))
    tried, superseded = 0, 0
    for row in rows:
        try:
            await operations.retry(visit.services, visit.actor, row.id)
            tried += 1
        except (Conflict, NotFound):
            superseded += 1
    said = f"{tried} {'action is' if tried == 1 else 'actions are'} being retried."
    if superseded:
        said += f" {superseded} had been replaced by newer ones."
    if rows.next is not None:
        said += " There are more: retry them when these are done."
    is_all = tried and rows.next is None
    return visit.to(
        "/outbox",
        said if rows.rows else "Nothing has failed.",
        kind="success" if is_all or not rows.rows else "warning",
    )


@pages.post("/outbox/{action_id}/retry", role="developer")
async def retry(visit: Visit) -> web.StreamResponse:
    """Try one action again now."""
    try:
        action_id = visit.path("action_id").lower()
        action = await operations.retry(visit.services, visit.actor, action_id)
    except Conflict as error:
        return await outbox(visit, refusal(error))
    return visit.to("/outbox", f"{title_of(action.kind)}: retrying now.")


def _shown(
    tx: store.Transaction, row: store.ListedAction, known: dict[str, store.Integration | None]
) -> dict[str, Any]:
    """Return an action with what it is about."""
    integration_id = row.integration_id
    if integration_id not in known:
        known[integration_id] = store.integrations.find(tx, integration_id)
    integration = known[integration_id]
    reason = row.reason or row.last_error or (row.result or {}).get("warning")
    title: str | None
    url: str | None
    if row.item_id:
        item = store.items.get(tx, row.item_id)
        title, url = item.title, store.addresses.present(item.html_url, row.repository)
        linked = store.links.of_target(tx, item.kind, row.item_id)
        keys = [link.experiment_key for link in linked]
    else:
        title, keys = row.request.get("title"), row.request.get("experiment_keys") or []
        made = (row.result or {}).get("html_url")
        url = store.addresses.present(made, row.repository) or _address(tx, row)
    return {
        **msgspec.structs.asdict(row),
        "kind": title_of(row.kind),
        "reason": concealing.text(reason) if reason else None,
        "remedy": concealing.text(row.remedy) if row.remedy else None,
        "title": title,
        "where": f"{row.repository}#{row.number}" if row.number else row.repository,
        "url": url,
        "keys": keys,
        "integration": integration.name if integration else None,
    }


def _address(tx: store.Transaction, row: store.ListedAction) -> str | None:
    """Return where on GitHub an action is about that names no item of ours."""
    if row.repository_id == store.actions.NOWHERE:
        return None
    repository = store.repositories.get(tx, row.repository_id)
    address = f"https://{repository.host}/{repository.full_name}"
    return f"{address}/issues/{row.number}" if row.number else address
