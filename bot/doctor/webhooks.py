"""Whether a webhook points here, sends what is needed, and got good answers."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from bot import storage as store
from bot import times
from bot.doctor.examination import PAGE, RECENT, Examination, Stage, look
from bot.doctor.findings import at, number, shown
from bot.domain import recovery
from bot.github import Refused
from bot.github.hooks import (
    OF_REPOSITORY,
    Hook,
    HookConfig,
    LastResponse,
    ListedDelivery,
    leads_to,
)

_LOOKED_AT = 5  # repositories
_ANSWERS = {
    401: "The secrets differ: set the integration's webhook_secret in the webhook, too.",
    403: "The integration is not active: set is_active to true.",
    404: "The payload URL is of no integration: set it to the integration's webhook_url.",
}
_UNREACHED = "Make sure that GitHub reaches PUBLIC_URL, through DNS, firewall and proxy."


def _afterwards(exam: Examination, by_hand: str) -> str:
    """Say what becomes of what was missed once the cause is mended."""
    minutes = exam.services.settings.recovery_minutes
    if not minutes:
        return f" Then {by_hand}."
    return f" What was missed is recovered by itself within {minutes} minutes, or {by_hand}."


def _is_good(code: int) -> bool:
    return 200 <= code < 300


# --- That of an App


@look(Stage.WEBHOOK, "webhook", of="app")
async def of_app(exam: Examination) -> None:
    config = await exam.ask(HookConfig, "/app/hook/config")
    if config.url != exam.webhook_url:
        points = f"points to {shown(config.url)}" if config.url else "is not set"
        exam.problem(
            f"The App's webhook {points}.",
            f"Set the webhook URL in the App's settings to {exam.webhook_url}",
        )
        return
    exam.ok("The App's webhook points here.")
    _config(exam, "The App's webhook", config)


@look(Stage.WEBHOOK, "webhook", of="app")
async def deliveries_of_app(exam: Examination) -> None:
    """Look at what GitHub says of its deliveries; the list has one row per attempt."""
    attempts = await exam.ask(list[ListedDelivery], f"/app/hook/deliveries?per_page={RECENT}")
    newest: dict[str, ListedDelivery] = {}
    for one in attempts:
        newest.setdefault(one.guid, one)
    failed = [one for one in newest.values() if not _is_good(one.status_code)]
    if not failed:
        return
    latest = failed[0]
    exam.warning(
        f"Of the last {number(len(newest), 'delivery', 'deliveries')} that GitHub tried, "
        f"{len(failed)} failed; the latest of them: {latest.status_code or 'no answer'} "
        f"({latest.status}).",
        _ANSWERS.get(latest.status_code, _UNREACHED)
        + _afterwards(exam, "redeliver them in the App's settings under Advanced"),
    )


# --- Those of repositories


@look(Stage.WEBHOOK, "webhook", of="token")
async def of_repositories(exam: Examination) -> None:
    names = _repositories(exam)
    if not names and exam.not_reached:
        exam.warning(
            "No webhook was looked at: no repository of the allow-list is reached.",
            "Fix the repositories first.",
        )
    elif not names:
        exam.warning(
            "It is not known which repositories' webhooks to check.",
            "Name them in config.repositories, or check again after a first delivery.",
        )
    hidden = []
    for name in names:
        path = f"{OF_REPOSITORY}?per_page={PAGE}"
        try:
            hooks = await exam.ask(list[Hook], path, repository=name)
        except Refused:
            hidden.append(name)
            continue
        await _note(exam, name, hooks)
        ours = [one for one in hooks if one.config.url == exam.webhook_url]
        if ours:
            _ours(exam, name, ours)
        else:
            _none(exam, name, hooks)
    if hidden:
        needs = {
            "classic": "Give the token the scope `read:repo_hook` and its owner the role Admin",
            "fine-grained": "Give the token the repository permission Webhooks: read, and its "
            "owner the role Admin",
        }.get(exam.kind, "Give the App the repository permission Webhooks: read")
        exam.warning(
            f"The token may not look at the webhooks of {', '.join(hidden)}: deliveries that get "
            "lost on the way cannot be recovered.",
            f"{needs}; or look by hand under Settings → Webhooks: payload URL "
            f"{exam.webhook_url}, content type application/json, the events "
            f"{', '.join(exam.needed_events)}.",
        )


async def _note(exam: Examination, name: str, hooks: Sequence[Hook]) -> None:
    """Keep which webhooks lead here, so that what they cannot deliver is recovered."""
    of, now = exam.integration.id, times.now()
    ours = [one.id for one in hooks if leads_to(one.config.url, of)]

    def note(tx: store.Transaction) -> None:
        for hook_id in ours:
            hook = store.Hook(of, hook_id, "repository", None, name, confirmed_at=now)
            recovery.found_hook(tx, hook)

    if ours:
        await exam.services.database.write(note)


def _repositories(exam: Examination) -> list[str]:
    """Return the repositories to look at: those of the allow-list, else those heard of."""
    names = exam.named
    if not names:
        heard_of = dict.fromkeys(row.repository for row in exam.deliveries)
        names = [one for one in heard_of if one and exam.allows(one)]
    if not names and len(exam.reached) <= _LOOKED_AT:
        names = [one.full_name for one in exam.reached]
    return [one for one in names if one not in exam.not_reached][:_LOOKED_AT]


def _ours(exam: Examination, name: str, ours: Sequence[Hook]) -> None:
    if len(ours) > 1:
        exam.warning(
            f"{len(ours)} webhooks of {name} point here; one is enough.",
            "Delete the others in the repository under Settings → Webhooks.",
        )
    hook = next((one for one in ours if one.active), ours[0])
    which = f"The webhook of {name}"
    if hook.active:
        exam.ok(f"{which} points here.")
    else:
        remedy = "Check Active in the repository under Settings → Webhooks."
        exam.problem(f"{which} is not active: it sends nothing.", remedy)
    _config(exam, which, hook.config)
    missing = [] if "*" in hook.events else exam.unheard(hook.events)
    if missing:
        exam.problem(
            f"{which} does not send: {', '.join(missing)}.",
            "Select these events too, in the repository under Settings → Webhooks.",
        )
    for what in [] if "*" in hook.events else exam.also_unheard(hook.events):
        exam.warning(
            f"{which} does not send {what}.",
            "If you want that, select the event in the repository under Settings → Webhooks.",
        )
    last = hook.last_response or LastResponse()
    if last.code is not None and not _is_good(last.code):
        exam.problem(
            f"{which} got {last.code or 'no answer'} for its last delivery"
            + (f": {last.message}." if last.message else "."),
            _ANSWERS.get(last.code, _UNREACHED)
            + _afterwards(exam, "redeliver it under Recent Deliveries"),
        )


def _none(exam: Examination, name: str, hooks: Sequence[Hook]) -> None:
    """Say what may be wrong where no webhook of a repository points here."""
    here = urlsplit(exam.webhook_url).path
    others = [one.config.url for one in hooks if here in (one.config.url or "")]
    came = [row for row in exam.deliveries if (row.repository or "") == name]
    add = (
        f"payload URL {exam.webhook_url}, content type application/json, the integration's "
        f"secret, and the events {', '.join(exam.needed_events)}."
    )
    if others:
        exam.problem(
            f"The webhook of {name} points to {shown(others[0])} and not to PUBLIC_URL.",
            f"Set PUBLIC_URL to that address, or the payload URL to {exam.webhook_url}",
        )
    elif came:
        exam.warning(
            f"No webhook of {name} itself points here, yet a delivery came "
            f"{at(came[0].received_at)}.",
            f"Look whether the organization has one{_seen(exam)}; if not, add one: {add}",
        )
    else:
        exam.problem(
            f"No webhook of {name} points here.",
            f"Add one in the repository, or in the organization for all: {add}",
        )


def _seen(exam: Examination) -> str:
    """Say what lets a token see an organization's webhook, to recover what it could not deliver."""
    if exam.kind != "classic" or "admin:org_hook" in (exam.scopes or ()):
        return ""
    return " (to recover its lost deliveries, give the token the scope `admin:org_hook`)"


def _config(exam: Examination, which: str, config: HookConfig) -> None:
    if config.content_type != "json":
        exam.warning(
            f"{which} sends {config.content_type or 'form'}, which is read as well as json.",
            "Set its content type to application/json.",
        )
    if str(config.insecure_ssl or "0") != "0":
        exam.warning(
            f"{which} does not verify certificates.", "Enable SSL verification in its settings."
        )
    if not config.secret:
        exam.warning(
            f"{which} seems to have no secret; without one every delivery is refused.",
            "Set its secret to the integration's webhook_secret.",
        )
