"""Subcommands: each opens what it needs, and says in a line what an operator can mend."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from bot import (
    __version__,
    characters,
    cli_backfill,
    cli_check_config,
    commands,
    doctor,
    log,
    output,
    server,
    supervisor,
    times,
)
from bot import storage as store
from bot import worker as bot_worker
from bot.domain import recovery, tokens
from bot.domain.actors import CLI, ROLES
from bot.log import logger
from bot.operations import settings as noted_settings
from bot.services import Services
from bot.settings import Settings, SettingsError, database_url
from bot.stopping import stop_event

T = TypeVar("T")


class _Misused(click.ClickException):
    """There is another command for what is wanted."""

    exit_code = 2


class _Program(click.Group):
    """`python app.py` without a subcommand serves; what an operator can mend is said in a line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (
            SettingsError,
            store.StorageRefused,
            store.StorageUnavailable,
            store.backup.BackupFailed,
            store.transfer.TransferRefused,
            store.VaultError,
        ) as error:
            raise click.ClickException(str(error)) from None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "--version")):
            args = ["serve", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Program, context_settings={"help_option_names": ["--help"]})
@click.version_option(__version__, prog_name="experiment-bot")
def main() -> None:
    """Experiment Bot links GitHub pull requests, commits and issues to experiments.

    Without a command it serves. Settings come from the environment; README.md lists them.
    """
    output.never_wait()
    os.umask(0o077)  # nothing this program writes is for others to read


@main.command(short_help="Serve the API and the webhook.")
@click.option("--worker/--no-worker", default=True, help="Also run the worker in this process.")
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=1,
    help="How many processes share the port; those that die are restarted.",
)
@click.option("--supervised", is_flag=True, hidden=True)
def serve(worker: bool, processes: int, supervised: bool) -> None:
    """Serve the API and the webhook, with the worker in the same process."""
    output.never_wait(out=True)
    settings = _settings()

    def say_up() -> None:
        click.echo(f"Experiment Bot is up: {settings.public_url}")

    async def work(services: Services) -> None:
        if not supervised:
            await server.check_secrets(services)
            await see_to_admin_token(services)
            await noted_settings.note(services)
        if processes == 1:
            on_start = None if supervised else say_up
            await server.serve(
                services, with_worker=worker, on_start=on_start, supervised=supervised
            )

    # One that is started again must not make a database in place of one that is gone.
    run = _with_existing if supervised else _with_services
    run(work, settings, partial(stop_event, supervised=supervised))
    if processes > 1:
        _run(settings, supervisor.run(settings, processes, with_worker=worker, on_start=say_up))


@main.command("worker", short_help="Run only the worker.")
def run_worker() -> None:
    """Run only the worker: act on GitHub, retry failed deliveries, remove old ones."""

    async def work(services: Services) -> None:
        await server.check_secrets(services)
        await bot_worker.run_until_stopped(services)

    _with_services(work, waits_until=stop_event)


@main.group()
def token() -> None:
    """Create, list and revoke API tokens."""


@token.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the token may do.")
def create_token(name: str, role: str) -> None:
    """Create an API token called NAME and print it, this once."""
    if not store.tokens.is_name(name):
        raise click.BadParameter("must be 1 to 100 printable characters", param_hint="NAME")
    _, secret = _with_services(
        lambda services: services.database.write(
            lambda tx: tokens.issue(tx, name.strip(), role, CLI)
        ),
        _quiet_settings(),
    )
    click.echo(secret)


@token.command("list")
def list_tokens() -> None:
    """List API tokens: id, role, name, created, last used, whether revoked."""
    rows = _with_existing(lambda services: services.database.read(store.tokens.listed))
    click.echo(f"{'ID':36}  {'ROLE':9}  {'CREATED':20}  {'LAST USED':20}  NAME")
    for row in rows:
        created = (times.render(row.created_at) or "")[:19] + "Z"
        used = (times.render(row.last_used_at) or "never")[:19]
        name = row.name + (" (revoked)" if row.revoked_at is not None else "")
        click.echo(f"{row.id}  {row.role:9}  {created:20}  {used:20}  {name}")


@token.command("revoke")
@click.argument("name_or_id")
def revoke_token(name_or_id: str) -> None:
    """Revoke the API token with this id, or every token of this name."""

    def job(tx: store.Transaction) -> int:
        rows = [one for one in store.tokens.listed(tx) if name_or_id in (one.id, one.name)]
        rows = [one for one in rows if one.revoked_at is None]
        tokens.revoke(tx, rows, CLI)
        return len(rows)

    count = _with_existing(lambda services: services.database.write(job), _quiet_settings())
    if count == 0:
        raise click.ClickException(f"no active token has the id or name {name_or_id!r}")
    click.echo(f"Revoked {count}. Running services notice within seconds.")


@main.command("commands", short_help="Print the documentation of /experiment commands.")
def print_commands() -> None:
    """Print what can be written in comments, in Markdown, with the commands of EXTENSIONS."""
    click.echo(commands.document(commands.load(_settings().extensions)))


@main.command(short_help="Copy the SQLite database to a file, while it is in use.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=600,
    show_default=True,
    help="Seconds after which to give up.",
)
def backup(file: Path, force: bool, timeout: float) -> None:
    """Copy the SQLite database to FILE, while the service runs or not, and verify the copy.

    FILE appears, for nobody else to read, once the copy is whole; a failure leaves none. The key
    that opens the secrets is not in it: keep that as well, in another place.
    """
    settings = _quiet_settings()
    if (path := store.sqlite_path(settings.database_url)) is None:
        raise _Misused(
            "the database is PostgreSQL, whose own program copies it: "
            'pg_dump --format=custom --file=FILE "$DATABASE_URL"'
        )
    key_file = settings.data_dir / "secret.key"
    copied = store.backup.make(path, file, replace=force, seconds=timeout, spare=key_file)
    key = "SECRET_KEY" if settings.secret_keys else str(key_file)
    click.echo(
        f"{file}: {store.backup.megabytes(copied.size)}, {copied.rows:,} rows, schema "
        f"{copied.version}, verified. Its secrets open only with {key}, which is not in it: keep "
        "that in another place."
    )


@main.command("migrate-database", short_help="Copy an installation to another database.")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--overwrite", is_flag=True, help="Empty a target that is not empty first.")
def migrate_database(source: str, target: str, overwrite: bool) -> None:
    """Copy an installation from one database to another, and verify the copy.

    FROM and TO are addresses as in DATABASE_URL. FROM is only read; an SQLite file that TO names
    is made if it is not there, a PostgreSQL database has to be. Stop the service first. It does not
    start on a copy that was interrupted: run the same command again, which begins it anew.
    """
    settings = _settings()
    old, new = (store.engine(database_url(url)) for url in (source, target))

    async def run() -> dict[str, int]:
        # Nothing is made until it is known that there is something to copy.
        await asyncio.to_thread(store.transfer.refuse_unfit, old)
        async with AsyncExitStack() as opened:
            await old.start()
            opened.push_async_callback(old.close)
            total = await store.transfer.size(old)
            await asyncio.to_thread(store.transfer.prepare, new)
            await new.start()
            opened.push_async_callback(new.close)
            with click.progressbar(length=total, label="Copying", file=sys.stderr) as bar:
                return await store.transfer.copy(
                    old, new, overwrite=overwrite, advance=lambda _, rows: bar.update(rows)
                )

    for table, rows in _run(settings, run()).items():
        click.echo(f"{table:26} {rows:>10,} rows, the same in both")


@main.command("doctor", short_help="Check whether integrations can do their work.")
@click.argument("integration", required=False)
def run_doctor(integration: str | None) -> None:
    """Check whether INTEGRATION (an id or a name), or every one, can do its work.

    Asks GitHub who the credential is, what it may do and where the webhook points, and looks at
    recent deliveries and actions. Changes nothing in GitHub. The exit code is 1 if there is a
    problem.
    """
    settings = _quiet_settings()

    async def examine(services: Services) -> list[doctor.Status]:
        statuses: list[doctor.Status] = []
        for row in await services.database.read(lambda tx: cli_backfill.chosen(tx, integration)):
            findings = await doctor.check(services, row.id) or []
            _show_findings(row, findings)
            statuses += [finding.status for finding in findings]
        return statuses

    statuses = _with_existing(examine, settings)
    problems, warnings = statuses.count("problem"), statuses.count("warning")
    click.echo(f"Problems: {problems}. Warnings: {warnings}.")
    if problems:
        raise click.exceptions.Exit(1)


@main.command("recover", short_help="Take in what GitHub could not deliver.")
@click.argument("integration", required=False)
def run_recovery(integration: str | None) -> None:
    """Have what GitHub could not deliver to INTEGRATION (an id or a name), or to all, taken in.

    A running service or worker does it: this command orders it, and returns.
    """

    def job(tx: store.Transaction) -> list[str]:
        rows = [one for one in cli_backfill.chosen(tx, integration) if one.is_active]
        for row in rows:
            recovery.order_by(tx, row.id, CLI)
        return [row.name for row in rows]

    names = _with_existing(lambda services: services.database.write(job), _quiet_settings())
    click.echo(f"Ordered for {len(names)}: {', '.join(map(characters.plain, names))}")


def _show_findings(row: store.Integration, findings: list[doctor.Finding]) -> None:
    name = characters.plain(row.name)
    click.echo(click.style(f"{name} ({row.id})", bold=True))
    marks = {"ok": ("ok", "green"), "warning": ("warn", "yellow"), "problem": ("PROBLEM", "red")}
    for finding in findings:
        mark, color = marks[finding.status]
        click.echo(f"  {click.style(f'{mark:7}', fg=color)}  {finding.check}: {finding.message}")
        if finding.remedy is not None:
            click.echo(f"{'':11}{finding.remedy}")
    click.echo()


@main.command(short_help="Play a week of deliveries, to look at.")
def demo() -> None:
    """Play a week of deliveries on a throw-away database, and keep running to look around."""
    from bot.demo import play  # noqa: PLC0415 - only this command needs it

    with play.throw_away_settings(_quiet_settings()) as settings:

        async def work(services: Services) -> None:
            await play.run(services, await see_to_admin_token(services))

        _with_services(work, settings)


def _settings() -> Settings:
    settings = Settings.from_environment()
    log.configure(settings.log_level, settings.log_format)
    return settings


def _quiet_settings() -> Settings:
    """Return the settings for a command whose own output says what is done and found."""
    settings = _settings()
    if settings.log_level == "info":
        log.configure("warning", settings.log_format)
    return settings


def _with_services(
    work: Callable[[Services], Coroutine[Any, Any, T]],
    settings: Settings | None = None,
    waits_until: Callable[[], asyncio.Event] | None = None,
) -> T:
    """Run `work`; see `server.open_services`."""
    settings = settings or _settings()

    async def run() -> T:
        services = await server.open_services(settings, waits_until)
        try:
            return await work(services)
        finally:
            await services.close()

    return _run(settings, run())


def _with_existing(
    work: Callable[[Services], Coroutine[Any, Any, T]],
    settings: Settings | None = None,
    waits_until: Callable[[], asyncio.Event] | None = None,
) -> T:
    """Run `work` as `_with_services` does, on a database that is there: none is made for it."""
    settings = settings or _settings()
    try:
        store.engine(settings.database_url).existing_version()
    except store.IncompleteCopy:
        raise  # to start the service does not help
    except store.StorageRefused as error:
        raise click.ClickException(
            f"{error}. Start the service once, or set DATA_DIR and DATABASE_URL as it has them."
        ) from None
    except store.StorageUnavailable:
        if waits_until is None:
            raise
    return _with_services(work, settings, waits_until)


def _run(settings: Settings, work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except OSError as error:
        if error.errno is None or error.strerror is None:
            raise
        where = error.filename or f"{settings.host}:{settings.port}"
        raise click.ClickException(f"{where}: {error.strerror}") from None


main.add_command(cli_backfill.command(lambda work: _with_existing(work, _quiet_settings())))
main.add_command(cli_check_config.command)


async def see_to_admin_token(services: Services) -> str | None:
    """Return the admin token if it is known: ADMIN_TOKEN, or on a first start a new one, printed.

    Only its hash is stored, so on later starts nobody can say what it is.
    """
    given = services.settings.admin_token
    try:
        new = await services.database.write(lambda tx: tokens.ensure_admin(tx, given))
    except tokens.Taken:
        expected = "a token of its own: it is, or was, one of `token list`"
        raise SettingsError("ADMIN_TOKEN", "********", expected) from None
    if new is not None and given is None:
        click.echo(f"Admin token (shown only this once): {new}")
        if getattr(sys.stdout, "lost", 0):
            logger.error("admin token not shown", instead="app.py token create NAME --role admin")
    return new or given
