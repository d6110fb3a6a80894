"""Which repository a payload speaks of, and what is known of it.

GitHub's numeric id decides, a name where there is none. Whatever takes a repository from a payload
or a request goes through `resolve` (what it is about), `other` or `head` (what it names beside).
"""

from collections.abc import Set

from bot import storage as store
from bot.domain import (
    actions,
    backfills,
    clean_ups,
    code_maps,
    naming,
    owners,
    posts,
    rules_reading,
    speaking,
)
from bot.domain.allowed import NotAllowed, Scope, admit, find, others_so_called, take_place
from bot.github import Hindrance
from bot.github.payloads import Repository


def resolve(
    tx: store.Transaction,
    scope: Scope,
    about: Repository,
    word: naming.Word,
    *,
    confirmed: Set[tuple[str, int]] = frozenset(),
    speaks: bool = False,
    begun: list[int] | None = None,
) -> int:
    """Return our id of a repository, which is made or renamed as far as the payload knows better.

    `speaks` says that it is a delivery, by which the integration speaks for the repository from now
    on; if it did not before, our id joins those that have `begun`. Raises NotAllowed, Undecided.
    """
    row, about = admit(tx, scope, about, word, confirmed)
    full_name, github_id, default_branch = about.full_name, about.id, about.default_branch
    visibility, updated_at = _visibility_of(about), word.updated_at
    is_certain = (full_name.lower(), github_id) in confirmed
    is_renamed = row is not None and row.full_name not in ("", full_name)
    if (is_certain or is_renamed) and github_id is not None:
        for one in others_so_called(tx, scope, full_name, github_id):
            store.repositories.change(tx, one.id, named_at=store.repositories.LOST)
    is_new, row = row is None, row or _add(tx, scope, about, word.named_at)
    whose = scope.integration_id, row
    if speaks and (speaking.begin(tx, *whose) or speaking.is_left_alone(tx, *whose)):
        backfills.heard_of(tx, scope.integration_id, [(full_name, github_id)])
        code_maps.heard_of(tx, scope.integration_id, row.id)
        if begun is not None:
            begun.append(row.id)
    if is_new:
        if visibility is not None:  # nothing was written there that is to be looked over
            seen = {"visibility": visibility, "visibility_at": updated_at}
            store.repositories.change(tx, row.id, **seen)
        if about.archived is True:
            observe_archived(tx, row, True, updated_at)
        take_place(tx, scope, row, full_name)
        return row.id
    take_place(tx, scope, row, full_name)
    if github_id is not None and row.github_id is None:
        store.repositories.change(tx, row.id, github_id=github_id)
    is_called_anew = row.full_name != full_name or _is_found_again(row, word, is_certain=is_certain)
    if is_called_anew or _has_returned(row, about, word):
        naming.call(tx, row, full_name, word.named_at or row.named_at or None, word.at)
    owners.heard(tx, scope, row, about, word)
    _observe_default_branch(tx, scope, row, default_branch)
    if row.visibility != visibility:
        observe_visibility(tx, row, visibility, updated_at)
    if about.archived is not None and about.archived != (row.archived or 0):
        observe_archived(tx, row, about.archived, updated_at)
    if row.deleted_at is not None and (updated_at or 0) > row.deleted_at:
        store.repositories.change(tx, row.id, deleted_at=None)
    return row.id


def correct(tx: store.Transaction, row: store.Repository, full_name: str) -> None:
    """Call a repository what somebody says who knows better than the deliveries so far."""
    for one in store.repositories.by_name(tx, row.host, full_name):
        if one.id != row.id:
            store.repositories.change(tx, one.id, named_at=store.repositories.LOST)
    naming.confirmed(tx, row, full_name)


def _observe_default_branch(
    tx: store.Transaction, scope: Scope, row: store.Repository, name: str | None
) -> None:
    """Keep which branch is the default; the file of settings is that of another branch then."""
    if name is None or row.default_branch == name:
        return
    store.repositories.change(tx, row.id, default_branch=name)
    if row.default_branch is not None:
        rules_reading.may_have_changed(tx, scope.integration_id, row.id)
    code_maps.branch_changed(tx, row.id)


def _visibility_of(about: Repository) -> str | None:
    """Return what a payload says of who sees a repository, None if it does not say.

    Only `private: false` is public: what is internal is seen by a company.
    """
    if about.visibility in ("private", "internal"):
        return str(about.visibility)
    if not isinstance(about.private, bool):
        return None
    return "private" if about.private else "public"


def observe_visibility(
    tx: store.Transaction, row: store.Repository, visibility: str | None, at: int | None
) -> None:
    """Keep who sees a repository, unless something newer is known.

    Once everybody does, what the bot has written there is looked over.
    """
    known_at = row.visibility_at
    if visibility is None or (at is not None and known_at is not None and at < known_at):
        return
    store.repositories.change(
        tx, row.id, visibility=visibility, visibility_at=at if at is not None else known_at
    )
    if visibility == "public" and row.visibility != "public":
        posts.enqueue_rewriting(tx, row)
    if visibility == "public" and not is_public(row):
        clean_ups.publicized(tx, row.id)


def observe_archived(
    tx: store.Transaction, row: store.Repository, archived: object, at: int | None
) -> None:
    """Keep whether a repository is archived, unless something newer is known.

    Once it is not, what has waited for that goes on.
    """
    known_at = row.archived_at
    is_old = at is not None and known_at is not None and at < known_at
    if is_old or not isinstance(archived, bool):
        return
    told = {"archived": int(archived), "archived_at": at or known_at}
    store.repositories.change(tx, row.id, **told)
    if not archived:
        actions.go_on(tx, Hindrance.ARCHIVED, repository_id=row.id)


def is_public(row: store.Repository) -> bool:
    """Tell whether everybody may see a repository. One of which that is not known may be."""
    return row.visibility in ("public", None)


def other(tx: store.Transaction, scope: Scope, named: Repository) -> int | None:
    """Return our id of a repository that a payload names beside the one that it is about.

    None unless the integration speaks for it and may. What is known of it stays as it is.
    """
    try:
        row = find(tx, scope, named)
    except NotAllowed:
        return None
    if row is None or not speaking.speaks(tx, scope.integration_id, row):
        return None
    return row.id


def head(tx: store.Transaction, scope: Scope, named: Repository) -> int | None:
    """Return our id of the repository of a pull request's head, to compare pushes with.

    Of one for which nobody speaks the id of GitHub's alone is kept, so that its name stays free.
    None where another speaks for it, or the allow-list does not let it in.
    """
    try:
        row = find(tx, scope, named)
    except NotAllowed:
        return None
    if row is None:
        if named.id is None:
            return None
        return store.repositories.add(tx, scope.host, named.id, "", None, None).id
    is_free = not speaking.claims_of_others(tx, scope.integration_id, row)
    return row.id if is_free or speaking.speaks(tx, scope.integration_id, row) else None


def _add(
    tx: store.Transaction, scope: Scope, new: Repository, named_at: int | None
) -> store.Repository:
    return store.repositories.add(
        tx, scope.host, new.id, new.full_name, named_at, new.default_branch, new.owner_id
    )


def _has_returned(row: store.Repository, about: Repository, word: naming.Word) -> bool:
    """Tell whether a rename gives a repository the name by which it is known.

    It had others in between, of which late deliveries may still tell.
    """
    is_told = word.is_rename and about.full_name == row.full_name
    return is_told and naming.is_after(word, row)


def _is_found_again(row: store.Repository, word: naming.Word, *, is_certain: bool) -> bool:
    """Tell whether a repository has the name again that another was thought to have taken."""
    is_told = is_certain or word.is_rename or word.updated_at is not None
    return row.named_at == store.repositories.LOST and is_told
