"""Decides which of the commits that were pushed to its head belong to a pull request.

Those that GitHub's own page of the pull request would list: not what its base branch had before
(a merge of the base, a rebase onto it, "Update branch"), but what came to the base by merging it.
The decision rests on what is stored of pushes, never on the order in which they were delivered.
Where the pushes do not tell it is GitHub's answer that counts (outbox/pull_request_commits.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot import storage as store
from bot import times
from bot.domain import speaking

# Times of pushes are whole seconds, and may be those of a push right after.
_NEAR = 2 * times.SECOND


def time_of(tx: store.Transaction, pull: store.Item) -> tuple[int, int]:
    """Return the times (since, until] in which a push to its head belongs to a pull request.

    A branch may serve several pull requests in turn: the time begins where the one before ended,
    so that commits pushed before the pull request was opened belong to it too. On the default
    branch, where everything else goes by, it begins with the pull request itself.
    """
    until = pull.closed_at if pull.closed_at is not None else store.branches.FOREVER
    assert pull.head_repository_id is not None and pull.head_ref is not None
    if is_default_branch(tx, pull.head_repository_id, pull.head_ref):
        return pull.created_at - 1, until
    since = store.branches.end_before(tx, pull)
    return since if since is not None else -store.branches.FOREVER, until


def is_default_branch(tx: store.Transaction, repository_id: int, ref: str) -> bool:
    return store.repositories.get(tx, repository_id).default_branch == ref


@dataclass(slots=True)
class Commits:
    """The commits of a pull request; `replaced` are the ids of those that are no longer counted.

    `unclear` are those of which only GitHub can tell whether they belong to it, `untold` those of
    which it alone can tell whether the head still has them after a force push.
    """

    mine: list[store.HeadCommit] = field(default_factory=list)
    replaced: set[int] = field(default_factory=set)
    unclear: list[store.HeadCommit] = field(default_factory=list)
    untold: list[store.HeadCommit] = field(default_factory=list)


def commits_of(
    tx: store.Transaction, pull: store.Item, commit_ids: Sequence[int] | None = None
) -> Commits:
    """Return the commits of a pull request; with `commit_ids` at least what is among them."""
    came = store.branches.landed_with(tx, pull)
    if came:  # which of them it landed as is told by all commits of its head
        commit_ids = None
    landed_at = came[0].on_branch_at if came else None
    found = _of_head(tx, pull, landed_at, commit_ids)
    found.untold = [
        commit
        for commit in found.mine
        if _is_untold(commit) and not (came and commit.on_base_at is not None)
    ]
    found.mine = [
        commit
        for commit in found.mine
        if not _is_left_before(pull, commit) or (came and commit.on_base_at == landed_at)
    ]
    landed = _landed(pull, found.mine, came)
    not_on_base = [commit for commit in found.mine if commit.on_base_at is None]
    found.replaced.update(commit.id for commit in not_on_base if _is_gone(pull, commit))
    found.replaced.update(commit.id for commit in landed if _is_out(commit))
    mine = {commit.id for commit in found.mine}
    found.mine += [commit for commit in landed if commit.id not in mine]
    return found


def _of_head(
    tx: store.Transaction,
    pull: store.Item,
    landed_at: int | None,
    commit_ids: Sequence[int] | None,
) -> Commits:
    """Return what was pushed to the head of a pull request and belongs to it, or may."""
    if pull.head_repository_id is None or pull.head_ref is None:
        return Commits()
    if not store.heads.has_pushes(tx, (pull.head_repository_id, pull.head_ref)):
        return Commits()
    if not _may_follow_head(tx, pull):
        return Commits()
    time = time_of(tx, pull)
    pushed = store.branches.pushed_to_head(tx, pull, time, commit_ids)
    base_started_at = _start_of_base(tx, pull) if pushed else None
    decided = [(commit, belongs(pull, base_started_at, landed_at, commit)) for commit in pushed]
    return Commits(
        mine=[commit for commit, verdict in decided if verdict],
        unclear=[commit for commit, verdict in decided if verdict is None],
    )


def _landed(
    pull: store.Item, mine: Sequence[store.HeadCommit], came: Sequence[store.HeadCommit]
) -> list[store.HeadCommit]:
    """Return what a pull request landed as, of what came to its base by one push.

    That is the merge commit, whether of a merge or a squash, or the last one of a rebase, and the
    copies that a rebase has made of its commits: they keep message and author.
    """
    known = {(commit.message, commit.author) for commit in mine}
    shas = {commit.sha for commit in mine}
    return [
        commit
        for commit in came
        if commit.sha not in shas  # what the head has is there, in a fork as a row of its own
        and (commit.sha == pull.merge_sha or (commit.message, commit.author) in known)
    ]


def _is_out(commit: store.HeadCommit) -> bool:
    """Tell whether a branch was rewritten without a commit."""
    since = commit.on_branch_at if commit.again_at is None else commit.again_at
    return commit.gone_at is not None and commit.gone_at >= since


def _is_gone(pull: store.Item, commit: store.HeadCommit) -> bool:
    """Tell whether a commit was taken out of the head while the pull request was open."""
    until = store.branches.FOREVER if pull.closed_at is None else pull.closed_at + times.SECOND
    if commit.gone_at is None or commit.gone_at > until:
        return False
    again_at = commit.again_at
    came_at = commit.on_branch_at if again_at is None or again_at > until else again_at
    return commit.gone_at >= came_at


def _is_left_before(pull: store.Item, commit: store.HeadCommit) -> bool:
    """Tell whether a force push took, or may have taken, a commit out of the head before a pull
    request was opened, which then has never listed it.
    """
    is_early = commit.next_at is not None and commit.next_at <= pull.created_at
    return is_early and (_is_out(commit) or _is_untold(commit))


def _is_untold(commit: store.HeadCommit) -> bool:
    """Tell whether it is not known if a force push has taken a commit out of the head.

    Of one that was out before it is known: a push that brings it back lists it.
    """
    at = commit.rewritten_at
    if at is None or commit.on_branch_at > at:
        return False
    if _is_out(commit):
        return commit.again_at == commit.gone_at  # there and back in one second, or the other way
    return (commit.again_at or 0) < at


def _may_follow_head(tx: store.Transaction, pull: store.Item) -> bool:
    """Tell whether what is pushed to its head may be linked through a pull request.

    Not if whoever told of it does not speak for the head's repository: it names what it likes.
    """
    if pull.head_repository_id in (None, pull.repository_id):
        return True
    row = store.repositories.get(tx, pull.head_repository_id)
    return speaking.speaks(tx, pull.integration_id, row)


def _start_of_base(tx: store.Transaction, pull: store.Item) -> int | None:
    """Return when the base of a pull request was made, None if it was always there."""
    if pull.base_ref is None:
        return None
    led_there_at = pull.base_since if pull.base_since is not None else pull.created_at
    return store.branches.last_start(tx, pull.repository_id, pull.base_ref, led_there_at)


def belongs(
    pull: store.Item,
    base_started_at: int | None,
    landed_at: int | None,
    commit: store.HeadCommit,
) -> bool | None:
    """Tell whether a commit that was pushed to its head belongs to a pull request.

    None if only GitHub can tell, and has not been asked yet. `landed_at` is when its base got what
    the pull request landed as.
    """
    base_had_it = _base_had_it(pull, commit)
    if base_had_it is not None:
        is_told = commit.on_base_at == landed_at or not _may_have_left(pull, commit)
        return not base_had_it and (is_told or commit.listed)
    # A base that was made later may have been cut from the head, with all that it had.
    is_older = base_started_at is not None and commit.on_branch_at <= base_started_at
    if commit.is_new is False or is_older:
        return commit.listed
    return True  # new to the repository, or nothing is said of it


def _may_have_left(pull: store.Item, commit: store.HeadCommit) -> bool:
    """Tell whether a force push, before a pull request was opened, may have taken a commit out of
    the head, to which it came again when the base had got it.
    """
    at = commit.first_rewrite_at
    return at is not None and at <= pull.created_at


def _base_had_it(pull: store.Item, commit: store.HeadCommit) -> bool | None:
    """Tell whether the base had a commit before the head brought it; None if pushes do not tell."""
    on_base_at, on_head_at = commit.on_base_at, commit.on_branch_at
    if on_base_at is None:
        return None
    # What the base had before the pull request led into it did not come there by merging it.
    led_there_at = pull.base_since
    if on_base_at < pull.created_at or (led_there_at is not None and on_base_at <= led_there_at):
        return True
    is_new, is_new_on_base = commit.is_new, commit.is_new_on_base
    if pull.head_repository_id == pull.repository_id and {is_new, is_new_on_base} == {False, True}:
        return is_new_on_base  # a commit is new to a repository once
    if is_new is False and 0 <= on_base_at - on_head_at <= _NEAR:
        return None
    return on_base_at < on_head_at
