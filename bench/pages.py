"""How long the pages of the dashboard take on a database that `bench/fill.py` has made.

Starts the service, signs in, asks for each page several times and prints the median. Ends with an
error if one takes more than 50 ms.

    .venv/bin/python bench/pages.py sqlite:///filled/bot.db
"""

import http.client
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

import click

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.rows import BIG, INTEGRATION, MONOREPO, REPOSITORY, SMALL  # noqa: E402
from bench.service import TOKEN, free_port, start, stop  # noqa: E402

MILLISECONDS = 50.0
LAST = "200"  # page of the experiments
PAGES = [
    "/experiments",
    *(
        f"/experiments?{urlencode({'sort': sort})}"
        for sort in ("created", "open", "last_merged", "name")
    ),
    *(
        f"/experiments?{urlencode({'sort': sort, 'page': LAST})}"
        for sort in ("activity", "created", "open", "last_merged", "name")
    ),
    *(
        f"/experiments?{urlencode(query)}"
        for query in (
            {"status": "active"},
            {"status": "active", "sort": "name", "page": "50"},
            {"status": "archived"},  # few, and the oldest
            {"owner": "team-7"},
            {"q": "number"},
            {"q": "number", "sort": "name", "page": LAST},
            {"q": "number 12"},
            {"q": "no such thing"},
            {"status": "archived", "owner": "team-7", "q": "number 7"},
            {"tag": "lone"},
            {"repository": MONOREPO, "has_open": "true", "sort": "last_merged"},
        )
    ),
    "/shipped",
    *(
        f"/shipped?{urlencode(query)}"
        for query in ({"owner": "team-35"}, {"experiment": SMALL}, {"repository": REPOSITORY})
    ),
    f"/experiments/{BIG}",
    f"/experiments/{SMALL}",
    f"/experiments/{BIG}/edit",
    f"/experiments/{BIG}/pull-requests?state=merged",
    f"/experiments/{BIG}/issues",
    f"/experiments/{BIG}/commits",
    "/repositories",
    f"/repositories/{REPOSITORY}",
    "/unresolved",
    "/integrations",
    f"/integrations/{INTEGRATION}",
    f"/integrations/{INTEGRATION}/deliveries",
    "/outbox",
    "/tokens",
]


class Visitor:
    """Somebody who is signed in, over one connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._cookie = ""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self._ask("POST", "/sign-in", headers, urlencode({"token": TOKEN}))
        self._cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
        if not self._cookie:
            raise SystemExit(f"not let in: {answer.status}")

    def take(self, path: str) -> tuple[float, int, str]:
        """Return how long a page took in ms, its status and its text."""
        started = time.perf_counter()
        answer = self._ask("GET", path, {})
        passed = (time.perf_counter() - started) * 1000
        return passed, answer.status, self._text

    def _ask(
        self, method: str, path: str, headers: dict[str, str], body: str | None = None
    ) -> http.client.HTTPResponse:
        self._connection.request(method, path, body, {**headers, "Cookie": self._cookie})
        answer = self._connection.getresponse()
        self._text = answer.read().decode()
        return answer


@click.command()
@click.argument("url")
@click.option("--repeat", default=7, show_default=True, help="Requests for each page.")
@click.option("--only", default="", help="Only pages whose address begins so.")
def main(url: str, repeat: int, only: str) -> None:
    """Measure the pages on the database at URL, which bench/fill.py has made."""
    slow = broken = 0
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        process = start(port, folder, url)
        try:
            visitor = Visitor(port)
            print(f"{'takes':>9} {'size':>8} {'rows':>6}   milliseconds, KB")
            for path in PAGES:
                if not path.startswith(only):
                    continue
                times = []
                for _ in range(repeat):
                    passed, status, text = visitor.take(path)
                    times.append(passed)
                median = statistics.median(times)
                rows = len(re.findall(r"<tr>\s*<th scope=\"row\"", text))
                is_slow = median > MILLISECONDS
                slow += is_slow
                broken += status != 200
                note = f"  ({status})" if status != 200 else ""
                mark = "!" if is_slow else " "
                print(f"{median:9.1f} {len(text) / 1000:8.0f} {rows:6} {mark} {path}{note}")
        finally:
            stop(process)
    if slow or broken:
        raise SystemExit(
            f"{slow} pages take more than {MILLISECONDS:.0f} ms, {broken} are not there"
        )


if __name__ == "__main__":
    main()
