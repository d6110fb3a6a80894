"""The schema: how every database comes to it, and the lists that must name all of its tables."""

import hashlib
import json

from bot import storage as store
from tests.kit.running import Bot

# Databases have gone through these: what one says is never edited, another is added.
RELEASED = [
    "dbf30631c3ec7991",
    "067e08aefdee5f3d",
    "3a5f45e5ed9446f4",
    "4d2cad36b8e81cb6",
    "122a88f84ddaef3f",
    "2ecbebedd1dc970b",
    "50009076badf3777",
    "5cdf793825232ac6",
    "4ec60b0a68f61793",
    "ba87df6b42df770f",
    "3b562015aee14ed5",
    "931c423694bf96e5",
    "0a0387ff17d25c94",
    "f8e439b3be533091",
    "a208efdf4b0a7b61",
    "fedd3d5d6787e179",
    "54cfa6b76eafcc2a",
    "5440dc83cf4a2838",
    "d5f236db3fdde5e1",
    "ba6e6ab897664a9c",
    "ea8919e66c77d764",
    "1be809b3d0b70b32",
    "f59d0eb7df11a389",
    "602351c324555368",
    "e6859d14a0967bba",
    "f6b6911d63153f3e",
    "6fdaff6f6d815237",
    "b279c8c049e0ae90",
    "95e1c8e40b2115d9",
    "93e5c02f0ede75f6",
]


def digest(statements: object) -> str:
    return hashlib.sha256(json.dumps(statements).encode()).hexdigest()[:16]


def test_a_migration_stays_as_it_was_released() -> None:
    """Comments may change. Add a line for a new one; never change those that are there."""
    assert [digest(one) for one in store.schema.MIGRATIONS] == RELEASED


async def test_every_table_is_copied_and_known_as_a_type(bot: Bot) -> None:
    """What a move to another database forgot would be lost without a word."""
    sql = """SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"""
    if bot.services.settings.database_url.startswith("postgres"):
        sql = """SELECT table_name AS name FROM information_schema.tables
            WHERE table_schema = CURRENT_SCHEMA() AND table_name <> 'schema_version'"""
    found = {row["name"] for row in await bot.services.database.read(lambda tx: tx.all(sql))}
    assert found == {*store.transfer.TABLES}
    assert {*store.codec.TABLES.values()} <= found


async def test_branch_commits_are_found_by_time(bot: Bot) -> None:
    """The index of a database is the same whichever version made it."""
    sql = "SELECT sql AS text FROM sqlite_master WHERE name = 'branch_commits_by_time'"
    if bot.services.settings.database_url.startswith("postgres"):
        sql = "SELECT indexdef AS text FROM pg_indexes WHERE indexname = 'branch_commits_by_time'"
    (row,) = await bot.services.database.read(lambda tx: tx.all(sql))
    assert "ref ||" in row["text"]
