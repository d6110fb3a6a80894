"""All that is linked to an experiment, a kind at a time."""

from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from bot import storage as store
from bot.api.links import (
    IssueQuery,
    PullRequestQuery,
    linked_commit,
    linked_issue,
    linked_pull_request,
)
from bot.dashboard.page import Pages, Visit, address
from bot.operations import experiments
from bot.web.cursors import Page, Paged
from bot.web.validation import parse_query

pages = Pages()


@pages.get("/experiments/{key}/pull-requests")
async def all_pull_requests(visit: Visit) -> web.StreamResponse:
    query = parse_query(visit.request, PullRequestQuery)
    return await _items(visit, "pull_request", query, linked_pull_request)


@pages.get("/experiments/{key}/issues")
async def all_issues(visit: Visit) -> web.StreamResponse:
    return await _items(visit, "issue", parse_query(visit.request, IssueQuery), linked_issue)


@pages.get("/experiments/{key}/commits")
async def all_commits(visit: Visit) -> web.StreamResponse:
    query, key = parse_query(visit.request, Paged), visit.path("key")
    before = visit.position(2)
    rows = await visit.services.database.read(
        lambda tx: store.linked.commits_of_experiment(
            tx, experiments.existing(tx, key), before, query.limit
        )
    )
    return await _whole_list(visit, "commit", None, query, visit.page(rows, linked_commit))


async def _items(
    visit: Visit,
    kind: str,
    query: PullRequestQuery | IssueQuery,
    item: Callable[[Any], Any],
) -> web.Response:
    key, before = visit.path("key"), visit.position(2)
    rows = await visit.services.database.read(
        lambda tx: store.linked.items_of_experiment(
            tx, experiments.existing(tx, key), kind, query.state, before, query.limit
        )
    )
    return await _whole_list(visit, kind, query.state, query, visit.page(rows, item))


async def _whole_list(
    visit: Visit, kind: str, state: str | None, query: Paged, found: Page[Any]
) -> web.Response:
    one = await experiments.get(visit.services, visit.path("key"))
    more = {**msgspec.structs.asdict(query), "cursor": found.next_cursor}
    return visit.render(
        "experiment_list.html",
        one=one,
        kind=kind,
        state=state,
        rows=found.items,
        is_first=query.cursor is None,
        more=address(visit.request.path, **more) if found.next_cursor else None,
    )
