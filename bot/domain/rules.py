"""What a repository's `.github/experiments.yml` makes of an integration's settings.

Those are the outer bound: a repository can be quieter than they allow, never louder. An integration
whose `code` is off reads no file of a repository, and so not this one: its settings stand.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec
from msgspec import UNSET, Struct, UnsetType

from bot import storage as store
from bot.code.experiments_yml import Settings
from bot.code.vocabulary import Rules
from bot.code.yaml_nodes import Problem
from bot.domain.environments import PRODUCTION

# What is said and asked for, the quietest first.
_COMMENTS: Sequence[store.Comments] = ("off", "once", "on")
_CHECK: Sequence[store.Check] = ("off", "on", "always", "required")
_SWITCH: Sequence[store.Switch] = ("off", "on")
_SAYS_NOTHING = Settings()


class Bounds(Protocol):
    """The settings of an integration that bound those of its repositories."""

    @property
    def comments(self) -> str: ...
    @property
    def label(self) -> str | None: ...
    @property
    def check(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def cleanup(self) -> str: ...


class Effective(Struct, frozen=True):
    """The settings that hold for an integration in a repository."""

    comments: str
    label: str | None
    check: str
    code: str
    cleanup: str


def effective(
    tx: store.Transaction, integration: store.Integration, repository_id: int
) -> Effective:
    """Return the settings that hold for an integration in a repository."""
    return within(integration.config, store.rules.find(tx, repository_id))


def within(bounds: Bounds, row: store.RepositoryRules | None) -> Effective:
    """Return what a file says within the bounds of an integration's settings."""
    said = settings_of(row) if bounds.code == "on" else _SAYS_NOTHING
    return Effective(
        comments=_quieter(_COMMENTS, bounds.comments, said.comments),
        label=_label(bounds.label, said.label),
        check=_quieter(_CHECK, bounds.check, said.check),
        code=_quieter(_SWITCH, bounds.code, "off" if said.code == "off" else "on"),
        cleanup=_quieter(_SWITCH, bounds.cleanup, said.cleanup),
    )


def _quieter(order: Sequence[str], allowed: str, wanted: str | UnsetType) -> str:
    """Return the quieter of what an integration allows and what a repository wants."""
    if wanted is UNSET:
        return allowed
    return min(allowed, str(wanted), key=list[str](order).index)


def _label(allowed: str | None, wanted: str | UnsetType | None) -> str | None:
    """Return the label: a repository may call it otherwise, or want none."""
    return allowed if allowed is None or wanted is UNSET else wanted


def settings_of(row: store.RepositoryRules | None) -> Settings:
    """Return what a file says; nothing where there is none, or none that can be used."""
    if row is None or row.settings is None:
        return _SAYS_NOTHING
    try:
        return msgspec.convert(row.settings, Settings)
    except msgspec.ValidationError:  # kept by another version, which took more
        return _SAYS_NOTHING


def rules_of(tx: store.Transaction, repository_id: int) -> Rules:
    """Return what counts as a reference in a repository, and which files are read."""
    code = settings_of(store.rules.find(tx, repository_id)).rules
    return Rules(code.include, code.exclude, code.aliases, code.patterns)


def code_is_on(tx: store.Transaction, integration: store.Integration, repository_id: int) -> bool:
    """Tell whether an integration reads the code of a repository."""
    return (
        integration.config.code == "on" and effective(tx, integration, repository_id).code == "on"
    )


def production_of(tx: store.Transaction, repository_id: int) -> Sequence[str]:
    """Return the patterns of the environments that are production in a repository."""
    said = settings_of(store.rules.find(tx, repository_id))
    return said.environments.production or PRODUCTION


def problems_at(tx: store.Transaction, item: store.Item) -> list[Problem]:
    """Return what is wrong with the file at the head of a pull request, as far as that was read."""
    row = store.rules.problems_of(tx, item.id)
    if row is None or row.head_sha != item.head_sha:
        return []
    return msgspec.convert(row.problems, list[Problem])
