"""Reads all files of a commit: the list of them, the archive as it comes, and what that lacks.

The archive may leave files out or change them (`export-ignore`, `export-subst`, line ends): the
list has git's name of each, so what is missing or another is read by that name. Where the archive
breaks off it is begun again from its front, and what has been looked at is passed over.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from cachetools import TTLCache

from bot import storage as store
from bot.code.files import LARGEST, passed_over
from bot.code.tarballs import BadArchive, Packed, Tarball, TooMuch
from bot.code.vocabulary import Vocabulary
from bot.domain.code_readings import Found, Task
from bot.github import NoToken, Refused, Temporary, archives
from bot.outbox import code_files
from bot.outbox.code_files import Listing, Looked
from bot.outbox.registry import Job
from bot.services import Services

MOST_BYTES = 8 << 30  # of an archive, unpacked
MOST_BLOBS = 200  # files that the archive lacks, and are read by themselves
_SECONDS = 900.0  # for an archive
_BEGINNINGS = 3  # of an archive in one attempt
_ATTEMPTS = 4  # after which what could be read is kept
_RENEWED = 3.0  # seconds after which it is told that we are still at it
_REMEMBERED = 3600.0  # seconds


@dataclass(slots=True)
class Reading:
    """How far a commit was read: `listing.wanted` are the files that are still to be looked at."""

    listing: Listing
    looked: Looked = field(default_factory=Looked)
    seen: set[str] = field(default_factory=set)  # where the listing is not whole
    why: str | None = None  # the archive was not read to its end


class Readings:
    """What was begun, for the next attempt to go on with: by repository, commit, vocabulary."""

    def __init__(self, _: Services) -> None:
        self.known: TTLCache[tuple[int, str, str], Reading] = TTLCache(8, ttl=_REMEMBERED)


async def read_all(job: Job, task: Task, vocabulary: Vocabulary, branch: str, sha: str) -> Found:
    """Read all files of a commit; raises CallFailed."""
    begun = job.services.shared(Readings).known
    place = (task.row.repository_id, sha, vocabulary.digest)
    reading = begun.get(place)
    if reading is None:
        reading = begun[place] = Reading(await code_files.list_files(job, sha, task.rules))
    if reading.listing.wanted or not reading.listing.is_whole:
        await _read_archive(job, task, vocabulary, sha, reading)
    await _read_missing(job, task, vocabulary, reading)
    begun.pop(place, None)
    looked, unread = reading.looked, list(reading.looked.unread)
    if not reading.listing.is_whole:
        unread.insert(0, store.Unread("there are more files than GitHub lists"))
    return Found(
        branch,
        sha,
        vocabulary.digest,
        None,
        looked.references,
        unread,
        looked.files,
        reading.listing.files,
        is_broken=reading.why is not None and bool(unread),
    )


async def _read_archive(
    job: Job, task: Task, vocabulary: Vocabulary, sha: str, reading: Reading
) -> None:
    """Look at what the archive has; raises CallFailed, unless that is left as it is."""
    reading.why = None
    until = time.monotonic() + _SECONDS
    for _ in range(_BEGINNINGS):
        stream = _Stream(job, task, vocabulary, sha, reading)
        try:
            await stream.read(until)
            return
        except (BadArchive, Temporary) as error:
            failure = Temporary(str(error))
        except TimeoutError:
            failure = Temporary(f"it did not come within {_SECONDS / 60:.0f} minutes")
        except TooMuch as error:
            reading.why = f"the archive was not read to its end: {error}"
            return
        except NoToken:
            raise
        except Refused as refusal:
            if refusal.status == 401 or (refusal.lags and job.is_news):
                raise
            reading.why = f"the archive was not read: {refusal.reason}"
            return
        if time.monotonic() >= until or not stream.has_begun:
            break
    if job.action.attempts + 1 < _ATTEMPTS:
        raise Temporary(f"the archive cannot be read: {failure.reason}")
    reading.why = f"the archive was not read to its end: {failure.reason}"


class _Stream:
    """One beginning of an archive."""

    def __init__(
        self, job: Job, task: Task, vocabulary: Vocabulary, sha: str, reading: Reading
    ) -> None:
        self._job, self._task, self._vocabulary = job, task, vocabulary
        self._sha, self._reading = sha, reading
        self._tarball = Tarball(self._wants, MOST_BYTES)
        self.has_begun = False

    async def read(self, until: float) -> None:
        """Look at all files; raises CallFailed, BadArchive, TooMuch."""
        job = self._job
        hosts = job.services.settings.github_archive_hosts
        async with asyncio.timeout(max(until - time.monotonic(), 1.0)):
            async with archives.opened(
                job.client, job.action.repository, self._sha, hosts
            ) as pieces:
                await self._look_at(pieces)
        if not self._tarball.is_complete:
            raise BadArchive("it broke off")
        if self._tarball.comment not in (None, self._sha):
            raise BadArchive("it is of another commit")

    async def _look_at(self, pieces: AsyncIterator[bytes]) -> None:
        renewed = time.monotonic()
        async for piece in pieces:
            self.has_begun = True
            # In a thread, and little by little: deliveries are answered meanwhile.
            await asyncio.to_thread(self._feed, piece)
            if self._tarball.is_complete:
                return
            if time.monotonic() - renewed > _RENEWED:
                renewed = time.monotonic()
                if self._job.client.before_write is not None:
                    await self._job.client.before_write("GET", "/archive")

    def _wants(self, path: str, size: int) -> int | None:
        """Return how many bytes of a file are to be looked at."""
        if path in self._reading.listing.wanted:
            return LARGEST
        if self._reading.listing.is_whole or path in self._reading.seen:
            return None
        return LARGEST if passed_over(path, self._task.rules) is None else None

    def _feed(self, piece: bytes) -> None:
        for packed in self._tarball.feed(piece):
            if packed.content is not None:
                self._look(packed, packed.content)

    def _look(self, packed: Packed, content: bytes) -> None:
        reading = self._reading
        entry = reading.listing.wanted.get(packed.path)
        if entry is None and packed.path in reading.seen:
            return
        is_whole = len(content) == packed.size
        if entry is not None and is_whole and code_files.blob_sha(content, entry.sha) != entry.sha:
            return
        if entry is not None and not is_whole and packed.size != entry.size:
            return
        reading.listing.wanted.pop(packed.path, None)
        if not reading.listing.is_whole:
            reading.seen.add(packed.path)
        reading.looked.look(self._task, self._vocabulary, packed.path, packed.size, content)


async def _read_missing(job: Job, task: Task, vocabulary: Vocabulary, reading: Reading) -> None:
    """Look at what the archive lacked, as far as there is room; raises CallFailed."""
    wanted, looked = reading.listing.wanted, reading.looked
    missing = sorted(wanted)
    for path in missing[:MOST_BLOBS]:
        entry = wanted[path]
        await code_files.read_blob(job, task, vocabulary, looked, path, entry.sha, entry.size or 0)
        del wanted[path]
    reason = reading.why or "it is not in the archive as it is in the repository"
    looked.unread += code_files.leftover(missing[MOST_BLOBS:], reason)
    if reading.why is not None and not reading.listing.is_whole:
        looked.unread.insert(0, store.Unread(reading.why))
