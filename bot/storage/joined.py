"""Rows of queries that join tables or count: a Struct of a table with more, or of a few columns."""

from typing import Annotated, Literal

from bot import times
from bot.storage.columns import ExperimentStatus, Kind, LinkedBy, Snapshot
from bot.storage.command_rows import Command
from bot.storage.commit_rows import Commit
from bot.storage.live_rows import LivePlace
from bot.storage.rows import (
    JSON,
    Action,
    Addressed,
    Installation,
    Item,
    Link,
    Repository,
    Row,
)


class DueDelivery(Row, frozen=True):
    """A delivery that is to be tried again, and the integration that it came through."""

    seq: int
    guid: str
    integration_id: str


class ToldDelivery(Row, frozen=True):
    """A delivery with what it said of an item."""

    seq: int
    integration_seq: int
    guid: str
    told: Annotated[Snapshot, JSON]


class VersionPlace(Row, frozen=True):
    """An item, and what tells one of its versions from others."""

    item_id: int
    guid: str


class HeadInUse(Row, frozen=True):
    """A head: its pull request that ended last, when the newest open one came, a commit's place.

    `linked_id` is an open pull request of it that is linked, `into_id` one that leads into it.
    `rewritten_at` is when it was last force pushed.
    """

    repository_id: int
    ref: str
    last_id: int | None
    last_end: int | None
    newest_at: int | None
    place_id: int | None
    linked_id: int | None
    into_id: int | None
    rewritten_at: int | None


class KnownSha(Row, frozen=True):
    """A SHA, a commit that has it in some repository, and a linked pull request that landed so."""

    sha: str
    commit_id: int | None
    landed_id: int | None


class PlacedAlone(Row, frozen=True):
    """A commit that tells by itself where it was pushed."""

    id: int
    repository_id: int
    ref: str
    pushed_at: int


class CountedRepository(Repository, frozen=True):
    """A repository, and how much is linked in it, a thousand of each at most."""

    open_pull_requests: int
    merged_pull_requests: int
    open_issues: int
    closed_issues: int


class PlacedRepository(Repository, frozen=True):
    """A repository and an entry of an allow-list under which it has come."""

    entry: str


class NamedItem(Addressed, Item, frozen=True):
    """An item with the present name of its repository."""

    repository: str


class LinkedItem(NamedItem, frozen=True):
    """An item of an experiment, with its link."""

    link_id: int
    linked_by: LinkedBy
    linked_at: int
    link_integration_id: str


class ListedItem(LinkedItem, frozen=True):
    """An item of an experiment at its place in a list, which goes by `listed_at`.

    `live` is where a pull request that is merged is live.
    """

    listed_at: int
    live: tuple[LivePlace, ...] = ()


class ShippedExperiment(Row, frozen=True):
    """An experiment of something that shipped."""

    target_id: int
    key: str
    name: str
    status: ExperimentStatus
    owner: str | None
    linked_by: LinkedBy


class Shipped(NamedItem, frozen=True):
    """A pull request of experiments, which was merged at `listed_at`, and where it is `live`."""

    listed_at: int
    experiments: tuple[ShippedExperiment, ...] = ()
    live: tuple[LivePlace, ...] = ()

    @property
    def lead_time(self) -> int | None:
        """The seconds from its creation to its merge; None where what was told tells of none."""
        seconds = (self.listed_at - self.created_at) // times.SECOND
        return seconds if self.listed_at > self.created_at else None


class PlacedItem(NamedItem, frozen=True):
    """An item of a repository at its place in a list, which goes by state and `state_at`."""

    state_at: int


class LinkedCommit(Addressed, Commit, frozen=True):
    """A commit of an experiment, with its link, at its place in a list.

    `lives_in` is the branch where it is found.
    """

    link_id: int
    replaced: bool
    lives_in: str
    listed_at: int
    linked_by: LinkedBy
    linked_at: int
    repository: str


class HeadCommit(Commit, frozen=True):
    """A commit on the head of a pull request, and what tells whether it belongs to it.

    Null: it is not on the base; it is not known whether it was new there; GitHub was not asked.
    `again_at` and `gone_at` are those of its place, `rewritten_at` the last force push of the head,
    `first_rewrite_at` the first one since it came there, `next_at` since it was seen there last.
    """

    on_branch_at: int
    is_new: bool | None
    again_at: int | None
    gone_at: int | None
    rewritten_at: int | None
    first_rewrite_at: int | None
    next_at: int | None
    on_base_at: int | None
    is_new_on_base: bool | None
    listed: bool | None


class PushedSha(Row, frozen=True):
    """A commit's SHA, and when it came to a branch."""

    sha: str
    on_branch_at: int
    is_new: bool | None


class Head(Row, frozen=True):
    """A branch, with the first and last push that brought some commits to it."""

    repository_id: int
    ref: str
    earliest: int
    latest: int


class KeyedExperiment(Row, frozen=True):
    """A key that something is linked to, and its experiment's name and status if there is one."""

    experiment_key: str
    linked_by: LinkedBy
    name: str | None
    status: ExperimentStatus | None


class Target(Addressed, frozen=True):
    """What a link leads to: a pull request or issue (`number`) or a commit (`sha`)."""

    kind: Literal["pull_request", "issue", "commit"]
    repository: str
    number: int | None
    title: str
    sha: str | None
    html_url: str


class UnresolvedLink(Addressed, Link, frozen=True):
    """A link whose experiment does not exist, and what it leads to."""

    repository: str
    number: int | None
    title: str
    sha: str | None
    html_url: str


class UnresolvedKey(Row, frozen=True):
    """A key that no experiment has, how many links of each kind wait for it, and since when."""

    experiment_key: str
    pull_requests: int
    issues: int
    commits: int
    first_at: int


class RepositoryExperiment(Row, frozen=True):
    """A key that is linked in a repository; null while there is no such experiment."""

    key: str
    name: str | None
    status: ExperimentStatus | None
    last_activity: int | None


class CountedRepositoryExperiment(RepositoryExperiment, frozen=True):
    """The same with how much is linked there, a thousand of each kind at most."""

    open_pull_requests: int
    merged_pull_requests: int
    issues: int
    commits: int


class PullRequestDay(Row, frozen=True):
    """How many pull requests were opened on a day, and merged on another, counted from 1970."""

    opened: int
    merged: int | None
    count: int


class CountedInstallation(Installation, frozen=True):
    """An installation, and how many repositories it may see."""

    repositories: int


class HeardInstallation(Row, frozen=True):
    """An installation of which deliveries of repositories alone have told, the name of one of
    these, and how many they are."""

    integration_id: str
    installation_id: int
    full_name: str
    repositories: int


class ListedAction(Action, frozen=True):
    """An action with the present name of its repository, '' if it concerns none."""

    repository: str


class BegunAction(ListedAction, frozen=True):
    """An action that has been begun, and how many of its queue are due, counted up to a few."""

    waiting: int


class ListedCommand(Addressed, Command, frozen=True):
    """A command, and where it was written."""

    repository: str | None
    kind: Kind
    number: int
    html_url: str | None
    integration_id: str
