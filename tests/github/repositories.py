"""Repositories and users, as they look and as they are asked for."""

from tests.github.model import Repository
from tests.github.routes import Answer, Call, not_found, page_of, route
from tests.github.state import State
from tests.github.values import REPO, Json, node_id, stamp


class Repositories(State):
    """How repositories and users look."""

    def repository_payload(self, full_name: str) -> Json:
        return self._repository(self.repository(full_name))

    def user_payload(self, login: str) -> Json:
        return self._user(login)

    def _user(self, login: str) -> Json:
        known = self.add_user(login, "Bot" if login.endswith("[bot]") else "User")
        name = known["login"]
        page = f"{self.url}/users/{name}"
        is_bot = known["type"] == "Bot"
        return {
            "login": name,
            "id": known["id"],
            "node_id": node_id(known["type"], known["id"]),
            "avatar_url": f"https://avatars.githubusercontent.com/u/{known['id']}?v=4",
            "gravatar_id": "",
            "url": page,
            "html_url": f"{self.web_url}/{'apps/' if is_bot else ''}{name.removesuffix('[bot]')}",
            "followers_url": f"{page}/followers",
            "following_url": f"{page}/following{{/other_user}}",
            "gists_url": f"{page}/gists{{/gist_id}}",
            "starred_url": f"{page}/starred{{/owner}}{{/repo}}",
            "subscriptions_url": f"{page}/subscriptions",
            "organizations_url": f"{page}/orgs",
            "repos_url": f"{page}/repos",
            "events_url": f"{page}/events{{/privacy}}",
            "received_events_url": f"{page}/received_events",
            "type": known["type"],
            "site_admin": False,
        }

    def _repository(self, repo: Repository) -> Json:
        owner, name = repo.full_name.split("/")
        page, api = f"{self.web_url}/{repo.full_name}", f"{self.url}/repos/{repo.full_name}"
        open_items = sum(one.state == "open" for one in repo.issues.values())
        return {
            "id": repo.id,
            "node_id": node_id("Repository", repo.id),
            "name": name,
            "full_name": repo.full_name,
            "private": repo.private,
            "owner": self._user(owner),
            "html_url": page,
            "description": None,
            "fork": False,
            "url": api,
            "collaborators_url": f"{api}/collaborators{{/collaborator}}",
            "comments_url": f"{api}/comments{{/number}}",
            "commits_url": f"{api}/commits{{/sha}}",
            "compare_url": f"{api}/compare/{{base}}...{{head}}",
            "contents_url": f"{api}/contents/{{+path}}",
            "hooks_url": f"{api}/hooks",
            "issue_comment_url": f"{api}/issues/comments{{/number}}",
            "issues_url": f"{api}/issues{{/number}}",
            "labels_url": f"{api}/labels{{/name}}",
            "pulls_url": f"{api}/pulls{{/number}}",
            "statuses_url": f"{api}/statuses/{{sha}}",
            "clone_url": f"{page}.git",
            "created_at": stamp(repo.created_at),
            "updated_at": stamp(repo.updated_at),
            "pushed_at": stamp(repo.updated_at),
            "homepage": None,
            "size": 108,
            "stargazers_count": 0,
            "watchers_count": 0,
            "language": None,
            "has_issues": repo.has_issues,
            "has_projects": True,
            "has_wiki": False,
            "has_pages": False,
            "forks_count": 0,
            "archived": repo.archived,
            "disabled": False,
            "open_issues_count": open_items,
            "license": None,
            "is_template": False,
            "topics": [],
            "visibility": "private" if repo.private else "public",
            "forks": 0,
            "open_issues": open_items,
            "watchers": 0,
            "default_branch": repo.default_branch,
        }

    def _association(self, repo: Repository, login: str) -> str:
        if login.lower() == repo.owner.lower():
            return "OWNER"
        if repo.collaborators.get(login, "none") in ("write", "admin"):
            return "COLLABORATOR"
        return "NONE"


def reachable(call: Call) -> list[Repository]:
    known = call.github.repositories.values()
    return [one for one in known if call.github.reaches(call.credential, one)]


@route("GET /user", "user")
def get_user(call: Call) -> Answer:
    more = {"name": call.login.title(), "company": None, "email": None, "public_repos": 2}
    return Answer(200, {**call.github._user(call.login), **more})


@route("GET /user/repos", "user")
def user_repositories(call: Call) -> Answer:
    found = reachable(call)
    if call.credential.kind == "classic" and "repo" not in call.credential.scopes:
        found = [one for one in found if not one.private]
    permissions = {"maintain": False, "push": True, "triage": True, "pull": True}
    payloads = [
        {
            **call.github._repository(one),
            "permissions": {"admin": one.collaborators.get(call.login) == "admin", **permissions},
        }
        for one in found
    ]
    return page_of(call, payloads)


@route("GET /rate_limit", "anyone")
def rate_limit(call: Call) -> Answer:
    resources = {}
    for name in ("core", "search", "code_search"):
        limit = call.github._limit(call.credential.label, name)
        resources[name] = {
            "limit": limit.limit,
            "used": max(0, limit.limit - limit.remaining),
            "remaining": limit.remaining,
            "reset": limit.reset,
        }
    return Answer(200, {"resources": resources, "rate": resources["core"]})


@route(f"GET {REPO}/deployments", permission="deployments")
def list_deployments(call: Call) -> Answer:
    return page_of(call, [])


@route("GET /versions", "anyone")
def versions(call: Call) -> Answer:
    if call.github.versions is None:
        raise not_found()
    return Answer(200, call.github.versions)


@route("GET /meta", "anyone")
def meta(call: Call) -> Answer:
    answer: Json = {"verifiable_password_authentication": False, "hooks": ["127.0.0.1/32"]}
    if call.github.prefix:
        answer["installed_version"] = "3.17.2"
    return Answer(200, answer)


@route(f"GET {REPO}")
def get_repository(call: Call) -> Answer:
    found = call.github._repository(call.repo)
    if call.credential.is_pat:
        may = call.credential.pushes_to
        pushes = may is None or bool(may & call.repo.names)
        levels = {"admin": False, "maintain": False, "push": pushes, "triage": pushes, "pull": True}
        found["permissions"] = levels
    return Answer(200, found)


@route(f"GET {REPO}/collaborators/{{username}}/permission")
def get_permission(call: Call) -> Answer:
    login, repo = call.arguments["username"], call.repo
    if login.lower() not in call.github._users:
        raise not_found()
    known = {name.lower(): level for name, level in repo.collaborators.items()}
    default = "none" if repo.private else "read"
    default = "admin" if login.lower() == repo.owner.lower() else default
    role = known.get(login.lower(), default)
    level = {"maintain": "write", "triage": "read"}.get(role, role)
    user = call.github._user(login)
    return Answer(200, {"permission": level, "role_name": role, "user": user})
