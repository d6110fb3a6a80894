"""Takes in pushed commits, without anybody's e-mail address, and links them."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bot.domain import links
from bot.storage import facts
from bot.storage.database import Transaction

# An address in a message is mostly that of a trailer such as Signed-off-by or Co-authored-by.
# Words are looked at one by one: a single pattern over a whole message can be made to take ages.
_BETWEEN_WORDS = re.compile(r"([\s<>()\[\],;\"']+)")
_DOMAIN = re.compile(r"(?:[^\s.@]+\.)+[^\W\d_]{2,}\.?:?")


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
    values["message"] = without_emails(pushed.message)
    values["author"] = name_without_email(pushed.author)
    row = facts.add_commit(transaction, values)
    if row is None:
        row = facts.find_commit(transaction, pushed.repository_id, pushed.sha)
        assert row is not None
    facts.add_to_branch(transaction, pushed.repository_id, pushed.ref, row["id"], pushed.pushed_at)
    links.link_commit(transaction, row, keys, pushed.ref, pushed.pushed_at)


def name_without_email(name: str | None) -> str | None:
    """Return a person's name; some have set their git name to their address."""
    return (without_emails(name).strip() or None) if name else None


def without_emails(text: str) -> str:
    """Return a text without e-mail addresses; `react@18.2.0` and `@mona` are none."""
    if "@" not in text:
        return text
    words = _BETWEEN_WORDS.split(text)
    kept = "".join("" if _is_email(word) else word for word in words)
    return kept.replace(" <>", "").replace("<>", "")


def _is_email(word: str) -> bool:
    local, at, domain = word.rpartition("@")
    return bool(at and local) and _DOMAIN.fullmatch(domain) is not None
