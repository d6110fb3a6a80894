"""`app.py backfill`: starts a backfill through the database, and shows how far it is."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import click

from bot import storage as store
from bot.domain.actors import CLI
from bot.domain.errors import Conflict, Invalid
from bot.operations import backfills
from bot.services import Services
from bot.web.problems import problem_of
from bot.web.validation import words

_LOOK = 0.5  # seconds between looks at how far it is
_PATIENCE = 10.0  # seconds after which it is said that nobody reads


Work = Callable[[Services], Coroutine[Any, Any, None]]


def chosen(tx: store.Transaction, name_or_id: str | None) -> list[store.Integration]:
    """Return the integrations to look at, oldest first; raises ClickException if there is none."""
    rows = store.integrations.listed(tx, None, 1_000_000).rows
    if not rows:
        raise click.ClickException(
            "there is no integration yet; create one with POST /api/v1/integrations"
        )
    if name_or_id is not None:
        rows = [row for row in rows if name_or_id.lower() == row.id or name_or_id == row.name]
    if not rows:
        raise click.ClickException(f"no integration has the id or name {name_or_id!r}")
    return rows[::-1]


def command(run: Callable[[Work], None]) -> click.Command:
    """Return the command; `run` runs it on the database."""

    @click.command("backfill", short_help="Read what repositories had before the bot.")
    @click.argument("integration")
    @click.option(
        "--days", type=click.IntRange(1, 365), help="Read what was updated in so many days."
    )
    @click.option(
        "--repository",
        "repositories",
        metavar="OWNER/NAME",
        multiple=True,
        help="Only this one; may be given several times. Unless given, all that it serves.",
    )
    @click.option("--dry-run", is_flag=True, help="Read and count, and change nothing.")
    def backfill(
        integration: str, days: int | None, repositories: tuple[str, ...], dry_run: bool
    ) -> None:
        """Read what was there before the bot: pull requests and issues, for INTEGRATION.

        INTEGRATION is an id or a name. A running service or worker reads; this shows how far it is,
        and may be ended by Ctrl-C while it goes on. The exit code is 1 if something could not be
        read.
        """

        async def work(services: Services) -> None:
            rows = await services.database.read(lambda tx: chosen(tx, integration))
            if len(rows) > 1:
                raise click.ClickException(f"several are called {integration!r}: name an id")
            await _run(services, rows[0], repositories, days, dry_run=dry_run)

        run(work)

    return backfill


async def _run(
    services: Services,
    integration: store.Integration,
    repositories: Sequence[str],
    days: int | None,
    *,
    dry_run: bool,
) -> None:
    """Start a backfill and follow it to its end; raises ClickException if it fails."""
    try:
        progress = await backfills.start(
            services, CLI, integration.id, list(repositories) or None, days, dry_run=dry_run
        )
    except Invalid as error:
        said = [f"{one.field} {words(one)}" for one in error.errors]
        raise click.ClickException("; ".join(said)) from None
    except Conflict as error:
        raise click.ClickException(problem_of(error).body.detail) from None
    try:
        progress = await _follow(services, integration.id, progress)
    except asyncio.CancelledError:  # Ctrl-C
        click.echo("\nIt goes on. Stop it on the integration's page, or by DELETE.", err=True)
        raise
    click.echo(summary(progress))
    if progress.status == "failed":
        raise click.ClickException(progress.error or "it failed")


def summary(progress: backfills.Progress) -> str:
    """Return in a line what was read."""
    found = "name an experiment" if progress.dry_run else "are linked"
    counted = progress.repositories
    return (
        f"{counted.done} of {counted.total} repositories: {progress.pull_requests} pull requests, "
        f"{progress.issues} issues, of which {progress.linked} {found}."
    )


async def _follow(
    services: Services, integration_id: str, progress: backfills.Progress
) -> backfills.Progress:
    """Show how far it is until it has ended: a bar on a terminal, else a line for each change."""
    waited, is_told, line = 0.0, False, ""
    shows_bar = sys.stderr.isatty()
    with click.progressbar(length=1, label="Reading", file=sys.stderr, show_eta=False) as bar:
        while progress.is_running:
            if shows_bar:
                bar.length = max(progress.repositories.total, 1)
                bar.label = f"Reading ({progress.pull_requests + progress.issues} items)"
                bar.update(progress.repositories.done - bar.pos)
                bar.render_progress()
            elif (now := summary(progress)) != line:
                click.echo(now, err=True)
                line = now
            await asyncio.sleep(_LOOK)
            waited += _LOOK
            progress = await services.database.read(
                lambda tx: backfills.progress(tx, integration_id)
            )
            if progress.waits_for and not is_told:
                click.echo(f"\nIt waits: {progress.waits_for}", err=True)
                is_told = True
            if progress.status == "pending" and waited >= _PATIENCE and not is_told:
                click.echo("\nNobody reads yet: is a service, or a worker, running?", err=True)
                is_told = True
        if shows_bar:
            bar.update(bar.length - bar.pos if bar.length is not None else 0)
    return progress
