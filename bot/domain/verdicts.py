"""What the check says of a pull request, by its links and the integration's setting.

Whoever may not be told of experiments learns whether each key is known, and nothing else.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bot import characters
from bot import storage as store
from bot.code import experiments_yml
from bot.code.yaml_nodes import Problem
from bot.domain import code_texts, sizes, texts
from bot.domain.diffs import UNREAD, Code

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
    code: Code = UNREAD,
) -> Verdict | None:
    """Return what the check says of a pull request with these links; None if there is none.

    `is_there`: the commit has a check already, which is then brought up to date. `is_told`:
    whoever opened the pull request may be told of experiments. `problems` are those of
    .github/experiments.yml as the pull request has it, `code` is what is known of its diff.
    """
    found = _of_links(close, linked, setting, code, is_there=is_there, is_told=is_told)
    return _broken(problems, found) if problems else found


def _of_links(
    close: Close,
    linked: Sequence[store.KeyedExperiment],
    setting: str,
    code: Code,
    *,
    is_there: bool,
    is_told: bool,
) -> Verdict | None:
    # Of an experiment that is no more the code was linked to as long as it was one.
    linked = [link for link in linked if link.status is not None or link.linked_by != "code"]
    unknown = [link.experiment_key for link in linked if link.status is None]
    if unknown:
        return _unknown(close, unknown, is_told=is_told)
    if linked:
        # What was read of an older head says nothing of this one.
        is_of_head = code.status in ("read", "partial")
        return _known(linked, code if is_told and is_of_head else UNREAD, is_told=is_told)
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


def _known(linked: Sequence[store.KeyedExperiment], code: Code, *, is_told: bool) -> Verdict:
    keys = [link.experiment_key for link in linked]
    lines = [*map(texts.known, keys)]
    if is_told:
        lines = [f"- {texts.code(link.experiment_key)} is {link.status}." for link in linked]
        lines += [*code_texts.summaries(code, keys), *code_texts.removed(code, keys)]
    if said := code_texts.left_out(code):
        lines.append(said)
    over = {link.experiment_key: link.status for link in linked if is_told and link.status in OVER}
    annotations = _annotations(code, keys, over)
    added = [key for key in over if any(one.change == "added" for one in code.of_key(key))]
    if added:
        said = ", ".join(f"{key} is {over[key]}" for key in added)
        title = characters.shortened(f"New references: {said}", sizes.STATUS)
        summary = f"{_listed(lines)}\n\n{_ADVICE_IF_ADDED}"
        return Verdict("failure", title, summary, annotations)
    if code.status == "read":  # what only takes out what is left is as it should be
        over = {key: one for key, one in over.items() if not code.of_key(key)}
    if not over:
        title = characters.shortened(f"Part of {', '.join(keys)}", sizes.STATUS)
        return Verdict("success", title, _listed(lines), annotations)
    said = ", ".join(f"{key} is {status}" for key, status in over.items())
    title = characters.shortened(f"Warning: {said}", sizes.STATUS)
    return Verdict("success", title, f"{_listed(lines)}\n\n⚠️ {_ADVICE_IF_OVER}", annotations)


def _annotations(
    code: Code, keys: Sequence[str], over: Mapping[str, str | None]
) -> list[Annotation]:
    """Return what is said on the lines that add references."""
    found = [one for one in code.references if one.change == "added" and one.experiment_key in keys]
    return [_annotation(one, over.get(one.experiment_key)) for one in found[:_MOST_ANNOTATIONS]]


def _annotation(one: store.DiffReference, over: str | None) -> Annotation:
    by = f" by its alias {one.alias}" if one.alias else ""
    said = f"This adds a reference to the experiment {one.experiment_key}{by}"
    if over is None:
        return Annotation(one.path, one.line, "notice", f"{said}.")
    return Annotation(one.path, one.line, "failure", f"{said}, which is {over}.")


_MOST_ANNOTATIONS = 200
_ADVICE_IF_ADDED = (
    "An experiment that is over gets no new code. Take out the references that this pull request "
    "adds, or use an experiment that is still running."
)
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
        characters.shortened(f"{path}, line {first.line}: {_inert(first)}", sizes.STATUS),
        said + more if len((said + more).encode()) <= sizes.SUMMARY else said,
        [
            *(Annotation(path, one.line, "failure", _inert(one)) for one in problems),
            *(of_links.annotations if of_links is not None else ()),
        ],
    )


def _inert(problem: Problem) -> str:
    """Return what is wrong, which may repeat what stands in the file: it mentions nobody."""
    return re.sub(r"@|#(?=\d)", lambda found: f"{found[0]}\u200b", problem.message)


def _listed(lines: Sequence[str]) -> str:
    kept, left = sizes.fit(lines, sizes.SUMMARY - 1_000)
    if left:
        kept.append(f"- … and {left} more, which the details page lists.")
    return "\n".join(kept)
