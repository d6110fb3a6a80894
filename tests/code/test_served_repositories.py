"""The stand-in GitHub says of a real repository what git says of it."""

import base64
import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.github import GitHub
from tests.github.schema import OPERATIONS
from tests.github.values import REPO
from tests.kit.gitrepo import Files, GitRepo, Link, Submodule
from tests.kit.marks import sqlite_only, token_only
from tests.kit.outbound import REPOSITORY, Scene
from tests.kit.project import Project

pytestmark = [sqlite_only, token_only]
LINES = "".join(f"const line{number} = {number};\n" for number in range(40))
FIRST: Files = {
    "src/a.ts": LINES,
    "src/b.py": 'KEY = "checkout"\n',
    "gone.rb": "puts 'checkout'\n",
    "logo.png": b"\x00\x01" * 50,
    "link": Link("src/a.ts"),
    "module": Submodule("1" * 40),
    "big.json": '{"a": 1}\n' * 200_000,
    "secret.txt": "not in archives\n",
    ".gitattributes": "secret.txt export-ignore\n",
}


class Asking:
    """Asks the stand-in, and compares how an answer looks with GitHub's own example."""

    def __init__(self, github: GitHub, session: aiohttp.ClientSession) -> None:
        self.github, self.session = github, session

    async def get(self, path: str, raw: bool = False) -> tuple[int, Any, Any]:
        kind = "application/vnd.github.raw+json" if raw else "application/vnd.github+json"
        headers = {
            "Authorization": "Bearer ghp_a-token-of-the-tests",
            "Accept": kind,
            "X-GitHub-Api-Version": "2022-11-28",
            "User-Agent": "tests",
        }
        address = path if "://" in path else f"{self.github.url}/repos/{REPOSITORY}{path}"
        async with self.session.get(address, headers=headers, allow_redirects=False) as answer:
            content = await answer.read()
            body = content if raw or answer.status == 302 else json.loads(content)
            return answer.status, body, answer

    async def like(self, template: str, path: str) -> Any:
        """Return an answer that has GitHub's fields, of the same types."""
        status, body, _ = await self.get(path)
        assert status == 200, body
        if OPERATIONS.exists():
            known = json.loads(OPERATIONS.read_bytes())["operations"][f"GET {REPO}{template}"]
            example = known["responses"]["200"]["example"]
            problems = differing(example, body)
            assert problems == [], "\n".join(problems)
        return body

    async def all_pages(self, path: str) -> list[Any]:
        found: list[Any] = []
        address = path
        while address:
            status, body, answer = await self.get(address)
            assert status == 200
            found += body
            address = str(answer.links.get("next", {}).get("url", ""))
        return found


@pytest.fixture
async def asking(scene: Scene) -> Any:
    async with aiohttp.ClientSession() as session:
        yield Asking(scene.github, session)


OPTIONAL = {"patch", "previous_filename", "protection", "protection_url", "size", "url", "files"}


def differing(example: Any, body: Any, where: str = "") -> list[str]:
    """Return where an answer lacks a field of an example, or has one of another type."""
    if isinstance(example, list) and isinstance(body, list):
        return differing(example[0], body[0], where) if example and body else []
    if not isinstance(example, dict) or not isinstance(body, dict):
        same = type(example) is type(body) or None in (example, body)
        return [] if same else [f"{where}: {body!r:.50}"]
    lacking = [
        f"{where}.{one}" for one in example.keys() - body.keys() - OPTIONAL if where != ".parents"
    ]
    known = [one for one in example if one in body]
    return lacking + [
        found for one in known for found in differing(example[one], body[one], f"{where}.{one}")
    ]


def git_says(git: GitRepo, *arguments: str) -> bytes:
    """Ask git without the driver that the stand-in uses."""
    command = ["git", f"--git-dir={git.folder}", *arguments]
    return subprocess.run(command, capture_output=True, check=True).stdout


async def test_files_of_a_pull_request(scene: Scene, asking: Asking, tmp_path: Path) -> None:
    """Renames, binary files, what was left out: applied to the base, the patches give the head."""
    project = Project.of(scene, tmp_path / "shop")
    git = project.git
    git.commit(FIRST)
    changed = LINES.replace("line3 = 3", "line3 = 33").removesuffix("\n")
    git.commit(
        {"src/b.py": None, "src/c/a.ts": changed, "new é.go": 'const k = "x"\n', "gone.rb": None},
        moves={"src/a.ts": "src/c/a.ts"},
        branch="feature",
    )
    git.commit({"logo.png": b"\x00\x02" * 50, "module": Submodule("2" * 40)}, branch="feature")
    git.commit({"main.c": "int main;\n"})
    base, head = git.text("merge-base", "main", "feature"), git.tip("feature")
    number = project.open("feature")
    await project.tell()

    one = (await asking.get(f"/pulls/{number}"))[1]
    assert (one["head"]["sha"], one["base"]["sha"]) == (head, git.tip())
    assert (one["commits"], one["changed_files"]) == (2, 6)
    files = await asking.all_pages(f"/pulls/{number}/files?per_page=4")
    await asking.like("/pulls/{pull_number}/files", f"/pulls/{number}/files?per_page=4")
    shown = {file["filename"]: file for file in files}
    assert list(shown) == sorted(shown)
    assert {path: file["status"] for path, file in shown.items()} == {
        "gone.rb": "removed",
        "logo.png": "modified",
        "module": "modified",
        "new é.go": "added",
        "src/b.py": "removed",
        "src/c/a.ts": "renamed",
    }
    assert shown["src/c/a.ts"]["previous_filename"] == "src/a.ts"
    assert [path for path, file in shown.items() if "patch" not in file] == ["logo.png"]
    for path, file in shown.items():
        gone = file["status"] == "removed"
        commit = base if gone else head
        assert file["sha"] == git_says(git, "rev-parse", f"{commit}:{path}").decode().strip()
        assert file["contents_url"].endswith(f"?ref={commit}")
    whole = git_says(git, "diff", "-M", f"{base}...{head}").decode()
    for file in files:
        assert file.get("patch", "") in whole
    assert "\\ No newline at end of file" in shown["src/c/a.ts"]["patch"]

    scene.github.diff_limits.file_lines = 8
    files = await asking.all_pages(f"/pulls/{number}/files")
    cut = next(file for file in files if file["filename"] == "src/c/a.ts")
    assert ("patch" in cut, cut["changes"]) == (False, 4)
    scene.github.diff_limits.total_lines = 5
    files = await asking.all_pages(f"/pulls/{number}/files")
    assert [(file["changes"], "patch" in file) for file in files[-2:]] == [(0, False)] * 2

    scene.github.tell_of_older(REPOSITORY, number, git.text("rev-parse", "feature^"))
    old, now = [(await asking.get(f"/pulls/{number}/files"))[1] for _ in range(2)]
    assert (len(old), len(now)) == (4, 6)


async def test_pushes(scene: Scene, asking: Asking, tmp_path: Path) -> None:
    """Each kind of merge is told as GitHub tells it, and the comparison has its files."""
    project = Project.of(scene, tmp_path / "shop")
    git = project.git
    first = git.commit(FIRST)
    (created,) = await project.tell()
    assert (created[1]["before"], created[1]["created"]) == ("0" * 40, True)
    for how, parents in (("merge", 2), ("squash", 1), ("rebase", 1)):
        before = git.tip()
        git.branch(how)
        git.commit({f"{how}/a.ts": "a"}, branch=how)
        git.commit({f"{how}/b.ts": "b", "src/b.py": how}, branch=how)
        number = project.open(how)
        await project.tell()
        git.commit({f"beside/{how}": "1"})
        project.merge(number, how)
        push, closed = await project.tell()
        pull = closed[1]["pull_request"]
        assert (pull["merged"], pull["merge_commit_sha"]) == (True, git.tip())
        assert pull["changed_files"] == 3
        body = push[1]
        assert (body["before"], body["after"], body["forced"]) == (before, git.tip(), False)
        said = git_says(git, "rev-list", "--reverse", f"{before}..main").decode().split()
        assert sorted(one["id"] for one in body["commits"]) == sorted(said)
        assert len(git.commits("-1", "main")[0].parents) == parents
        compared = await asking.like("/compare/{basehead}", f"/compare/{before}...main")
        paths = {one["filename"] for one in compared["files"]}
        lists = ("added", "removed", "modified")
        assert paths == {path for one in body["commits"] for kind in lists for path in one[kind]}
        assert paths == {f"{how}/a.ts", f"{how}/b.ts", "src/b.py", f"beside/{how}"}
    await asking.like("/commits/{ref}", "/commits/main")
    taken_back = git.revert(git.tip())
    assert git.tree_of(taken_back) == git.tree_of(f"{taken_back}~2")
    git.set_branch("main", first)
    (forced,) = await project.tell()
    assert (forced[1]["forced"], forced[1]["commits"]) == (True, [])


async def test_what_there_is(scene: Scene, asking: Asking, tmp_path: Path) -> None:
    """Trees, blobs and files are git's; what only a fork has can be read here, too."""
    project = Project.of(scene, tmp_path / "shop")
    git = project.git
    assert (await asking.get("/git/trees/main?recursive=1"))[0] == 409
    commit = git.commit(FIRST)
    tree = await asking.like("/git/trees/{tree_sha}", f"/git/trees/{commit}?recursive=1")
    listed = git_says(git, "ls-tree", "-r", "-t", commit).decode().splitlines()
    assert listed == [
        f"{one['mode']} {one['type']} {one['sha']}\t{one['path']}" for one in tree["tree"]
    ]
    scene.github.tree_limit = 3
    tree = await asking.like("/git/trees/{tree_sha}", f"/git/trees/{commit}?recursive=1")
    assert (tree["truncated"], len(tree["tree"])) == (True, 3)

    fork = project.fork("octo/shop")
    sha = fork.text("rev-parse", f"{fork.commit({'theirs.ts': 'é' * 100})}:theirs.ts")
    blob = await asking.like("/git/blobs/{file_sha}", f"/git/blobs/{sha}")
    assert base64.b64decode(blob["content"]).decode() == "é" * 100
    assert {len(line) for line in blob["content"].splitlines()[:-1]} == {60}
    assert (await asking.get(f"/git/blobs/{sha}", raw=True))[1] == ("é" * 100).encode()
    assert (await asking.get(f"/git/blobs/{'a' * 40}"))[0] == 404

    file = await asking.like("/contents/{path}", "/contents/src%2Fa.ts?ref=main")
    assert base64.b64decode(file["content"]).decode() == LINES
    assert (await asking.get("/contents/src"))[1][1]["path"] == "src/b.py"
    big = (await asking.get("/contents/big.json"))[1]
    assert (big["encoding"], big["content"], big["size"]) == ("none", "", 1_800_000)
    assert len((await asking.get("/contents/big.json", raw=True))[1]) == 1_800_000
    assert (await asking.get("/contents/nothing"))[0] == 404
    git.branch("feature/x")
    branch = await asking.like("/branches/{branch}", "/branches/feature%2Fx")
    assert branch["commit"]["sha"] == commit


async def test_archives(scene: Scene, asking: Asking, tmp_path: Path) -> None:
    """An archive comes from another origin, whole or broken, and no credential belongs there."""
    project = Project.of(scene, tmp_path / "shop")
    commit, codeload = project.git.commit(FIRST), scene.github.codeload

    async def ask() -> Any:
        status, _, answer = await asking.get(f"/tarball/{commit}")
        assert status == 302
        return asking.session.get(answer.headers["Location"], allow_redirects=False)

    async with await ask() as answer:
        assert (answer.content_type, answer.content_length) == ("application/x-gzip", None)
        content = await answer.read()
    assert (answer.host, codeload.origin) == ("127.0.0.1", answer.url.authority)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert archive.pax_headers == {"comment": commit}
        names = {one.name.partition("/")[2] for one in archive if one.isfile()}
        top = archive.getnames()[0]
    assert names == {"src/a.ts", "src/b.py", "gone.rb", "logo.png", "big.json", ".gitattributes"}
    assert top == f"acme-shop-{commit[:7]}"

    codeload.fail("break", at=500)
    with pytest.raises(aiohttp.ClientPayloadError):
        async with await ask() as answer:
            await answer.read()
    codeload.fail("status", status=503)
    async with await ask() as answer:
        assert answer.status == 503
    for kind in ("endless", "bomb"):
        codeload.fail(kind)
        async with await ask() as answer:
            assert len(await answer.content.readexactly(200_000)) == 200_000
    async with await ask() as answer:
        assert await answer.read() == content
    assert [one.whole for one in codeload.asked] == [True, False, False, False, False, True]
    address = codeload.url + f"/{REPOSITORY}/legacy.tar.gz/{commit}?token=x"
    assert (await asking.session.get(address, headers={"Authorization": "x"})).status == 404
    assert len(scene.github.violations) == 1
    scene.github.violations.clear()
