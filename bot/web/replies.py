"""A whole answer: for aiohttp to send, or as the bytes that are sent."""

import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from aiohttp import web
from msgspec import Struct

_STATUS_LINES = {one.value: f"HTTP/1.1 {one.value} {one.phrase}\r\n" for one in HTTPStatus}


class Reply(Struct, frozen=True):
    status: int
    body: bytes
    headers: Mapping[str, str]

    def response(self) -> web.Response:
        return web.Response(status=self.status, body=self.body, headers=self.headers)

    def encoded(self, *, is_last: bool) -> bytes:
        """Return what is sent for HTTP/1.1; `is_last` says that the connection ends with it."""
        head = _STATUS_LINES[self.status]
        for name, value in self.headers.items():
            head += f"{name}: {value}\r\n"
        head += f"Content-Length: {len(self.body)}\r\nDate: {_date(int(time.time()))}\r\n"
        if is_last and "Connection" not in self.headers:
            head += "Connection: close\r\n"
        return f"{head}\r\n".encode() + self.body


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
