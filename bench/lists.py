"""How long each list of the API takes for its first and its thousandth page.

Starts the service on a database that `bench/fill.py` has made, asks over HTTP for pages of 50,
and prints the median of several answers. Lists with fewer pages give their last one. Ends with
an error if one takes more than 50 ms.

    .venv/bin/python bench/lists.py sqlite:///filled/bot.db
"""

import asyncio
import http.client
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.rows import (  # noqa: E402
    BIG,
    INTEGRATION,
    LONE,
    LONE_REPOSITORY,
    MONOREPO,
    QUIET_INTEGRATION,
    REPOSITORIES,
    REPOSITORY,
    SMALL,
)
from bench.service import TOKEN, free_port, start, stop  # noqa: E402
from bot import storage as store  # noqa: E402
from bot import times  # noqa: E402
from bot.web.cursors import cursor_of  # noqa: E402

LIMIT = 50
PAGE = 1_000
MILLISECONDS = 50.0
DAY = 86_400 * times.SECOND


@dataclass(frozen=True)
class List:
    """A list of the API: its address, and where its rows are, by which its pages go."""

    path: str
    query: dict[str, Any]
    table: str
    place: tuple[str, ...]
    where: str

    @property
    def name(self) -> str:
        return f"{self.path}?{urlencode(self.query, doseq=True)}" if self.query else self.path

    @property
    def route(self) -> str:
        """The path of the operation, by which its cursors are known."""
        parts = self.path.split("/")
        if len(parts) == 4:
            parts[2] = {"experiments": "{key}", "integrations": "{integration_id}"}[parts[1]]
        order = self.query.get("sort", "created")
        return "/api/v1" + "/".join(parts) + ("" if order == "created" else f" {order}")

    def cursor(self, tx: store.Transaction) -> tuple[int, str | None]:
        """Return the number of the thousandth or the last page, and the cursor that leads to it."""
        row = tx.one(f"SELECT COUNT(*) AS count FROM {self.table} WHERE {self.where}")
        assert row is not None
        page = max(1, min(PAGE, -(-row["count"] // LIMIT)))
        if page == 1:
            return 1, None
        row = tx.one(
            f"""SELECT {", ".join(self.place)} FROM {self.table} WHERE {self.where}
                ORDER BY {", ".join(f"{column} DESC" for column in self.place)}
                LIMIT 1 OFFSET {LIMIT * (page - 1) - 1}"""
        )
        assert row is not None
        return page, cursor_of([*(row.values() if isinstance(row, dict) else row)], self.route)


def experiments() -> Iterator[List]:
    """Yield the list of experiments in each order, with filters of much, of little, of nothing."""
    in_monorepo = f"""key IN (SELECT experiment_key FROM links JOIN repositories
        ON repositories.id = links.repository_id WHERE full_name = '{MONOREPO}')"""
    filters: list[tuple[dict[str, Any], str]] = [
        ({}, "TRUE"),
        ({"status": "active"}, "status = 'active'"),
        ({"status": ["paused", "completed"]}, "status IN ('paused', 'completed')"),
        ({"status": "archived"}, "status = 'archived'"),  # few, and the oldest
        ({"q": "number"}, "TRUE"),
        ({"q": "number 12"}, "name LIKE '%12%'"),
        ({"q": "no such thing"}, "FALSE"),
        ({"owner": "team-7"}, "owner = 'team-7'"),
        ({"owner": "nobody"}, "FALSE"),
        ({"tag": "checkout"}, "tags LIKE '%checkout%'"),
        ({"tag": "lone"}, "tags LIKE '%lone%'"),
        ({"repository": MONOREPO}, in_monorepo),
        ({"repository": REPOSITORY}, f"key = '{BIG}'"),
        ({"repository": LONE_REPOSITORY}, f"key = '{LONE}'"),
        ({"repository": MONOREPO, "tag": "lone"}, "FALSE"),
        ({"has_open": "true"}, "open_count > 0"),
        ({"has_open": "false"}, "open_count = 0"),
        ({"status": "active", "has_open": "true", "q": "team-7", "tag": "checkout"}, "FALSE"),
    ]
    for sort, place in store.experiments.SORTS.items():
        for query, where in filters if sort != "name" else []:
            yield List("/experiments", {"sort": sort, **query}, "experiments", place, where)


_SHIPPED = """(SELECT DISTINCT state_at, target_id, experiment_key, owner, repository_id FROM links
    WHERE state = 'merged' AND resolved = 1) AS merged"""


def shipped() -> Iterator[List]:
    """Yield what shipped, with filters of much, of little, of nothing."""
    long_ago, recent = ((f"{times.render(times.now() - days * DAY)}") for days in (90, 10))
    far = f"state_at >= {times.parse(recent)}"
    in_, lone = (f"repository_id = {id}" for id in (1, REPOSITORIES))
    for query, where in (
        ({}, "TRUE"),
        ({"since": long_ago}, "TRUE"),
        ({"since": recent}, far),
        ({"until": long_ago}, "FALSE"),
        ({"owner": "team-35"}, "owner = 'team-35'"),  # BIG's
        ({"owner": "team-lone"}, "owner = 'team-lone'"),
        ({"owner": "nobody"}, "FALSE"),
        ({"experiment": BIG}, f"experiment_key = '{BIG}'"),
        ({"experiment": SMALL}, f"experiment_key = '{SMALL}'"),
        ({"repository": REPOSITORY}, in_),
        ({"repository": LONE_REPOSITORY}, lone),
        ({"owner": "team-35", "repository": REPOSITORY}, f"owner = 'team-35' AND {in_}"),
        ({"owner": "team-35", "repository": LONE_REPOSITORY}, "FALSE"),
        ({"experiment": BIG, "repository": REPOSITORY}, f"experiment_key = '{BIG}' AND {in_}"),
        ({"experiment": BIG, "repository": LONE_REPOSITORY}, "FALSE"),
        ({"experiment": BIG, "owner": "nobody"}, "FALSE"),
        ({"owner": "team-lone", "since": recent, "until": times.render(times.now())}, "FALSE"),
    ):
        yield List("/shipped", query, _SHIPPED, ("state_at", "target_id"), where)


def activity() -> Iterator[List]:
    """Yield the feed of all, with filters of much, of little, of nothing."""
    rare = "experiment.created"
    for query, where in (
        ({}, "TRUE"),
        ({"type": "commit.pushed"}, "type = 'commit.pushed'"),
        ({"type": "issue.labeled"}, "type = 'issue.labeled'"),
        ({"experiment": BIG}, f"experiment_key = '{BIG}'"),
        ({"experiment": BIG, "type": rare}, f"experiment_key = '{BIG}' AND type = '{rare}'"),
        ({"repository": REPOSITORY}, "repository_id = 1"),
        ({"repository": REPOSITORY, "type": rare}, f"repository_id = 1 AND type = '{rare}'"),
        ({"repository": LONE_REPOSITORY}, f"repository_id = {REPOSITORIES}"),
        ({"repository": LONE_REPOSITORY, "type": "issue.closed"}, "FALSE"),
        (
            {"experiment": BIG, "repository": REPOSITORY},
            f"experiment_key = '{BIG}' AND repository_id = 1",
        ),
        ({"experiment": BIG, "repository": LONE_REPOSITORY}, "FALSE"),  # one item
        (
            {"experiment": BIG, "repository": REPOSITORY, "type": rare},
            f"experiment_key = '{BIG}' AND repository_id = 1 AND type = '{rare}'",
        ),
    ):
        yield List("/activity", query, "activity", ("position", "seq"), where)


def lists() -> list[List]:
    """Return every list, plain and with each of its filters, of much and of little."""
    found = [*experiments(), *shipped(), *activity()]
    for key in (BIG, SMALL):
        path, of = f"/experiments/{key}", f"experiment_key = '{key}'"
        for kind, states in (
            ("pull_request", ("", "open", "merged", "closed")),
            ("issue", ("", "open", "closed")),
        ):
            for state in states:
                found.append(
                    List(
                        f"{path}/{kind.replace('_', '-')}s",
                        {"state": state} if state else {},
                        "links",
                        ("state_at" if state else "last_at", "id"),
                        f"{of} AND kind = '{kind}'" + (f" AND state = '{state}'" if state else ""),
                    )
                )
        commits = f"{of} AND kind = 'commit'"
        found.append(List(f"{path}/commits", {}, "links", ("last_at", "id"), commits))
        for type in ("", "commit.pushed", "issue.labeled", "command.refused"):
            found.append(
                List(
                    f"{path}/activity",
                    {"type": type} if type else {},
                    "activity",
                    ("position", "seq"),
                    of + (f" AND type = '{type}'" if type else ""),
                )
            )
    found.append(List("/links/unresolved", {}, "links", ("id",), "resolved = 0"))
    for integration, seq in ((INTEGRATION, 1), (QUIET_INTEGRATION, 2)):
        for query in (
            {},
            {"status": "processed"},
            {"status": "ignored"},
            {"status": "failed"},  # few, and the oldest
            {"status": "retrying"},  # none
            {"event": "push"},
            {"event": "repository"},  # few, and the oldest
            {"status": "processed", "event": "push"},
            {"status": "failed", "event": "push"},
            {"status": "ignored", "event": "push"},  # many of each, none of both
            {"status": "processed", "event": "repository"},
        ):
            where = [f"integration_seq = {seq}", *(f"{k} = '{v}'" for k, v in query.items())]
            found.append(
                List(
                    f"/integrations/{integration}/deliveries",
                    query,
                    "deliveries",
                    ("seq",),
                    " AND ".join(where),
                )
            )
    found.append(List("/integrations", {}, "integrations", ("seq",), "TRUE"))
    return found


async def cursors(url: str, all_lists: list[List]) -> list[tuple[int, str | None]]:
    database: store.Database = store.engine(url)
    await database.start()
    try:
        return [await database.read(one.cursor) for one in all_lists]
    finally:
        await database.close()


def measure(
    connection: http.client.HTTPConnection, one: List, cursor: str | None, repeat: int, *, of: Any
) -> tuple[float, int]:
    """Return the median time `of` a page in ms, or the shortest, and how many items it has."""
    query = {**one.query, "limit": str(LIMIT), **({"cursor": cursor} if cursor else {})}
    seconds, items = [], 0
    for _ in range(repeat):
        started = time.perf_counter()
        connection.request(
            "GET",
            f"/api/v1{one.path}?{urlencode(query, doseq=True)}",
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
        response = connection.getresponse()
        body: Any = response.read()
        seconds.append(time.perf_counter() - started)
        if response.status != 200:
            raise SystemExit(f"{one.name}: {response.status} {body[:300]!r}")
        items = len(json.loads(body)["items"])
    return of(seconds) * 1000, items


@click.command()
@click.argument("url")
@click.option("--repeat", default=7, show_default=True, help="Requests for each page.")
@click.option("--fastest", is_flag=True, help="Print the shortest time, where others are at work.")
@click.option("--only", default="", help="Only lists whose address begins so.")
def main(url: str, repeat: int, fastest: bool, only: str) -> None:
    """Measure the lists of the database at URL, which bench/fill.py has made."""
    all_lists = [one for one in lists() if one.name.startswith(only)]
    of = min if fastest else statistics.median
    places = asyncio.run(cursors(url, all_lists))
    slow = 0
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        process = start(port, folder, url)
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            print(f"{'first':>9} {'page':>6} {'takes':>9}   milliseconds, {LIMIT} items a page")
            for one, (page, cursor) in zip(all_lists, places, strict=True):
                first, items = measure(connection, one, None, repeat, of=of)
                last = measure(connection, one, cursor, repeat, of=of)[0] if cursor else first
                is_slow = max(first, last) > MILLISECONDS
                slow += is_slow
                later = f"{page:6} {last:9.1f}" if cursor else f"{'':6} {'':9}"
                note = "" if items == LIMIT else f"  ({items} items)"
                print(f"{first:9.1f} {later} {'!' if is_slow else ' '} {one.name}{note}")
        finally:
            stop(process)
    if slow:
        raise SystemExit(f"{slow} lists take more than {MILLISECONDS:.0f} ms")


if __name__ == "__main__":
    main()
