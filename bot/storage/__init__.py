"""Storage: the only place with SQL. One set of queries; what differs stays in the engines.

The rest of the service says `from bot import storage as store`, and then `store.links.of_target(tx,
…)`: one module for each table, and what all of them share by its bare name. All that is imported
here is theirs to use.
"""

# ruff: noqa: F401
# mypy: implicit-reexport

from pathlib import Path

from bot.settings import Settings
from bot.storage import (
    actions,
    activity,
    addresses,
    audit,
    backfills,
    backup,
    branches,
    clean_ups,
    clock,
    code_maps,
    code_references,
    commands,
    deliveries,
    diffs,
    environments,
    experiments,
    former_names,
    heads,
    hooks,
    installations,
    integrations,
    items,
    linked,
    links,
    live,
    merge_groups,
    missed,
    owed,
    places,
    pushes,
    reconciled,
    repositories,
    rewrites,
    rules,
    schema,
    sessions,
    shipped,
    speakers,
    sweeps,
    tallies,
    tokens,
    transfer,
    vault,
    vocabulary,
    withdrawals,
)
from bot.storage.access_rows import Audit, Session, Token
from bot.storage.backfill_rows import (
    Backfill,
    BackfillRun,
    BackfillStatus,
    BackfillSums,
    Listing,
    Stage,
    Stale,
)
from bot.storage.clean_up_rows import CleanUp, CleanUpState, Goal
from bot.storage.code_rows import (
    CodeCount,
    CodeMap,
    CodeReference,
    FilesPushed,
    MapStatus,
    PlacedReference,
    Unread,
)
from bot.storage.columns import (
    ActionStatus,
    Check,
    CommandStatus,
    Comments,
    Config,
    DeliveryStatus,
    ExperimentStatus,
    Invocation,
    ItemState,
    Kind,
    Known,
    LinkedBy,
    NamedRepository,
    PartState,
    Refused,
    RefusedFor,
    Role,
    Shown,
    Snapshot,
    Switch,
    Tie,
)
from bot.storage.command_rows import Command, CommandComment
from bot.storage.commit_rows import BranchCommit, Commit, Rewrite
from bot.storage.database import (
    ASIDE_SECONDS,
    LONG_SECONDS,
    SECONDS,
    Burden,
    Database,
    IncompleteCopy,
    Job,
    StorageRefused,
    StorageUnavailable,
    TooMuchUnread,
    Touched,
    Transaction,
    in_time,
    lock_of_experiment,
    locks_of_repository,
)
from bot.storage.diff_rows import Diff, DiffReference
from bot.storage.joined import (
    BegunAction,
    CountedInstallation,
    CountedRepository,
    CountedRepositoryExperiment,
    DueDelivery,
    Head,
    HeadCommit,
    HeardInstallation,
    KeyedExperiment,
    LinkedCommit,
    LinkedItem,
    ListedAction,
    ListedCommand,
    ListedItem,
    NamedItem,
    PlacedItem,
    PlacedRepository,
    PullRequestDay,
    PushedSha,
    RepositoryExperiment,
    Shipped,
    ShippedExperiment,
    Target,
    UnresolvedKey,
    UnresolvedLink,
)
from bot.storage.live_rows import (
    Environment,
    Landed,
    Live,
    LiveCount,
    LivePlace,
)
from bot.storage.query import Part, Place, Reader
from bot.storage.recovery_rows import OF_APP, Hook, HookKind, Missed, Sweep, Trouble
from bot.storage.rows import (
    Action,
    Activity,
    Decision,
    Delivery,
    Experiment,
    Installation,
    Integration,
    Item,
    Link,
    MergeGroup,
    Post,
    Queue,
    Repository,
    Speaker,
    StoredDelivery,
    Version,
)
from bot.storage.rules_rows import RepositoryRules, RulesProblems, Source
from bot.storage.sqlite import SqliteDatabase
from bot.storage.vault import Vault, VaultError, hash_token, new_token


def engine(url: str, listen_url: str | None = None) -> Database:
    """Return the engine for a database's address (see DATABASE_URL), not yet opened.

    `listen_url` is DATABASE_LISTEN_URL, which means nothing to SQLite.
    """
    if (path := sqlite_path(url)) is not None:
        return SqliteDatabase(path)
    from bot.storage.postgres import PostgresDatabase  # noqa: PLC0415 - as in settings.py

    return PostgresDatabase(url, listen_url)


def sqlite_path(url: str) -> Path | None:
    """Return the file that a database's address names, None if it is PostgreSQL's."""
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:") else None


def secret_keys(settings: Settings) -> tuple[str, ...]:
    """Return the keys of the vault: SECRET_KEY, or the generated one in DATA_DIR (folder 0700)."""
    if settings.secret_keys:
        return settings.secret_keys
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return (vault.load_or_create_key(settings.data_dir),)
