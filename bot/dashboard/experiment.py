"""The page of an experiment, and what can be done there."""

import itertools
import re
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from bot import storage as store
from bot import times
from bot.api import activity, experiments, linking, links, models
from bot.api.conditions import Conditions
from bot.dashboard import charts
from bot.dashboard.experiments import explained, listed_words, plain_text
from bot.dashboard.page import Pages, Visit, address
from bot.domain import integrations, repositories, suggestions
from bot.domain.experiments import STATUSES
from bot.domain.integrations import Integration
from bot.web.problems import Problem, invalid

pages = Pages()
STATES = ("open", "merged", "closed")
_SHOWN = {"open": 20, "merged": 10, "closed": 10}  # pull requests
_KNOWN = 100  # of those that are open: it is told how many of no more are drafts
_BESIDE = 8  # issues, commits
_FEED = 50
_MARKED = 50  # changes of status, the last ones
_TRIED = 5  # integrations that are asked for a pull request
_PULL_REQUEST = re.compile(r"/([\w.-]{1,100})/([\w.-]{1,100})/pull/([1-9][0-9]{0,9})(?:/.*)?", re.A)
_EXAMPLE = "https://github.com/owner/repository/pull/12"
# What stands before an item of the feed; the words are its own.
_SIGNS = {
    "experiment.created": "★",
    "experiment.status_changed": "→",
    "pull_request.opened": "+",
    "issue.created": "+",
    "pull_request.linked": "∞",
    "issue.linked": "∞",
    "pull_request.updated": "↑",
    "issue.labeled": "#",
    "pull_request.ready_for_review": "?",
    "pull_request.merged": "✓",
    "pull_request.closed": "✕",
    "issue.closed": "✓",
    "pull_request.reopened": "↺",
    "issue.reopened": "↺",
    "pull_request.unlinked": "⊘",
    "issue.unlinked": "⊘",
    "commit.pushed": "●",
    "command.executed": "/",
    "command.refused": "/",
}
_HELP = {
    "integration_id": "Choose an integration.",
    "repository": "Enter it as owner/repository.",
    "title": "Enter a title of 1 to 256 characters.",
    "body": "Use 60,000 characters at most.",
    "labels": "Use at most 20 labels, each of 1 to 50 characters.",
    "assignees": "Enter at most 10 GitHub usernames.",
    "status": "Choose one of the statuses.",
    "url": f"Enter the URL of a pull request, for example {_EXAMPLE}.",
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

    @property
    def repositories(self) -> list[str]:
        """Return where the experiment lives, the repository that was linked last first."""
        rows: Iterator[Any] = itertools.chain(*self.pulls.values(), self.issues, self.commits)
        return list(dict.fromkeys(row.repository for row in rows))


@pages.get("/experiments/{key}")
async def experiment_page(visit: Visit) -> web.StreamResponse:
    return await _page(visit)


@pages.post("/experiments/{key}/status", role="developer")
async def set_status(visit: Visit) -> web.StreamResponse:
    """Change the status, if it is still the one that the form showed."""
    body = {"status": visit.form.get("status", "")}
    shown = visit.form.get("seen")
    try:
        changed = await visit.call(
            experiments.patch,
            body=body,
            body_shape=models.ExperimentChange,
            conditions=Conditions(seen={"status": shown} if shown else {}),
        )
    except Problem as problem:
        return await _page(visit, "change", problem)
    return visit.to(_path(visit), f"The status is now {changed.status}.")


@pages.post("/experiments/{key}/pull-requests", role="developer")
async def link(visit: Visit) -> web.StreamResponse:
    """Link the pull request at an address, through whichever integration reaches it."""
    try:
        linked = await _link(visit, visit.form.get("url", ""))
    except Problem as problem:
        return await _page(visit, "link", problem)
    return visit.to(_path(visit), f"Linked {linked.repository}#{linked.number}: {linked.title}")


@pages.post("/experiments/{key}/pull-requests/{owner}/{repo}/{number}/unlink", role="developer")
async def unlink(visit: Visit) -> web.StreamResponse:
    await visit.call(linking.unlink)
    name = f"{visit.path('owner')}/{visit.path('repo')}#{visit.path('number')}"
    return visit.to(_path(visit), f"Unlinked {name}.")


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
    }
    once = form.get("once", "")
    if re.fullmatch(r"[0-9a-f-]{36}", once):  # a form that is sent twice makes one issue
        visit.request[linking.IDEMPOTENCY_KEY] = f"page:{once}"
    try:
        made = await visit.call(linking.create_issue, body=body, body_shape=models.IssueCreate)
    except Problem as problem:
        return await _page(visit, "track", problem)
    if isinstance(made, models.CreatedIssue):
        notice = f"Created the issue {made.repository}#{made.number}: {made.html_url}"
        return visit.to(_path(visit), notice)
    notice = "The issue has not been created yet. The bot keeps trying; see the outbox."
    return visit.to(_path(visit), notice, kind="warning")


@pages.get("/experiments/{key}/pull-requests")
async def all_pull_requests(visit: Visit) -> web.StreamResponse:
    return await _whole_list(visit, "pull_request", links.pull_requests, models.PullRequestQuery)


@pages.get("/experiments/{key}/issues")
async def all_issues(visit: Visit) -> web.StreamResponse:
    return await _whole_list(visit, "issue", links.issues, models.IssueQuery)


@pages.get("/experiments/{key}/commits")
async def all_commits(visit: Visit) -> web.StreamResponse:
    return await _whole_list(visit, "commit", links.commits, models.Paged)


def _path(visit: Visit) -> str:
    return f"/experiments/{visit.path('key')}"


# --- The page


async def _page(
    visit: Visit, form: str | None = None, problem: Problem | None = None
) -> web.Response:
    """Return the page; `form` is the id of the one that could not be done, for the `problem`."""
    key = visit.path("key")
    linked = await visit.services.database.read(lambda tx: _linked(tx, key))
    if linked is None:
        return await _missing(visit)
    older = visit.request.query.get("older")
    query = {"limit": _FEED, **({"cursor": older} if older else {})}
    feed = await visit.call(activity.feed, query=query, shape=models.ActivityQuery)
    return visit.render(
        "experiment.html",
        status=problem.status if problem else 200,
        key=key,
        one=linked.experiment,
        tags=linked.experiment.tags,
        linked=linked,
        commits=linked.commits.rows,
        shown={state: linked.pulls[state][:limit] for state, limit in _SHOWN.items()},
        progress=_progress(linked),
        timeline=_timeline(linked),
        is_marked_whole=linked.statuses.next is None,
        states=STATES,
        statuses=[(status, status) for status in STATUSES],
        days=[
            (day, list(items))
            for day, items in itertools.groupby(feed.items, lambda item: item.occurred_at[:10])
        ],
        more=address(_path(visit), older=feed.next_cursor) if feed.next_cursor else None,
        older=older,
        type_signs=_SIGNS,
        choices=[(row.id, row.name) for row in linked.integrations],
        form=form,
        typed=plain_text(visit.form) if form else {},
        chosen=_chosen(visit, linked, form),
        problem=_said(problem, linked.experiment) if problem else None,
        failed_in_outbox=form == "track" and problem is not None and problem.status == 502,
        once=_once(visit, problem),
    )


def _linked(tx: store.Transaction, key: str) -> Linked | None:
    found = store.experiments.find(tx, key)
    if found is None:
        return None

    def items(kind: str, state: str | None, limit: int) -> list[store.ListedItem]:
        return store.links.items_of_experiment(tx, key, kind, state, None, limit).rows

    pulls = {
        state: items("pull_request", state, _KNOWN if state == "open" else limit)
        for state, limit in _SHOWN.items()
    }
    return Linked(
        found,
        store.links.counts_by_state(tx, key),
        pulls,
        items("issue", None, _BESIDE),
        store.links.commits_of_experiment(tx, key, None, _BESIDE),
        store.links.pull_request_days(tx, key),
        store.activity.of_experiment(tx, key, "experiment.status_changed", None, _MARKED),
        [row for row in store.integrations.listed(tx, None, 200) if row.is_active],
    )


def _progress(linked: Linked) -> dict[str, int]:
    """Return how far the pull requests are; `drafts` is 0 where not all that are open are known."""
    counts = linked.counts["pull_request"]
    found = {state: counts.get(state, 0) for state in STATES}
    known = linked.pulls["open"]
    drafts = sum(row.draft for row in known) if len(known) == found["open"] else 0
    return {**found, "drafts": drafts, "all": sum(found.values())}


def _timeline(linked: Linked) -> charts.Timeline | None:
    opened: Counter[int] = Counter()
    merged: Counter[int] = Counter()
    for row in linked.days:
        opened[row.opened * charts.DAY] += row.count
        if row.merged is not None:
            merged[row.merged * charts.DAY] += row.count
    statuses = [(row.position, row.summary.rpartition(": ")[2]) for row in linked.statuses]
    return charts.timeline(opened, merged, statuses, times.now())


def _chosen(visit: Visit, linked: Linked, form: str | None) -> str:
    """Return the status that the control shows: the present one, or what somebody has chosen."""
    typed = visit.form.get("status")
    is_chosen = form == "change" and typed in STATUSES and typed != visit.form.get("seen")
    return str(typed if is_chosen else linked.experiment.status)


def _said(problem: Problem, experiment: store.Experiment) -> Any:
    """Return a problem in words for people; the API's tell what to send to it."""
    body = explained(problem, _HELP)
    if problem.status == 412:
        return msgspec.structs.replace(
            body,
            error="changed meanwhile",
            detail=f"The status is now {experiment.status}: somebody changed it after you "
            "opened this page, so nothing was done. Choose the status again.",
        )
    if problem.status == 502:
        body = msgspec.structs.replace(
            body, detail=body.detail.partition(". Once that is")[0] + "."
        )
    return body


def _once(visit: Visit, problem: Problem | None) -> str:
    """Return what makes a form's request one: a new one after GitHub has refused the last."""
    old = visit.form.get("once", "")
    is_kept = problem is not None and problem.status == 422 and problem.error == "invalid request"
    return old if is_kept and re.fullmatch(r"[0-9a-f-]{36}", old) else str(uuid.uuid4())


async def _missing(visit: Visit) -> web.Response:
    """Return the page of a key that no experiment has; some links may name it."""
    key = visit.path("key")

    def job(tx: store.Transaction) -> tuple[dict[str, int], list[str]]:
        counts = store.links.counts_by_kind(tx, key)
        return counts, suggestions.close_keys(tx, key, 3)

    counts, close = await visit.services.database.read(job)
    return visit.render("experiment_missing.html", status=404, key=key, counts=counts, close=close)


async def _whole_list(
    visit: Visit, kind: str, operation: Any, shape: type[msgspec.Struct]
) -> web.Response:
    query = visit.query(shape)
    found = await visit.call(operation, query=query, shape=shape)
    one = await visit.call(experiments.get)
    more = {**query, "cursor": found.next_cursor}
    return visit.render(
        "experiment_list.html",
        one=one,
        kind=kind,
        state=query.get("state"),
        rows=found.items,
        is_first="cursor" not in query,
        more=address(visit.request.path, **more) if found.next_cursor else None,
    )


# --- Linking by an address


async def _link(visit: Visit, url: str) -> models.LinkedPullRequest:
    """Link the pull request at `url`; raises Problem with what is wrong with it."""
    host, repository, number = _parsed(url)
    candidates = await _candidates(visit, host, repository)
    for position, candidate in enumerate(candidates, start=1):
        body = {"integration_id": candidate.id, "repository": repository, "number": number}
        try:
            linked: models.LinkedPullRequest = await visit.call(
                linking.link, body=body, body_shape=models.LinkPullRequest
            )
        except Problem as problem:
            is_unreached = problem.status in (422, 502, 503)
            if is_unreached and position < len(candidates):
                continue
            if problem.status == 422:
                raise _wrong(
                    f"No integration can reach a pull request {repository}#{number}."
                ) from None
            raise
        return linked
    raise AssertionError("there is no candidate")


def _parsed(url: str) -> tuple[str, str, int]:
    """Return host, repository and number of the pull request at an address."""
    try:
        parts = urlsplit(url if "://" in url else f"https://{url}")
        host, path = parts.netloc.lower(), parts.path.rstrip("/")
    except ValueError:
        raise _wrong(_HELP["url"]) from None
    found = _PULL_REQUEST.fullmatch(path)
    if parts.scheme not in ("http", "https") or not host or found is None:
        if "/issues/" in path:
            raise _wrong("This is an issue. To link it, add the key line to its description.")
        raise _wrong(_HELP["url"])
    if int(found[3]) >= 2**31:
        raise _wrong("There is no pull request with this number.")
    return host.removeprefix("www."), f"{found[1]}/{found[2]}", int(found[3])


async def _candidates(visit: Visit, host: str, repository: str) -> list[Integration]:
    """Return the integrations to ask, those that name the repository in their rules first."""
    rows = await visit.services.database.read(lambda tx: store.integrations.listed(tx, None, 200))
    active = [integrations.load(row, visit.services.vault) for row in rows if row.is_active]
    there = [one for one in active if one.host == host]

    def allowing(tx: store.Transaction) -> list[Integration]:
        return [one for one in there if repositories.allows_name(tx, one.scope, repository)]

    found = await visit.services.database.read(allowing)
    if not there:
        hosts = ", ".join(sorted({one.host for one in active}))
        raise _wrong(
            f"There is no active integration for {host}"
            + (f"; the active ones are for {hosts}." if hosts else ": set one up first.")
        )
    if not found:
        raise _wrong(
            f"No active integration allows {repository}. An admin can add it to the repositories "
            "of an integration."
        )
    return sorted(found, key=lambda one: one.repositories is None)[:_TRIED]


def _wrong(message: str) -> Problem:
    return invalid([("url", message)])
