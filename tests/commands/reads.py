"""What is expected of a comment: the commands that are read from it."""

Read = tuple[str, tuple[str, ...], tuple[tuple[str, str], ...], str | None]
NONE: list[Read] = []


def ran(name: str = "", /, *words: str, problem: str | None = None, **options: str) -> Read:
    """What is expected of one command."""
    return name, words, tuple(options.items()), problem


LINK = [ran("link", "a")]
