"""Takes in pushed commits, without anybody's e-mail address, and links them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bot.domain import links
from bot.domain.emails import name_without_email, without_emails
from bot.storage import facts
from bot.storage.database import Transaction


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
    values["actor"] = name_without_email(pushed.actor)
    row = facts.add_commit(transaction, values)
    if row is None:
        row = facts.find_commit(transaction, pushed.repository_id, pushed.sha)
        assert row is not None
    facts.add_to_branch(transaction, pushed.repository_id, pushed.ref, row["id"], pushed.pushed_at)
    links.link_commit(transaction, row, keys, pushed.ref, pushed.pushed_at)
