"""`/experiment issue`: a tracking issue in this repository."""

import re

from bot import characters
from bot import storage as store
from bot.commands.registry import Refusal, Run, command
from bot.domain import sizes, texts

_LOGIN = re.compile(r"[A-Za-z0-9_\[\]-]{1,100}")


@command(
    'issue "TITLE" [key=KEY] [label=NAME]… [assignee=LOGIN]… [type=NAME]',
    examples=[
        'issue "Roll out the one page checkout"',
        'issue "Clean up the flag" key=checkout-flow-v2 label="tech debt" assignee=jane type=Task',
    ],
)
def issue(run: Run) -> None:
    """Creates a tracking issue in this repository.

    It is linked to the experiment in `key=`, else to those that are linked here. Labels that are
    missing in the repository are created. A type is one of the organization's issue types; where
    GitHub drops it, a reply says so.
    """
    given = run.options("key", "label", "assignee", "type")
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
    type = _type(given["type"])
    named = ", ".join(texts.code(key) for key in keys)
    by = texts.code(run.actor)
    page = store.items.get(run.tx, run.item.id).html_url
    where = store.addresses.present(run.comment_url or page, run.repository)
    body = f"Tracks {named}.\n\n{by} asked for it in #{run.item.number}: {where}"
    run.order_issue(title, body, labels, assignees, keys, type)


def _type(given: list[str]) -> str | None:
    if len(given) > 1:
        raise Refusal("An issue has one type.")
    if given and (len(given[0]) > sizes.ISSUE_TYPE or not characters.is_plain(given[0])):
        raise Refusal(f"A type can have at most {sizes.ISSUE_TYPE} characters.")
    return given[0] if given else None


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
