"""Rows of environments and of what is live in them, and of the queries that join or count them."""

from bot.storage.rows import Row


class Environment(Row, frozen=True):
    """`environments`: where a repository is deployed to; see migrations/0023_live.sql."""

    id: int
    repository_id: int
    name_key: str
    name: str
    is_production: bool
    sha: str
    deployed_at: int
    begun_at: int
    told_at: int
    told_id: int
    settled_sha: str | None
    actor: str | None
    guid: str
    integration_id: str


class Live(Row, frozen=True):
    """`live`: a pull request in an environment, where it is until `ended_at`."""

    item_id: int
    environment_id: int
    at: int
    ended_at: int | None
    guid: str


class Landed(Row, frozen=True):
    """As which commit a pull request was merged, and when; 0 if that is not known."""

    merge_sha: str
    merged_at: int
    id: int


class LivePlace(Row, frozen=True):
    """Where a pull request is live, or was until `ended_at`."""

    item_id: int
    environment: str
    is_production: bool
    at: int
    ended_at: int | None


class LiveCount(Row, frozen=True):
    """How many pull requests of an experiment are live in an environment, of how many `merged`."""

    experiment_key: str
    environment: str
    is_production: bool
    pull_requests: int
    merged: int


class RepositoryCount(Row, frozen=True):
    """How many of something a key has in a repository."""

    experiment_key: str
    repository_id: int
    count: int


class EnvironmentCount(Row, frozen=True):
    """How many pull requests of a key are live in an environment."""

    experiment_key: str
    environment_id: int
    count: int


class KeyCount(Row, frozen=True):
    """How many of something a key has."""

    experiment_key: str
    count: int
