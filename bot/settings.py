"""The environment, read once, validated, and frozen: each setting is declared once."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

GITHUB_API_URL = "https://api.github.com"
_MIN_ADMIN_TOKEN = 24
_PORTS = range(1, 65_536)


class SettingsError(Exception):
    """An environment variable is invalid: which one, its value, and what it must be."""

    def __init__(self, name: str, got: str, expected: str) -> None:
        super().__init__(f"{name}: got {got}, must be {expected}")


class _Wrong(ValueError):
    """A text cannot be read: what it is, without repeating a secret, and what is wanted."""


Network = IPv4Network | IPv6Network
Default = str | Callable[[Mapping[str, Any]], str] | None  # a text, or made of the fields before


@dataclass(frozen=True)
class Setting:
    """A variable of the environment: how it is read, and what the README says of it."""

    name: str
    default: Default
    read: Callable[[str], Any]  # raises _Wrong
    meaning: str
    default_in_words: str
    is_audited: bool

    def value(self, text: str | None, known: Mapping[str, Any]) -> Any:
        """Return what a text means, or else the default; raises SettingsError."""
        if text is None:
            text = self.default(known) if callable(self.default) else self.default
        try:
            return None if text is None else self.read(text)
        except _Wrong as wrong:
            raise SettingsError(self.name, *wrong.args) from None


def _setting(
    name: str,
    default: Default,
    read: Callable[[str], Any],
    meaning: str,
    *,
    in_words: str | None = None,
    hidden: bool = False,
    audited: bool = False,
) -> Any:
    """Declare a field of Settings; what is hidden is kept out of `repr`.

    The audit tells when one that is `audited` is another than before; none of these is secret.
    """
    assert not (hidden and audited)
    declared = Setting(name, default, read, meaning, in_words or f"`{default}`", audited)
    return field(repr=not hidden, metadata={"setting": declared})


# --- How a text is read


def _host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.:_-]+", text):
        raise _Wrong(repr(text), "an IP address or host name such as 0.0.0.0")
    return text


def _number(highest: int, what: str = "a number", lowest: int = 1) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (re.fullmatch(r"[0-9]{1,5}", text) and lowest <= int(text) <= highest):
            raise _Wrong(_shortened(text), f"{what} from {lowest} to {highest}")
        return int(text)

    return read


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}...")


def _names(pattern: str, expected: str) -> Callable[[str], tuple[str, ...]]:
    def read(text: str) -> tuple[str, ...]:
        names = tuple(part.strip() for part in text.split(",") if part.strip())
        for name in names:
            if not re.fullmatch(pattern, name, re.ASCII):
                raise _Wrong(_shortened(name), f"{expected}, separated by commas")
        return names

    return read


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError:
        expected = "IP addresses or networks such as 10.0.0.0/8, separated by commas"
        raise _Wrong(_shortened(text), expected) from None


def _choice(*allowed: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() not in allowed:
            raise _Wrong(repr(text), f"one of {', '.join(allowed)}")
        return text.lower()

    return read


def _database_url(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    if scheme == "sqlite" and separator and rest.startswith("/") and len(rest) > 1:
        return text
    got = f"an address of {scheme!r}" if separator else "no address (hidden)"
    if scheme in ("postgresql", "postgres") and separator and rest:
        from psycopg import ProgrammingError  # noqa: PLC0415 - ten MB that SQLite can do without
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

        try:
            _check_hosts(conninfo_to_dict(text))
            return text
        except ProgrammingError:  # whose message repeats the address
            got = "a PostgreSQL address that cannot be read (hidden)"
    # The address may hold a password, so it is never repeated.
    raise _Wrong(
        got,
        "sqlite:///relative/path, sqlite:////absolute/path or postgresql://user:password@host/name",
    )


def _check_hosts(given: Mapping[str, Any]) -> None:
    """Refuse what libpq finds out only when it connects, and would then repeat in its error."""
    hosts, ports, numeric = (
        str(given.get(name) or "").split(",") for name in ("host", "port", "hostaddr")
    )
    # What stands in the wrong place may be a piece of a password.
    if any("@" in str(given.get(name)) for name in ("host", "dbname")):
        raise _Wrong("an @ too many (hidden)", "an address with %40 for an @ in the password")
    if len(hosts) > 1 and not all(hosts):
        raise _Wrong(f"no name for one of {len(hosts)} hosts", "a list of hosts without gaps")
    if len(ports) not in (1, len(hosts)) or len(numeric) not in (1, len(hosts)):
        raise _Wrong(
            f"{len(hosts)} hosts, {len(ports)} ports and {len(numeric)} hostaddr",
            "an address with one port for all hosts, or one for each: HOST1:5432,HOST2:5432",
        )
    if not all(re.fullmatch(r"|[0-9]{1,5}", port) and int(port or 1) in _PORTS for port in ports):
        raise _Wrong(
            "a port that is none (hidden)",
            "an address with ports from 1 to 65535, and %2F, %3A and %40 for /, : and @ in the "
            "password",
        )
    wanted = given.get("target_session_attrs")
    if wanted not in (None, "any", "read-write", "primary") or (wanted == "any" and hosts[1:]):
        raise _Wrong(
            "target_session_attrs that lead to a server which takes no writes",
            "an address with target_session_attrs=read-write or primary, or without it",
        )


def _listen_url(text: str) -> str:
    if text.startswith("sqlite:"):
        raise _Wrong("an address of 'sqlite'", "postgresql://user:password@host/name")
    return _database_url(text)


def _secret_keys(text: str) -> tuple[str, ...]:
    keys = tuple(part.strip() for part in text.split(",")) if text else ()
    for position, key in enumerate(keys, start=1):
        # Fernet itself would pass over what follows the padding, such as a second key.
        if not re.fullmatch(r"[A-Za-z0-9_-]{43}=", key):
            raise _Wrong(
                f"key {position} of {len(keys)} with {len(key)} characters (hidden)",
                "Fernet keys: 32 random bytes in URL-safe base64, comma separated; make one with "
                'python -c "from cryptography.fernet import Fernet; '
                'print(Fernet.generate_key().decode())"',
            )
    return keys


def _admin_token(text: str) -> str:
    if len(text) < _MIN_ADMIN_TOKEN or not re.fullmatch(r"[\x21-\x7e]+", text):
        raise _Wrong(
            f"{len(text)} characters (hidden)",
            f"at least {_MIN_ADMIN_TOKEN} printable ASCII characters without spaces",
        )
    return text


def _web_url(text: str) -> str:
    expected = "an http:// or https:// address without user, query or fragment"
    url = text.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        is_sound = parts.port != 0 and parts.scheme in ("http", "https") and parts.hostname
    except ValueError:
        raise _Wrong("an address that cannot be read", expected) from None
    plain = "@" not in url and not (parts.query or parts.fragment)
    if not (plain and is_sound) or re.search(r"[\s\x00-\x1f]", url):
        # With a user part there may be a password in it.
        raise _Wrong(repr(url) if plain else "an address with more (hidden)", expected)
    return url


def _web_urls(text: str) -> tuple[str, ...]:
    return tuple(_web_url(part) for part in text.split(","))


def _archive_hosts(text: str) -> tuple[str, ...]:
    expected = "hosts such as codeload.github.com or HOST:PORT, separated by commas"
    hosts = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    for host in hosts:
        name = re.fullmatch(r"(?:http://)?([a-z0-9._-]+|\[[0-9a-f:]+\])(?::([0-9]{1,5}))?", host)
        if name is None or (name[2] is not None and int(name[2]) not in _PORTS):
            raise _Wrong(_shortened(host), expected)
    return hosts


def _own_database(known: Mapping[str, Any]) -> str:
    return f"sqlite:///{known['data_dir'] / 'bot.db'}"


def _own_url(known: Mapping[str, Any]) -> str:
    host = known["host"]
    return f"http://{f'[{host}]' if ':' in host else host}:{known['port']}"


# --- The settings. The texts are those of the README's table, which is tested against them.
# fmt: off


@dataclass(frozen=True)
class Settings:
    host: str = _setting("HOST", "127.0.0.1", _host,
        "Where to listen. The Procfile listens on all interfaces.")
    port: int = _setting("PORT", "8000", _number(65_535),
        "The port to listen on.")
    data_dir: Path = _setting("DATA_DIR", "data", Path,  # noqa: RUF009 - it makes a field
        "Folder of the database and the generated key (folder 0700, files 0600).")
    database_url: str = _setting("DATABASE_URL", _own_database, _database_url,
        "`sqlite:///relative/path`, `sqlite:////absolute/path` or "
        "`postgresql://user:password@host/name`, also with several hosts "
        "([failover](docs/deployment.md#failover)).",
        in_words="`sqlite:///{DATA_DIR}/bot.db`", hidden=True)
    database_listen_url: str | None = _setting("DATABASE_LISTEN_URL", None, _listen_url,
        "Where `DATABASE_URL` leads through a pooler such as PgBouncer: an address that leads to "
        "the server itself, to hear of other processes' commits at once "
        "([poolers](docs/deployment.md#pgbouncer)).",
        in_words="none", hidden=True)
    secret_keys: tuple[str, ...] = _setting("SECRET_KEY", "", _secret_keys,
        "Fernet keys, comma separated: the first encrypts, all decrypt.",
        in_words="generated into `DATA_DIR/secret.key`", hidden=True)
    admin_token: str | None = _setting("ADMIN_TOKEN", None, _admin_token,
        f"The admin token, at least {_MIN_ADMIN_TOKEN} characters.",
        in_words="generated, printed once", hidden=True)
    public_url: str = _setting("PUBLIC_URL", _own_url, _web_url,
        "The address that others use, as in `webhook_url`.",
        in_words="`http://{HOST}:{PORT}`", audited=True)
    github_api_urls: tuple[str, ...] = _setting("GITHUB_API_URLS", GITHUB_API_URL, _web_urls,
        "Comma separated: what `api_url` of an integration may be, the first being the default. "
        "GitHub Enterprise Server: `https://HOST/api/v3`. No other address is ever called. Where "
        "a stored integration's is taken out of the list, what it owes waits, and it can still "
        "be changed.", audited=True)
    github_archive_hosts: tuple[str, ...] = _setting("GITHUB_ARCHIVE_HOSTS", "", _archive_hosts,
        "Comma separated: where GitHub may lead to for the archive of a repository, which the bot "
        "reads over HTTPS without its credential ([code](docs/code.md#the-default-branch)). "
        "`http://HOST:PORT` allows plain HTTP there; otherwise only a GitHub that is itself called "
        "so may lead to it.",
        in_words="`codeload.` and the web host, and `/_codeload/` there", audited=True)
    recovery_minutes: int = _setting("RECOVERY_MINUTES", "15",
        _number(1_440, "a number of minutes", 0),
        "How often GitHub is asked what it could not deliver, which is then taken in "
        "([recovery](docs/recovery.md)); 0 switches that off.", audited=True)
    payload_days: int = _setting("PAYLOAD_DAYS", "30", _number(36_500, "a number of days"),
        "How long payloads are kept.")
    delivery_days: int = _setting("DELIVERY_DAYS", "90", _number(36_500, "a number of days"),
        "How long deliveries as such are kept. Links and feed stay.")
    extensions: tuple[str, ...] = _setting("EXTENSIONS", "",
        _names(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", "module names such as my_company.bot"),
        "Python modules with commands and handlers of your own, comma separated "
        "([docs/extending.md](docs/extending.md)).", in_words="none", audited=True)
    sign_in_organizations: tuple[str, ...] = _setting("SIGN_IN_ORGANIZATIONS", "",
        _names(r"[A-Za-z0-9-]{1,39}", "logins of organisations on GitHub"),
        "Organisations on GitHub whose members may sign in to the dashboard, comma separated: "
        "owners as admins, members as developers.",
        in_words="none", audited=True)
    sign_in_collaborators: str = _setting("SIGN_IN_COLLABORATORS", "off",
        _choice("off", "viewer", "developer"),
        "The most that those may do who sign in with GitHub and are in none of these, but work on "
        "a repository that the App serves: `viewer`, `developer`, or `off` to keep them out "
        "([who gets in](docs/dashboard.md#sign-in-with-github)).", audited=True)
    trusted_proxies: tuple[Network, ...] = _setting("TRUSTED_PROXIES", "", _networks,
        "IP addresses or networks of the proxies in front of the bot, comma separated: what they "
        "say of who is asking counts ([proxies](docs/deployment.md#behind-a-proxy)).",
        in_words="none", audited=True)
    log_level: str = _setting("LOG_LEVEL", "info",
        _choice("debug", "info", "warning", "error", "critical"),
        "`debug`, `info`, `warning`, `error` or `critical`.")
    log_format: str | None = _setting("LOG_FORMAT", None, _choice("text", "json"),
        "`text` or `json`.", in_words="`text` on a terminal, else `json`")
    # fmt: on

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read and validate every variable; raises SettingsError for the first that is wrong.

        A variable that is set but empty counts as not set, as in most process managers.
        """
        known: dict[str, Any] = {}
        for one in fields(cls):
            declared: Setting = one.metadata["setting"]
            known[one.name] = declared.value(environment.get(declared.name) or None, known)
        return cls(**known)

    def audited(self) -> dict[str, Any]:
        """Return what the audit is to tell changes of, as JSON has it, by the variables' names."""
        found = {}
        for one in fields(self):
            declared: Setting = one.metadata["setting"]
            if declared.is_audited:
                value = getattr(self, one.name)
                found[declared.name] = list(value) if isinstance(value, tuple) else value
        return found


SETTINGS: dict[str, Setting] = {
    one.metadata["setting"].name: one.metadata["setting"] for one in fields(Settings)
}


def database_url(text: str) -> str:
    """Return the address of a database if there is an engine for it; raises SettingsError."""
    url: str = SETTINGS["DATABASE_URL"].value(text, {})
    return url
