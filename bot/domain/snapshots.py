"""Makes of what GitHub says of a pull request or issue a version of it, whoever has read it.

A delivery, an answer of the API and what a command reads are translated here and nowhere else.
"""

import hashlib
import uuid
from collections.abc import Mapping, Set
from typing import Any

import msgspec

from bot import storage as store
from bot import times
from bot.domain import (
    actions,
    installations,
    items,
    keys,
    locks,
    naming,
    repositories,
    rules_reading,
    stories,
)
from bot.domain.allowed import NotAllowed, Scope
from bot.github import names, payloads
from bot.storage import Item, Kind, Snapshot


class Told(msgspec.Struct, frozen=True):
    """Through whom and when something was told, and the transaction in which it is taken in.

    `scope` says of which repositories the integration may hear, and `confirmed` which names GitHub
    itself has told. `received_at` stands in for times that are not told, in microseconds. `speaks`:
    it is a delivery, by which the integration speaks for the repository. `item_time` is when the
    pull request or issue was last changed that it tells of.
    """

    tx: store.Transaction
    scope: Scope
    guid: str
    received_at: int
    installation_id: int | None = None
    confirmed: Set[tuple[str, int]] = frozenset()
    speaks: bool = False
    item_time: naming.Time = None

    @property
    def integration_id(self) -> str:
        return self.scope.integration_id

    @property
    def host(self) -> str:
        """The web host of the GitHub that it came from."""
        return self.scope.host

    def time(self, value: str | int | None) -> int | None:
        """Return a time that was told; None if it is none. It is never ahead of its arrival."""
        return times.told(value, self.received_at)

    def word(
        self, about: payloads.Repository, *, is_rename: bool = False, old_name: str | None = None
    ) -> naming.Word:
        """Return when and how it is told what a repository is called."""
        told = (about.updated_at, about.pushed_at, self.item_time)
        return naming.Word(self.received_at, told, is_rename, old_name)

    def repository(
        self, about: payloads.Repository, *, is_rename: bool = False, old_name: str | None = None
    ) -> int:
        """Return our id of the repository that something is told of.

        Raises NotAllowed, Undecided.
        """
        begun: list[int] = []
        repository_id = repositories.resolve(
            self.tx,
            self.scope,
            about,
            self.word(about, is_rename=is_rename, old_name=old_name),
            confirmed=self.confirmed,
            speaks=self.speaks,
            begun=begun,
        )
        if self.installation_id is not None:
            place = self.integration_id, repository_id, self.installation_id
            if installations.observe_repository(self.tx, *place):
                # The App was installed again, whether or not an event has told of that.
                actions.resume(self.tx, self.integration_id, self.installation_id)
        if begun:
            rules_reading.heard_of(self.tx, self.integration_id, repository_id)
        return repository_id

    def other_repository(self, repository: payloads.Repository) -> int | None:
        """Return our id of a repository that is named beside; None if it is not to be told.

        Nothing that is known of it changes.
        """
        return repositories.other(self.tx, self.scope, repository)

    def address(self, told: str | None, repository: payloads.Repository, page: str) -> str | None:
        """Return the address that was told of a page of a repository.

        Behind an allow-list it leads nowhere else.
        """
        if not told or self.scope.entries is None:
            return told
        if names.is_address_in(told, self.host, repository.full_name):
            return told
        return f"https://{self.host}/{repository.full_name}/{page}"


def by_answer(
    tx: store.Transaction, scope: Scope, repository: payloads.Repository | None = None
) -> Told:
    """Return who tells what GitHub has just answered; its word on a name needs no confirmation."""
    confirmed = (
        {(repository.full_name.lower(), repository.id)}
        if repository is not None and repository.id is not None
        else frozenset[tuple[str, int]]()
    )
    return Told(tx, scope, f"fetched:{uuid.uuid4()}", times.now(), confirmed=confirmed)


_LOCKS = {"locked": True, "unlocked": False}  # what an action says, whatever the payload does
NOTHING: Mapping[str, str] = {}
_STATES = {"opened": "open", "reopened": "open", "closed": "closed"}


def observe_pull_request(
    source: Told,
    about: payloads.Repository,
    pull: payloads.PullRequest,
    action: str = "",
    actor: str | None = None,
    was: Mapping[str, str] = NOTHING,
) -> Item:
    """Take in what is told of a pull request in `about`; raises InvalidPayload, NotAllowed."""
    if pull.number is None:
        raise payloads.InvalidPayload("`number` is missing or cannot be read")
    _belongs_to(about, pull.base)
    repository_id = source.repository(about)
    snapshot = of_pull_request(source, about, repository_id, pull, action, actor, was)
    place: tuple[int, Kind, int] = (repository_id, "pull_request", pull.number)
    item = items.observe(source.tx, *place, snapshot)
    locked, is_news = _LOCKS.get(action, pull.locked), action in _LOCKS
    locks.observe(source.tx, *place, locked, snapshot.at, is_news=is_news)
    return item


def observe_answer(
    tx: store.Transaction, scope: Scope, repository: str, number: int, answer: Any
) -> Item:
    """Take in what GitHub has answered of a pull request; raises InvalidPayload, NotAllowed."""
    pull = payloads.read_answer(answer, payloads.PullRequest)
    pull.number = number
    base = pull.base.repo if pull.base else None
    about = base if isinstance(base, payloads.Repository) else None
    about = about or payloads.Repository(full_name=repository)
    return observe_pull_request(by_answer(tx, scope, about), about, pull)


def observe_merge_commit(tx: store.Transaction, item_id: int, sha: str) -> None:
    """Take in as which commit a pull request was merged; all else is as it was last told."""
    row = store.items.get(tx, item_id)
    snapshot = Snapshot(
        guid=f"merge_commit:{row.id}",
        at=row.version_at + 1,  # behind what it completes, before what comes a second later
        action="",
        integration_id=row.integration_id,
        keys=stories.named_in(tx, row),
        merge_sha=sha,
    )
    items.observe(tx, row.repository_id, row.kind, row.number, snapshot)


def pull_request(
    tx: store.Transaction, scope: Scope, repository: str, number: int, answer: Any | None
) -> Item:
    """Return a pull request as GitHub has answered, else as it is known.

    Raises InvalidPayload, NotAllowed.
    """
    if answer is not None:
        return observe_answer(tx, scope, repository, number, answer)
    known = store.repositories.by_name(tx, scope.host, repository)[0]
    row = store.items.find(tx, known.id, "pull_request", number)
    assert row is not None
    return row


def observe_issue(
    source: Told,
    repository_id: int,
    issue: payloads.Issue,
    action: str = "",
    actor: str | None = None,
    label: str | None = None,
    was: Mapping[str, str] = NOTHING,
) -> Item:
    """Take in what is told of an issue."""
    snapshot = of_issue(source, issue, action, actor, label, was)
    place: tuple[int, Kind, int] = (repository_id, "issue", issue.number)
    item = items.observe(source.tx, *place, snapshot)
    locked, is_news = _LOCKS.get(action, issue.locked), action in _LOCKS
    locks.observe(source.tx, *place, locked, snapshot.at, is_news=is_news)
    return item


def of_pull_request(
    source: Told,
    about: payloads.Repository,
    repository_id: int,
    pull: payloads.PullRequest,
    action: str,
    actor: str | None,
    was: Mapping[str, str] = NOTHING,
) -> Snapshot:
    """Return the version of a pull request that is told; `was` is what it says was before."""
    head = pull.head or payloads.Branch()
    head_repository_id = _head_repository(source, head, about, repository_id)
    merged_at = source.time(pull.merged_at)
    state = pull.state or _STATES.get(action)
    if state == "closed" and (pull.merged or merged_at):
        state = "merged"
    return Snapshot(
        guid=source.guid,
        at=source.time(pull.updated_at) or source.received_at,
        action=action,
        integration_id=source.integration_id,
        keys=dict.fromkeys(keys.keys_in_markdown(pull.body), "body"),
        title=pull.title,
        html_url=source.address(pull.html_url, about, f"pull/{pull.number}"),
        state=state,
        draft=pull.draft,
        author=pull.user.login if pull.user else None,
        actor=actor,
        author_writes=_author_writes(pull, head, is_own=head_repository_id == repository_id),
        head_repository_id=head_repository_id,
        head_ref=head.ref,
        head_sha=head.sha,
        base_ref=pull.base.ref if pull.base else None,
        labels=pull.label_names,
        created_at=source.time(pull.created_at),
        closed_at=source.time(pull.closed_at),
        merged_at=merged_at,
        merge_sha=pull.merge_commit_sha if state == "merged" and merged_at else None,
        body=_digest(pull.body),
        was=dict(was),
    )


def of_issue(
    source: Told,
    issue: payloads.Issue,
    action: str = "",
    actor: str | None = None,
    label: str | None = None,
    was: Mapping[str, str] = NOTHING,
) -> Snapshot:
    """Return the version of an issue that is told."""
    # A deleted issue names nothing any more, whatever its last text was.
    is_gone = action == "deleted"
    return Snapshot(
        guid=source.guid,
        at=source.time(issue.updated_at) or source.received_at,
        action=action,
        integration_id=source.integration_id,
        keys={} if is_gone else keys.keys_of_issue(issue.body, issue.title),
        title=issue.title,
        html_url=issue.html_url,
        state=issue.state or _STATES.get(action),
        author=issue.user.login if issue.user else None,
        actor=actor,
        labels=issue.label_names,
        label=label,
        created_at=source.time(issue.created_at),
        closed_at=source.time(issue.closed_at),
        body=_digest(issue.body),
        was=dict(was),
    )


def was_before(changes: payloads.Changes | None, head_sha: str | None = None) -> dict[str, str]:
    """Return what a delivery says that an item was before; of the text a digest."""
    found = {"head_sha": head_sha}
    if changes is not None:
        base = changes.base.ref if changes.base else None
        found["title"] = changes.title.was if changes.title else None
        found["body"] = _digest(changes.body.was) if changes.body else None
        found["base_ref"] = base.was if base else None
    return {name: told for name, told in found.items() if told is not None}


def _digest(text: str | None) -> str:
    """Return what tells a text from others; none is as good as an empty one."""
    return hashlib.blake2b((text or "").encode(), digest_size=8).hexdigest()


def in_its_place(
    source: Told, issue: payloads.Issue, repository: payloads.Repository
) -> payloads.Issue:
    """Return an issue with an address in its own repository."""
    page = source.address(issue.html_url, repository, f"issues/{issue.number}")
    return msgspec.structs.replace(issue, html_url=page)


def _belongs_to(about: payloads.Repository, base: payloads.Branch | None) -> None:
    """A pull request belongs to the repository that it is told of; raises NotAllowed."""
    named = base.repo if base else None
    if isinstance(named, payloads.Repository) and not _is_same(about, named):
        raise NotAllowed


def _is_same(one: payloads.Repository, other: payloads.Repository) -> bool:
    if one.id is not None and other.id is not None:
        return one.id == other.id
    return one.full_name.lower() == other.full_name.lower()


def _head_repository(
    source: Told, head: payloads.Branch, base: payloads.Repository, repository_id: int
) -> int | None:
    """Return our id of the repository of the head.

    None for a fork that was deleted, or of which the integration may not hear.
    """
    if head.repo is None:
        return None
    if isinstance(head.repo, msgspec.UnsetType) or _is_same(head.repo, base):
        return repository_id
    return repositories.head(source.tx, source.scope, head.repo)


def _author_writes(pull: payloads.PullRequest, head: payloads.Branch, *, is_own: bool) -> bool:
    """Tell whether what is told shows that the author may write in the repository.

    MEMBER proves nothing: an organisation's members need not have access. GitHub always says whose
    the head is, and what its author is; a sample that says neither is taken at its word.
    """
    association = pull.author_association
    if association in ("OWNER", "COLLABORATOR"):
        return True
    return is_own and (head.repo is not msgspec.UNSET or association is None)
