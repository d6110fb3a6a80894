"""`status_comment`: one comment per pull request, edited in place as its experiments change.

A comment that somebody deleted is made again only when there is something new to say.
https://docs.github.com/en/rest/issues/comments
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from bot.commands.status import shown
from bot.domain import code_texts, posts, sizes, texts
from bot.github import Refused
from bot.github.payloads import Comment
from bot.outbox import audience
from bot.outbox.registry import COMMENT, COMMENTS, Change, Job, Made, shows
from bot.outbox.seen import Seen


@shows(posts.COMMENT)
async def plan(job: Job) -> Change | dict[str, Any]:
    seen = job.seen
    post, is_linked = seen.post, bool(seen.linked)
    setting = job.integration.comments
    # What stands there is rewritten, whatever the setting is by now.
    rewrite = job.rewrite
    # An earlier attempt may have changed it without our knowing.
    is_unsure = post.comment_writing is not None
    comment_id = post.comment_id
    makes_one = is_linked and setting != "off"  # quiet where nothing is linked
    if seen.item.gone_at is not None or (setting == "off" and not rewrite):
        return {"changed": False}
    if comment_id is None and not is_unsure and not makes_one:
        return {"changed": False}
    is_said = setting == "once" and not rewrite
    if comment_id is not None and (is_said or (job.shut is not None and _stands(job))):
        return {"comment_id": comment_id, "changed": False}
    job.see_to_comments()
    is_told = await audience.is_told_on(job, seen)
    text = text_of(seen, job.services.settings.public_url, is_told=is_told)
    marker = f"<!-- experiment-bot:status {post.marker} -->"
    if comment_id is None and is_unsure:
        comment_id = await job.comment_before(marker)
    if comment_id is None and not makes_one:
        return {"changed": False}
    digest = _digest(text)
    if comment_id is not None and is_said:  # it is there, with what it said then
        await job.note("comment", comment_id=comment_id, integration_id=job.integration.id)
    if comment_id is not None and (is_said or (not is_unsure and digest == post.comment_digest)):
        return {"comment_id": comment_id, "changed": False}
    # One that was deleted is not made again only to take back what it said.
    makes = is_linked and not (rewrite and comment_id is not None)

    async def make() -> Made:
        answer = await _write(job, marker, comment_id, f"{text}\n\n{marker}\n", makes=makes)
        if answer is None:  # it is not there, and whatever comes next is news
            return Made({"comment_digest": None}, {"changed": False})
        kept = {"integration_id": job.integration.id, "comment_id": answer.id}
        result = {"comment_id": answer.id, "html_url": answer.html_url, "changed": True}
        return Made({**kept, "comment_digest": digest}, result)

    return Change("comment", {"comment_id": comment_id}, make)


def _stands(job: Job) -> bool:
    """Tell whether the comment says what it is to say, as far as that needs no call."""
    post, is_told = job.seen.post, audience.known_on(job.seen)
    if post.comment_id is None or post.comment_writing is not None or is_told is None:
        return False
    text = text_of(job.seen, job.services.settings.public_url, is_told=is_told)
    return _digest(text) == post.comment_digest


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def _write(
    job: Job, marker: str, comment_id: int | None, body: str, *, makes: bool
) -> Comment | None:
    """Edit the comment that is there, else make one; None if it is deleted and none is made."""
    if comment_id is not None:
        at = job.at(comment=comment_id)
        try:
            return await job.client.update(Comment, COMMENT, at, {"body": body})
        except Refused as error:
            if error.status == 403:  # only the credential under which it was written may edit it
                written = await job.client.fetch(Comment, COMMENT, at)
                if await job.is_own(written.user):
                    raise
            elif error.status not in (404, 410) or (not makes and job.is_news):
                raise
            elif not makes:
                return None
            else:  # deleted, unless GitHub lists it: then it is only behind
                found = await job.comment_before(marker)
                if found == comment_id:
                    raise
                if found is not None:
                    await job.note("comment", comment_id=found)
                    return await _write(job, marker, found, body, makes=makes)
        # From here on it is found by its marker alone.
        await job.note("comment", comment_id=None)
    return await job.client.create(Comment, COMMENTS, job.at(), {"body": body})


_HEAD = ("| Experiment | Key | Status | Owner |", "| --- | --- | --- | --- |")
_ROOM = sizes.BODY - 2_000  # for what is linked


def text_of(seen: Seen, public_url: str, *, is_told: bool) -> str:
    """Return the comment's Markdown for a pull request as it is now.

    Who may not be told of experiments learns whether each key is known.
    """
    linked = [one for one in seen.linked if one.status is not None or one.linked_by != "code"]
    known = [link.experiment_key for link in linked if link.status is not None]
    unknown = [link.experiment_key for link in linked if link.status is None]
    parts = [] if linked else ["This pull request is no longer linked to an experiment."]
    rows = [shown(seen.experiments[key], public_url) for key in known if is_told]
    rows, left = sizes.fit(rows, _ROOM)
    if rows:
        parts.append("\n".join((*_HEAD, *rows)))
    lines = [texts.known(key) for key in known if not is_told]
    for key in unknown:
        close = seen.close(key) if is_told else ()
        hint = f" Did you mean {' or '.join(texts.code(one) for one in close)}?" if close else ""
        lines.append(f"- No experiment has the key {texts.code(key)}.{hint}")
    if is_told and known:
        lines += code_texts.summaries(seen.code, known)
        lines += filter(None, [code_texts.left_out(seen.code)])
        lines += _live(seen, known)
    lines, more = sizes.fit(lines, _ROOM - len(parts[-1].encode()) if parts else _ROOM)
    if lines:
        parts.append("\n".join(lines))
    if left + more:
        page = f"{public_url}/pull-requests/{seen.repository.full_name}/{seen.item.number}"
        parts.append(f"… and {left + more} more: see [all of them]({page}).")
    parts.append(_HOW)
    return "\n\n".join(parts)


_NAMED = 5  # environments in one line


def _live(seen: Seen, known: Sequence[str]) -> list[str]:
    """Return lines that say where the pull request is live, and how far its experiments are.

    Nothing where it has never been live in a production.
    """
    if not any(place.is_production for place in seen.live):
        return []
    here = [place.environment for place in seen.live if place.ended_at is None]
    gone = [place.environment for place in seen.live if place.ended_at is not None]
    lines = [
        f"- {what} {_listed(names)}." for what, names in ((_HERE, here), (_GONE, gone)) if names
    ]
    for key in known:
        row, count = seen.experiments[key], seen.in_production.get(key, 0)
        merged = f"{row.merged_count} of {row.open_count + row.merged_count} merged"
        lines.append(f"- {texts.code(key)}: {merged}, {count} live in production.")
    return lines


_HERE, _GONE = "Live in", "No longer live in"


def _listed(names: Sequence[str]) -> str:
    """Return names that somebody has given to environments, some of them where they are many."""
    shown = [texts.code(name) for name in names[:_NAMED]]
    if len(names) > _NAMED:
        shown.append(f"{len(names) - _NAMED} more")
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


_HOW = """<details><summary>How to link</summary>

Add a line like this to the description of a pull request to link it, and remove it to unlink \
it:

```
experiment_key: checkout-flow-v2
```

</details>"""
