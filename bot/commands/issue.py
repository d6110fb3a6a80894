"""`/experiment issue`: a tracking issue in this repository."""

import re

from bot import characters
from bot import storage as store
from bot.commands.registry import Refusal, Run, command
from bot.domain import sizes, texts

_LOGIN = re.compile(r"[A-Za-z0-9_\[\]-]{1,100}")


@command(
    'issue "TITLE" [key=KEY] [label=NAME]… [assignee=LOGIN]…',
    examples=[
        'issue "Roll out the one page checkout"',
        'issue "Clean up the flag" key=checkout-flow-v2 label="tech debt" assignee=jane',
    ],
)
def issue(run: Run) -> None:
    """Creates a tracking issue in this repository.

    It is linked to the experiment in `key=`, else to those that are linked here. Labels that are
    missing in the repository are created.
    """
    given = run.options("key", "label", "assignee")
    title = _title(run.invocation.words)
    keys = run.keys(given["key"]) if given["key"] else run.keys(run.linked_experiments())
    if not keys:
        raise Refusal(f"No experiment is linked here; name one with {texts.code('key=KEY')}.")
    labels = list(dict.fromkeys(given["label"]))
    if any(len(label) > sizes.LABEL or not characters.is_plain(label) for label in labels):
        raise Refusal(f"A label can have at most {sizes.LABEL} characters.")
    assignees = list(dict.fromkeys(login.lstrip("@") for login in given["assignee"]))
    for login in assignees:
        if not _LOGIN.fullmatch(login):
            raise Refusal(f"{texts.code(login)} is not a GitHub username.")
    named = ", ".join(texts.code(key) for key in keys)
    by = texts.code(run.actor)
    page = store.items.get(run.tx, run.item.id).html_url
    where = store.addresses.present(run.comment_url or page, run.repository)
    body = f"Tracks {named}.\n\n{by} asked for it in #{run.item.number}: {where}"
    run.order_issue(title, body, labels, assignees, keys)


def _title(words: tuple[str, ...]) -> str:
    title = " ".join(words).strip()
    right = texts.code(f'/experiment issue "{title or "TITLE"}"')
    if not title:
        raise Refusal(f"It needs a title: {right}.")
    if len(words) > 1:
        raise Refusal(f"Put a title of several words in quotation marks: {right}.")
    if len(title) > sizes.TITLE:
        raise Refusal(f"A title can have at most {sizes.TITLE} characters.")
    return title
