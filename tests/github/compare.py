"""Commits and what one has that another has not."""

from collections import deque

from tests.github.contents import Contents
from tests.github.git import Git
from tests.github.model import Repository
from tests.github.pulls import differences
from tests.github.routes import Answer, Call, integer, link, not_found, route
from tests.github.values import REPO, Json, stamp

_PAGE = 250  # commits that GitHub gives at most at once
_FILES = 300  # files that it gives at all, on the first page


class Commits(Contents):
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
    if call.repo.git is not None:
        return _compare_real(call, call.repo.git, base, head)
    if base not in call.repo.parents or head not in call.repo.parents:
        raise not_found()
    of_base, of_head = _has(call.repo, base), _has(call.repo, head)
    common = [sha for sha in of_head if sha in of_base]
    if not common:
        raise not_found()  # "No common ancestor"
    ahead = [sha for sha in reversed(of_head) if sha not in of_base]
    behind = len(of_base) - len(common)
    body = {
        **_compared(call, base, head, len(ahead), behind),
        "base_commit": _commit(call, base),
        "merge_base_commit": _commit(call, common[0]),
        "files": [],
    }
    return _with_page(call, body, [_commit(call, sha) for sha in ahead])


def _compare_real(call: Call, git: Git, base: str, head: str) -> Answer:
    """Compare two commits or branches; one of a fork is named by its owner, too."""
    ours, theirs = (git.resolve(one.rpartition(":")[2]) for one in (base, head))
    if ours is None or theirs is None or git.merge_base(ours, theirs) is None:
        raise not_found()
    common, changed = differences(git, ours, theirs)
    ahead = git.commits("--reverse", theirs, f"^{ours}")
    behind = git.commits(ours, f"^{theirs}")
    look = call.github._real_commit
    (base_commit,), (merge_base,) = git.commits("-1", ours), git.commits("-1", common)
    body = {
        **_compared(call, base, head, len(ahead), len(behind)),
        "base_commit": look(call.repo, base_commit),
        "merge_base_commit": look(call.repo, merge_base),
    }
    if integer(call.query.get("page"), 1) <= 1:
        body["files"] = call.github._files(call.repo, common, theirs, changed[:_FILES])
    return _with_page(call, body, [look(call.repo, one) for one in ahead])


def _compared(call: Call, base: str, head: str, ahead: int, behind: int) -> Json:
    status = {(False, False): "identical", (True, False): "ahead", (False, True): "behind"}.get(
        (bool(ahead), bool(behind)), "diverged"
    )
    api, web = (f"{one}/{call.repo.full_name}" for one in (f"{call.github.url}/repos", _web(call)))
    there = f"{web}/compare/{base}...{head}"
    return {
        "url": f"{api}/compare/{base}...{head}",
        "html_url": there,
        "permalink_url": there,
        "diff_url": f"{there}.diff",
        "patch_url": f"{there}.patch",
        "status": status,
        "ahead_by": ahead,
        "behind_by": behind,
        "total_commits": ahead,
    }


def _with_page(call: Call, body: Json, commits: list[Json]) -> Answer:
    """Return a comparison with the page of its commits that is asked for."""
    size = max(1, min(_PAGE, integer(call.query.get("per_page"), _PAGE)))
    page = max(1, integer(call.query.get("page"), 1))
    body["commits"] = commits[(page - 1) * size : page * size]
    more = page * size < len(commits)
    return Answer(200, body, {"Link": link(call, "next", page=page + 1)} if more else {})


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
