"""`commands`: carries out the commands of a comment, and shows how it went.

👀 when they are taken; then, one after the other, each in a transaction that also marks it
finished; then 🚀, or 😕 if one was refused or failed, and at most one reply. Whether the author
may is asked of GitHub now; while it cannot be asked, the command waits. Reactions are the same
however often they are set, and stop nothing where they cannot be; the reply carries a marker.

First the comment itself is fetched. What counts is what GitHub has: one that was deleted or edited,
that stands elsewhere, or that somebody made up runs nothing.
https://docs.github.com/en/rest/reactions/reactions#create-reaction-for-an-issue-comment
https://docs.github.com/en/rest/collaborators/collaborators#get-repository-permissions-for-a-user
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from bot import storage as store
from bot.commands import Command, Misuse, Refusal, Run, parser
from bot.commands.registry import LEVELS, registered
from bot.domain import commands, sizes, snapshots, texts
from bot.domain.allowed import NotAllowed
from bot.emails import without_emails
from bot.github import CallFailed, Limited, Refused, Temporary, names, payloads
from bot.log import logger
from bot.outbox.audience import WRITE, permission_of
from bot.outbox.registry import COMMENT, COMMENTS, Job, carries_out

_LONGEST_REPLY = sizes.BODY - 200
_TOO_LONG = "… and {left} more lines, for which a comment has no room: ask for less at a time."
_OWN = "Comments by the account that the bot itself uses run nothing."
_BOT = "Comments by bots run nothing."
_ELSEWHERE = "GitHub says that the comment stands somewhere else."
_OURS = "<!-- experiment-bot:"  # with what the bot's own hidden marks begin
_ADDRESS = re.compile(r"https?://[!-;=?-~]{1,500}")
_TAKEN_BACK = (
    "This was answered while the repository was private. Anyone with write access can ask again."
)
_DELETED = "The comment was deleted before the command could run."
_EDITED = (
    "The comment was edited before the command could run, or GitHub says that somebody else wrote "
    "it."
)
_MAY_NOT_ASK = (
    "GitHub does not tell the bot which permission you have here. Administrators can see why."
)


@dataclass(slots=True)
class _Author:
    """Who wrote the comment, and what GitHub says that they may do, asked once per attempt."""

    login: str
    permission: str | None = None
    is_public: bool | None = None

    @property
    def is_told(self) -> bool:
        """Tell whether the reply may tell of experiments: not where a stranger asks in public."""
        return LEVELS.index(self.permission or "none") >= WRITE or self.is_public is False


@carries_out(commands.ANSWER)
async def run(job: Job) -> dict[str, Any]:
    comment = await job.read(store.commands.comment, job.action.request["comment_row"])
    if comment.silent:
        return {"silent": True}
    if job.rewrite:
        return await _take_back(job, comment)
    if not comment.verified:
        await _verify(job, comment)
        comment = await job.read(store.commands.comment, comment.id)
        if comment.silent:
            return {"silent": True}
    unseen = await _show_seen(job, comment) if not comment.seen else None
    author = _Author(comment.author)
    for row in await job.read(store.commands.of_comment, comment.id):
        if row.status == "waiting":
            return {"waits_for": row.action_id}
        if row.status == "pending" and await _carry_out(job, comment, row, author):
            return {"waits": True}
    if unseen is not None:
        unseen = await _show_seen(job, comment)
        if _is_too_early(unseen, job):
            job.doubts.append(unseen)
    return await _answer(job, comment)


async def _verify(job: Job, comment: store.CommandComment) -> None:
    """Hold what a delivery said of a comment against what GitHub has of it."""
    if await job.write(commands.passed_over, comment):
        return None
    found = await _fetch(job, comment)
    if found is None:
        return await job.write(_silence, comment, _DELETED)
    reason = await _reason_not_to(job, comment, found)
    if reason is not None:
        return await job.write(_silence, comment, reason)
    address = found.html_url or comment.html_url or ""
    html_url = address if _ADDRESS.fullmatch(address) else None
    return await job.write(commands.confirmed, comment, html_url)


async def _reason_not_to(
    job: Job, comment: store.CommandComment, found: payloads.Comment
) -> str | None:
    """Return why nothing of a comment runs; None if it is in GitHub as it was delivered."""
    user = found.user or payloads.User()
    rows = await job.read(store.commands.of_comment, comment.id)
    if user.login != comment.author or parser.parse(found.body) != [row.invocation for row in rows]:
        return _EDITED
    if user.type == "Bot":
        return _BOT
    if await _is_ours(job, found):
        return _OWN
    return None if await _is_here(job, comment, found) else _ELSEWHERE


async def _is_ours(job: Job, found: payloads.Comment) -> bool:
    """Tell whether the bot's own account wrote a comment; where GitHub does not say, its mark."""
    try:
        return await job.is_own(found.user)
    except Refused:
        return _OURS in (found.body or "")


async def _is_here(job: Job, comment: store.CommandComment, found: payloads.Comment) -> bool:
    """Tell whether a comment stands where it was delivered: GitHub finds it by its id alone."""
    place = names.place_in_api(found.issue_url) or names.place_in(found.html_url)
    if place is None or place[1] != comment.number:
        return False
    called = job.action.repository
    if place[0].lower() != called.lower():  # it may have been renamed this very moment
        called = (
            await job.client.fetch(payloads.Repository, "/repos/{+repository}", job.at())
        ).full_name
    return place[0].lower() == called.lower()


async def _fetch(job: Job, comment: store.CommandComment) -> payloads.Comment | None:
    """Return a comment as GitHub has it; None if it was deleted."""
    at = job.at(comment=comment.comment_id)
    try:
        return await job.client.fetch(payloads.Comment, COMMENT, at)
    except Refused as error:
        if error.status not in (404, 410) or (error.lags and job.is_news):
            raise
        return None


def _silence(tx: store.Transaction, comment: store.CommandComment, reason: str) -> None:
    store.commands.change_comment(tx, comment.id, seen=1, silent=1)
    for row in store.commands.of_comment(tx, comment.id):
        if row.status == "pending":
            commands.refuse(tx, row, reason, allowed=False)


async def _carry_out(
    job: Job, comment: store.CommandComment, row: store.Command, author: _Author
) -> bool:
    """Carry out one command or refuse it; True if it waits for an action of its own."""
    permission: str | None = None
    allowed: bool | None = None
    try:
        command = job.services.shared(registered).find(row.name)
        permission, allowed = await _permission(job, author, _needed(job, command))
        if not allowed:
            raise Refusal(_not_allowed(author.login, permission, command, _needed(job, command)))
        item = await _item(job, comment)
        return await job.write(_execute, job, comment, row, command, item, author)
    except Refusal as refusal:
        reason = str(refusal)
    await job.write(commands.refuse, row, reason, allowed=allowed, permission=permission)
    return False


def _execute(
    tx: store.Transaction,
    job: Job,
    comment: store.CommandComment,
    row: store.Command,
    command: Command,
    item: store.Item,
    author: _Author,
) -> bool:
    now = store.commands.find(tx, row.id)
    if now is None or now.status != "pending":
        return False  # settled meanwhile
    invocation = row.invocation
    if invocation.problem is not None:
        raise Refusal(f"It cannot be read: {invocation.problem}.")
    the_run = Run(
        tx=tx,
        commands=job.services.shared(registered),
        id=row.id,
        invocation=invocation,
        item=item,
        repository=job.action.repository,
        actor=comment.author,
        integration_id=job.integration.id,
        comment_url=comment.html_url,
        public_url=job.services.settings.public_url,
        needs=lambda one: _needed(job, one),
        is_told=author.is_told,
        written_at=comment.created_at,
    )
    try:
        reply = command.function(the_run)
    except Misuse as misuse:
        right = texts.code(f"/experiment {command.usage}")
        raise Refusal(f"{misuse} Usage: {right}") from None
    permission, action_id = author.permission or "", the_run.action_id
    commands.executed(tx, row, permission, the_run.about, reply=reply, action_id=action_id)
    return action_id is not None


# --- Who may


def _needed(job: Job, command: Command) -> str:
    return job.integration.commands.get(command.name, command.permission)


async def _permission(job: Job, author: _Author, needed: str) -> tuple[str, bool]:
    """Return what the author may do in the repository, and whether that is enough.

    Raises Refusal if GitHub does not let the bot ask, CallFailed if it does not answer.
    """
    asking = "asking who may use commands in"
    where = f"{asking} {job.action.repository}"
    about = f"{asking} repository {job.action.repository_id}"  # whatever it is called later
    try:
        if author.permission is None:
            author.permission = await permission_of(job, author.login)
        level = LEVELS.index(author.permission)
        allowed = level >= LEVELS.index(needed)
        if allowed and level < WRITE:  # then it matters whether everybody can read along
            if author.is_public is None:
                path = "/repos/{+repository}"
                found = await job.client.fetch(payloads.Repository, path, job.at())
                author.is_public = found.private is not True
            allowed = not (author.is_public and needed == "read")
    except Refused as error:
        if error.lags and job.is_news:
            raise
        message = f"{where}: {error}"
        told = job.integration.id, message, about, job.action.repository_id
        await job.write(store.integrations.set_last_error, *told)
        raise Refusal(_MAY_NOT_ASK) from None
    await job.write(store.integrations.clear_last_error, job.integration.id, about, where)
    return author.permission, allowed


def _not_allowed(login: str, permission: str, command: Command, needed: str) -> str:
    has = f"{texts.code(permission)} permission" if permission != "none" else "no permission"
    wants = (
        "`read`, on a public repository like this `write`" if needed == "read" else f"`{needed}`"
    )
    called = texts.code(f"/experiment {command.name}")
    return f"{texts.code(login)} has {has} on this repository; {called} needs {wants}."


# --- Where


async def _item(job: Job, comment: store.CommandComment) -> store.Item:
    """Return the pull request or issue; one that the bot never saw is fetched."""
    key = (comment.repository_id, comment.kind, comment.number)
    row = await job.read(store.items.find, *key)
    if row is not None:
        return row
    fetched = await job.client.getitem("/repos/{+repository}/pulls/{number}", job.at())
    where = job.integration.scope, job.action.repository, comment.number
    try:
        return await job.write(snapshots.observe_answer, *where, fetched)
    except (payloads.InvalidPayload, NotAllowed):
        raise Refusal("GitHub's answer does not describe this pull request.") from None


# --- What is shown


async def _react(job: Job, comment: store.CommandComment, content: str) -> CallFailed | None:
    """Set a reaction; return why it could not be. It is a sign, and stops nothing."""
    if job.shut is not None:
        return None  # nobody can react there, either
    try:
        at = job.at(comment=comment.comment_id)
        await job.client.post(f"{COMMENT}/reactions", at, data={"content": content})
    except Limited:
        raise  # so would the next call be
    except CallFailed as error:
        logger.info("reaction not set", content=content, reason=str(error))
        return error
    return None


async def _show_seen(job: Job, comment: store.CommandComment) -> CallFailed | None:
    """Show that the commands are taken; return what has hindered it, if that may pass."""
    failure = await _react(job, comment, "eyes")
    if isinstance(failure, Temporary) or _is_too_early(failure, job):
        return failure
    await job.write(lambda tx: store.commands.change_comment(tx, comment.id, seen=1))
    return None


def _is_too_early(failure: CallFailed | None, job: Job) -> TypeGuard[Refused]:
    return isinstance(failure, Refused) and failure.lags and job.is_news


async def _answer(job: Job, comment: store.CommandComment) -> dict[str, Any]:
    """Show how it went: a reaction, and a reply if there is something to say."""
    rows = await job.read(store.commands.of_comment, comment.id)
    went_well = all(row.status == "done" for row in rows)
    failure = await _react(job, comment, "rocket" if went_well else "confused")
    is_missing = isinstance(failure, Refused) and failure.status in (404, 410)
    if is_missing and await _fetch(job, comment) is None:
        return {"reply_id": None}  # deleted meanwhile: nobody waits for an answer
    reply_id = comment.reply_id or await _reply(job, comment, rows)
    if isinstance(failure, Temporary):
        raise failure  # all that is left is the reaction
    if _is_too_early(failure, job):
        job.doubts.append(failure)  # nothing waits for a sign
    return {"reply_id": reply_id}


async def _reply(
    job: Job, comment: store.CommandComment, rows: Sequence[store.Command]
) -> int | None:
    """Say once what there is to say of the commands of a comment; return the reply's id."""
    text = _text_of(rows)
    if text is None:
        return None
    job.see_to_comments()
    marker = _marker(comment)
    reply_id = await job.comment_before(marker) if job.may_be_done else None
    if reply_id is None:
        data = {"body": f"{text}\n\n{marker}\n"}
        reply_id = (await job.client.create(payloads.Comment, COMMENTS, job.at(), data)).id
    await job.write(lambda tx: store.commands.change_comment(tx, comment.id, reply_id=reply_id))
    return reply_id


async def _take_back(job: Job, comment: store.CommandComment) -> dict[str, Any]:
    """Empty a reply that a private repository's reader got, now that everybody reads it."""
    job.see_to_comments()
    data = {"body": f"{_TAKEN_BACK}\n\n{_marker(comment)}\n"}
    try:
        await job.client.patch(COMMENT, job.at(comment=comment.reply_id), data=data)
    except Refused as error:
        if error.status not in (404, 410):  # deleted: that is as good
            raise
    return {"reply_id": comment.reply_id}


def _marker(comment: store.CommandComment) -> str:
    return f"<!-- experiment-bot:reply {comment.comment_id} -->"


def _text_of(rows: Sequence[store.Command]) -> str | None:
    """Return what is to be said of the commands of a comment, None if nothing is."""
    parts = []
    for row in rows:
        if row.reply is None:
            continue
        line = texts.code(without_emails(row.invocation.line))
        if row.status != "done":
            parts.append(f"😕 {line}: {without_emails(row.reply)}")
        else:
            parts.append(row.reply if len(rows) == 1 else f"{line}:\n\n{row.reply}")
    text = texts.harmless("\n\n".join(parts))
    return sizes.cut(text, _LONGEST_REPLY, _TOO_LONG) or None
