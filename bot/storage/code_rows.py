"""Rows of what is read of default branches as types (see rows.py)."""

from typing import Annotated, Literal

from msgspec import Struct

from bot.storage.rows import JSON, Row

MapStatus = Literal["pending", "read", "partial"]


class Unread(Struct, frozen=True, omit_defaults=True):
    """Something that was not read, and why; without a `path` it is more than one file."""

    reason: str
    path: str | None = None


class FilesPushed(Struct, frozen=True, omit_defaults=True):
    """A push to the default branch, from one commit to another; `at` in microseconds.

    `changed` are the paths that may have something else in them now, None if that is not told;
    `removed` are those that are gone.
    """

    before: str
    after: str
    at: int
    forced: bool = False
    actor: str | None = None
    changed: tuple[str, ...] | None = None
    removed: tuple[str, ...] = ()


class CodeMap(Row, frozen=True):
    """`code_maps`: what is known of a default branch; migrations/0028_code_maps.sql tells more.

    `files` were looked at, of the `tree_files` that the commit has.
    """

    repository_id: int
    integration_id: str
    status: MapStatus
    branch: str | None
    sha: str | None
    is_wanted: bool
    anew: bool
    pushes: Annotated[tuple[FilesPushed, ...], JSON]
    turned_at: int
    unread: Annotated[tuple[Unread, ...], JSON]
    version: int
    wanted_version: int
    digest: str | None
    files: int
    tree_files: int
    read_at: int | None
    checked_at: int
    step: int


class CodeReference(Row, frozen=True):
    """`code_references`: a line in which an experiment is named.

    `alias` is what is written there, empty where that is the key itself.
    """

    repository_id: int
    path: str
    line: int
    experiment_key: str
    alias: str


class PlacedReference(Row, frozen=True):
    """A reference with where it is: the repository's present name, and the commit."""

    repository_id: int
    path: str
    line: int
    experiment_key: str
    alias: str
    repository: str
    host: str
    sha: str


class CodeCount(Row, frozen=True):
    """How many references an experiment has, in one repository or in all.

    In how many `files` they are is 0 where nobody asks.
    """

    experiment_key: str
    repository_id: int
    number: int
    files: int = 0


class DiffCount(Row, frozen=True):
    """How many references a pull request adds, removes or moves in a file, and how it was read."""

    status: str
    base_ref: str
    change: str
    path: str
    number: int


class Unheard(Row, frozen=True):
    """A repository that an installation may see, and of which nothing was told yet."""

    installation_id: int
    github_id: int
    full_name: str


class VocabularyChange(Row, frozen=True):
    """`vocabulary_changes`: what has come to be looked for with a version of the vocabulary."""

    version: int
    names: Annotated[tuple[str, ...], JSON]
