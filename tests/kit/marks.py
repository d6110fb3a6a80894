"""What a test needs, said in one word above it.

A test that runs a service runs on each engine, and one that acts on GitHub under each kind of
credential. One that has nothing to do with that difference says so, and is run once.
"""

import pytest

sqlite_only = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
token_only = pytest.mark.parametrize("credential", ["token"], indirect=True)
app_only = pytest.mark.parametrize("credential", ["app"], indirect=True)
