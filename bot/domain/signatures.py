"""Why a delivery's signature does not let it in, in the words of answers, API, pages and doctor."""

from typing import NamedTuple

from bot import storage as store
from bot.storage import RefusedFor


class Words(NamedTuple):
    """What is said of one: in a phrase that does not change, and with what to do about it."""

    error: str
    detail: str


WORDS: dict[RefusedFor, Words] = {
    "missing": Words(
        "missing signature",
        "X-Hub-Signature-256 is missing; set a secret in GitHub's webhook settings.",
    ),
    "sha1": Words(
        "missing signature",
        "X-Hub-Signature-256 is missing, and X-Hub-Signature alone proves too little: let what "
        "sends, or passes on, the deliveries send both headers as GitHub does.",
    ),
    "malformed": Words(
        "invalid signature",
        "X-Hub-Signature-256 must be sha256= and 64 hexadecimal digits, once: what sends, or "
        "passes on, the deliveries does not send what GitHub does.",
    ),
    "wrong": Words(
        "invalid signature",
        "X-Hub-Signature-256 does not match the body and the integration's webhook_secret; check "
        "that the secret in GitHub's webhook settings is the same, and that no proxy changes the "
        "body on its way.",
    ),
}


def last_reason(row: store.Integration) -> str | None:
    """Return why the last delivery was refused, None if none was since the last good one."""
    if row.refused_for is None:
        return None
    words = WORDS[row.refused_for]
    return f"{words.error}: {words.detail}"
