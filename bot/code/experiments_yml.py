"""`.github/experiments.yml`: what a repository says of how the bot works in it.

The types here are the one definition: what is read, what is said of mistakes, and the schema that
editors complete the file by. docs/experiments-yml.md says the same for people.
"""

import inspect
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from bot import characters
from bot.code import fillings, ignoring
from bot.code.spellings import Spelling
from bot.code.yaml_nodes import Problem, Unreadable, read
from bot.code.yaml_types import conformed

PATH = ".github/experiments.yml"
MOST_PROBLEMS = 50
_LABEL = 50  # characters that GitHub takes of a label's name


def _unusable_path(text: str) -> str | None:
    return None if ignoring.pattern_of(text) else "is no pattern of gitignore"


def _unusable_label(text: str) -> str | None:
    if text != text.strip() or not characters.is_plain(text):
        return "must be of printable characters, without blanks around it"
    return "cannot be taken off by GitHub's API" if text in (".", "..") else None


def _unusable_text(text: str) -> str | None:
    if text != text.strip() or not characters.is_plain(text):
        return "must be of printable characters, without blanks around it"
    return None


Switch = Literal["on", "off"]
PathPattern = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=ignoring.MOST_CHARACTERS,
        description="A pattern of gitignore, from the root of the repository.",
        extra={"unusable": _unusable_path},
    ),
]
KeyPattern = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=fillings.MOST_CHARACTERS,
        description="Text in which KEY stands for the key of an experiment, such as "
        '`useExperiment("KEY")`.',
        extra_json_schema={"pattern": fillings.PLACE},
        extra={"unusable": fillings.why_unusable},
    ),
]
Owner = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        description="A team or person, as you call them.",
        extra={"unusable": _unusable_text},
    ),
]
Environment = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        description="The name of an environment, or a word of it; * stands for anything.",
        extra={"unusable": _unusable_text},
    ),
]
Label = Annotated[str, Meta(min_length=1, max_length=_LABEL, extra={"unusable": _unusable_label})]


class Code(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which files are searched for experiments, and what counts in them beside a quoted key."""

    include: Annotated[
        tuple[PathPattern, ...],
        Meta(max_length=200, description="Only these files are read; unless given, all."),
    ] = ()
    exclude: Annotated[
        tuple[PathPattern, ...], Meta(max_length=200, description="These files are not read.")
    ] = ()
    aliases: Annotated[
        tuple[Spelling, ...],
        Meta(
            max_length=5,
            description="Spellings of keys and aliases that count as identifiers, without quotes: "
            "`checkout-flow` is checkoutFlow, CheckoutFlow, checkout_flow, CHECKOUT_FLOW or "
            "checkout-flow.",
        ),
    ] = ()
    patterns: Annotated[
        tuple[KeyPattern, ...], Meta(max_length=50, description="What else is a reference.")
    ] = ()


class Environments(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which environments of deployments are production."""

    production: Annotated[
        tuple[Environment, ...],
        Meta(
            max_length=50,
            description="Beside those that GitHub calls production itself; unless given, prod, "
            "production and live.",
        ),
    ] = ()


class Settings(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Settings of Experiment Bot for this repository.

    They can make it quieter than the integration allows, never louder.
    """

    code: Annotated[
        Code | Switch, Meta(description="What is read of the code; off for nothing.")
    ] = Code()
    owners: Annotated[
        dict[PathPattern, Owner],
        Meta(
            max_length=500,
            description="Whose code is where: a pattern of gitignore, and the owner. The last that "
            "matches counts.",
        ),
    ] = {}
    environments: Environments = Environments()
    comments: Annotated[
        Literal["on", "once", "off"] | UnsetType,
        Meta(description="The status comment: kept up to date, written once, or none."),
    ] = UNSET
    label: Annotated[
        Label | Literal["off"] | UnsetType | None,
        Meta(description="The label of linked pull requests; null or off for none."),
    ] = UNSET
    check: Annotated[
        Literal["on", "always", "required", "off"] | UnsetType,
        Meta(
            description="The check: on pull requests that name an experiment, on every one, on "
            "every one and failing without an experiment, or none."
        ),
    ] = UNSET
    cleanup: Annotated[
        Switch | UnsetType,
        Meta(description="Issues about code of experiments that are over."),
    ] = UNSET

    @property
    def rules(self) -> Code:
        """What `code` says of files and spellings."""
        return self.code if isinstance(self.code, Code) else Code()


def parse(content: bytes) -> tuple[Settings | None, list[Problem]]:
    """Return what a file says, and what is wrong with it: None if anything is.

    At most `MOST_PROBLEMS` are told, in the order of the lines.
    """
    try:
        node = read(content)
    except Unreadable as error:
        return None, [error.problem]
    problems: list[Problem] = []
    settings = Settings() if node is None else conformed(node, Settings, problems)
    if problems:
        return None, sorted(problems, key=lambda one: (one.line, one.column))[:MOST_PROBLEMS]
    assert settings is not None
    return settings, []


def problems_of(content: bytes) -> list[Problem]:
    """Return what is wrong with a file; nothing if it is right."""
    return parse(content)[1]


def owner_of(settings: Settings, path: str) -> str | None:
    """Return whose a file is, by the last pattern of `owners` that matches; None if nobody's."""
    for pattern, owner in reversed(settings.owners.items()):
        if ignoring.matches((pattern,), path):
            return owner
    return None


def schema(address: str) -> dict[str, Any]:
    """Return the JSON Schema of the file (2020-12), which is published at an address."""
    (root,), parts = msgspec.json.schema_components([Settings], ref_template="#/$defs/{name}")
    parts = {name: _for_editors(part) for name, part in parts.items()}
    described = parts.pop(root["$ref"].rpartition("/")[2])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": address,
        **described,
        "title": PATH,
        "$defs": parts,
    }


def _for_editors(part: Any) -> Any:
    """Allow booleans where on and off are: many readers of YAML take these words for them."""
    if isinstance(part, dict):
        found = {name: _for_editors(value) for name, value in part.items() if name != "default"}
        if isinstance(description := found.get("description"), str):
            found["description"] = inspect.cleandoc(description)
        if "off" in found.get("enum", ()):
            extra: Sequence[bool] = (True, False) if "on" in found["enum"] else (False,)
            found["enum"] = [*found["enum"], *extra]
        return found
    if isinstance(part, list):
        return [_for_editors(one) for one in part]
    return part
