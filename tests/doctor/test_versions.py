"""Whether GitHub speaks the version of its API that the bot speaks, and until when."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.doctor.scene import Scene
from tests.kit.marks import sqlite_only

UPDATE = "Update Experiment Bot"


def soon() -> str:
    """Return a version by which ours goes in a hundred days."""
    ends = datetime.now(UTC).date() + timedelta(days=100)
    return ends.replace(year=ends.year - 2, day=min(ends.day, 28)).isoformat()


@sqlite_only
@pytest.mark.parametrize(
    ("versions", "status", "said"),
    [
        (["2022-11-28", "2099-03-10"], "ok", "at least until 2101-03-10."),
        (["2026-03-10", "2022-11-28", "beta"], None, "at least until 2028-03-10"),
        (["2022-11-28", "9999-12-31"], "ok", "at least until 9999-12-31."),
        (["2022-11-28"], "ok", "and no later one"),
        (None, "ok", "one version of its API only"),
        (["2022-11-28", soon(), "2099-01-01"], "warning", "may be refused"),
        (["2026-03-10", "2029-01-01"], "problem", "it serves 2026-03-10, 2029-01-01"),
    ],
)
async def test_versions(
    scene: Scene, versions: list[str] | None, status: str | None, said: str
) -> None:
    """GitHub is asked once; whatever the year is in which this runs."""
    await scene.with_token()
    scene.github.versions = versions
    (found,) = [one for one in await scene.check() if one["check"] == "api_version"]
    assert said in found["message"] and status in (None, found["status"])
    assert found["status"] == "ok" or found["remedy"].startswith(UPDATE)
    assert len(scene.github.calls("GET /versions")) == 1
