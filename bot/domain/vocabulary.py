"""What is looked for in code is the same for all repositories: keys of experiments, and aliases."""

from collections.abc import Collection

from bot import storage as store
from bot.domain import code_maps, readings


def changed(
    tx: store.Transaction,
    key: str,
    *,
    came: Collection[str] = (),
    went: Collection[str] | None = (),
) -> None:
    """An experiment has other names: those that `came`, and those that `went`; None for all.

    For what has come all code is read again. What is gone is just forgotten.
    """
    if came:
        store.vocabulary.has_changed(tx, came)
        code_maps.look_everywhere(tx)
    if went is None or went:
        readings.forget_names(tx, key, code_maps.forget_names(tx, key, went))
