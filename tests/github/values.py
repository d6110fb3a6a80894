"""Times, ids, keys and names as GitHub writes them."""

import base64
import functools
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

Json = dict[str, Any]
REPO = "/repos/{owner}/{repo}"
MINT = "POST /app/installations/{installation_id}/access_tokens"
GRAPHQL = "POST /graphql"
CONVERT = "POST /app-manifests/{code}/conversions"
RAW = ("application/vnd.github.raw+json", "application/vnd.github.v3.raw")
DOCS = "https://docs.github.com/rest"
NO_INTEGRATION = "Resource not accessible by integration"
SUSPENDED = "This installation has been suspended"


def stamp(seconds: float | None) -> str | None:
    """Return a time as GitHub writes it."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(value: float | str | None) -> float | None:
    """Return a time in seconds, given so or as text."""
    if isinstance(value, str):
        return datetime.fromisoformat(value).timestamp()
    return value


def node_id(kind: str, number: int) -> str:
    return base64.b64encode(f"{len(kind):03}:{kind}{number}".encode()).decode()


def sha_of(text: str) -> str:
    """Return a stable commit SHA for a text."""
    return hashlib.sha1(text.encode()).hexdigest()


@functools.cache
def rsa_key() -> str:
    """Return a private key as GitHub gives it to an App; always the same one."""
    return new_rsa_key()


def new_rsa_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


def lower_names(names: Iterable[str] | None) -> set[str] | None:
    return None if names is None else {name.lower() for name in names}


def masked(config: Json) -> Json:
    return {**config, "secret": "********"} if config.get("secret") else dict(config)


def reactions_payload(url: str, given: list[Json]) -> Json:
    kinds = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
    counts = {kind: sum(one["content"] == kind for one in given) for kind in kinds}
    return {"url": url, "total_count": len(given), **counts}
