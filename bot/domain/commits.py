"""Takes in pushed commits, without anybody's e-mail address, and links them."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bot.domain import links
from bot.storage import facts
from bot.storage.database import Transaction

# An address in a message is mostly that of a trailer such as Signed-off-by or Co-authored-by.
_EMAIL = re.compile(r"\s*<[^<>\s]*@[^<>\s]*>|[^\s<>(),;:\"']+@[^\s<>(),;:\"']+\.[^\s<>(),;:\"']+")


@dataclass(frozen=True, slots=True)
class Pushed:
    """A commit as a push brought it. `ref` is the branch's name, times are microseconds."""

    repository_id: int
    ref: str
    sha: str
    message: str
    author: str | None
    actor: str | None
    html_url: str
    committed_at: int
    pushed_at: int
    integration_id: str
    guid: str


def observe(transaction: Transaction, pushed: Pushed, keys: Sequence[str]) -> None:
    """Keep a commit and link it to `keys` and to what its branch belongs to.

    A commit that is known already, from this delivery or another branch, is kept once.
    """
    values = asdict(pushed)
    values["message"] = _EMAIL.sub("", pushed.message)
    values["author"] = name_without_email(pushed.author)
    row = facts.add_commit(transaction, values)
    if row is None:
        row = facts.find_commit(transaction, pushed.repository_id, pushed.sha)
        assert row is not None
    links.link_commit(transaction, row, keys, pushed.ref, pushed.pushed_at)


def name_without_email(name: str | None) -> str | None:
    """Return a person's name; some have set their git name to their address."""
    return (_EMAIL.sub("", name).strip() or None) if name else None
