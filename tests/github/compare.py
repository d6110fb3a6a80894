"""Commits and what one has that another has not."""

from collections import deque

from tests.github.model import Repository
from tests.github.routes import Answer, Call, integer, link, not_found, route
from tests.github.state import State
from tests.github.values import REPO, Json, stamp

_PAGE = 250  # commits that GitHub gives at most at once


class Commits(State):
    """A graph of commits, beside those that were merely pushed."""

    def commit(self, full_name: str, sha: str, *parents: str) -> str:
        """Add a commit with its parents; return its SHA."""
        repo = self.repository(full_name)
        assert all(parent in repo.parents for parent in parents), parents
        repo.parents[sha] = parents
        repo.shas.add(sha)
        return sha


def _has(repo: Repository, sha: str) -> dict[str, None]:
    """Return a commit and all that it has, itself first and each before its parents."""
    found, coming = {sha: None}, deque([sha])
    while coming:
        for parent in repo.parents[coming.popleft()]:
            found.pop(parent, None)
            found[parent] = None
            coming.append(parent)
    return found


@route(f"GET {REPO}/compare/{{basehead}}", permission="contents")
def compare(call: Call) -> Answer:
    base, _, head = call.arguments["basehead"].partition("...")
    if base not in call.repo.parents or head not in call.repo.parents:
        raise not_found()
    of_base, of_head = _has(call.repo, base), _has(call.repo, head)
    common = [sha for sha in of_head if sha in of_base]
    if not common:
        raise not_found()  # "No common ancestor"
    ahead = [sha for sha in reversed(of_head) if sha not in of_base]
    behind = len(of_base) - len(common)
    status = {(False, False): "identical", (True, False): "ahead", (False, True): "behind"}.get(
        (bool(ahead), bool(behind)), "diverged"
    )
    size = max(1, min(_PAGE, integer(call.query.get("per_page"), _PAGE)))
    page = max(1, integer(call.query.get("page"), 1))
    shown = ahead[(page - 1) * size : page * size]
    links = [link(call, "next", page=page + 1)] if page * size < len(ahead) else []
    api, web = (f"{one}/{call.repo.full_name}" for one in (f"{call.github.url}/repos", _web(call)))
    there = f"{web}/compare/{base}...{head}"
    body = {
        "url": f"{api}/compare/{base}...{head}",
        "html_url": there,
        "permalink_url": there,
        "diff_url": f"{there}.diff",
        "patch_url": f"{there}.patch",
        "base_commit": _commit(call, base),
        "merge_base_commit": _commit(call, common[0]),
        "status": status,
        "ahead_by": len(ahead),
        "behind_by": behind,
        "total_commits": len(ahead),
        "commits": [_commit(call, sha) for sha in shown],
        "files": [],
    }
    return Answer(200, body, {"Link": ", ".join(links)} if links else {})


def _web(call: Call) -> str:
    return call.github.web_url


def _commit(call: Call, sha: str) -> Json:
    api = f"{call.github.url}/repos/{call.repo.full_name}"
    person = {"name": "Jane", "email": "jane@users.example", "date": stamp(call.repo.created_at)}
    parents = call.repo.parents[sha]
    return {
        "url": f"{api}/commits/{sha}",
        "sha": sha,
        "node_id": f"C_{sha}",
        "html_url": f"{_web(call)}/{call.repo.full_name}/commit/{sha}",
        "comments_url": f"{api}/commits/{sha}/comments",
        "commit": {
            "url": f"{api}/git/commits/{sha}",
            "author": person,
            "committer": person,
            "message": "More",
            "tree": {"sha": sha, "url": f"{api}/git/trees/{sha}"},
            "comment_count": 0,
        },
        "author": call.github._user("jane"),
        "committer": call.github._user("jane"),
        "parents": [
            {"sha": one, "url": f"{api}/commits/{one}", "html_url": f"{api}/commit/{one}"}
            for one in parents
        ],
    }
