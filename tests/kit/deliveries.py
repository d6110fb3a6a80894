"""What deliveries are made of, and what is answered to one that is refused."""

import hashlib
import hmac
from typing import Any

from bot.demo import payloads
from tests.kit.running import SECRET, Answer

REPO = payloads.repository("acme/shop")
PROCESSED = {"processed": True}


def at(minute: int) -> str:
    """Return a time of the one morning on which most stories happen, as GitHub writes it."""
    hours, minutes = divmod(minute, 60)
    return f"2026-03-02T{10 + hours}:{minutes:02}:00Z"


def pull_request(
    number: int = 7, key: str = "checkout", *, action: str = "opened", **values: Any
) -> payloads.Payload:
    values = {"repo": REPO, "body": f"experiment_key: {key}", **values}
    return payloads.pull_request(action, number, at(0), **values)


def sign(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def assert_problem(answer: Answer, status: int, error: str | None = None) -> None:
    """An error is a problem document of exactly this status, and tells nothing of the inside."""
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body.keys() >= {"type", "title", "status", "error", "detail"}
    assert answer.body["status"] == status
    assert answer.body["detail"]
    assert error is None or answer.body["error"] == error
    assert "Traceback" not in str(answer.body)
