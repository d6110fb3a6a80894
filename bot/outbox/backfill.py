"""`backfill`: reads one page of a repository's past, or the commits of one pull request in it.

What was updated last comes first: pull requests, then issues. The page's items are kept in parts,
so that deliveries have their turn in between; with the last part commits which page is next, and
the action that reads it. So whoever is killed reads one page again, in which nothing is new by
then. An item that is updated meanwhile moves to the front, and all others to later pages: some are
seen twice, and at the end the front is looked at again, so that none is missed.
https://docs.github.com/en/rest/pulls/pulls#list-pull-requests
https://docs.github.com/en/rest/issues/issues#list-repository-issues
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from bot import storage as store
from bot import times
from bot.domain import backfills, commits, fetched, keys, links, snapshots
from bot.domain.after import Waiting
from bot.domain.allowed import NotAllowed, Undecided
from bot.github import Refused, payloads
from bot.outbox import identity
from bot.outbox.registry import Job, carries_out

_PULLS = "/repos/{+repository}/pulls?{+query}"
_ISSUES = "/repos/{+repository}/issues?{+query}"
_COMMITS = "/repos/{+repository}/pulls/{number}/commits?per_page=100"
_NEWEST_FIRST = "state=all&sort=updated&direction=desc&per_page=100"
_GONE = (404, 410)  # a pull request; of issues: they are switched off in the repository
_PART = 20  # items that are kept in one transaction

Read = payloads.PullRequest | payloads.Issue


class _Row(NamedTuple):
    """What a page has of an item: whether it was on none before, and whether that is in doubt."""

    item: Read
    is_new: bool
    is_doubted: bool


@dataclass(frozen=True, slots=True)
class _Page:
    """What a page had of what counts; `more` is the query of the next one, None if it is the last.

    `boundary` is the time of the last item that was read, `top` that of the first.
    """

    items: Sequence[_Row]
    more: str | None
    boundary: int | None
    top: int | None
    read_at: int


@carries_out(backfills.BACKFILL)
async def run(job: Job) -> dict[str, Any]:
    where = job.integration.id, job.action.repository_id
    row = await job.read(store.backfills.reading, *where)
    if row is None:
        return {"stopped": True}
    repository = await job.read(store.repositories.get, job.action.repository_id)
    await identity.confirm(job.services, job.client, repository, times.now())
    if row.unread:
        return await _read_commits(job, row)
    page = await _fetch(job, row)
    if row.dry_run:
        await job.write(_count, job, row, page)
    else:
        await _take_in(job, row, repository, page)
    return {"stage": row.stage, "items": len(page.items)}


async def _fetch(job: Job, row: store.Backfill) -> _Page:
    """Read the page that is next; raises CallFailed."""
    read_at, is_pulls = times.now(), row.stage == "pull_request"
    query = row.page or _NEWEST_FIRST
    if row.page is None and not is_pulls:
        query += f"&since={times.render(row.since // times.SECOND * times.SECOND)}"
    try:
        url = _PULLS if is_pulls else _ISSUES
        found, more = await job.client.fetch_page(url, job.at(query=query))
    except Refused as refusal:
        if is_pulls or refusal.status not in _GONE:
            raise
        found, more = [], None
    shape: type[Read] = payloads.PullRequest if is_pulls else payloads.Issue
    items: list[_Row] = []
    boundary, top = row.boundary, row.top
    until = row.since if row.caught_up_to is None else row.caught_up_to
    for item in payloads.readable(found, shape):
        at = times.told(item.updated_at, read_at) or read_at
        boundary = at if boundary is None else min(at, boundary)
        top = at if top is None else top
        if at < until:  # so are all that follow
            more = None
        elif item.number and not (isinstance(item, payloads.Issue) and item.pull_request):
            is_doubted = row.caught_up_to is not None or at == row.boundary
            items.append(_Row(item, _is_new(row, at), is_doubted))
    return _Page(items, more, boundary, top, read_at)


def _is_new(row: store.Backfill, at: int) -> bool:
    """Tell whether an item that was updated at a time was on no page before this one.

    What has moved to a later page meanwhile was, and so was what is seen again at the end.
    """
    if row.caught_up_to is not None:
        return at > row.caught_up_to
    return row.boundary is None or at <= row.boundary


def _next(row: store.Backfill, page: _Page, seen: int = 0) -> dict[str, Any]:
    """Return what is kept of a repository once a page has been read.

    So many of what seemed new were `seen` before.
    """
    new = sum(one.is_new for one in page.items) - seen
    counted = "pull_requests" if row.stage == "pull_request" else "issues"
    columns: dict[str, Any] = {
        counted: getattr(row, counted) + new,
        "status": "reading",
        "error": None,
        "finished_at": None,
        "page": page.more,
        "boundary": page.boundary,
        "top": page.top,
    }
    if page.more is not None:
        return columns
    columns |= {"boundary": None, "top": None, "caught_up_to": None}
    if row.caught_up_to is None and page.top is not None:
        return {**columns, "caught_up_to": page.top}
    if row.stage == "pull_request":
        return {**columns, "stage": "issue"}
    return {**columns, "status": "done", "finished_at": times.now()}


def _keep_step(
    tx: store.Transaction, job: Job, row: store.Backfill, columns: dict[str, Any]
) -> None:
    """Keep that a step was taken, and enqueue the next; nothing if it was stopped meanwhile."""
    integration = store.integrations.find(tx, job.integration.id)
    if not store.backfills.change(tx, row, **columns) or integration is None:
        return
    if columns.get("status") != "done":
        backfills.enqueue_step(tx, integration, job.action.repository_id)


def _is_current(tx: store.Transaction, job: Job, row: store.Backfill) -> bool:
    where = job.integration.id, job.action.repository_id
    now = store.backfills.reading(tx, *where)
    return now is not None and (now.run, now.step) == (row.run, row.step)


# --- Pages


def _count(tx: store.Transaction, job: Job, row: store.Backfill, page: _Page) -> None:
    """Count what a page would link, and change nothing else."""
    named = sum(one.is_new and bool(_keys_of(one.item)) for one in page.items)
    _keep_step(tx, job, row, {**_next(row, page), "linked": row.linked + named})


def _keys_of(item: Read) -> Sequence[str]:
    if isinstance(item, payloads.Issue):
        return list(keys.keys_of_issue(item.body, item.title))
    return keys.keys_in_markdown(item.body)


async def _take_in(
    job: Job, row: store.Backfill, repository: store.Repository, page: _Page
) -> None:
    """Take in a page, the newest first, and keep which one is next."""
    locks = store.locks_of_repository(repository.host, repository.github_id, repository.full_name)
    unread: list[int] = []
    linked = seen = 0
    parts = [page.items[start : start + _PART] for start in range(0, len(page.items), _PART)]
    for part in parts or [()]:
        is_last = not parts or part is parts[-1]
        known = tuple(unread), linked, seen

        def keep(
            tx: store.Transaction,
            part: Sequence[_Row] = part,
            known: tuple[tuple[int, ...], int, int] = known,
            is_last: bool = is_last,
        ) -> tuple[list[int], int, int] | None:
            if not _is_current(tx, job, row):
                return None
            kept = _keep_part(tx, job, repository, part, page.read_at)
            if is_last:
                columns = {
                    **_next(row, page, known[2] + kept[2]),
                    "unread": (*known[0], *kept[0]),
                    "linked": row.linked + known[1] + kept[1],
                }
                _keep_step(tx, job, row, columns)
            return kept

        kept = await job.services.database.write(keep, heavy=True, locks=locks)
        if kept is None:
            return
        unread += kept[0]
        linked += kept[1]
        seen += kept[2]


def _keep_part(
    tx: store.Transaction,
    job: Job,
    repository: store.Repository,
    part: Sequence[_Row],
    read_at: int,
) -> tuple[list[int], int, int]:
    """Take in some items; return, of those that are new, the pull requests whose commits are to be
    read, and how many are linked; and how many only seemed new.

    In doubt is what has the time of the last one before it, and at the end what has changed since
    the beginning: only those are new that had moved before their page was read. Our own comment is
    a change, too.
    """
    repository = store.repositories.get(tx, repository.id)  # it may be called otherwise by now
    if repository.named_at == store.repositories.LOST:
        raise Refused(404, identity.another(repository))
    about = payloads.Repository(full_name=repository.full_name, id=repository.github_id)
    source = snapshots.by_answer(tx, job.integration.scope, about)
    repository_id = _admitted(source, about)
    unread, linked, seen, reconciled = [], 0, 0, []
    for one, seems_new, is_doubted in part:
        is_new = seems_new and not (is_doubted and _is_known(tx, repository_id, one))
        seen += seems_new and not is_new
        if isinstance(one, payloads.Issue):
            issue = snapshots.in_its_place(source, one, about)
            item = fetched.observe_issue(source, repository_id, issue, read_at)
        else:
            _see_to_identity(one, repository)
            item = fetched.observe_pull_request(source, about, repository_id, one, read_at)
        if not is_new or item.gone_at is not None or not links.of_item(tx, item):
            continue
        linked += 1
        is_own = item.head_repository_id == repository_id  # no push to a fork is delivered
        if item.kind == "pull_request" and item.state != "closed" and is_own:
            unread.append(item.id)
        if item.kind == "pull_request" and item.state == "open":
            where = repository_id, item.number, item.id, item.integration_id
            reconciled.append(store.Stale(*where))
    store.reconciled.read(tx, reconciled, times.now())
    return unread, linked, seen


def _is_known(tx: store.Transaction, repository_id: int, one: Read) -> bool:
    kind: store.Kind = "issue" if isinstance(one, payloads.Issue) else "pull_request"
    number = one.number
    return number is not None and store.items.find(tx, repository_id, kind, number) is not None


def _admitted(source: snapshots.Told, about: payloads.Repository) -> int:
    """Return our id of the repository, if the integration may hear of it; raises CallFailed."""
    try:
        return source.repository(about)
    except Undecided:
        raise Waiting(f"another integration speaks for {about.full_name}") from None
    except NotAllowed:
        raise Refused(403, "the integration does not allow this repository") from None


def _see_to_identity(pull: payloads.PullRequest, repository: store.Repository) -> None:
    """Raise Refused for a pull request of another repository, which has the name by now."""
    base = pull.base.repo if pull.base is not None else None
    found = base.id if isinstance(base, payloads.Repository) else None
    if None not in (found, repository.github_id) and found != repository.github_id:
        raise Refused(404, identity.another(repository))


# --- Commits


async def _read_commits(job: Job, row: store.Backfill) -> dict[str, Any]:
    """Read the commits of the first pull request in line, and keep which one is next."""
    pull = await job.read(store.items.by_id, row.unread[0])
    found: list[Any] = []
    try:
        if pull is not None:
            at = job.at(number=pull.number)
            found = [one async for one in job.client.getiter(_COMMITS, at)]
    except Refused as refusal:
        if refusal.status not in _GONE:
            raise
    listed = payloads.readable(found, payloads.ListedCommit)

    def keep(tx: store.Transaction) -> int:
        if not _is_current(tx, job, row):
            return 0
        new, now = 0, store.items.by_id(tx, row.unread[0])
        if now is not None and links.of_item(tx, now):
            source = snapshots.by_answer(tx, job.integration.scope)
            told = [_commit(one, now, source, job.action.repository) for one in listed]
            guid = f"{job.action.id}:{now.id}"
            new = commits.observe_listed(tx, now, told, job.integration.id, guid)
        columns = {"unread": row.unread[1:], "status": "reading", "error": None}
        _keep_step(tx, job, row, {**columns, "finished_at": None})
        return new

    new = await job.write(keep)
    number = pull.number if pull is not None else None
    return {"number": number, "commits": len(listed), "new": new}


def _commit(
    one: payloads.ListedCommit, pull: store.Item, source: snapshots.Told, full_name: str
) -> commits.Pushed:
    """Return a commit that GitHub lists as a push tells of it."""
    git, about = one.commit, payloads.Repository(full_name=full_name)
    author = one.author.login if one.author else None
    if author is None and git.author is not None:
        author = git.author.name
    at = source.time(git.committer.date) if git.committer is not None else None
    page = f"commit/{one.sha}"
    (named,) = keys.keys_in_messages([git.message])
    return commits.Pushed(
        sha=one.sha,
        message=git.message,
        author=author,
        html_url=source.address(one.html_url, about, page)
        or f"https://{source.host}/{full_name}/{page}",
        committed_at=at or pull.version_at,
        is_new=None,
        keys=named,
    )
