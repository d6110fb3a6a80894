"""Every list has its index: no query of the API reads or sorts a whole table, on either engine."""

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from bot import storage as store
from bot.storage.database import NO_PARAMS, Params
from tests.kit.marks import slow, sqlite_only
from tests.kit.running import Bot
from tests.storage.plans import ROWS, analyze, fill
from tests.storage.queries import LISTS, MERGING, OTHERS

pytestmark = slow

# Tables so small in any installation that reading them whole costs nothing.
LARGE = store.transfer.TABLES.keys() - {"integrations", "api_tokens"}
# Those that deliveries add rows to, one after the other.
OF_DELIVERIES = ("deliveries", "items", "versions", "links", "activity", "actions", "commits")
TO_SORT = r"behind S\w+ (activity|links) USING .*INDEX"
FEW = 500  # what belongs to one key may be sorted
LONG = 120.0  # seconds for what fills the tables, on a busy machine


class Explained:
    """Statements that are not run, unless they are `stepping`; their plans are kept."""

    def __init__(
        self, inner: store.transaction.Statements, engine: str, *, stepping: bool = False
    ) -> None:
        self._inner, self._engine, self._stepping = inner, engine, stepping
        self.plans: list[tuple[str, str]] = []

    def all(self, sql: str, params: Params = NO_PARAMS) -> Sequence[store.database.Row]:
        if self._engine == "sqlite":
            rows = self._inner.all(f"EXPLAIN QUERY PLAN {sql}", params)
            self.plans.append((sql, "\n".join(row["detail"] for row in rows)))
            return self._found(sql, params)
        row = self._inner.one(f"EXPLAIN (FORMAT JSON) {sql}", params)
        assert row is not None
        plan = row["QUERY PLAN"]
        self.plans.append((sql, json.dumps(plan)))
        return self._found(sql, params)

    def _found(self, sql: str, params: Params) -> Sequence[store.database.Row]:
        return self._inner.all(sql, params) if self._stepping else []

    def one(self, sql: str, params: Params = NO_PARAMS) -> store.database.Row | None:
        self.all(sql, params)
        return None

    def run(self, sql: str, params: Params = NO_PARAMS) -> int:
        self.all(sql, params)
        return 0

    def run_many(self, sql: str, rows: Sequence[Params]) -> None:
        for params in rows[:1]:
            self.all(sql, params)

    def keyed(self, queries: Sequence[store.transaction.Keyed]) -> list[Any]:
        return [self._keyed(*one) for one in queries]

    def _keyed(
        self, sql: str, columns: Mapping[str, str], keys: Sequence[tuple[Any, ...]]
    ) -> Sequence[store.database.Row]:
        names = [f"key{number}" for number in range(len(keys) * len(columns))]
        row, values = iter(f":{name}" for name in names), []
        for _ in keys:
            values.append(
                f"({', '.join(f'CAST({next(row)} AS {type_})' for type_ in columns.values())})"
            )
        table = f"WITH keys ({', '.join(columns)}) AS (VALUES {', '.join(values)})"
        params = dict(zip(names, itertools.chain.from_iterable(keys), strict=True))
        return self.all(f"{table} {sql.format(keys='keys')}", params)

    def settled(self, _: str) -> int:
        return ROWS

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def troubles(sql: str, plan: str, engine: str) -> Iterator[str]:
    """Yield what of a plan grows with the table."""
    if engine == "sqlite":
        for before, line in itertools.pairwise(["", *plan.splitlines()]):
            scan = re.match(r"SCAN (\w+)\b(?! USING (?:COVERING )?INDEX)", line)
            if scan and scan[1] in LARGE and not _is_walk(sql, scan[1]):
                yield line
            if line.startswith("USE TEMP B-TREE"):
                yield f"{line} behind {before}"
            if re.search(r"\b(commits|here|base) USING .*\(repository_id=\?\)", line):
                yield f"scan of all branches: {line}"
        return
    nodes = [json.loads(plan)[0]["Plan"]]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        kind = node["Node Type"]
        if kind == "Seq Scan" and node["Relation Name"] in LARGE:
            yield f"Seq Scan on {node['Relation Name']}"
        if "Sort" in kind and node["Plan Rows"] > FEW:
            yield f"{kind} of {node['Plan Rows']} rows by {node['Sort Key']}"


def _is_walk(sql: str, table: str) -> bool:
    """Tell whether a table is read in the order of its primary key until a LIMIT ends it."""
    return re.search(rf"FROM {table}\s+ORDER BY seq( DESC)? LIMIT", sql) is not None


@pytest.fixture
async def plans_of(bot: Bot, engine: str) -> Callable[..., Any]:
    """Tells the troubles of what a storage function asks, in a database with rows."""
    await bot.services.database.write(fill, heavy=True, seconds=LONG)
    await bot.services.database.write(analyze, seconds=LONG)

    async def ask(query: Callable[..., Any], *args: Any, **options: Any) -> list[str]:
        def job(tx: store.Transaction) -> list[str]:
            explained = Explained(tx.stored, engine, stepping=(query, args) in MERGING)
            statements: Any = explained
            query(store.Transaction(statements), *args, **options)
            assert explained.plans
            return [
                trouble for sql, plan in explained.plans for trouble in troubles(sql, plan, engine)
            ]

        found: list[str] = await bot.services.database.write(job, seconds=LONG)
        return found

    return ask


@sqlite_only
async def test_every_index_of_a_delivery_is_of_use(bot: Bot, engine: str) -> None:
    """Each is written with every row: one that no query goes by costs for nothing.

    SQLite says which it goes by; what PostgreSQL takes changes with what it has counted.
    """
    await bot.services.database.write(fill, heavy=True, seconds=LONG)
    await bot.services.database.write(analyze, seconds=LONG)

    def job(tx: store.Transaction) -> set[str]:
        explained = Explained(tx.stored, engine)
        statements: Any = explained
        for query, args in (*LISTS, *OTHERS):
            query(store.Transaction(statements), *args)
        stepping: Any = Explained(tx.stored, engine, stepping=True)
        for query, args in MERGING:
            query(store.Transaction(stepping), *args)
        explained.plans += stepping.plans
        used = {name for _, plan in explained.plans for name in re.findall(r"INDEX (\w+)", plan)}
        made = tx.all("SELECT * FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        return {row["name"] for row in made if row["tbl_name"] in OF_DELIVERIES} - used

    assert await bot.services.database.write(job, seconds=LONG) == set()


async def test_no_query_reads_or_sorts_a_whole_table(
    plans_of: Callable[..., Any], engine: str
) -> None:
    """A list neither reads nor sorts one, and nothing else reads one; of what is put together only
    the rows of a page are sorted, those of each part and of the page, and no part itself.
    """
    found = {}
    for query, args in (*LISTS, *OTHERS, *MERGING):
        troubles = await plans_of(query, *args)
        if (query, args) not in LISTS:
            # What one thing has (its links, its versions) is few, and may be sorted.
            reads = [one.partition(" behind ")[0] for one in troubles]
            sorts = troubles if (query, args) in MERGING and engine == "sqlite" else []
            troubles = [one for one in reads if "scan" in one.lower()]
            troubles += [one for one in sorts if "FOR DISTINCT" in one or re.search(TO_SORT, one)]
        if troubles:
            found[f"{query.__module__}.{query.__name__}{args}"] = troubles
    assert found == {}
