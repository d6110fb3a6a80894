"""Goes through the files of a pull request, and finds what they change of references."""

import asyncio
from collections.abc import Sequence

from bot import storage as store
from bot.code.files import (
    LARGEST,
    LONGEST_PATH,
    TOO_LARGE,
    TOO_LONG_A_PATH,
    decoded,
    is_binary,
    passed_over,
)
from bot.code.patches import (
    BadPatch,
    Change,
    changes,
    changes_of_files,
    needs_both_versions,
)
from bot.code.settling import FileChanges, Settled, settled
from bot.code.vocabulary import Vocabulary
from bot.domain.diffs import Target
from bot.domain.fingerprints import Words
from bot.github import Refused
from bot.github.comparisons import MOST_COMPARED, ListedFile
from bot.github.payloads import readable
from bot.outbox.diff_files import (
    MOST_CALLS,
    MOST_FILES,
    Budget,
    Files,
    NotRead,
    Spent,
)

_EMPTY = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"  # the blob of an empty file
# GitHub leaves out the patches behind so many lines, or bytes, of a diff and counts no lines of
# theirs. https://docs.github.com/en/repositories/creating-and-managing-repositories/repository-limits
_SURE_LINES, _SURE_BYTES = 15_000, 700_000
_MOST_CHANGES = 40_000  # of references in a diff that are kept in memory
_TOO_MANY = f"the diff changes more than {_MOST_CHANGES:,} references"
_NO_CALLS = f"one reading makes {MOST_CALLS} calls at most"


class OtherHead(Exception):
    """GitHub has answered for another head than is asked for, after so many `calls`."""

    def __init__(self, calls: int) -> None:
        super().__init__(calls)
        self.calls = calls


class Gathered:
    """What was found in a diff so far."""

    def __init__(self, vocabulary: Vocabulary, budget: Budget) -> None:
        self.vocabulary, self._budget = vocabulary, budget
        self.words = Words(vocabulary.rules)
        self.unread: list[store.Unread] = []
        self.count = 0
        self.base_sha: str | None = None
        self.listed: list[ListedFile] = []  # without their patches
        self.whole: list[ListedFile] = []  # are to be read whole, as nothing tells their changes
        self.renamed: list[ListedFile] = []  # seem to be, and nothing else
        self.is_proven = True  # that all pages are of the head
        self._found: list[FileChanges] = []
        self._changes = 0
        self._lines = self._bytes = 0
        self._is_cut = False

    @property
    def calls(self) -> int:
        return self._budget.calls

    def settled(self) -> list[Settled]:
        """Return what the diff adds, removes and moves."""
        return settled(self._found)

    @property
    def is_cut(self) -> bool:
        """Tell whether GitHub may have left out patches because the diff is large."""
        return self._is_cut or self._lines > _SURE_LINES or self._bytes > _SURE_BYTES

    def take(self, rows: Sequence[object], head_sha: str) -> None:
        """Take in a page of the list; raises OtherHead. It may cost time."""
        files = readable(rows, ListedFile)
        # What is removed may be shown as it was at the base.
        heads = {one.head for one in files if one.status != "removed" or one.head == head_sha}
        if heads - {head_sha, None}:
            raise OtherHead(self.calls)
        self.is_proven = self.is_proven and head_sha in heads
        self.count += len(rows)
        if len(files) < len(rows):
            self.unread.append(store.Unread("GitHub's answer about a file cannot be read"))
        for one in files:
            self._take(one)
            one.patch = None
            self.listed.append(one)

    def _take(self, file: ListedFile) -> None:
        if not self._is_read(file):
            return
        if file.patch is not None:
            self._lines += file.count
            self._bytes += len(file.patch)
            if needs_both_versions(self.vocabulary, file.filename, file.previous_filename):
                self.whole.append(file)
                return
            try:
                self._keep(file, self._of_patch(file, file.patch))
            except BadPatch:
                self.whole.append(file)
            else:
                self.words.add(file.patch.encode("utf-8", "surrogatepass"))
        elif file.count:
            self.whole.append(file)
        elif file.status == "renamed":
            is_other = needs_both_versions(self.vocabulary, file.filename, file.previous_filename)
            (self.whole if is_other else self.renamed).append(file)
        elif file.status != "unchanged" and file.sha != _EMPTY:
            self._is_cut = True
            self.whole.append(file)

    def _is_read(self, file: ListedFile) -> bool:
        paths = {file.filename, file.old_path}
        if all(passed_over(one, self.vocabulary.rules) for one in paths):
            return False
        if any(len(one.encode("utf-8", "replace")) > LONGEST_PATH for one in paths):
            self.unread.append(store.Unread(TOO_LONG_A_PATH, file.filename[:200]))
            return False
        return True

    def _of_patch(self, file: ListedFile, patch: str) -> list[Change]:
        lines = patch.split("\n")
        for sign, told in (("+", file.additions), ("-", file.deletions)):
            if told is not None and told != sum(line.startswith(sign) for line in lines):
                raise BadPatch("it is not whole")
        return changes(self.vocabulary, file.filename, file.previous_filename, patch)

    def take_whole(self, file: ListedFile, before: bytes | None, after: bytes | None) -> None:
        """Take in both versions of a file; it may cost time."""
        known = [one for one in (before, after) if one is not None]
        if any(is_binary(one) for one in known):
            return
        for one in known:
            self.words.add(decoded(one))
        previous = file.previous_filename
        self._keep(file, changes_of_files(self.vocabulary, file.filename, before, after, previous))

    def _keep(self, file: ListedFile, found: Sequence[Change]) -> None:
        self._changes += len(found)
        if self._changes > _MOST_CHANGES:  # a file of nothing but keys has half a million
            self.leave(file, _TOO_MANY)
        elif found:
            self._found.append(FileChanges(file.filename, found, file.previous_filename))

    def leave(self, file: ListedFile, why: str) -> None:
        """Say that a file was not read."""
        self.unread.append(store.Unread(why, file.filename))


async def gather(files: Files, gathered: Gathered, target: Target) -> None:
    """Read the diff of a pull request; raises OtherHead, CallFailed.

    What cannot be had of single files is said in `gathered`.
    """
    head_sha = target.head_sha
    try:
        async for page in files.pages():
            await asyncio.to_thread(gathered.take, page, head_sha)
        await _see_to_whole(files, gathered, target)
    except Spent:
        gathered.unread.append(store.Unread(_NO_CALLS))
        return
    whole = gathered.whole + (gathered.renamed if gathered.is_cut else [])
    settled = await asyncio.to_thread(gathered.settled)
    is_asked = bool(whole) or any(one.change == "removed" for one in settled)
    if is_asked and gathered.base_sha is None:
        gathered.base_sha = await _merge_base(files, target)
    for number, file in enumerate(whole):
        try:
            await _read_whole(files, gathered, file)
        except Spent:
            for one in whole[number:]:
                gathered.leave(one, _NO_CALLS)
            return
        except NotRead as error:
            gathered.leave(file, str(error))
        except Refused as error:
            if error.status == 401 or (error.lags and files.is_news):
                raise
            gathered.leave(file, error.reason)


async def _see_to_whole(files: Files, gathered: Gathered, target: Target) -> None:
    """See whether all files were listed, and of the right head, where the list cannot tell."""
    head_sha = target.head_sha
    if gathered.is_proven and 0 < gathered.count < MOST_FILES:
        return
    if 0 < gathered.count < MOST_COMPARED and await _is_compared_so(files, gathered, target):
        return
    pull = await files.pull()
    if pull.head is not None and pull.head.sha not in (None, head_sha):
        raise OtherHead(gathered.calls)
    if (pull.changed_files or 0) > gathered.count:
        if gathered.count < MOST_FILES:
            raise OtherHead(gathered.calls)
        why = f"GitHub lists {MOST_FILES:,} files of a pull request; this one has "
        gathered.unread.append(store.Unread(f"{why}{pull.changed_files:,}"))


async def _is_compared_so(files: Files, gathered: Gathered, target: Target) -> bool:
    """Tell whether the head, compared with the base, changes the files of the list.

    What was only removed may name no head. The comparison tells the merge base as well.
    """
    try:
        found = await files.compare(target.base_ref, target.head_sha, with_files=True)
    except Refused as error:
        if error.status == 401:
            raise
        return False
    gathered.base_sha = found.merge_base_commit.sha
    listed = {(one.filename, one.status, one.sha) for one in gathered.listed}
    return listed == {(one.filename, one.status, one.sha) for one in found.files or ()}


async def _merge_base(files: Files, target: Target) -> str | None:
    try:
        found = await files.compare(target.base_ref, target.head_sha)
    except Spent:
        return None
    except Refused as error:
        if error.status == 401:
            raise
        return None
    return found.merge_base_commit.sha


async def _read_whole(files: Files, gathered: Gathered, file: ListedFile) -> None:
    """Read both versions of a file; raises NotRead, Spent, CallFailed."""
    before = after = None
    rules = gathered.vocabulary.rules
    if file.status != "removed" and not passed_over(file.filename, rules):
        if file.sha is None:
            raise NotRead("GitHub does not tell its blob")
        after = await files.blob(file.sha)
    if after is not None and is_binary(after):
        return
    if file.status == "removed" and file.sha is not None:
        before = await files.blob(file.sha)
    elif file.status not in ("added", "copied") and not passed_over(file.old_path, rules):
        if gathered.base_sha is None:
            raise NotRead("the commit that it is based on could not be found out")
        before = await files.at(gathered.base_sha, file.old_path)
    if max(len(before or b""), len(after or b"")) > LARGEST:
        raise NotRead(TOO_LARGE)
    await asyncio.to_thread(gathered.take_whole, file, before, after)
