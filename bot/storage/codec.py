"""Between the database and types: how rows are read and written.

What is decoded on the way in and encoded on the way out is told by the Struct (rows.py): flags are
0 and 1 in the database, JSON columns are text.
"""

from collections.abc import Callable, Mapping
from functools import cache
from operator import attrgetter, itemgetter
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from bot.storage import (
    access_rows,
    backfill_rows,
    clean_up_rows,
    code_rows,
    command_rows,
    commit_rows,
    diff_rows,
    live_rows,
    recovery_rows,
    rows,
    rules_rows,
)
from bot.storage.rows import JSON, Row

R = TypeVar("R", bound=Row)

# The table of each Struct that is written to.
TABLES: Mapping[type[Row], str] = {
    access_rows.Token: "api_tokens",
    access_rows.Session: "sessions",
    access_rows.Audit: "audit",
    rows.Integration: "integrations",
    rows.StoredDelivery: "deliveries",
    rows.Experiment: "experiments",
    rows.Repository: "repositories",
    rows.Speaker: "speakers",
    rows.Item: "items",
    rows.Version: "versions",
    rows.Decision: "decisions",
    commit_rows.Commit: "commits",
    commit_rows.BranchCommit: "branch_commits",
    commit_rows.BranchStart: "branch_starts",
    commit_rows.Rewrite: "rewrites",
    rows.Link: "links",
    rows.Activity: "activity",
    rows.Installation: "installations",
    rows.Action: "actions",
    rows.Queue: "queues",
    rows.Post: "posts",
    rows.MergeGroup: "merge_groups",
    diff_rows.Diff: "diffs",
    diff_rows.DiffReference: "diff_references",
    live_rows.Environment: "environments",
    live_rows.Live: "live",
    command_rows.CommandComment: "command_comments",
    command_rows.Command: "commands",
    recovery_rows.Hook: "hooks",
    recovery_rows.Sweep: "sweeps",
    recovery_rows.Missed: "missed",
    backfill_rows.BackfillRun: "backfill_runs",
    backfill_rows.Backfill: "backfills",
    clean_up_rows.CleanUp: "clean_ups",
    code_rows.CodeMap: "code_maps",
    code_rows.CodeReference: "code_references",
    code_rows.VocabularyChange: "vocabulary_changes",
    rules_rows.RepositoryRules: "repository_rules",
    rules_rows.RulesProblems: "rules_problems",
}


# How to read the rows of a query, by its text: there are few hundred, and asking each time what
# columns they have costs as much as reading them.
_readers: dict[tuple[type[Row], str, type], Callable[[Any], Any]] = {}


def reader(shape: type[R], sql: str, row: Mapping[str, Any]) -> Callable[[Any], R]:
    """Return what makes of rows of a query, of which this is one, those of a shape."""
    key = (shape, sql, type(row))
    read = _readers.get(key)
    if read is None:
        read = _readers[key] = _made_reader(shape, row)
    return read


def _made_reader(shape: type[R], row: Mapping[str, Any]) -> Callable[[Any], R]:
    """Make what `_reader` returns.

    By position, which costs a tenth of what names would: the engines' rows are read by number or,
    where they are dictionaries, by name, all columns at once.
    """
    columns = list(row.keys())
    fields = shape.__struct_fields__[: len(columns)]
    assert set(fields) == set(columns), f"{shape.__name__} is not what is selected: {columns}"
    fetch = itemgetter(*fields if isinstance(row, dict) else map(columns.index, fields))
    decoders = [(fields.index(name), decode) for name, decode in _decoders(shape) if name in fields]

    if not decoders:
        return lambda row: shape(*fetch(row))

    def read(row: Any) -> R:
        values = list(fetch(row))
        for position, decode in decoders:
            if values[position] is not None:
                values[position] = decode(values[position])
        return shape(*values)

    return read


def write(shape: type[Row], columns: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return columns as the database takes them."""
    encoders = _encoders(shape, tuple(columns))
    if not encoders:
        return columns
    encoded = dict(columns)
    for name, encode in encoders:
        if encoded[name] is not None:
            encoded[name] = encode(encoded[name])
    return encoded


@cache
def _encoders(
    shape: type[Row], names: tuple[str, ...]
) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    """Return how to encode those of some columns that the database has in another form."""
    return tuple(
        (name, int if decode is bool else _text)
        for name, decode in _decoders(shape)
        if name in names
    )


def _text(json: Any) -> str:
    return msgspec.json.encode(json).decode()


@cache
def _decoders(shape: type[Row]) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    """Return how to decode the columns that the database has in another form."""
    found: list[tuple[str, Callable[[Any], Any]]] = []
    for name, hint in get_type_hints(shape, include_extras=True).items():
        if get_origin(hint) is Annotated and JSON in hint.__metadata__:
            found.append((name, msgspec.json.Decoder(get_args(hint)[0]).decode))
        elif hint is bool or bool in get_args(hint):
            found.append((name, bool))
    return tuple(found)


_TYPES = {int: "BIGINT", bool: "SMALLINT", bytes: "BYTEA"}


@cache
def types_of(shape: type[Row]) -> Mapping[str, str]:
    """Return the type of each column in the database; that of JSON is TEXT."""
    return {
        name: next((_TYPES[one] for one in (hint, *get_args(hint)) if one in _TYPES), "TEXT")
        for name, hint in get_type_hints(shape, include_extras=True).items()
        if not name.startswith("__")
    }


@cache
def names_of(shape: type[Row], *, but: tuple[str | None, ...] = ()) -> tuple[str, ...]:
    """Return the columns of a table, all `but` some."""
    return tuple(name for name in shape.__struct_fields__ if name not in but)


@cache
def writer(shape: type[R], names: tuple[str, ...]) -> Callable[[R], tuple[Any, ...]]:
    """Return what makes of a row its values in some columns, as the database takes them."""
    fetch = attrgetter(*names) if len(names) > 1 else lambda row: (getattr(row, names[0]),)
    encoders = [(names.index(name), encode) for name, encode in _encoders(shape, names)]
    if not encoders:
        return fetch

    def write(row: R) -> tuple[Any, ...]:
        values = list(fetch(row))
        for position, encode in encoders:
            if values[position] is not None:
                values[position] = encode(values[position])
        return tuple(values)

    return write
