"""What the documentation lists is what the code has, and the other way round.

Two lists have tests of their own, which say what to do: docs/commands.md is printed by the program
(tests/commands/test_commands.py), and permissions are compared in tests/doctor/test_permissions.py.
"""

import importlib
import re
from collections.abc import Iterator
from typing import Any, get_args

import click
import pytest

from bot import cli
from bot import storage as store
from bot.dashboard.integrations import NOISE
from bot.domain import actions, activity, audit, parts, texts
from bot.metrics import Metrics
from bot.settings import SETTINGS
from tests.kit.marks import sqlite_only
from tests.kit.processes import ROOT
from tests.kit.running import Bot
from tests.server.test_import_graph import ROOMS

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
)
ABOUT_NOW = [page for page in PAGES if page != "CHANGELOG.md"]  # which tells of what was


def read(page: str) -> str:
    return (ROOT / page).read_text()


def section(page: str, heading: str) -> str:
    """Return what stands below a heading, up to the next of its rank or above."""
    rank = len(heading.partition(" ")[0])
    _, found, rest = read(page).partition(f"\n{heading}\n")
    assert found, f"{page} has no heading {heading!r}"
    return re.split(rf"^#{{1,{rank}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def table(page: str, heading: str, title: str) -> list[list[str]]:
    """Return the rows of the table below a heading whose first column has a title."""
    _, found, rest = section(page, heading).partition(f"\n| {title} |")
    assert found, f"{page} has no table {title!r} below {heading!r}"
    lines = rest.split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def names(cells: list[str]) -> list[str]:
    """Return the names in backticks; `.closed` after `issue.opened` means `issue.closed`."""
    found: list[str] = []
    for cell in cells:
        for name in re.findall(r"`([^`]+)`", cell):
            prefix = found[-1].partition(".")[0] if name.startswith(".") else ""
            found.append(prefix + name)
    return found


def first_column(page: str, heading: str, title: str) -> list[str]:
    return names([row[0] for row in table(page, heading, title)])


# --- Lists that stand in the code


def test_rooms() -> None:
    assert (
        set(first_column("docs/development.md", "## What is where", "Room, from the top")) == ROOMS
    )


def test_settings() -> None:
    rows = [[f"`{s.name}`", s.default_in_words, s.meaning] for s in SETTINGS.values()]
    assert table("README.md", "## Settings", "Variable") == rows


def test_events() -> None:
    """An event is heard if a handler is registered for it."""
    heard = {
        event
        for path in (ROOT / "bot" / "handlers").glob("*.py")
        for event in re.findall(r'^@router\.register\(\s*"(\w+)"', path.read_text(), re.MULTILINE)
    }
    assert set(first_column("README.md", "## The key line", "Event")) == heard


def test_kinds_of_actions() -> None:
    assert set(first_column("docs/github.md", "## The outbox", "Kind")) == set(actions.KINDS)


def test_parts_of_what_a_pull_request_shows() -> None:
    (listed,) = re.findall(
        r"has three parts, (.*), and each", section("docs/github.md", "## The outbox")
    )
    assert re.findall(r"`(\w+)`", listed) == list(parts.PARTS)


def test_types_of_the_feed() -> None:
    listed = first_column("docs/linking.md", "## The activity feed", "Type")
    assert sorted(listed) == sorted(activity.TYPES)


def test_types_of_the_audit() -> None:
    assert first_column("docs/audit.md", "## What is told", "Type") == list(audit.TYPES)


def test_settings_that_the_audit_follows() -> None:
    (followed,) = re.findall(r"matter for security \(([^)]*)\)", read("docs/audit.md"))
    assert names([followed]) == [one.name for one in SETTINGS.values() if one.is_audited]


def test_commands_of_the_program() -> None:
    shown = re.findall(r"app\.py ([a-z][a-z-]+)(?: ([a-z]+))?", read("README.md"))
    words = {one for first, second in shown for one in (first, f"{first} {second}")}
    known = set(paths_of(cli.main))
    assert known - words == set()
    assert {first for first, _ in shown} == {one.split()[0] for one in known}


def paths_of(group: click.Group) -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from (f"{name} {one}" for one in paths_of(command))
        else:
            yield name


def test_targets_of_make() -> None:
    targets = set(re.findall(r"^([a-z]+):.*## ", read("Makefile"), re.MULTILINE))
    assert set(re.findall(r"^\.PHONY: (.*)$", read("Makefile"), re.MULTILINE)[0].split()) == targets
    listed = first_column("README.md", "## Develop", "Command")
    assert {one.split()[1] for one in listed} == targets


def test_metrics() -> None:
    kept = {
        one.name + ("_total" if one.type == "counter" else "")
        for one in Metrics().registry.collect()
        if one.name.startswith("experiment_bot_")
    }
    assert set(re.findall(r"`(experiment_bot_\w+)`", section("README.md", "## Watch it"))) == kept


def test_lists_that_go_together() -> None:
    """What has few values has a sign, or words, for each of them."""
    assert {*texts.SIGNS} == {*get_args(store.ExperimentStatus)}
    for name, values in (("config.comments", store.Comments), ("config.check", store.Check)):
        assert {one for one, _ in NOISE[name]} == {*get_args(values)}


def test_the_newest_migration() -> None:
    """Whoever upgrades reads in the changelog that the database changes."""
    assert f"schema {store.schema.VERSION}" in read("CHANGELOG.md")


@pytest.fixture
async def described(bot: Bot) -> dict[str, Any]:
    described: dict[str, Any] = (await bot.get("/api/v1/openapi.json")).body
    return described


def enums(node: Any) -> Iterator[frozenset[str]]:
    if isinstance(node, dict):
        if "enum" in node:
            yield frozenset(node["enum"])
        for value in node.values():
            yield from enums(value)
    elif isinstance(node, list):
        for value in node:
            yield from enums(value)


@sqlite_only
async def test_openapi_has_the_same_lists(described: dict[str, Any]) -> None:
    listed = set(enums(described))
    assert frozenset(activity.TYPES) in listed
    assert frozenset(actions.known_kinds()) in listed
    assert frozenset(audit.TYPES) in listed


@sqlite_only
async def test_addresses_of_the_api_exist(described: dict[str, Any]) -> None:
    def plain(path: str) -> str:
        return re.sub(r"\{\w+\}", "{}", path.partition("?")[0].rstrip("/."))

    known = {plain(path) for path in described["paths"]} | {"/api/v1", "/api/v1/openapi.json"}
    for page in ABOUT_NOW:
        for path in re.findall(r"`(?:[A-Z]+ )?(/api/v1[^`\s]*)`", read(page)):
            assert plain(path) in known, (page, path)


# --- Pages, and what they name


def links(page: str) -> Iterator[tuple[str, str]]:
    """Yield the links of a page to others of ours: the page and the heading."""
    text = re.sub(r"```.*?```", "", read(page), flags=re.DOTALL)
    for address in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", address):
            file, _, anchor = address.partition("#")
            target = (ROOT / page).parent / file if file else ROOT / page
            yield target.resolve().relative_to(ROOT).as_posix(), anchor


def anchors(page: str) -> set[str]:
    """Return the names of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", read(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def test_every_page_is_found_from_the_readme_and_no_link_is_dead() -> None:
    reached, waiting = {"README.md"}, ["README.md"]
    while waiting:
        page = waiting.pop()
        for target, anchor in links(page):
            assert (ROOT / target).exists(), (page, target)
            assert not anchor or anchor in anchors(target), (page, target, anchor)
            if target.endswith(".md") and target not in reached:
                reached.add(target)
                waiting.append(target)
    assert set(PAGES) - reached == set()


def test_the_readme_names_every_page_of_docs() -> None:
    linked = {target for target, _ in links("README.md")}
    assert {page for page in PAGES if page.count("/") < 2} - linked <= {"README.md"}


# What a recipe or an example calls a file that is yet to be written
TO_BE = re.compile(
    r"(?:^|/)(?:name|release)\.py$|^my_company/|^\.github/experiments\.yml$|^flags\.yml$"
)
FILE = re.compile(r"(?<![\w/.-])(?:[\w.-]+/)*[\w-]+\.(?:py|sql|yml|toml|txt|md|json)\b")
FOLDER = re.compile(r"`((?:bot|tests|bench|docs|requirements)/[\w/]*)`")


@pytest.mark.parametrize("page", ABOUT_NOW)
def test_files_that_are_named_exist(page: str) -> None:
    """By their path from the top, from `bot/` or `tests/`, or by their bare name."""
    tops = ("", "bot", "docs", "tests")
    bare = {
        one.name for top in ("bot", "tests", "bench", "docs") for one in (ROOT / top).rglob("*")
    }
    text = re.sub(r"\]\([^)]*\)", "]", read(page))  # where links lead is looked at above
    for name in {*FILE.findall(text), *FOLDER.findall(text)}:
        exists = name in bare or any((ROOT / top / name).exists() for top in tops)
        assert exists or TO_BE.search(name), name


@pytest.mark.parametrize("page", ABOUT_NOW)
def test_what_examples_import_exists(page: str) -> None:
    for block in re.findall(r"^ *```python\n(.*?)^ *```$", read(page), re.DOTALL | re.MULTILINE):
        for module, imported in re.findall(
            r"^ *from (bot[\w.]*) import (.+)$", block, re.MULTILINE
        ):
            found = importlib.import_module(module)
            for name in imported.split(", "):
                assert hasattr(found, name) or importlib.import_module(f"{module}.{name}"), name
