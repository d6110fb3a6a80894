"""Keeps secrets that were typed into a form which was refused, so that nobody types them twice.

They come back in a hidden field, sealed with the service's own key: they can be read by nobody, and
are good for the same form in the same session, for an hour.
"""

from collections.abc import Mapping, Sequence

from bot import storage as store
from bot import times
from bot.dashboard.forms import Refusal
from bot.dashboard.page import Visit

FIELD = "kept"  # the hidden one
_SECONDS = 3600


def sound(visit: Visit, names: Sequence[str], refusal: Refusal) -> dict[str, str]:
    """Return the secrets that were typed into a refused form, but for those that are wrong."""
    wrong = {one.field for one in refusal.errors}
    return {name: visit.form[name] for name in names if visit.form.get(name) and name not in wrong}


def seal(visit: Visit, secrets: Mapping[str, str]) -> str:
    """Return secrets for the hidden field."""
    return visit.services.vault.seal({"at": str(times.now()), **secrets}, _about(visit))


def take(visit: Visit, names: Sequence[str]) -> None:
    """Let what the hidden field has fill in for the secrets that are left empty."""
    try:
        opened = visit.services.vault.open(visit.form.pop(FIELD, ""), _about(visit))
    except store.VaultError:  # another key, or not one of this form
        return
    if times.now() - int(opened["at"]) > _SECONDS * times.SECOND:
        return
    for name in names:
        if name in opened and not visit.form.get(name):
            visit.form[name] = opened[name]


def _about(visit: Visit) -> str:
    """Return what they are sealed about: this form in this session."""
    return f"typed:{visit.session.id}:{visit.request.path}"
