"""Files as GitHub gives them: a blob by git's name of it, and a file of a commit by its path.

https://docs.github.com/en/rest/git/blobs#get-a-blob
https://docs.github.com/en/rest/repos/contents#get-repository-content
"""

import asyncio
import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from bot.github.client import Client, TooLarge
from bot.github.failures import Temporary
from bot.github.payloads import Sha

_BLOB = "/repos/{+repository}/git/blobs/{sha}"
_CONTENTS = "/repos/{+repository}/contents/{+path}?ref={ref}"
_ROOM = 4  # bytes of an answer for each of a file, at the most


class Unreadable(Temporary):
    """What GitHub gives of a file cannot be read, though the answer can."""


class File(Struct):
    """A blob, or what is at a path; of a file that is large GitHub gives no content there."""

    sha: Sha
    path: str | None = None
    type: str = "file"
    size: int = 0  # in bytes
    encoding: str = "none"
    content: str = ""


async def blob(client: Client, names: Mapping[str, str], most: int) -> bytes:
    """Return what the blob `sha` of a `repository` holds.

    Raises CallFailed; TooLarge of one of more than `most` bytes, Unreadable.
    """
    return content(await _file(client, _BLOB, names, most), most)


async def at(client: Client, names: Mapping[str, str], most: int) -> File:
    """Return what is at the `path` of a `repository` at the commit `ref`.

    Raises CallFailed; TooLarge where the answer is larger than any about a file of `most` bytes.
    """
    return await _file(client, _CONTENTS, {**names, "path": quote(names["path"])}, most)


def content(file: File, most: int) -> bytes:
    """Return what a file holds; raises TooLarge of one of more than `most` bytes, Unreadable."""
    try:
        found = base64.b64decode(file.content)
    except ValueError:
        raise Unreadable("GitHub gives it in a form that cannot be read") from None
    if file.encoding == "none" or max(file.size, len(found)) > most:
        raise TooLarge("the file is too large")
    return found


async def _file(client: Client, url: str, names: Mapping[str, str], most: int) -> File:
    found = await download(client, url, names, _ROOM * most, File | list[Any])
    return File("0", type="dir") if isinstance(found, list) else found


async def download(
    client: Client, url: str, names: Mapping[str, str], most: int, shape: Any
) -> Any:
    """Return an answer of `most` bytes as `shape`; raises CallFailed, TooLarge of a larger one."""
    text = await client.download(url, names, most, lambda _: None)
    try:
        return await asyncio.to_thread(msgspec.json.decode, text, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Temporary("GitHub's answer cannot be read") from None
