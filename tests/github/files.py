"""What a diff looks like, file by file."""

from urllib.parse import quote, urlencode

from tests.github.git import Difference
from tests.github.model import Repository
from tests.github.repositories import Repositories
from tests.github.values import Json

MOST_FILES = 3000  # of a pull request or commit that GitHub lists
_STATUS = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "T": "changed"}


class Files(Repositories):
    """The files of pull requests, comparisons and commits."""

    def _files(self, repo: Repository, base: str, head: str, shown: list[Difference]) -> list[Json]:
        """Return files of the diff between two commits as one answer has them."""
        limits, found = self.diff_limits, []
        lines = size = 0
        for one in shown:
            entry = self._file(repo, base, head, one)
            if one.patch is not None:
                length = len(one.patch.encode())
                lines, size = lines + one.lines, size + length
                if lines > limits.total_lines or size > limits.total_bytes:
                    entry |= {"additions": 0, "deletions": 0, "changes": 0}
                elif one.lines <= limits.file_lines and length <= limits.file_bytes:
                    entry["patch"] = one.patch
            found.append(entry)
        return found

    def _file(self, repo: Repository, base: str, head: str, one: Difference) -> Json:
        """Return a file without its patch."""
        commit = base if one.status == "D" and self.removed_name_base else head
        path, page = quote(one.path, safe=""), f"{self.web_url}/{repo.full_name}"
        api = f"{self.url}/repos/{repo.full_name}"
        entry = {
            "sha": one.sha,
            "filename": one.path,
            "status": _STATUS[one.status],
            "additions": one.additions,
            "deletions": one.deletions,
            "changes": one.additions + one.deletions,
            "blob_url": f"{page}/blob/{commit}/{path}",
            "raw_url": f"{page}/raw/{commit}/{path}",
            "contents_url": f"{api}/contents/{path}?{urlencode({'ref': commit})}",
        }
        return (
            entry if one.previous_path is None else entry | {"previous_filename": one.previous_path}
        )
