"""`/experiment link` and `unlink`: which experiments this pull request or issue belongs to."""

from bot.commands.registry import Misuse, Refusal, Run, command
from bot.domain import suggestions, texts

_NO_KEY = "It needs the key of an experiment."


@command("link KEY…", examples=["link checkout-flow-v2", "link checkout-flow-v2 price-test"])
def link(run: Run) -> None:
    """Links this pull request or issue to experiments.

    The link stays, whatever the description says, until it is unlinked.
    """
    run.options()
    keys = run.keys()
    if not keys:
        raise Misuse(_NO_KEY)
    for key in keys:
        run.decide("link", key)


@command("unlink KEY…", examples=["unlink checkout-flow-v2"])
def unlink(run: Run) -> None:
    """Unlinks this pull request or issue from experiments.

    A key that is still in the description stays unlinked until its line is removed and added again.
    """
    run.options()
    keys = list(dict.fromkeys(run.invocation.words))
    if not keys:
        raise Misuse(_NO_KEY)
    linked = run.linked()
    for key in keys:
        if key not in linked:
            hint = _hint(key, linked) if run.is_told else ""
            raise Refusal(f"{texts.code(key)} is not linked here.{hint}")
    run.about = keys
    for key in keys:
        run.decide("unlink", key)


def _hint(key: str, linked: list[str]) -> str:
    if not linked:
        return " No experiment is."
    close = suggestions.closest(key, linked)
    if close:
        return f" Did you mean {texts.code(close[0])}?"
    return f" Linked: {', '.join(texts.code(one) for one in linked)}."
