"""`app.py check-config`: says what is wrong in files like .github/experiments.yml, line by line."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from bot import characters
from bot.code.experiments_yml import problems_of
from bot.code.yaml_nodes import MOST_BYTES

_STDIN = "-"


@click.command("check-config", short_help="Check files like .github/experiments.yml.")
@click.argument("files", metavar="FILE…", nargs=-1, required=True)
def command(files: tuple[str, ...]) -> None:
    """Check each FILE, which is to be the .github/experiments.yml of a repository; - is the input.

    Prints FILE:LINE:COLUMN: and what is wrong. The exit code is 1 if anything is. Needs no
    database and no network.
    """
    lines = [line for file in files for line in _problems(file)]
    for line in lines:
        click.echo(line)
    if lines:
        raise click.exceptions.Exit(1)


def _problems(file: str) -> Iterator[str]:
    """Yield what is wrong with a file, a line for each problem."""
    name = characters.plain(file)
    try:
        if file == _STDIN:
            content = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise click.ClickException(f"{name}: {error.strerror}") from None
    for problem in problems_of(content):
        yield f"{name}:{problem.line}:{problem.column}: {problem.message}"
