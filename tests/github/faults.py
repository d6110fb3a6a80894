"""How requests fail: what a test may ask for."""

import math
from dataclasses import dataclass, field
from typing import Any

from tests.github.model import Clock
from tests.github.values import DOCS, REPO, Json

LIMIT, TOKEN_SECONDS, JWT_SECONDS = 5000, 3600, 600


@dataclass
class Fault:
    """How some requests fail: `times` of them (None: until `heal`), not counting `after` first.

    Kinds: status, status_after, timeout_before, timeout_after, late, slow, drop_before,
    drop_after, garbage, huge, redirect_loop, redirect_away. See `GitHub._fail`.
    """

    kind: str
    template: str | None = None
    times: int | None = 1
    after: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    status: int = 502
    seconds: float = 0.0
    seen: int = 0  # requests that it was about
    used: int = 0  # requests that it failed

    def takes(self, template: str | None) -> bool:
        """Tell whether the fault befalls a request, and count it."""
        if self.template not in (None, template):
            return False
        self.seen += 1
        if self.seen <= self.after or (self.times is not None and self.used >= self.times):
            return False
        self.used += 1
        return True


def primary_limit(reset_in: float, clock: Clock, **options: Any) -> Fault:
    """Return a fault: the hourly limit is spent for `reset_in` seconds more."""
    headers = {
        "x-ratelimit-limit": str(LIMIT),
        "x-ratelimit-remaining": "0",
        "x-ratelimit-used": str(LIMIT),
        "x-ratelimit-reset": str(math.ceil(clock() + reset_in)),
        "x-ratelimit-resource": "core",
    }
    body = {"message": "API rate limit exceeded for user ID 1.", "documentation_url": DOCS}
    return Fault("status", status=403, headers=headers, body=body, **options)


def secondary_limit(retry_after: int, status: int = 403, **options: Any) -> Fault:
    """Return a fault: a secondary limit that says how long to wait."""
    return Fault(
        "status",
        status=status,
        headers={"Retry-After": str(retry_after), "x-ratelimit-remaining": "4321"},
        body=_secondary_body(),
        **options,
    )


def secondary_limit_bare(**options: Any) -> Fault:
    """Return a fault: a secondary limit that its message alone tells of."""
    return Fault("status", status=403, body=_secondary_body(), **options)


def diff_too_large(status: int = 422, **options: Any) -> Fault:
    """Return a fault: the files of a pull request are too much, or take too long (500, 503)."""
    message = (
        "Sorry, there was a problem generating this diff. The repository may be missing relevant "
        "data."
        if status == 422
        else "Sorry, this diff is taking too long to generate."
    )
    errors = [{"resource": "PullRequest", "field": "diff", "code": "not_available"}]
    template = f"GET {REPO}/pulls/{{pull_number}}/files"
    body = {"message": message, "errors": errors, "documentation_url": DOCS}
    return Fault("status", template, status=status, body=body, **options)


def _secondary_body() -> Json:
    message = (
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    )
    return {"message": message, "documentation_url": DOCS}
