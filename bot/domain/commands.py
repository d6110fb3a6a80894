"""Commands in comments: taken in once, carried out once, answered once, and told of.

What a delivery says of a comment is a claim, which counts for nothing until GitHub has confirmed
it: it neither uses up what its author may write in a minute nor stands in the way of another claim
about the same comment. Only one of those is ever confirmed.

A comment's commands run one after the other. Each takes effect in the transaction that also
marks it finished, so it takes effect once however often the attempt is interrupted.
"""

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from bot import storage as store
from bot import times
from bot.domain import actions, activity
from bot.storage import Kind

ANSWER = actions.Kind("commands", title="Reply to commands", priority=0, prompt=True)
EXECUTED = activity.Type("command.executed", 9, "/", "Ran {line} in #{number}")
REFUSED = activity.Type("command.refused", 9, "/", "Refused {line} in #{number}")
MAX_COMMANDS = 10  # of one comment
MAX_A_MINUTE = 20  # commands of one person in one repository
_MINUTE = 60 * times.SECOND
_QUIET = 600 * times.SECOND  # for which somebody who wrote too many is ignored
_TOO_MANY_AT_ONCE = f"Only the first {MAX_COMMANDS} commands of a comment run."
_TOO_MANY = (
    f"More than {MAX_A_MINUTE} commands a minute: this one and what comes in the next "
    f"{_QUIET // _MINUTE} minutes is not carried out."
)


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on a pull request or issue. `created_at` in microseconds."""

    repository_id: int
    kind: Kind
    number: int
    comment_id: int
    html_url: str | None
    author: str
    integration_id: str
    created_at: int


def take_in(
    tx: store.Transaction,
    comment: Comment,
    invocations: Sequence[store.Invocation],
    refusal: str | None = None,
) -> None:
    """Take in what a delivery says of a comment that holds commands.

    Said again, it changes nothing. With `refusal` nothing of it runs and nobody is answered.
    """
    repository_id, author, now = comment.repository_id, comment.author, comment.created_at
    if store.commands.is_throttled(tx, repository_id, author, now - _QUIET):
        return
    claim = _claim(comment, invocations)
    values = {**asdict(comment), "claim": claim, "throttled": False, "silent": refusal is not None}
    row_id = store.commands.add_comment(tx, values)
    if row_id is None:
        return
    for invocation in invocations:
        values = {
            "id": str(uuid.uuid4()),
            "comment_row": row_id,
            "repository_id": repository_id,
            "author": author,
            "name": invocation.name,
            "invocation": invocation,
            "status": "pending",
            "created_at": now,
        }
        command = store.commands.add(tx, values)
        if refusal is not None:
            refuse(tx, command, refusal, allowed=False)
    if refusal is None:
        answer(tx, store.commands.comment(tx, row_id))


def _claim(comment: Comment, invocations: Sequence[store.Invocation]) -> int:
    """Return what stands for all that is said of a comment, and through whom."""
    said: list[Any] = [comment.comment_id, comment.kind, comment.number, comment.author]
    said += [comment.integration_id, *invocations]
    return int.from_bytes(hashlib.sha256(msgspec.json.encode(said)).digest()[:8]) >> 1


def passed_over(tx: store.Transaction, comment: store.CommandComment) -> bool:
    """Tell whether a comment is ignored: it ran already, or its author wrote too many commands."""
    repository_id, author, now = comment.repository_id, comment.author, comment.created_at
    is_over = store.commands.is_throttled(tx, repository_id, author, now - _QUIET)
    if not is_over and not store.commands.is_taken(tx, repository_id, comment.comment_id):
        return False
    store.commands.change_comment(tx, comment.id, silent=True)
    for row in store.commands.of_comment(tx, comment.id):
        store.commands.remove(tx, row.id)
    return True


def confirmed(tx: store.Transaction, comment: store.CommandComment, html_url: str | None) -> None:
    """GitHub says the same of a comment: its commands may run, as many as its author may write."""
    if passed_over(tx, comment):
        return
    repository_id, author, now = comment.repository_id, comment.author, comment.created_at
    rows = store.commands.of_comment(tx, comment.id)
    left = MAX_A_MINUTE - store.commands.written_since(tx, repository_id, author, now - _MINUTE)
    is_throttled = min(len(rows), MAX_COMMANDS) > left
    values = {"verified": True, "throttled": is_throttled, "html_url": html_url}
    store.commands.change_comment(tx, comment.id, **values)
    for position, row in enumerate(rows):
        if position > left:
            store.commands.remove(tx, row.id)
        elif position == left:
            refuse(tx, row, _TOO_MANY, allowed=False)
        elif position >= MAX_COMMANDS:
            refuse(tx, row, _TOO_MANY_AT_ONCE, allowed=False)


def executed(
    tx: store.Transaction,
    row: store.Command,
    permission: str,
    about: Sequence[str],
    *,
    reply: str | None,
    action_id: str | None,
) -> None:
    """A command has taken effect, or waits for the action that is its effect."""
    is_waiting = action_id is not None
    store.commands.change(
        tx,
        row.id,
        status="waiting" if is_waiting else "done",
        allowed=True,
        permission=permission,
        reply=reply,
        action_id=action_id,
        finished_at=None if is_waiting else times.now(),
    )
    if not is_waiting:
        _tell(tx, row, EXECUTED, about)


def refuse(
    tx: store.Transaction,
    row: store.Command,
    reason: str,
    *,
    allowed: bool | None,
    permission: str | None = None,
    status: str = "refused",
) -> None:
    """A command is not carried out, or has `failed`; `reason` says why, in Markdown."""
    store.commands.change(
        tx,
        row.id,
        status=status,
        allowed=allowed,
        permission=permission,
        reply=reason,
        result=reason,
        finished_at=times.now(),
    )
    _tell(tx, row, REFUSED, ())


def action_ended(
    tx: store.Transaction,
    asked: Mapping[str, Any],
    error: str | None,
    result: str,
    reply: str | None = None,
) -> None:
    """The action that a command waited for is done, or has failed with `error`.

    `reply` is what whoever gave it has to know of what was done. `asked` is the action's request;
    one that no command ordered is passed over.
    """
    row = store.commands.find(tx, asked.get("command_id", ""))
    if row is None or row.status not in ("waiting", "failed"):
        return
    if error is not None and row.status == "waiting":
        refuse(tx, row, f"GitHub refused: {error}", allowed=True, status="failed")
    if error is None:
        ended = {"status": "done", "result": result, "finished_at": times.now()}
        store.commands.change(tx, row.id, **ended, **({"reply": reply} if reply else {}))
        _tell(tx, row, EXECUTED, asked["experiment_keys"])
    if row.status == "waiting":
        answer(tx, store.commands.comment(tx, row.comment_row))


def action_failed(tx: store.Transaction, asked: Mapping[str, Any], error: str) -> None:
    """An action has failed: if it answers a comment, what it had not come to yet will not run."""
    if "comment_row" not in asked:
        action_ended(tx, asked, error, "")
        return
    for row in store.commands.of_comment(tx, asked["comment_row"]):
        if row.status == "pending":
            refuse(tx, row, error, allowed=False)


def integration_deleted(tx: store.Transaction, integration_id: str) -> None:
    """What a deleted integration had not come to yet will not run."""
    for row in store.commands.unfinished_of_integration(tx, integration_id):
        refuse(tx, row, "The integration was deleted.", allowed=False)


def answer(tx: store.Transaction, comment: store.CommandComment, *, rewrite: bool = False) -> None:
    """Carry out what is left of the commands in a comment, and answer it in the end.

    `rewrite` takes back the reply that there is, now that everybody reads it.
    """
    name = f"{ANSWER.name}:{comment.id}"
    integration = store.integrations.find(tx, comment.integration_id)
    if integration is not None:
        wanted = actions.Wanted(
            kind=ANSWER,
            request={"comment_row": comment.id, **({"rewrite": True} if rewrite else {})},
            ordering_key=actions.order_of(comment.repository_id, comment.number),
            dedup_key=f"{name}:rewrite" if rewrite else name,
            number=comment.number,
        )
        actions.enqueue(tx, integration, comment.repository_id, wanted)


def _tell(
    tx: store.Transaction, row: store.Command, type_: activity.Type, about: Sequence[str]
) -> None:
    """Put a run into the feed of the experiments that it is about, else of those linked here."""
    comment = store.commands.comment(tx, row.comment_row)
    item = store.items.find(tx, comment.repository_id, comment.kind, comment.number)
    keys = list(about) or _named(tx, row.invocation)
    if item is not None and not keys:
        rows = store.links.of_target(tx, item.kind, item.id)
        keys = [row.experiment_key for row in rows]
    news = [
        activity.News(
            type=type_,
            experiment_key=key,
            occurred_at=times.now(),
            actor=comment.author if comment.verified else None,
            summary=type_.says(line=row.invocation.line, number=comment.number),
            html_url=comment.html_url,
            repository_id=comment.repository_id,
            item_id=item.id if item else None,
            guid=f"command:{row.id}",
        )
        for key in keys
    ]
    activity.record(tx, news)


def _named(tx: store.Transaction, invocation: store.Invocation) -> list[str]:
    words = [*invocation.words, *(value for name, value in invocation.options if name == "key")]
    return [key for key in dict.fromkeys(words) if store.experiments.exists(tx, key)]
