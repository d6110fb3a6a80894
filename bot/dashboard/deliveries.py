"""An integration's deliveries: what GitHub sent, what became of it, and running it again."""

import asyncio
from typing import Any, get_args
from urllib.parse import quote

import msgspec
from aiohttp import web

from bot import storage as store
from bot import times
from bot.api import deliveries as api
from bot.dashboard import concealing
from bot.dashboard.forms import Refusal, refusal
from bot.dashboard.integrations import id_of
from bot.dashboard.page import Pages, Visit, address
from bot.domain.errors import Conflict
from bot.operations import deliveries, integrations
from bot.web.validation import fit

pages = Pages()
AT_ONCE = 100  # deliveries that one press of the button replays
_MOST_EVENTS = 60
_MOST_ITEMS = 200
_PATH = "/integrations/{integration_id}/deliveries"
# What a replay has come to, by the delivery's status, and the kind of notice that says it.
_OUTCOMES = {
    "processed": ("Replayed. If it had taken effect before, nothing has changed.", "success"),
    "ignored": ("Replayed, but nothing has changed. The reason is below.", "warning"),
}
_FAILED = ("Replayed, but it failed again. The reason is below.", "error")


@pages.get(_PATH, role="developer")
async def listing(visit: Visit) -> web.StreamResponse:
    """The latest received first, as GitHub lists its recent deliveries."""
    asked = visit.asked("status", "event", "cursor")
    here = f"/integrations/{id_of(visit)}/deliveries"
    query, before = fit(asked, api.DeliveryQuery), visit.position(1, here)

    def job(tx: store.Transaction) -> tuple[Any, ...]:
        one = integrations.find(tx, id_of(visit))
        rows = store.deliveries.listed(tx, one.seq, query.status, query.event, before, query.limit)
        failing = store.deliveries.failing(tx, one.seq, 0, 1)
        return one, rows, store.deliveries.events_of(tx, one.seq, _MOST_EVENTS), bool(failing)

    integration, rows, events, is_failing = await visit.services.database.read(job)
    page = visit.page(rows, here, lambda row: _shown(api.shown(row)))
    filters = {name: asked.get(name, "") for name in ("status", "event")}
    if filters["event"] and filters["event"] not in events:
        events = sorted([*events, filters["event"]])
    after = visit.query.get("after", "")
    return visit.render(
        "deliveries.html",
        integration=integration,
        deliveries=page.items,
        statuses=[(name, name.capitalize()) for name in get_args(store.DeliveryStatus)],
        events=[(name, name) for name in events],
        filters=filters,
        is_filtered=any(filters.values()),
        is_failing=is_failing,
        after=after if after.isdecimal() else "",
        at_once=AT_ONCE,
        more=address(here, **filters, cursor=page.next_cursor) if page.next_cursor else None,
        is_first="cursor" not in asked,
    )


@pages.post(f"{_PATH}/replay", role="developer")
async def replay_failed(visit: Visit) -> web.StreamResponse:
    """Run those that have not taken effect again, one after the other, the oldest first."""
    integration_id = id_of(visit)
    after = visit.form.get("after", "")
    begin = int(after) if after.isdecimal() and len(after) < 16 else 0
    rows = await visit.services.database.read(
        lambda tx: store.deliveries.failing(
            tx, integrations.find(tx, integration_id).seq, begin, AT_ONCE + 1
        )
    )
    went, failed = 0, 0
    for row in rows[:AT_ONCE]:
        answer = await deliveries.replay(visit.services, visit.actor, integration_id, row.guid)
        went += answer.status in ("processed", "ignored")
        failed += answer.status not in ("processed", "ignored")
    more = str(rows[AT_ONCE - 1].seq) if len(rows) > AT_ONCE else ""
    return visit.to(
        f"/integrations/{integration_id}/deliveries",
        _told(went, failed, is_all=not more),
        kind="error" if failed and not went else "warning" if failed or not rows else "success",
        **({"after": more} if more else {}),
    )


@pages.get(f"{_PATH}/{{delivery_id}}", role="developer")
async def detail(visit: Visit, problem: Refusal | None = None) -> web.StreamResponse:
    """One delivery: what was sent, what it changed, why it failed."""
    integration_id = id_of(visit)
    integration = (await integrations.get(visit.services, integration_id)).row
    delivery = api.detail(
        await deliveries.get(visit.services, integration_id, visit.path("delivery_id"))
    )
    items = await visit.read(lambda tx: store.activity.of_delivery(tx, delivery.id, _MOST_ITEMS))
    payload = delivery.payload
    parts = await asyncio.to_thread(concealing.parts, payload) if payload is not None else None
    return visit.render(
        "delivery.html",
        problem=problem,
        integration=integration,
        delivery=_shown(delivery),
        sent_headers=[
            (name, concealing.named(name, text)) for name, text in delivery.headers.items()
        ],
        parts=parts,
        items=items,
        days=visit.services.settings.payload_days,
    )


@pages.post(f"{_PATH}/{{delivery_id}}/replay", role="developer")
async def replay(visit: Visit) -> web.StreamResponse:
    """Run the handlers of one delivery again."""
    integration_id = id_of(visit)
    try:
        guid = visit.path("delivery_id")
        answer = await deliveries.replay(visit.services, visit.actor, integration_id, guid)
    except Conflict as error:
        return await detail(visit, refusal(error))
    said, kind = _OUTCOMES.get(answer.status, _FAILED)
    if answer.status == "processed" and answer.error:
        said, kind = f"Replayed, but it failed. What it did before is kept. {answer.error}", "error"
    elif answer.status == "ignored" and answer.error:
        said, kind = "Replayed, but nothing was done. The reason is below.", "warning"
    return visit.to(
        f"/integrations/{integration_id}/deliveries/{quote(answer.guid, safe='')}",
        concealing.text(said),
        kind=kind,
    )


def _shown(one: api.Delivery) -> dict[str, Any]:
    """Return a delivery as a page shows it; `address` is that of its page, below the list's."""
    return {
        **msgspec.structs.asdict(one),
        "address": quote(one.id, safe=""),
        "what": concealing.text(f"{one.event}.{one.action}" if one.action else one.event),
        "repository": concealing.text(one.repository) if one.repository else None,
        "took": _duration(one.received_at, one.processed_at),
        "error": concealing.text(one.error) if one.error else None,
    }


def _duration(since: str, until: str | None) -> str | None:
    """Return how long it took until a delivery had taken effect, for people."""
    start, end = times.parse(since), times.parse(until) if until else None
    if start is None or end is None:
        return None
    seconds = max(0, end - start) / times.SECOND
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.001 else "under 1 ms"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def _told(went: int, failed: int, *, is_all: bool) -> str:
    count = went + failed
    if not count:
        return "Nothing to replay: no delivery has failed, or the payloads are no longer stored."
    said = f"Replayed {count} {'delivery' if count == 1 else 'deliveries'}: {went} succeeded"
    said += f", {failed} failed again." if failed else "."
    return said if is_all else f"{said} There are more: replay the next ones below."
