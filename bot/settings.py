"""The environment, read once, validated, and frozen."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

GITHUB_API_URL = "https://api.github.com"
_LEVELS = ("debug", "info", "warning", "error", "critical")
_MIN_ADMIN_TOKEN = 24


class SettingsError(Exception):
    """A variable of the environment is wrong: which one, what it got, what it wants."""

    def __init__(self, name: str, got: str, wants: str) -> None:
        super().__init__(f"{name}: got {got}, wants {wants}")


@dataclass(frozen=True)
class Settings:
    """What the environment says. Secrets are kept out of `repr`."""

    host: str
    port: int
    data_dir: Path
    database_url: str = field(repr=False)  # may hold a password
    secret_keys: tuple[str, ...] = field(repr=False)  # empty: use the generated key
    admin_token: str | None = field(repr=False)
    public_url: str
    github_api_urls: tuple[str, ...]
    payload_days: int
    delivery_days: int
    log_level: str
    extensions: tuple[str, ...]  # names of modules
    sign_in_organizations: tuple[str, ...]  # logins
    log_format: str | None  # None: text on a terminal, else json

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read and validate every variable; raises SettingsError for the first that is wrong.

        A variable that is set but empty counts as not set, as in most process managers.
        """
        env = {name: value for name, value in environment.items() if value != ""}
        host = env.get("HOST", "127.0.0.1")
        if not re.fullmatch(r"[A-Za-z0-9.:_-]+", host):
            raise SettingsError("HOST", repr(host), "an IP address or host name such as 0.0.0.0")
        port = _port(env.get("PORT", "8000"))
        data_dir = Path(env.get("DATA_DIR", "data"))
        shown_host = f"[{host}]" if ":" in host else host
        return cls(
            host=host,
            port=port,
            data_dir=data_dir,
            database_url=database_url(env.get("DATABASE_URL", f"sqlite:///{data_dir / 'bot.db'}")),
            secret_keys=_secret_keys(env.get("SECRET_KEY")),
            admin_token=_admin_token(env.get("ADMIN_TOKEN")),
            public_url=_web_url("PUBLIC_URL", env.get("PUBLIC_URL", f"http://{shown_host}:{port}")),
            github_api_urls=_api_urls(env.get("GITHUB_API_URLS", GITHUB_API_URL)),
            payload_days=_days("PAYLOAD_DAYS", env.get("PAYLOAD_DAYS", "30")),
            delivery_days=_days("DELIVERY_DAYS", env.get("DELIVERY_DAYS", "90")),
            extensions=_extensions(env.get("EXTENSIONS", "")),
            sign_in_organizations=_organizations(env.get("SIGN_IN_ORGANIZATIONS", "")),
            log_level=_choice("LOG_LEVEL", env.get("LOG_LEVEL", "info"), _LEVELS),
            log_format=(
                _choice("LOG_FORMAT", env["LOG_FORMAT"], ("text", "json"))
                if "LOG_FORMAT" in env
                else None
            ),
        )


def _port(text: str) -> int:
    if not (re.fullmatch(r"[0-9]{1,5}", text) and 1 <= int(text) <= 65535):
        raise SettingsError("PORT", _shortened(text), "a number from 1 to 65535")
    return int(text)


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}...")


def _days(name: str, text: str) -> int:
    if not (re.fullmatch(r"[0-9]{1,5}", text) and 1 <= int(text) <= 36_500):
        raise SettingsError(name, _shortened(text), "a number of days from 1 to 36500")
    return int(text)


def _extensions(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in names:
        if not re.fullmatch(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", name, re.ASCII):
            raise SettingsError(
                "EXTENSIONS", _shortened(name), "module names such as my_company.bot, by commas"
            )
    return names


def _organizations(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9-]{1,39}", name):
            raise SettingsError(
                "SIGN_IN_ORGANIZATIONS",
                _shortened(name),
                "logins of organisations on GitHub, by commas",
            )
    return names


def _choice(name: str, text: str, allowed: tuple[str, ...]) -> str:
    if text.lower() not in allowed:
        raise SettingsError(name, repr(text), f"one of {', '.join(allowed)}")
    return text.lower()


def database_url(text: str) -> str:
    """Return the address of a database if there is an engine for it; raises SettingsError."""
    scheme, separator, rest = text.partition("://")
    if scheme == "sqlite" and separator and rest.startswith("/") and len(rest) > 1:
        return text
    got = f"an address of {scheme!r}" if separator else "no address (hidden)"
    if scheme in ("postgresql", "postgres") and separator and rest:
        try:
            conninfo_to_dict(text)
            return text
        except ProgrammingError:  # whose message repeats the address
            got = "a PostgreSQL address that cannot be read (hidden)"
    # The address may hold a password, so it is never repeated.
    raise SettingsError(
        "DATABASE_URL",
        got,
        "sqlite:///relative/path, sqlite:////absolute/path or postgresql://user:password@host/name",
    )


def _secret_keys(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    keys = tuple(part.strip() for part in text.split(","))
    for position, key in enumerate(keys, start=1):
        # Fernet itself would pass over what follows the padding, such as a second key.
        if not re.fullmatch(r"[A-Za-z0-9_-]{43}=", key):
            raise SettingsError(
                "SECRET_KEY",
                f"key {position} of {len(keys)} with {len(key)} characters (hidden)",
                "Fernet keys: 32 random bytes in URL-safe base64, comma separated; make one with "
                'python -c "from cryptography.fernet import Fernet; '
                'print(Fernet.generate_key().decode())"',
            )
    return keys


def _admin_token(text: str | None) -> str | None:
    if text is None:
        return None
    if len(text) < _MIN_ADMIN_TOKEN or not re.fullmatch(r"[\x21-\x7e]+", text):
        raise SettingsError(
            "ADMIN_TOKEN",
            f"{len(text)} characters (hidden)",
            f"at least {_MIN_ADMIN_TOKEN} printable ASCII characters without spaces",
        )
    return text


def _web_url(name: str, text: str) -> str:
    wants = "an http:// or https:// address without user, query or fragment"
    url = text.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        port_is_sound = parts.port is None or parts.port > 0
    except ValueError:
        raise SettingsError(name, "an address that cannot be read", wants) from None
    plain = "@" not in url and not (parts.query or parts.fragment)
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        # With a user part there may be a password in it.
        raise SettingsError(name, repr(url) if plain else "an address with more (hidden)", wants)
    if not port_is_sound or re.search(r"[\s\x00-\x1f]", url):
        raise SettingsError(name, repr(url), wants)
    return url


def _api_urls(text: str) -> tuple[str, ...]:
    return tuple(_web_url("GITHUB_API_URLS", part) for part in text.split(","))
