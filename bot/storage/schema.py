"""The schema, as numbered migrations in SQL that every engine understands (migrations/*.sql).

`{id}`, `{growing_id}` (never given out twice, even after a deletion) and `{blob}` are filled in by
the engine; all else is common. Times are BIGINT microseconds, flags SMALLINT 0 or 1, lists JSON
text. Each statement ends a line with its semicolon. A migration that has been released is never
edited: add another.
"""

from collections.abc import Sequence
from pathlib import Path

from bot.storage.database import IncompleteCopy, StorageRefused

_FILES = sorted(Path(__file__).with_name("migrations").glob("*.sql"))


def _statements(text: str) -> tuple[str, ...]:
    code = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return tuple(one.strip() for one in f"{code}\n".split(";\n") if one.strip())


MIGRATIONS: Sequence[Sequence[str]] = [_statements(file.read_text("utf-8")) for file in _FILES]
VERSION = len(MIGRATIONS)

# Seals as of before this version open in any row. They are bound to theirs in the transaction of
# the migration, so it needs no other mark that this has been done, which somebody could take away.
_BOUND = 13
SEALS = "SELECT id, secrets FROM integrations WHERE secrets <> ''"


def unnoted(done: int, of: int) -> None:
    """Take no note of how far a migration is."""


def unbound(_: str, __: str) -> str:
    """Refuse to bind seals where the keys are not at hand."""
    raise StorageRefused(
        "the database has secrets of an older Experiment Bot: start the service on it once, which "
        "brings it up to date"
    )


def has_unbound_seals(found: int) -> bool:
    """Tell whether a database of version `found` may have seals that are bound to no row."""
    return 0 < found < _BOUND


# A table that a database has until all is copied into it (transfer.py).
INCOMPLETE = "transfer_in_progress"
MARK = f"CREATE TABLE IF NOT EXISTS {INCOMPLETE} (note TEXT)"  # who copies into it


def refuse_incomplete() -> None:
    raise IncompleteCopy(
        "the database is a copy that was not completed, with a part of what there was: run "
        "migrate-database again, which begins it anew"
    )


def check_version(found: int) -> None:
    """Raise StorageRefused if a database is of a version that this program does not know."""
    if found > VERSION:
        raise StorageRefused(
            f"the database has schema version {found}, made by a newer Experiment Bot; "
            f"this one knows versions up to {VERSION}: upgrade it, or restore an older backup"
        )


def statements_after(found: int, *, id: str, growing_id: str, blob: str) -> list[str]:
    """Return the statements that lead from version `found` to VERSION, with the engine's types."""
    return [
        statement.format(id=id, growing_id=growing_id, blob=blob)
        for migration in MIGRATIONS[found:]
        for statement in migration
    ]
