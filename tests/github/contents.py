"""What a repository that is backed by git has: trees, blobs, files, commits and branches."""

import base64
import re
from urllib.parse import quote

from tests.github.files import MOST_FILES, Files
from tests.github.git import EMPTY_TREE, Commit, Entry, Git
from tests.github.model import Repository
from tests.github.routes import Answer, Call, Failure, integer, link, not_found, route
from tests.github.values import REPO, Json, node_id, sha_of

_SHOWN_BYTES = 1_000_000  # of a file that is answered in JSON
_DIRECTORY = 1000  # entries of one that GitHub lists
_SHA = re.compile("[0-9a-f]{40}")


class Contents(Files):
    """How commits, trees and files look."""

    def _real_commit(self, repo: Repository, commit: Commit) -> Json:
        api = f"{self.url}/repos/{repo.full_name}"
        page = f"{self.web_url}/{repo.full_name}/commit"
        person = {"name": commit.author, "email": commit.email, "date": commit.date}
        user = self._user(commit.author.lower())
        return {
            "sha": commit.sha,
            "node_id": node_id("Commit", int(commit.sha[:8], 16)),
            "commit": {
                "author": person,
                "committer": person,
                "message": commit.message,
                "tree": {"sha": commit.tree, "url": f"{api}/git/trees/{commit.tree}"},
                "url": f"{api}/git/commits/{commit.sha}",
                "comment_count": 0,
                "verification": {
                    "verified": False,
                    "reason": "unsigned",
                    "signature": None,
                    "payload": None,
                    "verified_at": None,
                },
            },
            "url": f"{api}/commits/{commit.sha}",
            "html_url": f"{page}/{commit.sha}",
            "comments_url": f"{api}/commits/{commit.sha}/comments",
            "author": user,
            "committer": user,
            "parents": [
                {"sha": one, "url": f"{api}/commits/{one}", "html_url": f"{page}/{one}"}
                for one in commit.parents
            ],
        }

    def _content(self, repo: Repository, ref: str, entry: Entry) -> Json:
        """Return what a file, link, folder or submodule looks like in a list."""
        api, page = f"{self.url}/repos/{repo.full_name}", f"{self.web_url}/{repo.full_name}"
        path = quote(entry.path)
        kinds = {"120000": "symlink", "160000": "submodule"}
        kind = kinds.get(entry.mode, "dir" if entry.kind == "tree" else "file")
        folder = "tree" if kind in ("dir", "submodule") else "blob"
        git_url = f"{api}/git/{'trees' if folder == 'tree' else 'blobs'}/{entry.sha}"
        html_url, here = f"{page}/{folder}/{ref}/{path}", f"{api}/contents/{path}?ref={ref}"
        raw = f"https://raw.githubusercontent.com/{repo.full_name}/{ref}/{path}"
        return {
            "name": entry.path.rpartition("/")[2],
            "path": entry.path,
            "sha": entry.sha,
            "size": entry.size or 0,
            "url": here,
            "html_url": html_url,
            "git_url": git_url,
            "download_url": None if folder == "tree" else raw,
            "type": kind,
            "_links": {"self": here, "git": git_url, "html": html_url},
        }


def _in_lines(content: bytes) -> str:
    """Return base64 as GitHub writes it: 60 characters a line."""
    text = base64.b64encode(content).decode()
    return "".join(f"{text[start : start + 60]}\n" for start in range(0, len(text), 60))


def _unless_empty(git: Git) -> None:
    if not git.branches():
        raise Failure(409, "Git Repository is empty.")


def commit_of(call: Call, ref: str) -> str:
    """Return the commit that a branch, tag or SHA names; GitHub says 422 where there is none."""
    found = call.git.resolve(ref)
    if found is None:
        _unless_empty(call.git)
        raise Failure(422, f"No commit found for SHA: {ref}")
    return found


@route(f"GET {REPO}/git/trees/{{tree_sha}}", permission="contents")
def get_tree(call: Call) -> Answer:
    git, wanted = call.git, call.arguments["tree_sha"]
    commit = git.resolve(wanted)
    if commit is None and git.object(wanted)[0] != "tree":
        _unless_empty(git)
        raise not_found()
    # GitHub's answer for a commit has the SHA of the commit as that of the tree.
    tree = wanted if commit is None else git.tree_of(commit)
    entries = git.tree(tree, "recursive" in call.query)
    api, limit = f"{call.github.url}/repos/{call.repo.full_name}", call.github.tree_limit
    is_cut = "recursive" in call.query and len(entries) > limit
    sha = commit or tree
    return Answer(
        200,
        {
            "sha": sha,
            "url": f"{api}/git/trees/{sha}",
            "tree": [_listed(api, one) for one in (entries[:limit] if is_cut else entries)],
            "truncated": is_cut,
        },
    )


def _listed(api: str, entry: Entry) -> Json:
    found = {"path": entry.path, "mode": entry.mode, "type": entry.kind, "sha": entry.sha}
    if entry.kind == "commit":  # of a submodule, which has no address here
        return found
    if entry.size is not None:
        found |= {"size": entry.size}  # type: ignore[dict-item]
    return found | {"url": f"{api}/git/{entry.kind}s/{entry.sha}"}


@route(f"GET {REPO}/git/blobs/{{file_sha}}", permission="contents")
def get_blob(call: Call) -> Answer:
    git, sha = call.git, call.arguments["file_sha"]
    if not _SHA.fullmatch(sha):
        raise Failure(
            422, "The sha parameter must be exactly 40 characters and contain only [0-9a-f]."
        )
    kind, content = git.object(sha)
    if kind != "blob":
        raise not_found()
    if call.wants_raw:
        return Answer(200, content)
    url = f"{call.github.url}/repos/{call.repo.full_name}/git/blobs/{sha}"
    known = {"sha": sha, "node_id": sha_of(sha), "size": len(content), "url": url}
    return Answer(200, {**known, "content": _in_lines(content), "encoding": "base64"})


@route(f"GET {REPO}/contents/{{path}}", permission="contents")
def get_contents(call: Call) -> Answer:
    git, path = call.git, call.arguments["path"].strip("/")
    ref = call.query.get("ref", call.repo.default_branch)
    commit = git.resolve(ref)
    if commit is None:
        why = (
            f"No commit found for the ref {ref}" if git.branches() else "This repository is empty."
        )
        raise Failure(404, why)
    tree = git.tree(git.tree_of(commit), True)
    entry = next((one for one in tree if one.path == path), None)
    if entry is None:
        raise not_found()
    if entry.kind == "tree":
        below = [one for one in tree if one.path.rpartition("/")[0] == path][:_DIRECTORY]
        listed = [call.github._content(call.repo, ref, one) for one in below]
        # GitHub calls a submodule a file here, for old clients.
        return Answer(200, [{**one, "type": _old_type(one["type"])} for one in listed])
    return _file(call, git, ref, _followed(git, tree, entry))


def _old_type(kind: str) -> str:
    return "file" if kind == "submodule" else kind


def _followed(git: Git, tree: list[Entry], entry: Entry) -> Entry:
    """Return the file that a link leads to, if it is one of the repository."""
    if entry.mode != "120000":
        return entry
    target = git.blob(entry.sha).decode(errors="replace")
    parts: list[str] = entry.path.split("/")[:-1]
    for one in target.split("/"):
        parts = parts[:-1] if one == ".." else parts if one in ("", ".") else [*parts, one]
    there = "/".join(parts)
    return next((one for one in tree if one.path == there and one.kind == "blob"), entry)


def _file(call: Call, git: Git, ref: str, entry: Entry) -> Answer:
    found = call.github._content(call.repo, ref, entry)
    if entry.kind == "commit":
        return Answer(200, {**found, "submodule_git_url": None})
    content = git.blob(entry.sha)
    if found["type"] == "symlink":
        return Answer(200, {**found, "target": content.decode(errors="replace")})
    if call.wants_raw:
        return Answer(200, content)
    if len(content) > _SHOWN_BYTES:
        return Answer(200, {**found, "content": "", "encoding": "none"})
    return Answer(200, {**found, "content": _in_lines(content), "encoding": "base64"})


@route(f"GET {REPO}/commits/{{ref}}", permission="contents")
def get_commit(call: Call) -> Answer:
    git = call.git
    (commit,) = git.commits("-1", commit_of(call, call.arguments["ref"]))
    before = commit.parents[0] if commit.parents else EMPTY_TREE
    changed = git.diff(before, commit.sha)
    size = max(1, min(300, integer(call.query.get("per_page"), 300)))
    page = max(1, integer(call.query.get("page"), 1))
    listed = changed[:MOST_FILES]
    shown = listed[(page - 1) * size : page * size]
    added, removed = sum(one.additions for one in changed), sum(one.deletions for one in changed)
    body = {
        **call.github._real_commit(call.repo, commit),
        "stats": {"additions": added, "deletions": removed, "total": added + removed},
        "files": call.github._files(call.repo, before, commit.sha, shown),
    }
    more = page * size < len(listed)
    return Answer(200, body, {"Link": link(call, "next", page=page + 1)} if more else {})


def real_branch(call: Call, git: Git) -> Answer:
    """Return a branch of a repository that is backed by git."""
    name = call.arguments["branch"]
    sha = git.branches().get(name)
    if sha is None:
        raise Failure(404, "Branch not found")
    (commit,) = git.commits("-1", sha)
    api = f"{call.github.url}/repos/{call.repo.full_name}/branches/{quote(name)}"
    return Answer(
        200,
        {
            "name": name,
            "commit": call.github._real_commit(call.repo, commit),
            "_links": {
                "self": api,
                "html": f"{call.github.web_url}/{call.repo.full_name}/tree/{name}",
            },
            "protected": False,
            "protection": {
                "enabled": False,
                "required_status_checks": {
                    "enforcement_level": "off",
                    "contexts": [],
                    "checks": [],
                },
            },
            "protection_url": f"{api}/protection",
        },
    )


@route(f"GET {REPO}/branches/{{branch}}", permission="contents")
def get_branch(call: Call) -> Answer:
    if call.repo.git is not None:
        return real_branch(call, call.repo.git)
    if not call.repo.shas:
        raise Failure(404, "Branch not found")
    name = call.arguments["branch"]
    return Answer(200, {"name": name, "commit": {"sha": sha_of(name)}, "protected": False})
