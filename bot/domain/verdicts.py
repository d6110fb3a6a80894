"""What the check says of a pull request, by its links and the integration's setting.

Whoever may not be told of experiments learns whether each key is known, and nothing else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bot import characters
from bot import storage as store
from bot.code import experiments_yml
from bot.code.yaml_nodes import Problem
from bot.domain import sizes, texts

Close = Callable[[str], Sequence[str]]  # tells which keys somebody may have meant

OVER = ("completed", "archived")
_EXAMPLE = "`experiment_key: checkout-flow-v2`"


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a check run says of a line; `level` is notice, warning or failure."""

    path: str
    line: int
    level: str
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the check says. `conclusion` as check runs have it, `summary` in Markdown."""

    conclusion: str
    title: str
    summary: str
    annotations: Sequence[Annotation] = field(default=(), repr=False)


def verdict_of(
    close: Close,
    linked: Sequence[store.KeyedExperiment],
    setting: str,
    *,
    is_there: bool = False,
    is_told: bool,
    problems: Sequence[Problem] = (),
) -> Verdict | None:
    """Return what the check says of a pull request with these links; None if there is none.

    `is_there`: the commit has a check already, which is then brought up to date. `is_told`:
    whoever opened the pull request may be told of experiments. `problems` are those of
    .github/experiments.yml as the pull request has it.
    """
    found = _of_links(close, linked, setting, is_there=is_there, is_told=is_told)
    return _broken(problems, found) if problems else found


def _of_links(
    close: Close,
    linked: Sequence[store.KeyedExperiment],
    setting: str,
    *,
    is_there: bool,
    is_told: bool,
) -> Verdict | None:
    unknown = [link.experiment_key for link in linked if link.status is None]
    if unknown:
        return _unknown(close, unknown, is_told=is_told)
    if linked:
        return _known(linked, is_told=is_told)
    if setting == "required":
        return Verdict(
            "failure",
            "No experiment is named, and this repository requires one",
            f"Add a line like {_EXAMPLE} to the description.",
        )
    if setting == "always":
        return Verdict("success", "No experiment is named", f"None is required. {_HOW}")
    if is_there:
        return Verdict("neutral", "No experiment is named any more", f"None is required. {_HOW}")
    return None


_HOW = f"A line like {_EXAMPLE} in its description links a pull request to an experiment."


def _unknown(close: Close, keys: Sequence[str], *, is_told: bool) -> Verdict:
    lines = []
    for key in keys:
        near = close(key) if is_told else []
        hint = f" Did you mean {texts.code(near[0])}?" if near else ""
        lines.append(f"- No experiment has the key {texts.code(key)}.{hint}")
    advice = "Correct the key in the description, or create the experiment."
    return Verdict(
        "action_required",
        characters.shortened(f"Unknown experiment: {', '.join(keys)}", sizes.STATUS),
        _listed(lines) + f"\n\n{advice}",
    )


def _known(linked: Sequence[store.KeyedExperiment], *, is_told: bool) -> Verdict:
    keys = [link.experiment_key for link in linked]
    lines = [f"- There is an experiment with the key {texts.code(key)}." for key in keys]
    if is_told:
        lines = [f"- {texts.code(link.experiment_key)} is {link.status}." for link in linked]
    over = [link for link in linked if is_told and link.status in OVER]
    if not over:
        title = characters.shortened(f"Part of {', '.join(keys)}", sizes.STATUS)
        return Verdict("success", title, _listed(lines))
    said = ", ".join(f"{link.experiment_key} is {link.status}" for link in over)
    title = characters.shortened(f"Warning: {said}", sizes.STATUS)
    return Verdict("success", title, f"{_listed(lines)}\n\n⚠️ {_ADVICE_IF_OVER}")


_ADVICE_IF_OVER = (
    "Merge this if it removes what is left of an experiment that is over. For anything else, "
    "name an experiment that is still running."
)


def _broken(problems: Sequence[Problem], of_links: Verdict | None) -> Verdict:
    """Return what is said of a file that could not be used, before what is said of the links."""
    first, path = problems[0], experiments_yml.PATH
    lines = [
        f"- Line {one.line}, column {one.column}: {texts.code(one.message)}" for one in problems
    ]
    said = f"{texts.code(path)} cannot be used as this pull request has it:\n\n{_listed(lines)}"
    more = f"\n\n{of_links.summary}" if of_links is not None and of_links.summary else ""
    return Verdict(
        "failure",
        characters.shortened(f"{path}, line {first.line}: {first.message}", sizes.STATUS),
        said + more if len((said + more).encode()) <= sizes.SUMMARY else said,
        [Annotation(path, one.line, "failure", one.message) for one in problems],
    )


def _listed(lines: Sequence[str]) -> str:
    kept, left = sizes.fit(lines, sizes.SUMMARY - 1_000)
    if left:
        kept.append(f"- … and {left} more, which the details page lists.")
    return "\n".join(kept)
