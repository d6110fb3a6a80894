"""The tests, a folder for each room of the house."""

import pytest

# So that a failure says what these have found, and not only that something was wrong.
pytest.register_assert_rewrite("tests.kit", "tests.github")
