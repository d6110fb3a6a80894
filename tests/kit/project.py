"""A repository of the stand-in GitHub that is backed by git, and what GitHub tells of it.

A test changes the repository, and `tell` delivers what has become of it since it last did:

    project = Project.of(scene, tmp_path / "shop")
    project.git.commit({"src/a.ts": 'use("checkout")'})
    await project.tell()                               # a push to main
    project.git.commit({"src/b.ts": 'use("search")'}, branch="feature")
    number = project.open("feature")
    await project.tell()                               # another push, and a pull request opened
    project.merge(number, "squash")
    await project.tell()                               # it is closed, and main pushed to
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.github import GitHub
from tests.github.git import Commit
from tests.github.values import Json
from tests.kit.deliveries import PROCESSED
from tests.kit.gitrepo import GitRepo
from tests.kit.outbound import INSTALLATION, REPOSITORY, Scene
from tests.kit.running import Bot

MOST_COMMITS = 2048  # of a push that GitHub names
_NOWHERE = "0" * 40

Event = tuple[str, Json]


@dataclass
class Project:
    """See above. `git` is what to change; `told` is where its branches were when last told."""

    bot: Bot
    github: GitHub
    integration: str
    full_name: str
    git: GitRepo
    installation: int | None = None
    told: dict[str, str] = field(default_factory=dict)
    _events: list[Event] = field(default_factory=list)
    _forks: dict[str, GitRepo] = field(default_factory=dict)  # by full name
    _names: int = 0

    @classmethod
    def of(cls, scene: Scene, folder: Path, full_name: str = REPOSITORY) -> "Project":
        """Make a repository in a folder that is not there yet, and serve it."""
        if full_name.lower() not in scene.github.repositories:
            scene.github.add_repository(full_name)
        git = GitRepo.make(folder)
        scene.github.serve(full_name, git)
        installation = INSTALLATION if scene.is_app else None
        return cls(scene.bot, scene.github, scene.integration, full_name, git, installation)

    def fork(self, full_name: str) -> GitRepo:
        """Make a fork of it, which nobody but the author of a pull request reaches."""
        self._names += 1
        made = self.git.fork(self.git.folder.with_name(f"{self.git.folder.name}-{self._names}"))
        self._forks[full_name] = made
        return made

    def open(
        self,
        branch: str,
        base: str = "main",
        *,
        fork: str | None = None,
        author: str = "jane",
        title: str = "More",
        body: str = "",
        draft: bool = False,
    ) -> int:
        """Open a pull request from a branch, of a fork if that is named; return its number."""
        sha = self._forks[fork].tip(branch) if fork else self.git.tip(branch)
        pull = self.github.open_pull(
            self.full_name,
            title=title,
            body=body,
            author=author,
            head_ref=branch,
            head_sha=sha,
            base_ref=base,
            draft=draft,
            head_repo=fork,
        )
        self._keep(pull.number, sha)
        self._say("opened", pull.number)
        return pull.number

    def merge(self, number: int, how: str = "merge") -> str:
        """Merge a pull request by merge, squash or rebase; return the commit that came of it."""
        item = self.github.repository(self.full_name).pulls[number]
        message = f"Merge #{number}" if how == "merge" else item.title
        sha = self.git.merge(item.head_sha, item.base_ref, how, message)
        item.merge_sha = sha
        self.github.edit_pull(self.full_name, number, merged_at=self.github.clock())
        self._say("closed", number)
        return sha

    def close(self, number: int) -> None:
        self.github.edit_pull(self.full_name, number, state="closed")
        self._say("closed", number)

    def retarget(self, number: int, base: str) -> None:
        """Have a pull request go to another branch."""
        item = self.github.repository(self.full_name).pulls[number]
        changes = {"base": {"ref": {"from": item.base_ref}, "sha": {"from": item.base_sha}}}
        self.github.edit_pull(self.full_name, number, base_ref=base, base_sha=self.git.tip(base))
        self._say("edited", number, changes=changes)

    def take(self) -> list[Event]:
        """Return what GitHub has to tell, which is then taken as told."""
        pushes = self._pushes()
        self._follow_heads()
        found, self._events = [*pushes, *self._events], []
        return found

    async def tell(self) -> list[Event]:
        """Deliver what GitHub has to tell, signed; return it."""
        events = self.take()
        for event in events:
            await self.deliver(event)
        return events

    async def deliver(self, event: Event) -> None:
        answer = await self.bot.deliver(self.integration, *event)
        assert (answer.status, answer.body) == (200, PROCESSED)

    def _pushes(self) -> list[Event]:
        """Return the pushes to all branches."""
        now, found = self.git.branches(), []
        for name in sorted({*self.told, *now}, key=lambda one: (one != "main", one)):
            before, after = self.told.get(name, _NOWHERE), now.get(name, _NOWHERE)
            if before != after:
                found.append(("push", self.push_payload(name, before, after)))
        self.told = now
        self.github.repository(self.full_name).shas.update(now.values())
        return found

    def push_payload(self, branch: str, before: str, after: str) -> Json:
        """Return the delivery of a push from one commit to another.

        https://docs.github.com/en/webhooks/webhook-events-and-payloads#push
        """
        created, deleted = before == _NOWHERE, after == _NOWHERE
        others = [sha for name, sha in self.told.items() if name != branch]
        excluded = [f"^{one}" for one in (others if created else [before])]
        commits = [] if deleted else self.git.commits("--reverse", after, *excluded)
        new = {one.sha for one in commits if not self._is_in(one.sha, others)}
        moved = not created and not deleted
        told = [self._commit(one, one.sha in new) for one in commits[:MOST_COMMITS]]
        tip = None if deleted else self._commit(self.git.commits("-1", after)[0], after in new)
        repo = self.github.repository_payload(self.full_name)
        page, moment = repo["html_url"], int(self.github.clock())
        payload = {
            "ref": f"refs/heads/{branch}",
            "before": before,
            "after": after,
            "repository": {**repo, "pushed_at": moment, "created_at": moment},
            "pusher": {"name": "jane", "email": "jane@users.example"},
            "sender": self.github.user_payload("jane"),
            "created": created,
            "deleted": deleted,
            "forced": moved and self.git.merge_base(before, after) != before,
            "base_ref": None,
            "compare": f"{page}/compare/{before[:12]}...{after[:12]}",
            "commits": told,
            "head_commit": tip,
        }
        return self._signed_for(payload)

    def _is_in(self, sha: str, tips: list[str]) -> bool:
        return any(self.git.merge_base(sha, one) == sha for one in tips)

    def _commit(self, commit: Commit, distinct: bool) -> Json:
        page = f"{self.github.web_url}/{self.full_name}/commit/{commit.sha}"
        person = {"name": commit.author, "email": commit.email, "username": commit.author.lower()}
        lists: dict[str, list[str]] = {"added": [], "removed": [], "modified": []}
        for letter, path in self.git.changed_paths(commit):
            lists[{"A": "added", "D": "removed"}.get(letter, "modified")].append(path)
        return {
            "id": commit.sha,
            "tree_id": commit.tree,
            "distinct": distinct,
            "message": commit.message,
            "timestamp": commit.date,
            "url": page,
            "author": person,
            "committer": person,
            **lists,
        }

    def _follow_heads(self) -> None:
        """Tell of open pull requests whose branches were pushed to."""
        for item in self.github.repository(self.full_name).pulls.values():
            source = self._forks[item.head_repo] if item.head_repo else self.git
            head = source.branches().get(item.head_ref)
            if item.state != "open" or head in (None, item.head_sha):
                continue
            before = item.head_sha
            self.github.push(self.full_name, item.number, str(head))
            self._keep(item.number, str(head))
            self._say("synchronize", item.number, before=before, after=head)

    def _keep(self, number: int, sha: str) -> None:
        self.git.run("update-ref", f"refs/pull/{number}/head", sha)

    def _say(self, action: str, number: int, **more: Any) -> None:
        item = self.github.repository(self.full_name).pulls[number]
        payload = {
            "action": action,
            "number": number,
            "pull_request": self.github.pull_payload(self.full_name, number),
            "repository": self.github.repository_payload(self.full_name),
            "sender": self.github.user_payload(item.author),
            **more,
        }
        self._events.append(("pull_request", self._signed_for(payload)))

    def _signed_for(self, payload: Json) -> Json:
        if self.installation is not None:
            payload["installation"] = {"id": self.installation}
        return payload
