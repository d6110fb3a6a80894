"""Pull requests, their commits and files."""

from typing import Any

from tests.github.files import MOST_FILES, Files
from tests.github.git import Difference, Git
from tests.github.issues import Issues, sorted_items
from tests.github.model import Item, Repository
from tests.github.routes import Answer, Call, page_of, route
from tests.github.values import REPO, Json, node_id, seconds_of, sha_of, stamp


class Pulls(Issues, Files):
    """Pull requests."""

    def open_pull(
        self,
        full_name: str,
        number: int | None = None,
        *,
        title: str,
        body: str | None = "",
        author: str = "jane",
        head_ref: str = "feature",
        head_sha: str | None = None,
        base_ref: str = "main",
        state: str = "open",
        draft: bool = False,
        merged_at: float | str | None = None,
        head_repo: str | None = None,
    ) -> Item:
        item = self._add_item(full_name, number, title, body, author)
        repo = self.repository(full_name)
        sha = head_sha or sha_of(f"{full_name}#{item.number}")
        item.is_pull, item.draft, item.head_repo = True, draft, head_repo
        item.head_ref, item.base_ref, item.base_sha = head_ref, base_ref, sha_of(base_ref)
        item.files = ["src/checkout.ts"]
        repo.pulls[item.number] = item
        if repo.git is not None:
            item.base_sha = repo.git.resolve(base_ref) or ""
        self.push(full_name, item.number, sha, title)
        self.edit_pull(full_name, item.number, state=state, merged_at=merged_at)
        return item

    def edit_pull(self, full_name: str, number: int, **changes: Any) -> Item:
        """Change fields of an issue or pull request, as its author would on the page."""
        item = self.repository(full_name).issues[number]
        if "head_sha" in changes:
            self.push(full_name, number, changes.pop("head_sha"))
        merged_at = seconds_of(changes.pop("merged_at", item.merged_at))
        if merged_at is not None:
            changes = {"state": "closed", **changes}
        for name, value in changes.items():
            assert hasattr(item, name), name
            setattr(item, name, value)
        item.merged_at = merged_at
        item.closed_at = None if item.state == "open" else merged_at or item.closed_at
        if item.state == "closed" and item.closed_at is None:
            item.closed_at = self.clock()
        item.updated_at = self.clock()
        return item

    edit_issue = edit_pull

    def push(self, full_name: str, number: int | None, sha: str, message: str = "More") -> None:
        """Push a commit, to a pull request if it has a number."""
        repo = self.repository(full_name)
        repo.shas.add(sha)
        if number is not None:
            item = repo.pulls[number]
            item.head_sha, item.updated_at = sha, self.clock()
            item.commits.append((sha, message))
            if repo.git is not None and item.merged_at is None:
                # As at GitHub, it is not told of what its base becomes in the meantime.
                item.base_sha = repo.git.resolve(item.base_ref) or item.base_sha

    def tell_of_older(self, full_name: str, number: int, head: str, times: int = 1) -> None:
        """Have the next requests for the files of a pull request answered for another head."""
        self.repository(full_name).pulls[number].stale_heads += [head] * times

    def pull_payload(self, full_name: str, number: int) -> Json:
        repo = self.repository(full_name)
        return self._pull(repo, repo.pulls[number])

    def _pull(self, repo: Repository, item: Item, listed: bool = False) -> Json:
        api = f"{self.url}/repos/{repo.full_name}"
        page = f"{self.web_url}/{repo.full_name}/pull/{item.number}"
        here = f"{api}/pulls/{item.number}"
        merged = item.merged_at is not None
        payload = {
            "url": here,
            "id": item.id,
            "node_id": node_id("PullRequest", item.id),
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "issue_url": f"{api}/issues/{item.number}",
            "commits_url": f"{here}/commits",
            "review_comments_url": f"{here}/comments",
            "review_comment_url": f"{api}/pulls/comments{{/number}}",
            "comments_url": f"{api}/issues/{item.number}/comments",
            "statuses_url": f"{api}/statuses/{item.head_sha}",
            **self._item(repo, item),
            "merged_at": stamp(item.merged_at),
            "merge_commit_sha": self.merge_commit(repo, item),
            "requested_reviewers": [],
            "requested_teams": [],
            "head": self._branch(repo, item.head_ref, item.head_sha, item.head_repo),
            "base": self._branch(repo, item.base_ref, item.base_sha, None),
            "auto_merge": None,
            "draft": item.draft,
        }
        payload = {name: one for name, one in payload.items() if name not in self.left_out}
        if listed:
            return payload
        return {
            **payload,
            "merged": merged,
            "mergeable": None if merged else True,
            "rebaseable": None,
            "mergeable_state": "unknown" if merged else "clean",
            "merged_by": self._user(repo.owner) if merged else None,
            "comments": sum(one.number == item.number for one in repo.comments.values()),
            "review_comments": 0,
            "maintainer_can_modify": False,
            **self._size(repo, item),
        }

    def _size(self, repo: Repository, item: Item) -> Json:
        if repo.git is None:
            size = {"additions": 40, "deletions": 2, "changed_files": len(item.files)}
            return {**size, "commits": len(item.commits)}
        changed = differences(repo.git, item.base_sha, item.head_sha)[1]
        return {
            "commits": len(repo.git.commits(item.head_sha, f"^{item.base_sha}")),
            "additions": sum(one.additions for one in changed),
            "deletions": sum(one.deletions for one in changed),
            "changed_files": len(changed),
        }

    def merge_commit(self, repo: Repository, item: Item) -> str | None:
        """Return the commit of a merge; of a pull request that is not merged that of a trial."""
        return self.merges.get(item.number) or item.merge_sha or sha_of(f"merge {item.head_sha}")

    def _branch(self, repo: Repository, ref: str, sha: str, other: str | None) -> Json:
        if other is not None and other.lower() not in self.repositories:
            payload = {**self._repository(repo), "full_name": other, "fork": True}
            payload |= {"id": repo.id + 1_000_000, "name": other.split("/")[1]}
            payload |= {"owner": self._user(other.split("/")[0])}
        else:
            payload = self._repository(repo if other is None else self.repository(other))
        owner = payload["owner"]
        label = f"{owner['login']}:{ref}"
        return {"label": label, "ref": ref, "sha": sha, "user": owner, "repo": payload}


@route(f"GET {REPO}/pulls", permission="pull_requests")
def list_pulls(call: Call) -> Answer:
    state, head, base = (call.query.get(name) for name in ("state", "head", "base"))
    found = [
        one
        for one in call.repo.pulls.values()
        if (state or "open") in ("all", one.state)
        and base in (None, one.base_ref)
        and head in (None, f"{(one.head_repo or call.repo.owner).split('/')[0]}:{one.head_ref}")
    ]
    default = "asc" if call.query.get("sort", "created") != "created" else "desc"
    found = sorted_items(call, found, default)
    return page_of(call, [call.github._pull(call.repo, one, listed=True) for one in found])


@route(f"GET {REPO}/pulls/{{pull_number}}", permission="pull_requests")
def get_pull(call: Call) -> Answer:
    return Answer(200, call.github._pull(call.repo, call.pull))


@route(f"GET {REPO}/pulls/{{pull_number}}/commits", permission="pull_requests")
def list_commits(call: Call) -> Answer:
    pull, api = call.pull, f"{call.github.url}/repos/{call.repo.full_name}"
    person = {
        "name": pull.author.title(),
        "email": f"{pull.author}@users.example",
        "date": stamp(pull.created_at),
    }
    commits = pull.commits
    if call.repo.git is not None:
        real = call.repo.git.commits("--reverse", pull.head_sha, f"^{pull.base_sha}")
        commits = [(one.sha, one.message) for one in real]
    found = [
        {
            "url": f"{api}/commits/{sha}",
            "sha": sha,
            "html_url": f"{call.github.web_url}/{call.repo.full_name}/commit/{sha}",
            "commit": {"message": message, "author": person, "committer": person},
            "author": call.github._user(pull.author),
            "committer": call.github._user(pull.author),
            "parents": [],
        }
        for sha, message in commits[:250]  # GitHub lists no more
    ]
    return page_of(call, found)


@route(f"GET {REPO}/pulls/{{pull_number}}/files", permission="pull_requests")
def list_files(call: Call) -> Answer:
    if call.repo.git is not None:
        return _list_real_files(call, call.repo.git)
    found = [
        {
            "sha": sha_of(name),
            "filename": name,
            "status": "modified",
            "additions": 40,
            "deletions": 2,
            "changes": 42,
            "patch": "@@ -1,1 +1,1 @@",
        }
        for name in call.pull.files
    ]
    return page_of(call, found)


def _list_real_files(call: Call, git: Git) -> Answer:
    pull = call.pull
    head = pull.stale_heads.pop(0) if pull.stale_heads else pull.head_sha
    base, changed = differences(git, pull.base_sha, head)

    def shown(page: list[Difference]) -> list[Json]:
        return call.github._files(call.repo, base, head, page)

    return page_of(call, changed[:MOST_FILES], shown)


def differences(git: Git, base: str, head: str) -> tuple[str, list[Difference]]:
    """Return the last commit that two have in common, and what the second changed since."""
    common = git.merge_base(base, head) or base
    return common, git.diff(common, head)
