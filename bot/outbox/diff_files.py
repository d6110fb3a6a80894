"""Asks GitHub for the files of a pull request, and for what their patches do not tell.

https://docs.github.com/en/rest/pulls/pulls#list-pull-requests-files
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from bot.code.files import LARGEST, TOO_LARGE
from bot.github import Refused, files
from bot.github.client import TooLarge
from bot.github.comparisons import COMPARE, Comparison
from bot.github.payloads import PullRequest
from bot.outbox.registry import Job

MOST_FILES = 3_000  # of a pull request that GitHub lists
MOST_CALLS = 60  # that one reading makes
_FILES = "/repos/{+repository}/pulls/{number}/files?per_page={size}&page={page}"
_PULL = "/repos/{+repository}/pulls/{number}"
_SIZES = (100, 30)  # of pages: the second where the first is too large an answer


class Spent(Exception):
    """As many calls were made as one reading may make."""


class NotRead(Exception):
    """A file cannot be read, for a reason that it says."""


class Budget:
    """Counts the calls of one reading."""

    def __init__(self, most: int = MOST_CALLS) -> None:
        self.calls, self._most = 0, most

    def spend(self) -> None:
        """Count a call that is about to be made; raises Spent if it is one too many."""
        if self.calls >= self._most:
            raise Spent
        self.calls += 1


class ListedPull(PullRequest, kw_only=True):
    changed_files: int | None = None


class Files:
    """What GitHub tells of the files of the pull request that an action is about."""

    def __init__(self, job: Job, budget: Budget) -> None:
        self._job, self.budget = job, budget
        self.is_news = job.is_news

    async def _begin(self) -> None:
        """Count a call that is about to be made, and tell that we are still at it; raises Spent."""
        self.budget.spend()
        if self._job.client.before_write is not None:
            await self._job.client.before_write("GET", "")

    async def pages(self) -> AsyncIterator[list[Any]]:
        """Yield the pages of the list as they come; raises CallFailed, Spent."""
        size, page = _SIZES[0], 1
        while True:
            await self._begin()
            where = self._job.at(size=size, page=page)
            try:
                found, more = await self._job.client.fetch_page(_FILES, where, is_kept=False)
            except TooLarge:
                if page > 1 or size == _SIZES[-1]:
                    raise
                size = _SIZES[-1]
                continue
            yield found
            if more is None or page * size >= MOST_FILES:
                return
            page += 1

    async def pull(self) -> ListedPull:
        """Return the pull request; raises CallFailed, Spent."""
        await self._begin()
        return await self._job.client.fetch(ListedPull, _PULL, self._job.at(), is_kept=False)

    async def compare(
        self, base_ref: str, head_sha: str, *, with_files: bool = False
    ) -> Comparison:
        """Return where a diff begins, perhaps with its files; raises CallFailed, Spent."""
        await self._begin()
        page = 1 if with_files else 2  # the files stand on the first one
        where = self._job.at(base=base_ref, head=head_sha, size=1, page=page)
        return await self._job.client.fetch(Comparison, COMPARE, where, is_kept=False)

    async def blob(self, sha: str) -> bytes:
        """Return what a blob holds; raises CallFailed, Spent, NotRead."""
        await self._begin()
        with _leaving():
            return await files.blob(self._job.client, self._job.at(sha=sha), LARGEST)

    async def at(self, commit: str, path: str) -> bytes | None:
        """Return a file of a commit, None if it is none; raises CallFailed, Spent, NotRead."""
        await self._begin()
        with _leaving():
            try:
                at = self._job.at(path=path, ref=commit)
                found = await files.at(self._job.client, at, LARGEST)
            except Refused as error:
                if error.status == 404:
                    raise NotRead(f"the old version: {error.reason}") from None
                raise
            if found.type != "file":
                return None
            if found.encoding == "none" and found.size <= LARGEST:
                return await self.blob(found.sha)
            return files.content(found, LARGEST)


@contextmanager
def _leaving() -> Iterator[None]:
    """Leave a file out that cannot be read, however often it is asked for."""
    try:
        yield
    except TooLarge:
        raise NotRead(TOO_LARGE) from None
    except files.Unreadable as error:
        raise NotRead(error.reason) from None
