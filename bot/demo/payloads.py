"""Builds deliveries shaped like GitHub's, for the demo, the tests and the benchmarks.

The shapes follow https://docs.github.com/en/webhooks/webhook-events-and-payloads; times are
RFC 3339 text as GitHub writes it.
"""

import hashlib
import hmac
import uuid
from typing import Any

import msgspec

Payload = dict[str, Any]

API = "https://api.github.com"
WEB = "https://github.com"
# fmt: off
_USER_PAGES = (
    "followers", "following{/other_user}", "gists{/gist_id}", "starred{/owner}{/repo}",
    "subscriptions", "orgs", "repos", "events{/privacy}", "received_events",
)
_REPOSITORY_PAGES = (
    "archive_format", "assignees", "blobs", "branches", "collaborators", "comments", "commits",
    "compare", "contents", "contributors", "deployments", "downloads", "events", "forks",
    "git_commits", "git_refs", "git_tags", "hooks", "issue_comment", "issue_events", "issues",
    "keys", "labels", "languages", "merges", "milestones", "notifications", "pulls", "releases",
    "stargazers", "statuses", "subscribers", "subscription", "tags", "teams", "trees",
)
# fmt: on


def number_of(text: str) -> int:
    """Return a stable number for a name, as GitHub has ids."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def sha_of(text: str) -> str:
    """Return a stable commit SHA for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def user(login: str) -> Payload:
    page = f"{API}/users/{login}"
    return {
        "login": login,
        "id": number_of(login),
        "node_id": sha_of(login)[:20],
        "avatar_url": f"https://avatars.githubusercontent.com/u/{number_of(login)}?v=4",
        "url": page,
        "html_url": f"{WEB}/{login}",
        **{f"{name.partition('{')[0]}_url": f"{page}/{name}" for name in _USER_PAGES},
        "type": "Bot" if login.endswith("[bot]") else "User",
        "site_admin": False,
    }


def repository(
    full_name: str, github_id: int | None = None, updated_at: str = "2026-01-05T08:00:00Z"
) -> Payload:
    owner, name = full_name.split("/")
    page = f"{API}/repos/{full_name}"
    return {
        "id": github_id if github_id is not None else number_of(full_name),
        "node_id": sha_of(full_name)[:20],
        "name": name,
        "full_name": full_name,
        "private": False,
        "owner": user(owner),
        "html_url": f"{WEB}/{full_name}",
        "description": None,
        "fork": False,
        "url": page,
        **{f"{one}_url": f"{page}/{one}{{/id}}" for one in _REPOSITORY_PAGES},
        "created_at": "2025-11-03T09:00:00Z",
        "updated_at": updated_at,
        "size": 5120,
        "stargazers_count": 12,
        "watchers_count": 12,
        "language": "TypeScript",
        "has_issues": True,
        "has_projects": True,
        "has_wiki": False,
        "forks_count": 1,
        "archived": False,
        "disabled": False,
        "open_issues_count": 4,
        "license": None,
        "visibility": "public",
        "default_branch": "main",
    }


def pull_request(
    action: str,
    number: int,
    at: str,
    *,
    repo: Payload,
    title: str = "Try the new checkout",
    body: str | None = None,
    state: str = "open",
    merged: bool = False,
    draft: bool = False,
    author: str = "mona",
    sender: str | None = None,
    branch: str = "feature",
    base: str = "main",
    sha: str | None = None,
    head_repo: Payload | None = None,
    created_at: str = "2026-03-02T10:00:00Z",
    closed_at: str | None = None,
    merge_sha: str | None = None,
) -> Payload:
    """Return a `pull_request` delivery; `at` is the pull request's `updated_at`."""
    full_name = repo["full_name"]
    api_page = f"{API}/repos/{full_name}/pulls/{number}"
    page = f"{WEB}/{full_name}/pull/{number}"
    sha = sha or sha_of(f"{full_name}#{number}")
    ended = closed_at or at if state == "closed" else None
    return {
        "action": action,
        "number": number,
        "pull_request": {
            "url": api_page,
            "id": number_of(page),
            "node_id": sha_of(page)[:20],
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "issue_url": f"{API}/repos/{full_name}/issues/{number}",
            "number": number,
            "state": state,
            "locked": False,
            "title": title,
            "user": user(author),
            "body": body,
            "created_at": created_at,
            "updated_at": at,
            "closed_at": ended,
            "merged_at": ended if merged else None,
            "merge_commit_sha": merge_sha,
            "assignee": None,
            "assignees": [],
            "requested_reviewers": [],
            "requested_teams": [],
            "labels": [],
            "milestone": None,
            "draft": draft,
            "commits_url": f"{api_page}/commits",
            "review_comments_url": f"{api_page}/comments",
            "comments_url": f"{API}/repos/{full_name}/issues/{number}/comments",
            "statuses_url": f"{API}/repos/{full_name}/statuses/{sha}",
            "head": _branch(branch, sha, head_repo or repo),
            "base": _branch(base, sha_of(base), repo),
            "author_association": "MEMBER",
            "auto_merge": None,
            "merged": merged,
            "mergeable": None,
            "comments": 0,
            "review_comments": 0,
            "commits": 1,
            "additions": 40,
            "deletions": 2,
            "changed_files": 3,
        },
        "repository": repo,
        "sender": user(sender or author),
    }


def _branch(ref: str, sha: str, repo: Payload) -> Payload:
    owner = repo["full_name"].split("/")[0]
    return {"label": f"{owner}:{ref}", "ref": ref, "sha": sha, "user": user(owner), "repo": repo}


def issue(
    action: str,
    number: int,
    at: str,
    *,
    repo: Payload,
    title: str = "Something to track",
    body: str | None = None,
    state: str = "open",
    labels: tuple[str, ...] = (),
    author: str = "mona",
    sender: str | None = None,
    created_at: str = "2026-03-02T10:00:00Z",
    closed_at: str | None = None,
    **more: Any,
) -> Payload:
    """Return an `issues` delivery; `at` is the issue's `updated_at`, `more` its own fields."""
    full_name = repo["full_name"]
    page = f"{WEB}/{full_name}/issues/{number}"
    return {
        "action": action,
        "issue": {
            "url": f"{API}/repos/{full_name}/issues/{number}",
            "repository_url": f"{API}/repos/{full_name}",
            "html_url": page,
            "id": number_of(page),
            "number": number,
            "title": title,
            "user": user(author),
            "labels": [
                {"id": number_of(name), "name": name, "color": "0e8a16", "default": False}
                for name in labels
            ],
            "state": state,
            "locked": False,
            "assignees": [],
            "milestone": None,
            "comments": 0,
            "created_at": created_at,
            "updated_at": at,
            "closed_at": closed_at or at if state == "closed" else None,
            "author_association": "MEMBER",
            "body": body,
            "state_reason": "completed" if state == "closed" else None,
        },
        "repository": repo,
        "sender": user(sender or author),
        **more,
    }


def push(
    branch: str,
    messages: list[str],
    *,
    repo: Payload,
    pushed_at: int | None = None,
    author: str = "mona",
    at: str = "2026-03-02T10:00:00Z",
    ref: str | None = None,
    deleted: bool = False,
) -> Payload:
    """Return a `push` of one commit per message; `pushed_at` in seconds since the epoch.

    `ref` is for what is no branch, such as `refs/tags/v1`; `deleted` for a branch that went.
    """
    commits = [commit(message, repo=repo, author=author, at=at) for message in messages]
    return {
        "ref": ref or f"refs/heads/{branch}",
        "before": sha_of(f"before {branch}"),
        "after": commits[-1]["id"] if commits else "0" * 40,
        "repository": repo if pushed_at is None else {**repo, "pushed_at": pushed_at},
        "pusher": {"name": author, "email": f"{author}@users.example"},
        "sender": user(author),
        "created": False,
        "deleted": deleted,
        "forced": False,
        "base_ref": None,
        "commits": commits,
        "head_commit": commits[-1] if commits else None,
    }


def commit(message: str, *, repo: Payload, author: str, at: str) -> Payload:
    sha = sha_of(f"{repo['full_name']} {message}")
    person = {"name": author.title(), "email": f"{author}@users.example", "username": author}
    return {
        "id": sha,
        "tree_id": sha_of(sha),
        "distinct": True,
        "message": message,
        "timestamp": at,
        "url": f"{WEB}/{repo['full_name']}/commit/{sha}",
        "author": person,
        "committer": person,
        "added": [],
        "removed": [],
        "modified": ["src/checkout.ts"],
    }


def repository_event(action: str, repo: Payload, changes: Payload | None = None) -> Payload:
    more = {} if changes is None else {"changes": changes}
    return {"action": action, "repository": repo, "sender": user("mona"), **more}


def installation_target(old: str, login: str, account_id: int, installation_id: int) -> Payload:
    """Return what GitHub tells an App of an organisation that was renamed."""
    return {
        "action": "renamed",
        "account": {**user(login), "id": account_id, "type": "Organization"},
        "changes": {"login": {"from": old}},
        "target_type": "Organization",
        "installation": {"id": installation_id, "node_id": sha_of(f"{installation_id}")[:20]},
        "sender": user("mona"),
    }


def organization(old: str, login: str, account_id: int) -> Payload:
    """Return what GitHub tells an organisation's webhook of the same."""
    return {
        "action": "renamed",
        "changes": {"login": {"from": old}},
        "organization": {"login": login, "id": account_id, "url": f"{API}/orgs/{login}"},
        "sender": user("mona"),
    }


def ping(hook_id: int, at: str) -> Payload:
    """Return the `ping` that GitHub sends when the webhook of an App is set up."""
    return {
        "zen": "Keep it logically awesome.",
        "hook_id": hook_id,
        "hook": {
            "type": "App",
            "id": hook_id,
            "name": "web",
            "active": True,
            "events": ["issues", "pull_request", "push", "repository"],
            "config": {"content_type": "json", "insecure_ssl": "0"},
            "created_at": at,
            "updated_at": at,
        },
        "sender": user("mona"),
    }


def installation(action: str, installation_id: int, at: str, *, repos: list[Payload]) -> Payload:
    """Return an `installation` delivery of an App at acme."""
    return {
        "action": action,
        "installation": {
            "id": installation_id,
            "account": user("acme"),
            "repository_selection": "selected",
            "access_tokens_url": f"{API}/app/installations/{installation_id}/access_tokens",
            "repositories_url": f"{API}/installation/repositories",
            "html_url": f"{WEB}/organizations/acme/settings/installations/{installation_id}",
            "target_id": number_of("acme"),
            "target_type": "Organization",
            "permissions": {"contents": "read", "issues": "read", "pull_requests": "read"},
            "events": ["issues", "pull_request", "push", "repository"],
            "created_at": at,
            "updated_at": at,
            "suspended_at": None,
        },
        "repositories": [
            {name: repo[name] for name in ("id", "node_id", "name", "full_name", "private")}
            for repo in repos
        ],
        "sender": user("mona"),
    }


def deployment_status(
    sha: str,
    at: str,
    *,
    repo: Payload,
    number: int = 1,
    environment: str = "production",
    state: str = "success",
    **more: Any,
) -> Payload:
    """Return a `deployment_status` delivery; `more` are fields of the deployment itself."""
    address = f"{repo['url']}/deployments/{number}"
    about = {"environment": environment, "creator": user("mona"), "created_at": at}
    deployment = {"id": number, "url": address, "sha": sha, "ref": "main", "task": "deploy"}
    flags = {"production_environment": False, "transient_environment": False}
    return {
        "action": "created",
        "deployment_status": {
            "id": number,
            "url": f"{address}/statuses/{number}",
            "state": state,
            "updated_at": at,
            **about,
        },
        "deployment": {**deployment, **flags, "updated_at": at, **about, **more},
        "repository": repo,
        "sender": user("mona"),
    }


def star(at: str, *, repo: Payload, sender: str) -> Payload:
    """Return a `star` delivery, one of the events that mean nothing to this service."""
    return {"action": "created", "starred_at": at, "repository": repo, "sender": user(sender)}


def encode(payload: Payload) -> bytes:
    """Return a payload as GitHub sends it: compact JSON in UTF-8."""
    return msgspec.json.encode(payload)


def headers(event: str, body: bytes, secret: str, guid: str | None = None) -> dict[str, str]:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/044aadd",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": guid or str(uuid.uuid4()),
        "X-Hub-Signature-256": f"sha256={signature}",
    }
