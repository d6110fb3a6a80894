"""The page of an experiment, what can be done there, and the lists of all that is linked."""

import itertools
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from bot import storage as store
from bot import times
from bot.api.activity import activity_item
from bot.api.experiments import ExperimentChange
from bot.api.linking import IssueCreate
from bot.api.links import (
    IssueQuery,
    PullRequestQuery,
    linked_commit,
    linked_issue,
    linked_pull_request,
)
from bot.dashboard import charts, code, concealing, seen
from bot.dashboard.forms import (
    Refusal,
    helpful,
    listed_words,
    plain_text,
    refusal,
    with_warnings,
)
from bot.dashboard.page import Pages, Visit, address
from bot.domain import suggestions
from bot.domain.activity import TYPES
from bot.domain.errors import Changed, Code, Failed, FieldError, Invalid
from bot.domain.experiments import STATUS_CHANGED, STATUSES, change_told
from bot.emails import without_emails
from bot.github import CallFailed, names
from bot.operations import clean_ups, experiments, issues, linking
from bot.web.cursors import Paged
from bot.web.problems import FieldMessage
from bot.web.validation import fit, parse_query

pages = Pages()
_SHOWN = {"open": 20, "merged": 10, "closed": 10}  # pull requests, by state
_KNOWN = 100  # of those that are open: it is told how many of no more are drafts
_BESIDE = 8  # issues, commits
_FEED = 50
_MARKED = 50  # changes of status, the last ones
_PULL_REQUEST = re.compile(r"/([^/]+/[^/]+)/pull/([1-9][0-9]{0,9})(?:/.*)?")
_EXAMPLE = "https://github.com/owner/repository/pull/12"
_HELP = {
    "integration_id": "Choose an integration.",
    "repository": "Enter it as owner/repository.",
    "title": "Enter a title of 1 to 256 characters.",
    "body": "Use 60,000 characters at most.",
    "labels": "Use at most 20 labels, each of 1 to 50 characters.",
    "assignees": "Enter at most 10 GitHub usernames.",
    "type": "Enter the name of one of the organization's issue types.",
    "status": "Choose one of the statuses.",
}
# What is said of the address of a pull request
_LINKING: Mapping[Code, str] = {
    "no_address": f"Enter the URL of a pull request, for example {_EXAMPLE}.",
    "is_issue": "This is an issue. To link it, add the key line to its description.",
    "no_such_number": "There is no pull request with this number.",
    "host_not_served": "There is no active integration for {host}; the active ones are for "
    "{limit}.",
    "no_host_served": "There is no active integration for {host}: set one up first.",
    "repository_not_served": "No active integration allows {limit}. An admin can add it to the "
    "repositories of an integration.",
    "not_reached": "No integration can reach a pull request {limit}.",
}


@dataclass(frozen=True, slots=True)
class Linked:
    """What is linked to an experiment, as much of it as its page shows."""

    experiment: store.Experiment
    counts: Mapping[str, Mapping[str, int]]  # by kind and state
    pulls: Mapping[str, Sequence[store.ListedItem]]  # by state
    issues: Sequence[store.ListedItem]
    commits: store.Part[store.LinkedCommit]
    days: Sequence[store.PullRequestDay]
    statuses: store.Part[store.Activity]
    integrations: Sequence[store.Integration]
    live: Sequence[store.LiveCount]  # in some environments, production first
    clean_ups: Sequence[clean_ups.Standing]
    code: code.Places

    @property
    def repositories(self) -> list[str]:
        """Return where the experiment lives, the repository that was linked last first."""
        rows: Iterator[Any] = itertools.chain(*self.pulls.values(), self.issues, self.commits)
        return list(dict.fromkeys(row.repository for row in rows))


@pages.get("/experiments/{key}")
async def experiment_page(
    visit: Visit,
    form: str | None = None,
    problem: Refusal | None = None,
    once: str | None = None,
) -> web.StreamResponse:
    """The page; `form` is the id of the one that could not be done, for the `problem`.

    `once` is what makes that of a tracking issue one request, however often it is sent.
    """
    key = visit.path("key")
    linked = await visit.read(lambda tx: _linked(tx, key))
    if linked is None:
        return await _missing(visit)
    older = visit.query.get("older") or None
    before = visit.position(2, _path(visit), "older")
    rows = await visit.read(lambda tx: store.activity.of_experiment(tx, key, None, before, _FEED))
    feed = visit.page(rows, _path(visit), activity_item)
    return visit.render(
        "experiment.html",
        key=key,
        one=linked.experiment,
        linked=linked,
        shown={state: linked.pulls[state][:limit] for state, limit in _SHOWN.items()},
        progress=_progress(linked),
        timeline=_timeline(linked),
        is_marked_whole=linked.statuses.next is None,
        statuses=[(status, status) for status in STATUSES],
        days=[
            (day, list(items))
            for day, items in itertools.groupby(feed.items, lambda item: item.occurred_at[:10])
        ],
        more=address(_path(visit), older=feed.next_cursor) if feed.next_cursor else None,
        older=older,
        type_signs={name: one.sign for name, one in TYPES.items()},
        choices=[(row.id, row.name) for row in linked.integrations],
        form=form,
        typed=plain_text(visit.form) if form else {},
        chosen=_chosen(visit, linked, form),
        problem=problem,
        failed_in_outbox=form == "track" and problem is not None and problem.status == 502,
        once=once or str(uuid.uuid4()),
    )


@pages.post("/experiments/{key}/status", role="developer")
async def set_status(visit: Visit) -> web.StreamResponse:
    """Change the status, if it is still the one that the form showed."""
    key, as_shown = visit.path("key"), seen.as_shown(visit.form, attrgetter("status"), "seen")
    try:
        change = msgspec.to_builtins(
            fit({"status": visit.form.get("status", "")}, ExperimentChange)
        )
        changed = await experiments.change(visit.services, visit.actor, key, change, as_shown)
    except Changed:
        one = await visit.read(lambda tx: experiments.find(tx, key))
        said = (
            f"The status is now {one.status}: somebody changed it after you opened this page, so "
            "nothing was done. Choose the status again."
        )
        return await experiment_page(visit, "change", Refusal(412, "changed meanwhile", said))
    except Invalid as error:
        return await experiment_page(visit, "change", refusal(error, helpful(_HELP)))
    notice, kind = with_warnings(f"The status is now {changed.row.status}.", changed.warnings)
    return visit.to(_path(visit), notice, kind=kind)


@pages.post("/experiments/{key}/pull-requests", role="developer")
async def link(visit: Visit) -> web.StreamResponse:
    """Link the pull request at an address, through whichever integration reaches it."""
    host = ""

    def say(error: FieldError) -> FieldMessage:
        return FieldMessage("url", _LINKING[error.code].format(limit=error.limit, host=host))

    try:
        host, repository, number = _parsed(visit.form.get("url", ""))
        linked = await linking.link_from(
            visit.services, visit.actor, visit.path("key"), host, repository, number
        )
    except (Failed, CallFailed) as error:
        return await experiment_page(visit, "link", refusal(error, say))
    title = without_emails(linked.title)
    return visit.to(_path(visit), f"Linked {linked.repository}#{linked.number}: {title}")


@pages.post("/experiments/{key}/pull-requests/{owner}/{repo}/{number}/unlink", role="developer")
async def unlink(visit: Visit) -> web.StreamResponse:
    full_name, number = f"{visit.path('owner')}/{visit.path('repo')}", int(visit.path("number"))
    await linking.unlink(visit.services, visit.actor, visit.path("key"), full_name, number)
    return visit.to(_path(visit), f"Unlinked {full_name}#{number}.")


@pages.post("/experiments/{key}/issues", role="developer")
async def create_issue(visit: Visit) -> web.StreamResponse:
    form = plain_text(visit.form)
    body = {
        "integration_id": form.get("integration_id", ""),
        "repository": form.get("repository", ""),
        "title": form.get("title", ""),
        "body": form.get("body") or None,
        "labels": listed_words(form.get("labels", "")),
        "assignees": [login.lstrip("@") for login in listed_words(form.get("assignees", ""))],
        "type": form.get("type", "").strip() or None,
    }
    given = form.get("once", "")  # a form that is sent twice makes one issue
    once = given if re.fullmatch(r"[0-9a-f-]{36}", given) else str(uuid.uuid4())
    try:
        asked = fit(body, IssueCreate)
        made = await issues.create(
            visit.services,
            visit.actor,
            visit.path("key"),
            **msgspec.structs.asdict(asked),
            idempotency_key=f"page:{once}",
        )
    except Invalid as error:
        return await experiment_page(visit, "track", refusal(error, helpful(_HELP)), once)
    except (Failed, CallFailed) as error:
        return await experiment_page(visit, "track", refusal(error))
    if made.status == "failed":
        wrong = issues.refusal_of(made)
        then = " Once that is fixed, it is done by itself." if issues.goes_on(made) else ""
        failed = Refusal(502, "refused by GitHub", f"{made.last_error}.{then}")
        if wrong is not None:
            failed = refusal(Invalid([wrong]), helpful(_HELP))
        return await experiment_page(visit, "track", failed)
    if made.status == "done":
        issue = made.result or {}
        said = f"Created the issue {made.repository}#{issue['number']}: {issue['html_url']}"
        warning = issue.get("warning")
        if warning is not None:
            return visit.to(_path(visit), f"{said}. {concealing.text(warning)}", kind="warning")
        return visit.to(_path(visit), said)
    notice = "The issue has not been created yet. The bot keeps trying; see the outbox."
    return visit.to(_path(visit), notice, kind="warning")


def _path(visit: Visit) -> str:
    return f"/experiments/{visit.path('key')}"


# --- The page


def _linked(tx: store.Transaction, key: str) -> Linked | None:
    found = store.experiments.find(tx, key)
    if found is None:
        return None

    def items(kind: str, state: str | None, limit: int) -> list[store.ListedItem]:
        return store.linked.items_of_experiment(tx, key, kind, state, None, limit).rows

    pulls = {
        state: items("pull_request", state, _KNOWN if state == "open" else limit)
        for state, limit in _SHOWN.items()
    }
    return Linked(
        found,
        store.linked.counts_by_state(tx, key),
        pulls,
        items("issue", None, _BESIDE),
        store.linked.commits_of_experiment(tx, key, None, _BESIDE),
        store.linked.pull_request_days(tx, key),
        store.activity.of_experiment(tx, key, STATUS_CHANGED.name, None, _MARKED),
        [row for row in store.integrations.listed(tx, None, 200) if row.is_active],
        store.live.of_experiments(tx, [key]).get(key, ()),
        clean_ups.standing(tx, key),
        code.places(tx, key),
    )


def _progress(linked: Linked) -> dict[str, int]:
    """Return how far the pull requests are; `drafts` is 0 where not all that are open are known."""
    counts = linked.counts["pull_request"]
    found = {state: counts.get(state, 0) for state in _SHOWN}
    known = linked.pulls["open"]
    drafts = sum(row.draft for row in known) if len(known) == found["open"] else 0
    return {**found, "drafts": drafts}


def _timeline(linked: Linked) -> charts.Timeline | None:
    opened: Counter[int] = Counter()
    merged: Counter[int] = Counter()
    for row in linked.days:
        opened[row.opened * charts.DAY] += row.count
        if row.merged is not None:
            merged[row.merged * charts.DAY] += row.count
    statuses = [(row.position, change_told(row)) for row in linked.statuses]
    return charts.timeline(opened, merged, statuses, times.now())


def _chosen(visit: Visit, linked: Linked, form: str | None) -> str:
    """Return the status that the control shows: the present one, or what somebody has chosen."""
    typed = visit.form.get("status")
    is_chosen = form == "change" and typed in STATUSES and typed != visit.form.get("seen")
    return str(typed if is_chosen else linked.experiment.status)


async def _missing(visit: Visit) -> web.Response:
    """Return the page of a key that no experiment has; some links may name it."""
    key = visit.path("key")
    counts, close = await visit.read(
        lambda tx: (store.links.counts_by_kind(tx, key), suggestions.close_keys(tx, key, 3))
    )
    return visit.render("experiment_missing.html", status=404, key=key, counts=counts, close=close)


# --- All that is linked, a kind at a time


@pages.get("/experiments/{key}/pull-requests")
async def all_pull_requests(visit: Visit) -> web.StreamResponse:
    query = parse_query(visit.request, PullRequestQuery)
    return await _whole_list(visit, "pull_request", query, linked_pull_request, query.state)


@pages.get("/experiments/{key}/issues")
async def all_issues(visit: Visit) -> web.StreamResponse:
    query = parse_query(visit.request, IssueQuery)
    return await _whole_list(visit, "issue", query, linked_issue, query.state)


@pages.get("/experiments/{key}/commits")
async def all_commits(visit: Visit) -> web.StreamResponse:
    query = parse_query(visit.request, Paged)
    return await _whole_list(visit, "commit", query, linked_commit)


async def _whole_list(
    visit: Visit, kind: str, query: Paged, item: Callable[[Any], Any], state: str | None = None
) -> web.Response:
    key, before = visit.path("key"), visit.position(2, visit.request.path)

    def job(tx: store.Transaction) -> tuple[store.Experiment, store.Part[Any]]:
        one = experiments.find(tx, key)
        if kind == "commit":
            return one, store.linked.commits_of_experiment(tx, key, before, query.limit)
        return one, store.linked.items_of_experiment(tx, key, kind, state, before, query.limit)

    one, rows = await visit.read(job)
    found = visit.page(rows, visit.request.path, item)
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


# --- The address of a pull request


def _parsed(url: str) -> tuple[str, str, int]:
    """Return host, repository and number of the pull request at an address; raises Invalid."""
    try:
        parts = urlsplit(url if "://" in url else f"https://{url}")
        host, path = parts.netloc.lower(), parts.path.rstrip("/")
    except ValueError:
        raise Invalid.field("url", "no_address") from None
    found = _PULL_REQUEST.fullmatch(path)
    if parts.scheme not in ("http", "https") or not host or found is None:
        raise Invalid.field("url", "is_issue" if "/issues/" in path else "no_address")
    if not names.is_repository(found[1]):
        raise Invalid.field("url", "no_address")
    if int(found[2]) > names.MAX_NUMBER:
        raise Invalid.field("url", "no_such_number")
    return host.removeprefix("www."), found[1], int(found[2])
