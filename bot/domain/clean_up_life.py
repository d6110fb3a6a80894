"""The life of a clean-up issue: what it is to be now, and what becomes of it on GitHub.

It is open while an experiment that is over still stands in the code, and closed as completed once
nothing of it does, or as not planned where the experiment is not over any more. The bot opens or
closes it only when it comes to want something else than it made of it last: what people make of it
stands.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from bot import storage as store
from bot import times
from bot.code import experiments_yml
from bot.domain import (
    activity,
    clean_up_texts,
    clean_ups,
    commands,
    items,
    repositories,
    rules,
    snapshots,
)
from bot.domain.clean_up_texts import Content
from bot.domain.snapshots import Told
from bot.domain.tracking import CREATED
from bot.domain.verdicts import OVER
from bot.github import payloads

CLEANED_UP = activity.Type(
    "experiment.cleaned_up", 13, "✓", "Nothing is left in the default branch of {repository}"
)
ISSUES_OFF = "issues are switched off in the repository"
AWAY = "the issue was transferred to a repository in which the integration may not act"
_MARKER = re.compile(
    r"<!-- experiment-bot:cleanup ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}) -->"
)


class Plan(Struct, frozen=True):
    """What an issue is to be; `row` is kept only once it is about to be made."""

    row: store.CleanUp
    home: store.Repository
    content: Content

    @property
    def goal(self) -> store.Goal:
        return self.content.goal

    def stands(self, digest: str) -> bool:
        """Tell whether the issue says what it is to say, as far as is known."""
        row = self.row
        return (row.digest, row.goal, row.writing) == (digest, self.goal, None)

    @property
    def is_new_state(self) -> bool:
        """Tell whether the issue is to be opened or closed, or may not be yet."""
        return self.row.goal != self.goal or self.row.writing is not None


def marker(row: store.CleanUp) -> str:
    """Return what tells an issue, invisible to those who read it."""
    return f"<!-- experiment-bot:cleanup {row.marker} -->"


def plan(tx: store.Transaction, repository_id: int, key: str, integration_id: str) -> Plan | None:
    """Return what the issue of an experiment is to be now; None if it is left as it is."""
    row = store.clean_ups.find(tx, repository_id, key)
    repository = store.repositories.get(tx, repository_id)
    is_ours = row is None or (row.made_by == "setting" and row.state == "wanted")
    if is_ours and clean_ups.by_itself(tx, repository) is None:
        return None
    if row is None:
        row = clean_ups.new_row(repository_id, key, integration_id, "setting", None)
    experiment = store.experiments.find(tx, key)
    found = store.code_maps.find(tx, repository_id)
    count = store.code_references.count(tx, repository_id, key)
    is_whole = experiment is not None and _is_whole(tx, found, experiment)
    goal = _goal(row, experiment, found, count.number, is_whole=is_whole)
    if goal is None or experiment is None:
        return None
    home = store.repositories.get(tx, row.home_id or repository_id)
    content = Content(
        experiment=experiment,
        repository=repository,
        goal=goal,
        left=store.code_references.of_key(tx, repository_id, key, clean_up_texts.MOST),
        count=count.number,
        files=count.files,
        sha=(found.sha if found else None) or "",
        branch=found.branch if found else None,
        is_whole=found is not None and found.status == "read",
        # Whoever reads along is told what the code says anyway.
        is_told=not repositories.is_public(home),
        owner_of=_owners(tx, repository, home),
    )
    return Plan(row, home, content)


def _owners(
    tx: store.Transaction, repository: store.Repository, home: store.Repository
) -> Callable[[str], str | None]:
    """Return who tells whose a file is: in public only what the repository says itself."""
    said = store.rules.find(tx, repository.id)
    if said is not None and said.source != "own" and repositories.is_public(home):
        said = None
    return partial(experiments_yml.owner_of, rules.settings_of(said))


def _goal(
    row: store.CleanUp,
    experiment: store.Experiment | None,
    found: store.CodeMap | None,
    count: int,
    *,
    is_whole: bool,
) -> store.Goal | None:
    """Return what an issue is to be; None if that cannot be told, or there is none to be made.

    Of an experiment that was deleted nothing is known. Only a whole map says that nothing is left.
    """
    if experiment is None or row.state == "gone":
        return None
    if experiment.status not in OVER:
        return "not_planned" if row.number is not None else None
    if found is None or found.status == "pending":
        return None
    if count:
        return "open"
    return "completed" if is_whole and row.number is not None else None


def _is_whole(
    tx: store.Transaction, found: store.CodeMap | None, experiment: store.Experiment
) -> bool:
    """Tell whether what was not found of an experiment is not in the code, by any of its names."""
    if found is None or found.status != "read":
        return False
    if found.version == store.vocabulary.version(tx):
        return True
    since = store.vocabulary.names_since(tx, found.version)
    return since is not None and not {experiment.key, *experiment.aliases} & {*since}


# --- What becomes of it


def _marked(tx: store.Transaction, body: str | None) -> store.CleanUp | None:
    """Return the issue that a marker in a body names; None if there is none."""
    found = _MARKER.search(body or "")
    return store.clean_ups.by_marker(tx, found[1]) if found is not None else None


def creating(tx: store.Transaction, row: store.CleanUp, attempt: str, login: str | None) -> None:
    """Keep that an issue is about to be made, and as whom."""
    author = login.lower() if login is not None else None
    store.clean_ups.put(tx, msgspec.structs.replace(row, writing=attempt, author=author))


def delivered(
    source: Told, repository_id: int, issue: payloads.Issue, action: str | None, at: int
) -> None:
    """A delivery has told of an issue that has a marker, which everybody may copy.

    One that the bot is about to make has to be by the account that it makes it as.
    """
    row = _marked(source.tx, issue.body)
    if row is None:
        return
    if row.number is None:
        login = issue.user.login if issue.user is not None else None
        is_ours = row.author is not None and login is not None and login.lower() == row.author
        if is_ours and repository_id == row.repository_id:
            made(source, row.marker, repository_id, issue)
        return
    if (row.home_id, row.number) != (repository_id, issue.number):
        return
    if action == "deleted":
        gone(source.tx, row, at)
        return
    now = heard(source.tx, row, issue, at) if action in ("closed", "reopened") else row
    if now.by_people != row.by_people:
        clean_ups.follow(source.tx, row.repository_id, [row.experiment_key])


def made(source: Told, marked: str, repository_id: int, issue: payloads.Issue) -> None:
    """The issue exists: keep where, link it, tell the feed. Told again, it changes nothing."""
    tx = source.tx
    row = store.clean_ups.by_marker(tx, marked)
    if row is None or row.number is not None:
        return
    key, guid = row.experiment_key, f"clean_up:{row.marker}"
    snapshot = msgspec.structs.replace(
        snapshots.of_issue(source, issue, actor=issue.user.login if issue.user else None),
        guid=guid,
        integration_id=source.integration_id,
        keys={},
    )
    change(
        tx,
        row,
        home_id=repository_id,
        number=issue.number,
        issue_id=issue.id,
        state=issue.state or "open",
        goal="open",
        told_at=snapshot.at,
        integration_id=source.integration_id,
        writing=None,
        error=None,
    )
    item = items.observe(tx, repository_id, "issue", issue.number, snapshot)
    made_by = "command" if row.made_by == "command" else "api"
    items.link(tx, item, key, items.Hand(f"{guid}:{key}", made_by, row.actor, row.integration_id))
    summary = f"Created clean-up issue #{issue.number}: {issue.title or ''}"
    news = activity.News(
        type=CREATED,
        experiment_key=key,
        occurred_at=snapshot.created_at or snapshot.at,
        actor=row.actor,
        summary=summary,
        html_url=issue.html_url,
        repository_id=repository_id,
        item_id=item.id,
    )
    activity.record(tx, [news])


def heard(
    tx: store.Transaction, row: store.CleanUp, issue: payloads.Issue, at: int
) -> store.CleanUp:
    """Take in whether an issue is open; return what is kept of it then.

    One that was closed though the bot had left it open was closed by people.
    """
    if at < row.told_at or issue.state in (None, row.state):
        return row
    closes = issue.state == "closed"
    return change(
        tx,
        row,
        state=issue.state,
        told_at=at,
        by_people=closes and row.goal == "open",
        closed_as=issue.state_reason if closes else None,
    )


def writing(tx: store.Transaction, planned: Plan, attempt: str) -> None:
    """Keep what is about to be made of an issue."""
    change(tx, planned.row, goal=planned.goal, writing=attempt, error=None)


def written(
    tx: store.Transaction, planned: Plan, issue: payloads.Issue, digest: str, at: int
) -> None:
    """GitHub has what was to be written."""
    row, told = planned.row, dict[str, Any]()
    if issue.state is not None and planned.is_new_state:
        closed_as = issue.state_reason if issue.state == "closed" else None
        told = {"state": issue.state, "closed_as": closed_as}
    at = max(at, row.told_at)
    change(tx, row, digest=digest, goal=planned.goal, writing=None, told_at=at, **told)


def cleaned(tx: store.Transaction, planned: Plan) -> None:
    """Tell once that nothing is left; again only after something had come back."""
    row = planned.row
    if planned.goal != "completed":
        if row.cleaned_at is not None and planned.goal == "open":
            change(tx, row, cleaned_at=None)
        return
    if row.cleaned_at is not None or row.number is None:
        return
    now = times.now()
    change(tx, row, cleaned_at=now)
    repository = planned.content.repository
    item = store.items.find(tx, planned.home.id, "issue", row.number)
    news = activity.News(
        type=CLEANED_UP,
        experiment_key=row.experiment_key,
        occurred_at=now,
        actor=None,
        summary=CLEANED_UP.says(repository=repository.full_name),
        html_url=item.html_url if item is not None else None,
        repository_id=repository.id,
        item_id=item.id if item is not None else None,
    )
    activity.record(tx, [news])


def gone(tx: store.Transaction, row: store.CleanUp, at: int, error: str | None = None) -> None:
    """The issue was deleted, or cannot be reached: no other is made unless somebody asks."""
    change(tx, row, state="gone", told_at=max(at, row.told_at), error=error)


def moved(
    tx: store.Transaction, body: str | None, old: tuple[int, int], new: tuple[int, payloads.Issue]
) -> None:
    """An issue was transferred from `old` (repository id, number): it is followed."""
    row = _marked(tx, body)
    if row is None or (row.home_id, row.number) != old:
        return
    home_id, issue = new
    state = issue.state or ("open" if row.state == "gone" else row.state)
    where = {"home_id": home_id, "number": issue.number, "issue_id": issue.id}
    change(tx, row, **where, state=state, error=None, digest=None)


def away(tx: store.Transaction, body: str | None, old: tuple[int, int], at: int) -> None:
    """An issue was transferred to where the integration hears nothing."""
    row = _marked(tx, body)
    if row is not None and (row.home_id, row.number) == old:
        gone(tx, row, at, AWAY)


def refused(tx: store.Transaction, row: store.CleanUp, error: str) -> None:
    """It cannot be made, or not be changed; it is tried again when somebody asks."""
    kept = store.clean_ups.find(tx, row.repository_id, row.experiment_key) or row
    store.clean_ups.put(tx, msgspec.structs.replace(kept, error=error))


def answer(tx: store.Transaction, request: dict[str, Any], said: str, reply: str) -> None:
    """Whoever has given a command learns what has become of it."""
    commands.action_ended(tx, request, None, said, reply)


def change(tx: store.Transaction, row: store.CleanUp, **columns: Any) -> store.CleanUp:
    """Set columns of what is kept of an issue; return that."""
    store.clean_ups.change(tx, row.repository_id, row.experiment_key, **columns)
    return msgspec.structs.replace(row, **columns)
