"""What a test needs, said in one word above it.

A test that runs a service runs on each engine, and one that acts on GitHub with a token and as an
App. One that has nothing to do with that difference says so, and is run once. A fine-grained token
differs from a classic one in what GitHub lets it do, and in nothing that the bot does: one test of
each kind of call is run with one as well.

A test that takes seconds is `slow`. The other marks are given by what a test uses: `make quick`
runs what has none of them, under one credential.
"""

import os
from collections.abc import Iterable
from typing import Any, NoReturn

import pytest

slow = pytest.mark.slow
sqlite_only = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
each_credential = pytest.mark.parametrize(
    "credential", ["token", "fine-grained", "app"], indirect=True
)
token_only = pytest.mark.parametrize("credential", ["token"], indirect=True)
app_only = pytest.mark.parametrize("credential", ["app"], indirect=True)


def each(name: str, values: Iterable[Any], few: int = 3) -> pytest.MarkDecorator:
    """Run a test with each value on SQLite, and with a few on PostgreSQL.

    For what the rules make of many stories, which an engine only keeps.
    """
    all_of_them = list(values)
    cases = [("sqlite", one) for one in all_of_them]
    cases += [("postgresql", one) for one in all_of_them[:few]]
    return pytest.mark.parametrize(("engine", name), cases, indirect=["engine"])


def leave(why: str) -> NoReturn:
    """Pass a test over that lacks something here, except where CI is set: there it has to be."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(why)


def give(item: pytest.Item) -> None:
    """Give a test the marks that follow from what it uses."""
    fixtures = getattr(item, "fixturenames", ())
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    for name in ("browser", "golden"):
        if name in fixtures:
            item.add_marker(name)
    if "postgres" in fixtures or parameters.get("engine") == "postgresql":
        item.add_marker("postgresql")
    chosen = {mark.args[0]: mark.args[1] for mark in item.iter_markers("parametrize")}
    credential = parameters.get("credential")
    once = credential in (None, "app") or chosen.get("credential") == [credential]
    if once and not any(
        item.get_closest_marker(name) for name in ("slow", "browser", "postgresql")
    ):
        item.add_marker("quick")
