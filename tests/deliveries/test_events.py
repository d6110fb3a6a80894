"""What is heard is declared once; what GitHub is asked for and what people read agrees with it."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gidgethub.routing import Router
from structlog.testing import capture_logs

import bot.handlers
from bot import extensions, handlers
from bot.github import manifest
from bot.github.events import Events, Heard
from bot.handlers.dispatch import Routes

ROOT = Path(__file__).parents[2]
EVENTS = handlers.registered().events
NAMES = {one.name for one in EVENTS}
UNHEARD = "gollum"  # of GitHub's events one that no handler will ever be for
HANDLER = f'''
from gidgethub.routing import Router

from bot.github.events import CONTENTS, Heard, Permission

router = Router()


@router.register("{UNHEARD}", action="published")
async def published(event, delivery):
    """Tells of it."""
'''
DECLARED = f'\nHEARS = Heard("{UNHEARD}", "it is told of", CONTENTS, webhook="Wiki")\n'


def of_its_own(name: str, level: str) -> str:
    return f'\nHEARS = Heard("{UNHEARD}", "r", Permission("{name}", "{level}", "it is not told"))\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose modules Python finds."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [one for one in sys.modules if one.rpartition(".")[2] == "gollum"]:
        del sys.modules[name]
        vars(bot.handlers).pop("gollum", None)


@pytest.fixture
def ours(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules are handlers of the bot's own."""
    monkeypatch.setattr(bot.handlers, "__path__", [*bot.handlers.__path__, str(folder)])
    return folder


def table(page: str, heading: str) -> list[list[str]]:
    section = (ROOT / page).read_text().partition(heading)[2].partition("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows]


def test_what_is_declared_is_handled() -> None:
    found = extensions.instances(extensions.modules_of("bot.handlers"), Router)
    assert {*Routes(*found).modules} == NAMES


def test_app_yml_asks_for_what_is_heard_and_says_why() -> None:
    template = manifest.read()
    assert sorted(template["default_events"]) == sorted(EVENTS.asked)
    said = dict(re.findall(r"(?m)^  - (\w+)\s+# (.+)$", manifest.path().read_text()))
    for one in EVENTS:
        if one.permission is not None:
            assert said[one.name] == one.reason
    assert template["default_permissions"] == {
        name: one.level for name, one in EVENTS.permissions.items()
    }


def test_the_readme_says_what_each_event_does() -> None:
    rows = table("README.md", "| Event | What it does |")
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    assert named == NAMES


def test_the_readme_says_which_events_to_tick() -> None:
    text = (ROOT / "README.md").read_text().partition("**Which events**")[2].partition("\n6. ")[0]
    ticked = {" ".join(name.split()) for name in re.findall(r"\*([^*]+)\*", text)}
    assert ticked - {"Let me select individual events", "Send me everything"} == {
        one.webhook for one in EVENTS.needed
    }


def test_the_documentation_says_what_each_permission_is_for() -> None:
    rows = table("docs/github.md", "## Permissions")
    why = {row[0]: row[2] for row in rows if re.match(r"[A-Z][a-z ]+: ", row[0])}
    titles = {
        one.name: f"{one.name.replace('_', ' ').capitalize()}: {one.level}"
        for one in EVENTS.permissions.values()
    }
    assert {*why} == {*titles.values()}
    for one in EVENTS:
        if one.permission is not None:
            assert f"`{one.name}`" in why[titles[one.permission.name]]


def test_a_handler_of_an_event_that_is_not_declared_is_refused(ours: Path) -> None:
    (ours / "gollum.py").write_text(HANDLER)
    with pytest.raises(handlers.Undeclared, match=r"bot\.handlers\.gollum handles `gollum`"):
        handlers.registered()


def test_a_handler_and_its_declaration_are_one_file(ours: Path) -> None:
    (ours / "gollum.py").write_text(HANDLER + DECLARED)
    events = handlers.registered().events
    assert UNHEARD in events.asked and events.permissions == EVENTS.permissions
    assert "Wiki" in [one.webhook for one in events.needed]


def test_what_an_extension_hears_is_asked_for(folder: Path) -> None:
    (folder / "gollum.py").write_text(HANDLER + of_its_own("packages", "read"))
    template = manifest.template(handlers.registered([UNHEARD]).events)
    assert template["default_events"][-1] == UNHEARD
    assert template["default_permissions"]["packages"] == "read"


def test_the_most_that_is_needed_is_asked_for(folder: Path) -> None:
    """An extension may need more of a permission than the bot itself."""
    (folder / "gollum.py").write_text(HANDLER + of_its_own("contents", "write"))
    events = handlers.registered([UNHEARD]).events
    assert events.permissions["contents"].level == "write"
    template = manifest.template(events)
    assert template["default_permissions"]["contents"] == "write"
    (folder / "gollum.py").write_text(HANDLER + of_its_own("issues", "read"))
    assert EVENTS.permissions["issues"].level == "write"


def test_an_event_is_declared_with_its_permission() -> None:
    """Or with None, in so many words, where GitHub sends it unasked."""
    with pytest.raises(TypeError, match="permission"):
        Heard(UNHEARD, "it is told of")  # type: ignore[call-arg]
    assert [one.name for one in EVENTS if one.permission is None] == [
        "ping",
        "installation",
        "installation_repositories",
        "installation_target",
        "organization",
    ]


def test_an_extension_that_declares_nothing_is_served_and_told_of(folder: Path) -> None:
    (folder / "gollum.py").write_text(HANDLER)
    with capture_logs() as logs:
        dispatcher = handlers.registered([UNHEARD])
    event = dispatcher.event(b'{"action": "published"}', UNHEARD, "1")
    assert len(dispatcher.handlers(event)) == 1
    assert UNHEARD not in dispatcher.events
    assert [one["github_event"] for one in logs] == [UNHEARD]


def test_of_two_declarations_the_first_counts() -> None:
    first, *_ = EVENTS
    twice = Events([first, type(first)(first.name, "again", first.permission)])
    assert [one.reason for one in twice if one.name == first.name] == [first.reason]
