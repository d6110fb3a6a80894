"""Which experiments live in which repository, and the keys that no experiment has."""

from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web

from bot import storage as store
from bot.dashboard.page import Pages, Visit, address
from bot.domain import rules, suggestions
from bot.domain.errors import Invalid, NotFound
from bot.domain.keys import is_key
from bot.operations import code
from bot.web.cursors import cursor_of, position_of

pages = Pages()
_ON_PAGE = 25  # repositories, and keys without an experiment: each takes a few queries
_IN_LIST = 50  # experiments, pull requests or issues of a repository
_IN_SECTION = 10  # of each while all three are shown
_NAMED = 5  # experiments named for each repository, those last heard of
_COUNTED = 100  # experiments counted for each repository
_EXAMPLES = 3  # links shown for each key
_STATES = ("closed", "merged", "open")
_KINDS = {"pull-requests": "pull_request", "issues": "issue"}
_SECTIONS = ("experiments", *_KINDS)


@pages.get("/repositories")
async def repositories(visit: Visit) -> web.StreamResponse:
    """All of them, the one last heard of first."""
    text, name = visit.query.get("q", "").strip(), "repositories"
    before = position_of(visit.query.get("cursor"), 2, name)

    def job(tx: store.Transaction) -> tuple[list[dict[str, Any]], store.Place | None]:
        found = store.repositories.heard_of(tx, text, before, _ON_PAGE)
        return [_with_experiments(tx, row) for row in found], found.next

    shown, rest = await visit.read(job)
    more = cursor_of(rest, name) if rest else None
    return visit.render(
        "repositories.html",
        repositories=shown,
        q=text,
        more=address("/repositories", q=text, cursor=more) if more else None,
        is_first=before is None,
    )


@pages.get("/repositories/{owner}/{repo}")
async def repository(visit: Visit) -> web.StreamResponse:
    """What is linked in one repository: some of everything, or with `show` all of a kind."""
    full_name = f"{visit.path('owner')}/{visit.path('repo')}"
    host, show = visit.query.get("host"), visit.query.get("show")
    if show is not None and show not in _SECTIONS:
        raise Invalid.field("show", "not_one_of", ", ".join(_SECTIONS))
    cursor = visit.query.get("cursor")
    place = _place(show, cursor) if show and cursor is not None else None

    def job(
        tx: store.Transaction,
    ) -> tuple[store.CountedRepository, list[dict[str, Any]], dict[str, Any]]:
        row = store.repositories.find(tx, full_name, host)
        if row is None:
            raise NotFound("repository with links")
        here, sections = f"/repositories/{row.full_name}", []
        for name in _SECTIONS if show is None else (show,):
            rows, more = _section(tx, row.id, name, place, _IN_LIST if show else _IN_SECTION)
            rest = address(here, host=host, show=name, cursor=more if show else None)
            sections.append({"name": name, "rows": rows, "more": rest if more else None})
        about = {
            "code": code.state_of(tx, row),
            "lines": store.code_references.counted(tx, row.id).total(),
            "settings": _settings(tx, row.id) if show is None else None,
        }
        return row, sections, about

    row, sections, about = await visit.read(job)
    return visit.render(
        "repository.html",
        repository=row,
        sections=sections,
        show=show,
        is_first=cursor is None,
        **about,
    )


def _settings(tx: store.Transaction, repository_id: int) -> dict[str, Any]:
    """Return which settings hold in a repository, and what its .github/experiments.yml says."""
    speaker_id = store.repositories.get(tx, repository_id).speaker_id
    integration = store.integrations.find(tx, speaker_id) if speaker_id is not None else None
    row = store.rules.find(tx, repository_id)
    names = ("comments", "label", "check", "code", "cleanup")
    said = rules.settings_of(row)
    held = rules.within(integration.config, row) if integration is not None else None
    return {
        "file": row,
        "said": said,
        "integration": integration,
        "rows": [
            (name, getattr(held, name), getattr(held, name) != getattr(integration.config, name))
            for name in names
        ]
        if held is not None and integration is not None
        else [],
    }


@pages.get("/unresolved")
async def unresolved(visit: Visit) -> web.StreamResponse:
    """The keys that links name but no experiment has."""
    text, after = visit.query.get("q", "").strip(), visit.query.get("after")
    if after is not None and not is_key(after):
        raise Invalid.field("after", "no_key")

    def job(tx: store.Transaction) -> tuple[list[dict[str, Any]], str | None]:
        found = store.linked.unresolved_keys(tx, text, (after,) if after else None, _ON_PAGE)
        near = suggestions.close_to_each(tx, [row.experiment_key for row in found])
        shown = [
            {
                **msgspec.structs.asdict(row),
                "examples": store.linked.some_of_key(tx, row.experiment_key, _EXAMPLES),
                "near": near.get(row.experiment_key),
                "links": row.pull_requests + row.issues + row.commits,
            }
            for row in found
        ]
        return shown, found.next[0] if found.next else None

    shown, last = await visit.read(job)
    return visit.render(
        "unresolved.html",
        keys=shown,
        q=text,
        more=address("/unresolved", q=text, after=last) if last else None,
        is_first=after is None,
    )


def _with_experiments(tx: store.Transaction, row: store.CountedRepository) -> dict[str, Any]:
    """Return a repository with some of its experiments, and how many more there are."""
    found = store.linked.keys_of_repository(tx, row.id, _COUNTED + 1)
    named = sorted(found, key=lambda one: one.last_activity or 0, reverse=True)[:_NAMED]
    return {
        **msgspec.structs.asdict(row),
        "experiments": named,
        "others": min(len(found), _COUNTED) - len(named),
        "uncounted": len(found) > _COUNTED,
    }


def _section(
    tx: store.Transaction, repository_id: int, name: str, place: store.Place | None, limit: int
) -> tuple[Sequence[Any], str | None]:
    """Return a repository's experiments with what they have there, or its pull requests or issues
    with their keys, and the cursor of the rest."""
    if name == "experiments":
        keyed = store.linked.experiments_of_repository(tx, repository_id, place, limit)
        return keyed.rows, keyed.next[0] if keyed.next else None
    found = store.linked.items_of_repository(tx, repository_id, _KINDS[name], place, limit)
    keys = store.links.keys_of_targets(tx, _KINDS[name], [row.id for row in found])
    shown = [{**msgspec.structs.asdict(row), "keys": keys[row.id]} for row in found]
    if found.next is None:
        return shown, None
    state, state_at, item_id = found.next
    return shown, cursor_of((_STATES.index(state), state_at, item_id), "items")


def _place(section: str, cursor: str) -> store.Place:
    """Return where a section goes on: after a key, or before a state, a time and an id."""
    if section == "experiments":
        if not is_key(cursor):
            raise Invalid.field("cursor", "no_key")
        return (cursor,)
    position = position_of(cursor, 3, "items")
    assert position is not None
    if position[0] not in range(len(_STATES)):
        raise Invalid.field("cursor", "no_place")
    return (_STATES[position[0]], *position[1:])
