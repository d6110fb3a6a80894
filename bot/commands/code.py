"""`/experiment code`: where experiments stand in the code of this repository."""

from bot import storage as store
from bot.commands.registry import Refusal, Run, command
from bot.domain import clean_up_texts, texts

_SHOWN = 20  # references of an experiment
_ROOM = 20_000  # bytes that they take, of those that a comment has


@command("code [KEY]", examples=["code", "code checkout-flow-v2"])
def code(run: Run) -> str:
    """Replies with where experiments stand in the default branch of this repository.

    Without a key, for the experiments that are linked here. Up to 20 lines of code are linked for
    each.
    """
    if len(run.invocation.words) > 1:
        raise Refusal("It takes one key.")
    keys = run.keys_or_linked()
    if not run.is_told:
        return "\n".join(map(texts.known, keys))
    found = store.code_maps.find(run.tx, run.item.repository_id)
    if found is None:
        return "The code of this repository is not read."
    if found.sha is None:
        return "The code of this repository has not been read yet."
    repository = store.repositories.get(run.tx, run.item.repository_id)
    branch = f", {texts.code(found.branch)}" if found.branch else ""
    parts = [_of(run, repository, key, found.sha, branch) for key in keys]
    if found.status == "partial":
        parts.append("Not every file could be read: there may be more.")
    return "\n\n".join(parts)


def _of(run: Run, repository: store.Repository, key: str, sha: str, branch: str) -> str:
    """Return what there is of an experiment, as Markdown."""
    count = store.code_references.count(run.tx, repository.id, key)
    if not count.number:
        return f"{texts.code(key)} is not in the default branch{branch}."
    left = store.code_references.of_key(run.tx, repository.id, key, _SHOWN)
    lines = clean_up_texts.listed(repository, sha, left)
    lines = clean_up_texts.shortened(lines, count.number, _ROOM)
    where = f"{clean_up_texts.counted(count.number, count.files)} of the default branch{branch}"
    return "\n".join([f"{texts.code(key)} has {where}:", "", *lines])
