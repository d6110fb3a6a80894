"""Addresses on GitHub, kept as they were told: shown under the name that their repository has now.

An old name leads on for as long as nobody takes it, and then to somebody else.
"""

import re
from typing import Any, overload

_IN_REPOSITORY = re.compile(r"(https?://[^/?#\s]+/)[^/?#\s]+/[^/?#\s]+(/(?:pull|issues|commit)/)")


@overload
def present(html_url: str, repository: str | None) -> str: ...


@overload
def present(html_url: str | None, repository: str | None) -> str | None: ...


def present(html_url: str | None, repository: str | None) -> str | None:
    """Return the address of something in a repository as it is now."""
    found = _IN_REPOSITORY.match(html_url or "")
    if html_url is None or found is None or not repository:
        return html_url
    return f"{found[1]}{repository}{found[2]}{html_url[found.end() :]}"


def present_in(result: Any, repository: str) -> Any:
    """Return what became of an action with its addresses as they are now."""
    if not isinstance(result, dict):
        return result
    return {
        name: present(value, repository) if name == "html_url" else present_in(value, repository)
        for name, value in result.items()
    }
