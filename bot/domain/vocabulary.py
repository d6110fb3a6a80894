"""What is looked for in code is the same for all repositories: keys of experiments, and aliases."""

from bot import storage as store


def changed(tx: store.Transaction) -> None:
    """An experiment has come, gone, or got other aliases: what was read is looked at again."""
    store.vocabulary.has_changed(tx)
