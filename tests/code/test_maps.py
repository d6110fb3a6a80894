"""The map of a default branch: read whole from an archive, then kept by pushes."""

from pathlib import Path

from tests.code.reading import reading
from tests.kit.outbound import Scene


async def test_a_default_branch_is_read_whole(scene: Scene, tmp_path: Path) -> None:
    """From the first delivery on: one list of files, one archive, each line where it stands."""
    read = await reading(scene, tmp_path, "checkout", "search")
    read.project.git.commit(
        {
            "src/a.ts": 'one();\nuse("checkout");\n',
            "src/é ü.py": "# \"search\"\nx = 'search'\n",
            "config.yml": "checkout: 1\n",
            "vendor/b.js": 'use("checkout")',
            "near.ts": 'use("checkout-2"); checkout()',
        }
    )
    await read.tell()
    assert await read.lines() == [
        "config.yml:1 checkout",
        "src/a.ts:2 checkout",
        "src/é ü.py:2 search",
    ]
