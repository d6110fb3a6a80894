"""Where experiments stand in the code of default branches, and that it is read again."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from aiohttp import web

from bot import storage as store
from bot.api.activity import activity_item
from bot.dashboard.page import Pages, Visit, address
from bot.domain.code_readings import ADDED, REMOVED
from bot.domain.errors import Conflict
from bot.operations import code, experiments
from bot.web.problems import problem_of

pages = Pages()
_ON_PAGE = 100  # lines
_SHOWN = 8  # repositories on the page of an experiment
_TOLD = 20  # changes by pushes, of each kind


class Place(NamedTuple):
    """A repository that names an experiment: how often, and how far it was read."""

    state: code.State
    lines: int


class Places(NamedTuple):
    """Some repositories that name an experiment, those first that name it most; `more`: of more."""

    shown: Sequence[Place]
    lines: int
    more: bool


def places(tx: store.Transaction, key: str) -> Places:
    """Return where an experiment stands in code, for its page."""
    found = store.code_references.by_repository(tx, key, _SHOWN + 1)
    shown = [
        Place(code.state_of(tx, store.repositories.get(tx, one.repository_id)), one.number)
        for one in found[:_SHOWN]
    ]
    lines = store.code_references.counts(tx, [key]).get(key, 0)
    return Places(shown, lines, len(found) > _SHOWN)


@pages.get("/experiments/{key}/code")
async def of_experiment(visit: Visit) -> web.StreamResponse:
    """All lines that name it, by repository; and what pushes have added and removed."""
    key, path = visit.path("key"), f"/experiments/{visit.path('key')}/code"
    before = visit.position(1, path)

    def job(
        tx: store.Transaction,
    ) -> tuple[store.Experiment, store.Part[store.PlacedReference], dict[int, code.State]]:
        one = experiments.find(tx, key)
        rows = code.of_experiment(tx, key, None, before, _ON_PAGE)
        ids = dict.fromkeys(row.repository_id for row in rows)
        states = {one: code.state_of(tx, store.repositories.get(tx, one)) for one in ids}
        return one, rows, states

    one, rows, states = await visit.read(job)
    told = await visit.read(lambda tx: _told(tx, key))
    part = visit.page(rows, path, lambda row: row)
    return visit.render(
        "code.html",
        one=one,
        repositories=[
            (states[repository_id], [(row, code.permalink(row)) for row in lines])
            for repository_id, lines in itertools.groupby(rows, lambda row: row.repository_id)
        ],
        told=[activity_item(row) for row in told],
        is_first=before is None,
        more=address(path, cursor=part.next_cursor) if part.next_cursor else None,
    )


def _told(tx: store.Transaction, key: str) -> list[store.Activity]:
    """Return what pushes have added and removed last."""
    found = [
        row
        for kind in (ADDED, REMOVED)
        for row in store.activity.of_experiment(tx, key, kind.name, None, _TOLD)
    ]
    return sorted(found, key=lambda row: row.position, reverse=True)[:_TOLD]


@pages.post("/repositories/{owner}/{repo}/code", role="developer")
async def read_again(visit: Visit) -> web.StreamResponse:
    """Read all of a default branch again."""
    name, host = f"{visit.path('owner')}/{visit.path('repo')}", visit.form.get("host")
    query = {"host": host} if host else {}
    try:
        await code.read_again(visit.services, visit.actor, name, host or None)
    except Conflict as error:
        said = problem_of(error).body.detail
        return visit.to(f"/repositories/{name}", said, kind="error", **query)
    return visit.to(f"/repositories/{name}", "The code is read again.", **query)
