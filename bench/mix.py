"""Deliveries as an App gets them that hears of checks: mostly those of others, about many owners.

Of GitHub's public events, pushes are the most, then pull requests, comments, issues; each push
makes several check runs and suites, of which every App that asked for checks is told.
"""

import random
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

from bench.deliveries import Delivery, new_guid, signed
from bench.load import Request
from bench.rows import BIG
from bot.demo import payloads

Payload = dict[str, Any]

OWNERS = 400
NAMING = 10  # each how-manieth pull request names an experiment
CHECKS = 0.8  # of all deliveries
# Of the rest.
SHARES = {
    "push": 0.50,
    "pull_request": 0.20,
    "issue_comment": 0.14,
    "issues": 0.08,
    "deployment_status": 0.08,
}
_ACTIONS = ("opened", "synchronize", "closed")


def app(slug: str) -> Payload:
    return {
        "id": payloads.number_of(slug),
        "slug": slug,
        "node_id": payloads.sha_of(slug)[:20],
        "owner": payloads.user(slug),
        "name": slug.title(),
        "description": "Builds and tests",
        "external_url": f"https://{slug}.example",
        "html_url": f"{payloads.WEB}/apps/{slug}",
        "created_at": "2025-11-03T09:00:00Z",
        "updated_at": "2025-11-03T09:00:00Z",
        "permissions": {"checks": "write", "contents": "read", "metadata": "read"},
        "events": ["check_run", "check_suite", "pull_request", "push"],
    }


def check_suite(number: int, repo: Payload, at: str) -> Payload:
    page = f"{payloads.API}/repos/{repo['full_name']}/check-suites/{number}"
    sha = payloads.sha_of(f"head {number}")
    person = {"name": "Mona", "email": "mona@users.example"}
    return {
        "id": number,
        "node_id": payloads.sha_of(page)[:20],
        "head_branch": "feature",
        "head_sha": sha,
        "status": "completed",
        "conclusion": "success",
        "url": page,
        "before": payloads.sha_of(f"before {number}"),
        "after": sha,
        "pull_requests": [],
        "app": app("builder"),
        "created_at": at,
        "updated_at": at,
        "rerequestable": True,
        "latest_check_runs_count": 4,
        "check_runs_url": f"{page}/check-runs",
        "head_commit": {
            "id": sha,
            "tree_id": payloads.sha_of(sha),
            "message": "Try the new checkout",
            "timestamp": at,
            "author": person,
            "committer": person,
        },
    }


def check_run(number: int, repo: Payload, at: str) -> Payload:
    page = f"{payloads.API}/repos/{repo['full_name']}/check-runs/{number}"
    return {
        "id": number,
        "node_id": payloads.sha_of(page)[:20],
        "head_sha": payloads.sha_of(f"head {number}"),
        "external_id": str(uuid.UUID(int=number)),
        "url": page,
        "html_url": f"{payloads.WEB}/{repo['full_name']}/runs/{number}",
        "details_url": f"https://builder.example/runs/{number}",
        "status": "completed",
        "conclusion": "success",
        "started_at": at,
        "completed_at": at,
        "output": {
            "title": "All is well",
            "summary": "412 tests passed.",
            "text": None,
            "annotations_count": 0,
            "annotations_url": f"{page}/annotations",
        },
        "name": "build",
        "check_suite": check_suite(number, repo, at),
        "app": app("builder"),
        "pull_requests": [],
    }


def comment(number: int, repo: Payload, at: str) -> Payload:
    told = payloads.issue("opened", number, at, repo=repo, body="The price is cut off.")["issue"]
    page = f"{payloads.API}/repos/{repo['full_name']}/issues/comments/{number}"
    return {
        "url": page,
        "html_url": f"{told['html_url']}#issuecomment-{number}",
        "issue_url": told["url"],
        "id": number,
        "node_id": payloads.sha_of(page)[:20],
        "user": payloads.user("hubot"),
        "created_at": at,
        "updated_at": at,
        "body": "I see it as well: the last digit is behind the button.\n\nOn a telephone only.",
        "author_association": "MEMBER",
    }


def deployment(number: int, repo: Payload, at: str) -> Payload:
    page = f"{payloads.API}/repos/{repo['full_name']}/deployments/{number}"
    return {
        "url": page,
        "id": number,
        "node_id": payloads.sha_of(page)[:20],
        "task": "deploy",
        "original_environment": "staging",
        "environment": "staging",
        "description": None,
        "created_at": at,
        "updated_at": at,
        "statuses_url": f"{page}/statuses",
        "repository_url": repo["url"],
        "creator": payloads.user("mona"),
        "sha": payloads.sha_of(f"head {number}"),
        "ref": "main",
        "payload": {},
        "transient_environment": False,
        "production_environment": False,
    }


class Mix:
    """Makes the deliveries, the same ones for a seed but for their GUIDs."""

    def __init__(self, path: str, repositories: int, seed: int = 1) -> None:
        self.path = path
        self.random = random.Random(seed)
        self.names = [f"owner-{one % OWNERS}/project-{one}" for one in range(repositories)]
        self.repos = [payloads.repository(name) for name in self.names]
        self.counts: Counter[str] = Counter()

    def requests(self, count: int, at: str) -> Iterator[Request]:
        """Yield so many deliveries of what happens at a time."""
        for _ in range(count):
            event = self._event()
            number = self.counts[event]
            self.counts[event] += 1
            payload, about = self._delivery(event, number, at)
            guid = new_guid()
            text = signed(self.path, event, payloads.encode(payload), guid)
            yield Request(text, Delivery(event, guid, **about))

    def _event(self) -> str:
        if self.random.random() < CHECKS:
            return self.random.choices(("check_run", "check_suite"), (3, 1))[0]
        return self.random.choices([*SHARES], [*SHARES.values()])[0]

    def _delivery(self, event: str, number: int, at: str) -> tuple[Payload, Payload]:
        """Return a delivery, the `number`th of its event, and what to know of it afterwards."""
        if event == "pull_request":
            return self._pull_request(number, at)
        repo = self.random.choice(self.repos)
        about = {"repository": repo["full_name"]}
        number += 1
        rest = {"repository": repo, "sender": payloads.user("mona")}
        match event:
            case "check_run":
                return {"action": "completed", event: check_run(number, repo, at), **rest}, about
            case "check_suite":
                return {"action": "completed", event: check_suite(number, repo, at), **rest}, about
            case "push":
                text = f"Mend the price, take {number}\n\nIt was cut off on a telephone."
                return payloads.push(f"feature-{number % 7}", [text], repo=repo, at=at), about
            case "issues":
                text = "The price is cut off on a telephone."
                return payloads.issue("opened", number, at, repo=repo, body=text), about
            case "issue_comment":
                told = payloads.issue("opened", number, at, repo=repo)["issue"]
                said = comment(number, repo, at)
                return {"action": "created", "issue": told, "comment": said, **rest}, about
        status = {"state": "success", "id": number, "created_at": at, "updated_at": at}
        shown = deployment(number, repo, at)
        return {"action": "created", event: status, "deployment": shown, **rest}, about

    def _pull_request(self, number: int, at: str) -> tuple[Payload, Payload]:
        """Return the next delivery of a pull request: each is opened, pushed to and merged."""
        which, step = divmod(number, len(_ACTIONS))
        repo = self.repos[which % len(self.repos)]
        shown = 1 + which // len(self.repos)
        linked = which % NAMING == 0
        payload = payloads.pull_request(
            _ACTIONS[step],
            shown,
            at,
            repo=repo,
            body=f"Mends the price.\n\n{f'experiment_key: {BIG}' if linked else 'Closes #1.'}",
            branch=f"feature-{which}",
            sha=payloads.sha_of(f"{which} {step}"),
            state="closed" if step == 2 else "open",
            merged=step == 2,
            created_at=at,
        )
        return payload, {"repository": repo["full_name"], "number": shown, "linked": linked}
