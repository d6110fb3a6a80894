"""Rate limits: how many requests are left to whom."""

import math

from tests.github.faults import LIMIT
from tests.github.model import Credential, Limit, Request
from tests.github.routes import Answer, Failure
from tests.github.state import State
from tests.github.values import GRAPHQL


class Limits(State):
    """The rate limits of each credential."""

    def set_limit(
        self,
        remaining: int,
        reset_in: float,
        credential: str | None = None,
        resource: str = "core",
    ) -> None:
        """Say what is left of a credential's rate limit (None: of everybody's), and how long."""
        reset = math.ceil(self.clock() + reset_in)
        if credential is not None:
            limit = self._limit(credential, resource)
            limit.remaining, limit.reset = remaining, reset
            return
        self._limit_of_all[resource] = Limit(LIMIT, remaining, reset)
        for (_, known), limit in self._limits.items():
            if known == resource:
                limit.remaining, limit.reset = remaining, reset

    def _limit(self, credential: str, resource: str) -> Limit:
        now = self.clock()
        known = self._limits.get((credential, resource))
        if known is not None and now < known.reset:
            return known
        size, window = {"search": (30, 60), "code_search": (10, 60)}.get(resource, (LIMIT, 3600))
        if credential == "none":
            size = 60
        made = Limit(size, size, math.ceil(now) + window)
        common = self._limit_of_all.get(resource)
        if known is None and common is not None and now < common.reset:
            made.remaining, made.reset = common.remaining, common.reset
        self._limits[credential, resource] = made
        return made

    def _spend(self, credential: Credential, resource: str, entry: Request) -> None:
        if resource == "none":
            return
        limit = self._limit(credential.label, resource)
        if limit.remaining <= 0:
            raise Failure(403, f"API rate limit exceeded for {self._whom(credential)}.")
        limit.remaining -= 1

    def _whom(self, credential: Credential) -> str:
        if credential.installation_id is not None:
            return f"installation ID {credential.installation_id}"
        if credential.is_pat and credential.login is not None:
            return f"user ID {self.add_user(credential.login)['id']}"
        return credential.label

    def _with_limit(self, answer: Answer, credential: Credential, resource: str) -> Answer:
        resource = "core" if resource == "none" else resource
        limit = self._limit(credential.label, resource)
        answer.headers = {
            **answer.headers,
            "x-ratelimit-limit": str(limit.limit),
            "x-ratelimit-remaining": str(limit.remaining),
            "x-ratelimit-used": str(max(0, limit.limit - limit.remaining)),
            "x-ratelimit-reset": str(limit.reset),
            "x-ratelimit-resource": resource,
        }
        return answer


def resource_of(template: str | None) -> str:
    known = {
        "GET /rate_limit": "none",
        "GET /search/issues": "search",
        "GET /search/code": "code_search",
        GRAPHQL: "graphql",
    }
    return known.get(template or "", "core")
