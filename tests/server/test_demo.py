"""`python app.py demo` as a newcomer meets it: a process of its own, looked at over HTTP."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.demo import lines, telling, week
from tests.kit.marks import slow
from tests.kit.ports import free_port

pytestmark = slow
ROOT = Path(__file__).parents[2]
LAST_LINE = "Ctrl-C ends the service"
EXPERIMENTS = {line.key: line for line in week.PLATFORM if isinstance(line, lines.Create)}


@dataclass
class Demo:
    """A demo that has played its week and stays up."""

    process: "subprocess.Popen[str]"
    url: str
    output: str
    folder: Path  # where it makes its temporary files
    log: Path

    def get(self, path: str) -> Any:
        found = re.search(r"Bearer ([^']+)'", self.output)
        assert found, self.output
        request = urllib.request.Request(self.url + path)
        request.add_header("Authorization", f"Bearer {found[1]}")
        with urllib.request.urlopen(request, timeout=5) as response:
            return json.load(response)

    def items(self, path: str) -> list[dict[str, Any]]:
        """Return a list that fits on one page."""
        page = self.get(f"{path}?limit=200")
        assert page["next_cursor"] is None
        items: list[dict[str, Any]] = page["items"]
        return items

    def feed(self, key: str) -> list[dict[str, Any]]:
        return self.items(f"/api/v1/experiments/{key}/activity")


def start(folder: Path, **environment: str) -> Demo:
    """Start a demo on a free port and wait until it has said everything."""
    port = free_port()
    temporary, log = folder / "tmp", folder / "log"
    temporary.mkdir()
    given = {"PATH": os.environ["PATH"], "PORT": str(port), "TMPDIR": str(temporary)}
    given |= {"DATA_DIR": str(folder / "data"), **environment}
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "app.py", "demo"],
            cwd=ROOT,
            env=given,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout is not None
    watchdog = threading.Timer(25, process.kill)
    watchdog.start()
    output = ""
    for line in process.stdout:
        output += line
        if line.startswith(LAST_LINE):
            break
    watchdog.cancel()
    if LAST_LINE not in output:
        process.kill()
        process.wait()
        pytest.fail(f"the demo did not get to its end\n{output}\n{log.read_text()}")
    return Demo(process, f"http://127.0.0.1:{port}", output, temporary, log)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = start(tmp_path_factory.mktemp("demo"))
    yield running
    running.process.kill()
    running.process.wait()


def test_the_summary_counts_the_deliveries(demo: Demo) -> None:
    found = re.search(
        r"(\d+) deliveries: (\d+) processed, (\d+) sent twice and applied once, "
        r"(\d+) of no interest, (\d+) refused",
        demo.output,
    )
    assert found
    total, processed, duplicates, ignored, refused = map(int, found.groups())
    assert 150 <= total <= 250
    assert total == processed + duplicates + ignored + refused
    assert duplicates >= 5
    assert ignored >= 1
    assert refused == 1


def test_the_summary_shows_every_experiment_and_the_typo(demo: Demo) -> None:
    for one in demo.items("/api/v1/experiments"):
        row = next(line for line in demo.output.splitlines() if line.startswith(one["key"]))
        counts = one["counts"]
        numbers = [counts["pull_requests"], counts["commits"], counts["issues"]]
        assert row.split() == [one["key"], one["status"], *map(str, numbers)]
    assert "No experiment is called chekout-flow-v2: 3 links wait for it." in demo.output
    assert f"{demo.url}/api/v1/docs" in demo.output


def test_every_delivery_is_stored_once_and_none_failed(demo: Demo) -> None:
    (integration,) = demo.items("/api/v1/integrations")
    assert integration["last_error"] is None
    assert integration["installations"][0]["repositories"] == 4
    deliveries = demo.items(f"/api/v1/integrations/{integration['id']}/deliveries")
    sent = [
        one for one in telling.everything(datetime.now(UTC)) if isinstance(one, telling.Delivery)
    ]
    assert {one["id"] for one in deliveries} == {one.guid for one in sent if not one.is_forged}
    assert {one["status"] for one in deliveries} == {"processed", "ignored"}
    assert {one["event"] for one in deliveries if one["status"] == "ignored"} == {"star"}


def test_every_experiment_has_links(demo: Demo) -> None:
    experiments = demo.items("/api/v1/experiments")
    assert {one["key"] for one in experiments} == set(EXPERIMENTS)
    assert len(experiments) >= 6
    for one in experiments:
        assert one["name"] == EXPERIMENTS[one["key"]].name
        assert one["owner"]
        assert one["hypothesis"]
        path = f"/api/v1/experiments/{one['key']}"
        for kind, count in one["counts"].items():
            assert len(demo.items(f"{path}/{kind.replace('_', '-')}")) == count
        assert one["counts"]["pull_requests"] >= 1
        assert one["counts"]["commits"] >= 1
    statuses = {one["key"]: one["status"] for one in experiments}
    assert statuses == {
        **{key: line.status for key, line in EXPERIMENTS.items()},
        **{line.key: line.status for line in week.PLATFORM if isinstance(line, lines.Status)},
    }


def test_the_renamed_repository_keeps_its_links(demo: Demo) -> None:
    path = "/api/v1/experiments/recs-two-tower"
    linked = [
        *demo.items(f"{path}/pull-requests"),
        *demo.items(f"{path}/issues"),
        *demo.items(f"{path}/commits"),
    ]
    assert {one["repository"] for one in linked} == {"acme/recommendations"}
    assert demo.get("/api/v1/pull-requests/acme/recommendations/81")["state"] == "merged"


def test_what_arrived_late_overwrote_nothing(demo: Demo) -> None:
    titles = {
        ("acme/mobile-app", 207): "Dark mode by default, after sunset",
        ("acme/recommendations", 81): "Two tower model behind a flag",
    }
    for (repository, number), title in titles.items():
        assert demo.get(f"/api/v1/pull-requests/{repository}/{number}")["title"] == title


def test_links_follow_edits_and_transfers(demo: Demo) -> None:
    banner = demo.feed("free-shipping-banner")
    told = {one["type"] for one in banner if "#412" in one["summary"]}
    assert told == {"pull_request.linked", "pull_request.unlinked"}
    pulls = demo.items("/api/v1/experiments/free-shipping-banner/pull-requests")
    assert 412 not in {one["number"] for one in pulls}
    issues = demo.items("/api/v1/experiments/search-typo-tolerance/issues")
    assert ("acme/storefront", 428) in {(one["repository"], one["number"]) for one in issues}
    assert 139 not in {one["number"] for one in issues}


def test_only_the_typo_is_unresolved(demo: Demo) -> None:
    waiting = demo.items("/api/v1/links/unresolved")
    assert {one["experiment_key"] for one in waiting} == {"chekout-flow-v2"}
    assert {one["number"] for one in waiting if one["kind"] == "pull_request"} == {424}


def test_every_feed_is_in_order_and_says_nothing_twice(demo: Demo) -> None:
    seen: set[str] = set()
    newest = []
    for key in EXPERIMENTS:
        feed = demo.feed(key)
        moments = [moment(one["occurred_at"]) for one in feed]
        assert moments == sorted(moments, reverse=True)
        told = [(one["type"], one["occurred_at"], one["summary"]) for one in feed]
        assert len(told) == len(set(told))
        seen |= {one["type"] for one in feed}
        newest.append(moments[0])
    now = datetime.now(UTC)
    assert timedelta() < now - max(newest) < timedelta(hours=1)
    assert seen >= {
        "experiment.created",
        "experiment.status_changed",
        "pull_request.opened",
        "pull_request.linked",
        "pull_request.unlinked",
        "pull_request.updated",
        "pull_request.ready_for_review",
        "pull_request.merged",
        "pull_request.closed",
        "commit.pushed",
        "issue.linked",
        "issue.labeled",
        "issue.closed",
        "issue.reopened",
    }


def test_the_times_are_those_of_the_week_that_ends_now(demo: Demo) -> None:
    now = datetime.now(UTC)
    created = [moment(one["created_at"]) for one in demo.items("/api/v1/experiments")]
    assert timedelta(days=6) < now - min(created) < timedelta(days=7)
    for key in EXPERIMENTS:
        for one in demo.feed(key):
            assert moment(one["occurred_at"]) <= moment(one["recorded_at"]) < now


def test_ctrl_c_and_sigterm_end_it_and_leave_nothing(tmp_path: Path) -> None:
    for name, number in (("int", signal.SIGINT), ("term", signal.SIGTERM)):
        (tmp_path / name).mkdir()
        running = start(tmp_path / name, ADMIN_TOKEN="the-admin-token-of-this-demo")
        assert "Bearer the-admin-token-of-this-demo'" in running.output
        assert [one.name[:20] for one in running.folder.iterdir()] == ["experiment-bot-demo-"]
        running.process.send_signal(number)
        assert running.process.wait(timeout=10) == 0, running.log.read_text()
        assert list(running.folder.iterdir()) == []
        assert not (tmp_path / name / "data").exists()


def test_a_taken_port_is_said_in_one_line(demo: Demo, tmp_path: Path) -> None:
    port = demo.url.rpartition(":")[2]
    tried = subprocess.run(
        [sys.executable, "app.py", "demo"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PORT": port, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert tried.returncode == 1
    assert tried.stderr == f"Error: 127.0.0.1:{port}: Address already in use\n"
    assert list(tmp_path.iterdir()) == []


def test_an_error_during_the_play_is_said_and_ends_it(tmp_path: Path) -> None:
    port = free_port()
    code = """
from bot.cli import main
from bot.demo import play

play.payloads.encode = lambda payload: b"no JSON"
main(["demo"])
"""
    tried = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PORT": str(port), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert tried.returncode == 1
    assert "Error: the week was cut short: ping was answered 400: " in tried.stderr
    assert list(tmp_path.iterdir()) == []


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
