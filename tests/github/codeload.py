"""Archives: the API leads to another origin, which streams them.

https://docs.github.com/en/rest/repos/contents#download-a-repository-archive-tar
"""

import asyncio
import contextlib
import re
import secrets

from aiohttp import web
from multidict import CIMultiDict

from tests.github.archives import MADE_UP, ArchiveFault, Sent, broken
from tests.github.model import Repository
from tests.github.routes import Answer, Call, not_found, route
from tests.github.state import State
from tests.github.values import REPO

BELOW = "/_codeload"  # of the web host, at an Enterprise Server without subdomains
TOKEN_SECONDS = 300
_PATH = re.compile(r"/([^/]+/[^/]+)/legacy\.tar\.gz/(.+)")
_STEP = 0.02  # seconds between looks at a connection that is held


class Archives(State):
    """Sends archives, and notes who shows a credential where none belongs."""

    async def _send_archive(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix(BELOW)
        sent = Sent(path, CIMultiDict(request.headers))
        self.codeload.asked.append(sent)
        if sent.headers.popall("Authorization", None) is not None:
            self.violations.append(f"{path}: an Authorization for the origin of archives")
        fault = self.codeload.fault()
        found = _PATH.fullmatch(path)
        repo = self.repositories.get(found[1].lower()) if found else None
        until = self.codeload.tokens.get(request.query.get("token", ""), 0.0)
        commit = repo.git.resolve(found[2]) if found and repo is not None and repo.git else None
        if request.method != "GET" or repo is None or commit is None or until <= self.clock():
            sent.status = 404
            return web.Response(status=404, text="404: Not Found")
        if fault is not None and fault.kind == "status":
            sent.status = fault.status
            return web.Response(status=fault.status, text=f"{fault.status}: Error")
        if fault is not None and fault.kind == "away":
            sent.status = 302
            return web.Response(status=302, headers={"Location": fault.location})
        return await self._stream(request, sent, repo, commit, fault)

    async def _stream(
        self,
        request: web.Request,
        sent: Sent,
        repo: Repository,
        commit: str,
        fault: ArchiveFault | None,
    ) -> web.StreamResponse:
        folder = f"{repo.full_name.replace('/', '-')}-{commit[:7]}"
        assert repo.git is not None
        pieces = repo.git.archive(commit, f"{folder}/")
        if fault is not None and fault.kind in MADE_UP:
            pieces = MADE_UP[fault.kind](folder)
        response = web.StreamResponse(
            headers={
                "Content-Type": "application/x-gzip",
                "Content-Disposition": f"attachment; filename={folder}.tar.gz",
                "ETag": f'W/"{secrets.token_hex(32)}"',
                "Vary": "Authorization,Accept-Encoding",
                "X-GitHub-Request-Id": secrets.token_hex(8).upper(),
            }
        )
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            async with contextlib.aclosing(broken(pieces, fault)) as flow:
                async for piece in flow:
                    await response.write(piece)
                    sent.bytes += len(piece)
            if fault is not None and fault.kind in ("break", "hang"):
                await self._keep_open(request, fault)
                return response
            await response.write_eof()
            sent.whole = True
        return response

    async def _keep_open(self, request: web.Request, fault: ArchiveFault) -> None:
        while fault.kind == "hang" and not self._closing and not _has_gone(request):
            await asyncio.sleep(_STEP)
        if request.transport is not None:
            request.transport.abort()


def _has_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


@route(f"GET {REPO}/tarball/{{ref}}", permission="contents")
def get_tarball(call: Call) -> Answer:
    """Lead to the archive by an address with a token, which is good for five minutes."""
    git, ref = call.git, call.arguments["ref"]
    commit = git.resolve(ref)
    if commit is None:
        raise not_found()
    where = ref if ref == commit or ref.startswith("refs/") else f"refs/heads/{ref}"
    token, codeload = secrets.token_hex(16).upper(), call.github.codeload
    codeload.tokens[token] = call.now + TOKEN_SECONDS
    path = f"{call.repo.full_name}/legacy.tar.gz/{where}?token={token}"
    return Answer(302, "", {"Location": f"{codeload.url}/{path}"})
