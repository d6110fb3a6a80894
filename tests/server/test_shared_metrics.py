"""Processes on one port count together as long as there is room, and go on counting without."""

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bot import shared_metrics
from bot.shared_metrics import Folder, Reserved
from tests.kit.deliveries import PROCESSED, pull_request
from tests.kit.marks import leave, slow
from tests.kit.processes import running
from tests.server.test_output import MANY

KEYS = [f'["a metric", "{number}", {{}}, "{"x" * 200}"]' for number in range(1000)]


def full(_: Path, __: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A temporary folder, and one of the data."""
    made = tmp_path / "tmp", tmp_path / "data"
    for place in made:
        place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(made[0]))
    return made


def counted(values: Reserved) -> dict[str, float]:
    return {key: value for key, value, _ in values.read_all_values()}  # type: ignore[no-untyped-call]


def count(values: Reserved, keys: list[str]) -> None:
    for number, key in enumerate(keys):
        values.write_value(key, float(number), 0.0)  # type: ignore[no-untyped-call]


def test_room_is_taken_before_it_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "counter_1.db"
    values = Reserved(str(path))
    assert path.stat().st_blocks * 512 >= 1 << 16
    count(values, KEYS)
    assert counted(values) == {key: float(number) for number, key in enumerate(KEYS)}
    told = Reserved.read_all_values_from_file(path)  # type: ignore[no-untyped-call]
    assert {key: value for key, value, *_ in told} == counted(values)


def test_without_room_a_process_counts_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_metrics, "_reserve", full)
    values = Reserved(str(tmp_path / "counter_1.db"))
    count(values, KEYS)
    assert counted(values) == {key: float(number) for number, key in enumerate(KEYS)}
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_loses_nothing_that_was_counted(tmp_path: Path) -> None:
    path = tmp_path / "counter_1.db"
    values = Reserved(str(path))
    count(values, KEYS[:10])
    values._f.close()
    values._f = Path("/dev/full").open("ab")  # noqa: SIM115
    count(values, KEYS)
    assert counted(values) == {key: float(number) for number, key in enumerate(KEYS)}
    told = Reserved.read_all_values_from_file(path)  # type: ignore[no-untyped-call]
    assert {key for key, *_ in told} >= set(KEYS[:10])


def test_where_the_temporary_folder_is_full_they_are_beside_the_data(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = shared_metrics._reserve

    def reserve(path: Path, size: int) -> None:
        if path.is_relative_to(places[0]):
            full(path, size)
        usual(path, size)

    monkeypatch.setattr(shared_metrics, "_reserve", reserve)
    folder = Folder(2, places[1])
    assert folder.path is not None and Path(folder.path).parent == places[1]
    folder.remove()
    assert not any(list(place.iterdir()) for place in places)
    monkeypatch.setattr(shared_metrics, "_reserve", full)
    assert Folder(2, places[1]).environment() == {}


def test_what_a_killed_supervisor_has_left_goes(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_metrics, "_NEW_SECONDS", 0.0)
    killed, in_use = Folder(2, places[1]), Folder(2, places[1])
    killed._lock.close()  # as the kernel does
    another = Folder(2, places[1])
    left = {str(path) for path in places[0].iterdir()}
    assert left == {in_use.path, another.path}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A small file system of a test's own."""
    place = tmp_path / "small"
    place.mkdir()
    mount = shutil.which("mount")
    made = [mount or "false", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(made, capture_output=True, check=False).returncode:
        leave("only who may mount file systems can fill one")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@slow
async def test_a_temporary_folder_that_fills_up_ends_no_process(
    tmp_path: Path, small: Path
) -> None:
    options = ("--processes", "2")
    async with running(tmp_path / "data", 1, *options, TMPDIR=str(small)) as (bot,):
        with suppress(OSError), (small / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
        integration = await bot.integration()
        for number in range(1, MANY):
            answer = await bot.deliver(
                integration,
                "pull_request",
                pull_request(number),
                headers={"Connection": "close"},
            )
            assert answer.body == PROCESSED
        assert "process died" not in bot.log.read_text()
        assert await bot.end() == 0
