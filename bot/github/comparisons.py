"""What GitHub says of one commit beside another, and of the files that a change has.

https://docs.github.com/en/rest/commits/commits#compare-two-commits
https://docs.github.com/en/rest/pulls/pulls#list-pull-requests-files
"""

from typing import Literal
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct

from bot.github.payloads import PullRequestCommit, Sha

COMPARE = "/repos/{+repository}/compare/{base}...{head}?per_page={size}&page={page}"
MOST_COMPARED = 300  # files that a comparison has


class ListedFile(Struct):
    """A file as GitHub lists it. `sha` is that of its blob, of the old one if it is removed."""

    filename: str
    status: str = "modified"
    sha: Sha | None = None
    patch: str | None = None
    previous_filename: str | None = None
    contents_url: str | None = None
    additions: int | None = None
    deletions: int | None = None

    @property
    def count(self) -> int:
        """How many lines are changed, as far as that is told."""
        return (self.additions or 0) + (self.deletions or 0)

    @property
    def head(self) -> str | None:
        """The commit that the answer is of."""
        try:
            found = parse_qs(urlsplit(self.contents_url or "").query).get("ref")
        except ValueError:
            return None
        return found[0] if found else None

    @property
    def old_path(self) -> str:
        """Where the file was before."""
        return self.previous_filename or self.filename


class MergeBase(Struct):
    sha: Sha | None = None


class Comparison(Struct):
    """A page of the commits that one has and another has not, the oldest first.

    All that is told of files stands on the first page.
    """

    status: Literal["ahead", "behind", "diverged", "identical"]
    total_commits: int
    commits: list[PullRequestCommit] = []
    merge_base_commit: MergeBase = msgspec.field(default_factory=MergeBase)
    files: list[ListedFile] | None = None
