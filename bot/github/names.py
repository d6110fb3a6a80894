"""How GitHub names repositories and hosts, and how the addresses of its pages name things."""

import re
from typing import TypeGuard
from urllib.parse import quote, urlsplit

# Of an owner or a repository. None is called `.` or `..`: in an address they would lead elsewhere.
NAME = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9_.-]{1,100}"
FULL_NAME = rf"^{NAME}/{NAME}$(?!\n)"  # Python alone lets `$` match before a last line feed
MAX_NUMBER = 2**31 - 1  # of a pull request or issue
_NAME = re.compile(NAME)
_FULL_NAME = re.compile(FULL_NAME)
_PLACE = re.compile(rf"[^/]*/({NAME}/{NAME})/(?:pull|issues)/([0-9]{{1,10}})")
_API_PLACE = re.compile(rf".*/repos/({NAME}/{NAME})/issues/([0-9]{{1,10}})")


def is_repository(name: str) -> bool:
    """Tell whether a name is OWNER/NAME, and can be a part of a path."""
    return _FULL_NAME.fullmatch(name) is not None


def is_owner(login: str | None) -> TypeGuard[str]:
    """Tell whether a name can be that of an organisation or user, and a part of a path."""
    return login is not None and _NAME.fullmatch(login) is not None


def is_number(value: object) -> TypeGuard[int]:
    """Tell whether something is the number of a pull request or issue."""
    return type(value) is int and 1 <= value <= MAX_NUMBER


def place_in(html_url: str | None) -> tuple[str, int] | None:
    """Return the full name and number that the address of a pull request or issue tells."""
    return _place(_PLACE, html_url)


def place_in_api(url: str | None) -> tuple[str, int] | None:
    """Do as `place_in` does, with the address of an issue in the API."""
    return _place(_API_PLACE, url)


def _place(pattern: re.Pattern[str], address: str | None) -> tuple[str, int] | None:
    try:
        match = pattern.fullmatch(urlsplit(address or "").path)
    except ValueError:
        return None
    return (match[1], int(match[2])) if match and 1 <= int(match[2]) <= MAX_NUMBER else None


def permalink(host: str, full_name: str, sha: str, path: str, line: int) -> str:
    """Return the address of a line of a file as it is in a commit.

    https://docs.github.com/en/repositories/working-with-files/using-files/getting-permanent-links-to-files
    """
    return f"https://{host}/{full_name}/blob/{sha}/{quote(path)}#L{line}"


def number_in(html_url: str | None) -> int | None:
    """Return the number of a pull request or issue that its address tells."""
    place = place_in(html_url)
    return place[1] if place else None


def is_address_in(address: str, host: str, full_name: str) -> bool:
    """Tell whether an address is that of a repository on a host, or of something in it."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    place = "/".join(parts.path.split("/")[1:3])
    is_there = parts.scheme in ("http", "https") and parts.netloc.lower() == host
    return is_there and place.lower() == full_name.lower()


def is_page_of(address: str, host: str) -> bool:
    """Tell whether an address is that of a page of a host."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host


def web_host(api_url: str) -> str:
    """Return the web host of the GitHub behind a REST base URL.

    `api.github.com` serves `github.com`, `api.NAME.ghe.com` serves `NAME.ghe.com`, and
    Enterprise Server serves its API below its own host.
    """
    netloc = urlsplit(api_url).netloc.lower()
    if is_githubs(host := without_port(netloc)):
        return host.removeprefix("api.")
    return netloc


def is_githubs(host: str) -> bool:
    """Tell whether GitHub itself serves a host, or the API of one: nobody else's is called so."""
    return host in ("github.com", "api.github.com") or host.endswith(".ghe.com")


def host_in(html_url: str | None) -> str | None:
    """Return the host that an address of a page tells, None if it is none."""
    try:
        parts = urlsplit(html_url or "")
    except ValueError:
        return None
    return parts.netloc.lower() or None if parts.scheme in ("http", "https") else None


def host_in_api(url: str | None) -> str | None:
    """Return the web host of the GitHub whose API an address is of, None if it is none."""
    host = host_in(url)
    return web_host(f"https://{host}") if host is not None else None


def without_port(host: str) -> str:
    """Return the name or address in the authority of a URL."""
    return re.sub(r":[0-9]*$", "", host)


def web_origin(api_url: str) -> str:
    """Return the origin of the web pages of the GitHub behind a REST base URL."""
    return f"{urlsplit(api_url).scheme}://{web_host(api_url)}"
