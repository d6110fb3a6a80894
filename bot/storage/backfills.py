"""Queries for what is read of repositories that had a life before the bot heard of them."""

from collections.abc import Sequence
from typing import Any

import msgspec

from bot.storage import codec, query
from bot.storage.backfill_rows import Backfill, BackfillRun, BackfillSums, Listing
from bot.storage.database import Transaction
from bot.storage.rows import Repository

_OPEN = "status IN ('waiting', 'reading')"


def run_of(tx: Transaction, integration_id: str) -> BackfillRun | None:
    """Return the last backfill of an integration, None if there was none."""
    return query.by_key(tx, BackfillRun, integration_id=integration_id)


def put_run(tx: Transaction, run: BackfillRun) -> None:
    """Keep a run in place of the one before."""
    sql = """INSERT INTO backfill_runs
            (integration_id, number, dry_run, days, listing, error, started_at)
        VALUES (:integration_id, :number, :dry_run, :days, :listing, :error, :started_at)
        ON CONFLICT (integration_id) DO UPDATE SET number = excluded.number,
            dry_run = excluded.dry_run, days = excluded.days, listing = excluded.listing,
            error = excluded.error, started_at = excluded.started_at"""
    tx.run(sql, codec.write(BackfillRun, msgspec.structs.asdict(run)))


def set_listing(tx: Transaction, integration_id: str, listing: Listing | None) -> None:
    query.change(tx, BackfillRun, {"integration_id": integration_id}, {"listing": listing})


def set_error(tx: Transaction, integration_id: str, error: str | None) -> None:
    query.change(tx, BackfillRun, {"integration_id": integration_id}, {"error": error})


def is_running(tx: Transaction, run: BackfillRun) -> bool:
    """Tell whether something of a run is still to be read, and can be."""
    sql = f"""SELECT 1 FROM backfills WHERE integration_id = :integration_id AND run = :run
        AND {_OPEN} LIMIT 1"""
    known = {"integration_id": run.integration_id, "run": run.number}
    has_more = run.listing is not None or query.exists(tx, sql, **known)
    return has_more and run.error is None


def sums(tx: Transaction, run: BackfillRun) -> BackfillSums:
    """Return what has become of the repositories of a run."""
    sql = """SELECT COUNT(*) AS total,
            COALESCE(SUM(CASE WHEN status = 'waiting' THEN 1 ELSE 0 END), 0) AS waiting,
            COALESCE(SUM(CASE WHEN status = 'reading' THEN 1 ELSE 0 END), 0) AS reading,
            COALESCE(SUM(CASE WHEN status = 'failed' THEN 1 ELSE 0 END), 0) AS failed,
            COALESCE(SUM(CASE WHEN status = 'stopped' THEN 1 ELSE 0 END), 0) AS stopped,
            CAST(COALESCE(SUM(pull_requests), 0) AS BIGINT) AS pull_requests,
            CAST(COALESCE(SUM(issues), 0) AS BIGINT) AS issues,
            CAST(COALESCE(SUM(linked), 0) AS BIGINT) AS linked,
            MAX(finished_at) AS finished_at
        FROM backfills WHERE integration_id = :integration_id AND run = :run"""
    known = {"integration_id": run.integration_id, "run": run.number}
    return query.the(tx, BackfillSums, sql, **known)


def first_failed(tx: Transaction, run: BackfillRun) -> Backfill | None:
    """Return the first repository of a run that could not be read."""
    sql = """SELECT * FROM backfills WHERE integration_id = :integration_id AND run = :run
        AND status = 'failed' ORDER BY finished_at, name_key LIMIT 1"""
    known = {"integration_id": run.integration_id, "run": run.number}
    return query.first(tx, Backfill, sql, **known)


def named(tx: Transaction, integration_id: str, name_keys: Sequence[str]) -> list[Backfill]:
    """Return what was read of some repositories, by the names in lower case they had then."""
    sql = """SELECT * FROM backfills WHERE integration_id = :integration_id
        AND name_key IN ({names})"""
    return query.in_parts(tx, Backfill, sql, name_keys, integration_id=integration_id)


def put_all(tx: Transaction, rows: Sequence[Backfill]) -> None:
    """Keep that repositories are to be read, in place of what was kept of them before."""
    sql = """DELETE FROM backfills WHERE integration_id = :integration_id
        AND name_key = :name_key"""
    keys = [{"integration_id": row.integration_id, "name_key": row.name_key} for row in rows]
    tx.run_many(sql, keys)
    query.insert_many(tx, Backfill, [msgspec.structs.asdict(row) for row in rows])


def waiting(tx: Transaction, integration_id: str, limit: int) -> list[Backfill]:
    """Return repositories of an integration that nobody has begun to read."""
    sql = """SELECT * FROM backfills WHERE integration_id = :integration_id
        AND status = 'waiting' ORDER BY run, name_key LIMIT :limit"""
    return query.select(tx, Backfill, sql, integration_id=integration_id, limit=limit)


def next_waiting(tx: Transaction, integration_id: str) -> Backfill | None:
    """Return the first of them, None if there is none."""
    return next(iter(waiting(tx, integration_id, 1)), None)


def reading(tx: Transaction, integration_id: str, repository_id: int) -> Backfill | None:
    """Return what an integration is reading of a repository, by our id of that.

    None if it is not. What has failed goes on when its action is tried again.
    """
    sql = """SELECT * FROM backfills WHERE integration_id = :integration_id
        AND repository_id = :repository_id AND status IN ('reading', 'failed')
        ORDER BY run DESC, name_key LIMIT 1"""
    known = {"integration_id": integration_id, "repository_id": repository_id}
    return query.first(tx, Backfill, sql, **known)


def change(tx: Transaction, row: Backfill, **columns: Any) -> bool:
    """Set columns, unless another has taken a step meanwhile, or it was stopped; False then."""
    key: dict[str, Any] = {"integration_id": row.integration_id, "name_key": row.name_key}
    key |= {"step": row.step, "status": row.status, "run": row.run}
    return query.change(tx, Backfill, key, {**columns, "step": row.step + 1}) == 1


def take_along(tx: Transaction, integration_id: str, run: int) -> None:
    """Let repositories that nobody has begun to read be read in a run."""
    sql = """UPDATE backfills SET run = :run
        WHERE integration_id = :integration_id AND status = 'waiting'"""
    tx.run(sql, {"integration_id": integration_id, "run": run})


def stop(tx: Transaction, integration_id: str, at: int) -> int:
    """Let nothing more be read for an integration; return of how many repositories that was."""
    sql = f"""UPDATE backfills SET status = 'stopped', finished_at = :at
        WHERE integration_id = :integration_id AND {_OPEN}"""
    set_listing(tx, integration_id, None)
    set_error(tx, integration_id, None)
    return tx.run(sql, {"integration_id": integration_id, "at": at})


def drop(tx: Transaction, integration_id: str, repository: Repository) -> None:
    """Forget what an integration has read, or was to read, of a repository."""
    sql = """DELETE FROM backfills WHERE integration_id = :integration_id
        AND (repository_id = :id OR github_id = :github_id OR name_key = :name_key)"""
    known: dict[str, Any] = {"id": repository.id, "github_id": repository.github_id}
    known |= {"integration_id": integration_id, "name_key": repository.name_key}
    tx.run(sql, known)


def remove(tx: Transaction, integration_id: str) -> None:
    """Forget what an integration has read."""
    for table in ("backfills", "backfill_runs"):
        sql = f"DELETE FROM {table} WHERE integration_id = :integration_id"
        tx.run(sql, {"integration_id": integration_id})


def take_slot(tx: Transaction, credential: str, now: int, length: int) -> int:
    """Return from when on a credential may write about something that was backfilled.

    What is asked for next may be written `length` microseconds later.
    """
    sql = "SELECT next_at FROM backfill_paces WHERE credential = :credential"
    at = max(now, query.number(tx, sql, credential=credential) or 0)
    sql = """INSERT INTO backfill_paces (credential, next_at) VALUES (:credential, :next_at)
        ON CONFLICT (credential) DO UPDATE SET next_at = excluded.next_at"""
    tx.run(sql, {"credential": credential, "next_at": at + length})
    return at


def names_served(tx: Transaction, integration_id: str, host: str) -> Sequence[str]:
    """Return the names of the repositories that an integration speaks for, or has seen first."""
    sql = """SELECT full_name FROM repositories WHERE host = :host AND deleted_at IS NULL
            AND full_name <> '' AND (speaker_id = :id OR id IN (
                SELECT repository_id FROM speakers WHERE integration_id = :id
                    AND COALESCE(has_right, 1) <> 0))
        ORDER BY last_activity DESC, id"""
    return query.values(tx, sql, id=integration_id, host=host)
