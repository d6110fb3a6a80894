"""What a test needs, said in one word above it.

A test that runs a service runs on each engine, and one that acts on GitHub under each kind of
credential. One that has nothing to do with that difference says so, and is run once.

A test that takes seconds is `slow`. The other marks are given by what a test uses: `make quick`
runs what has none of them.
"""

import pytest

slow = pytest.mark.slow
sqlite_only = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
token_only = pytest.mark.parametrize("credential", ["token"], indirect=True)
app_only = pytest.mark.parametrize("credential", ["app"], indirect=True)


def give(item: pytest.Item) -> None:
    """Give a test the marks that follow from what it uses."""
    fixtures = getattr(item, "fixturenames", ())
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    for name in ("browser", "golden"):
        if name in fixtures:
            item.add_marker(name)
    if "postgres" in fixtures or parameters.get("engine") == "postgresql":
        item.add_marker("postgresql")
    if not any(item.get_closest_marker(name) for name in ("slow", "browser", "postgresql")):
        item.add_marker("quick")
