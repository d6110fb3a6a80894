"""What a command is, what it is given to run with, and the list of all there are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from bot import extensions
from bot import storage as store
from bot.domain import experiments, items, keys, suggestions, texts, tracking, warnings
from bot.domain.actors import Actor, on_github
from bot.services import Services
from bot.settings import SettingsError
from bot.storage import Invocation

# What GitHub grants on a repository, from least to most.
# https://docs.github.com/en/organizations/managing-user-access-to-your-organizations-repositories/managing-repository-roles/repository-roles-for-an-organization
Level = Literal["read", "triage", "write", "maintain", "admin"]
LEVELS: tuple[str, ...] = ("none", *get_args(Level))


class Refusal(Exception):
    """A command is not carried out. The message says why and what would be right, in Markdown."""


class Misuse(Refusal):
    """A command was not written as it has to be; how to write it is added to the message."""


@dataclass(slots=True)
class Run:
    """One command on its way: who wrote it, where, and the transaction in which it takes effect.

    `is_told` says whether the reply may tell of experiments: their names, status and owners, and
    keys that nobody wrote. Where everybody reads along, that is for who may write there; anybody
    else learns whether a key is known. `written_at` is when GitHub first told of it, in
    microseconds. `action_id` is set by a command whose end is that of an
    action. `about` are the keys in whose feed the run is told of.
    """

    tx: store.Transaction
    commands: "Commands"
    id: str
    invocation: Invocation
    item: store.Item
    repository: str
    actor: str
    integration_id: str
    comment_url: str | None
    public_url: str
    needs: Callable[["Command"], str]
    is_told: bool
    written_at: int
    about: list[str] = field(default_factory=list)
    action_id: str | None = None

    @property
    def transaction(self) -> store.Transaction:
        """What `tx` was called; extensions may say so still."""
        return self.tx

    @property
    def by(self) -> Actor:
        """Who wrote it, as what changes something for them is told."""
        host = store.repositories.get(self.tx, self.item.repository_id).host
        return on_github(host, self.actor)

    def options(self, *names: str) -> dict[str, list[str]]:
        """Return the values given for each of `names`; refuses any other option."""
        values: dict[str, list[str]] = {name: [] for name in names}
        for name, value in self.invocation.options:
            if name not in values:
                close = suggestions.closest(name, list(names))
                hint = f" Did you mean {texts.code(close[0] + '=')}?" if close else ""
                raise Misuse(f"It has no option {texts.code(name + '=')}.{hint}")
            if not value:
                raise Misuse(f"{texts.code(name + '=')} has no value.")
            values[name].append(value)
        return values

    def keys(self, words: Sequence[str] | None = None) -> list[str]:
        """Return the experiments that the command names; refuses others than there are."""
        named = list(dict.fromkeys(self.invocation.words if words is None else words))
        if len(named) > keys.MAX_KEYS:
            raise Refusal(f"It takes at most {keys.MAX_KEYS} keys.")
        unknown = [
            key
            for key in named
            if not (keys.is_key(key) and store.experiments.exists(self.tx, key))
        ]
        if unknown:
            raise Refusal(" ".join(self._unknown(key) for key in unknown))
        self.about = named
        return named

    def keys_or_linked(self) -> list[str]:
        """Return the experiments that the command names, else those that are linked here."""
        self.options()
        found = self.keys() or self.keys(self.linked_experiments())
        if not found:
            raise Refusal("No experiment is linked here; name one by its key.")
        return found

    def one_key(self) -> str:
        """Return the one experiment that the command names."""
        self.options()
        if len(self.invocation.words) != 1:
            raise Misuse("It needs the key of one experiment.")
        return self.keys()[0]

    def linked(self) -> list[str]:
        """Return the keys that the pull request or issue is linked to, with experiment or not."""
        rows = store.links.of_target(self.tx, self.item.kind, self.item.id)
        return [row.experiment_key for row in rows]

    def linked_experiments(self) -> list[str]:
        """Return the keys of `linked` whose experiment exists."""
        return [key for key in self.linked() if store.experiments.exists(self.tx, key)]

    def change(self, key: str, values: Mapping[str, Any]) -> str | None:
        """Change an experiment, unless its `repositories` do not name this one.

        Returns what to warn of, as Markdown; None if there is nothing, or it is not for everybody
        who reads along. Pull requests elsewhere are counted, not named: they may be private.
        """
        repository = store.repositories.get(self.tx, self.item.repository_id)
        if not experiments.may_be_changed_from(self.tx, key, repository):
            # Which ones it names is not for everybody who reads along: they may be private.
            page = texts.link("its page", f"{self.public_url}/experiments/{key}")
            where = f" Those that may are on {page}." if self.is_told else ""
            raise Refusal(f"Commands in this repository may not change {texts.code(key)}.{where}")
        old = store.experiments.find(self.tx, key)
        now = experiments.change(self.tx, key, values, self.by)
        if now is None or not self.is_told:
            return None
        before = old.status if old else None
        found = warnings.of_change(self.tx, before, now, repository.id)
        return "\n".join(f"- ⚠️ {warnings.words(one, texts.code)}" for one in found) or None

    def decide(self, verb: str, key: str) -> None:
        """`link` or `unlink` the pull request or issue and an experiment, by hand."""
        hand = items.Hand(f"command:{self.id}:{key}", "command", self.actor, self.integration_id)
        decide = items.link if verb == "link" else items.unlink
        decide(self.tx, self.item, key, hand, self.by)

    def order_issue(
        self,
        title: str,
        body: str,
        labels: list[str],
        assignees: list[str],
        keys: list[str],
        type: str | None = None,
    ) -> None:
        """Have a tracking issue created in this repository, once; the run ends with it."""
        integration = store.integrations.find(self.tx, self.integration_id)
        assert integration is not None
        request = {
            "title": title,
            "body": body,
            "labels": labels,
            "assignees": assignees,
            "type": type,
            "experiment_keys": keys,
            "made_by": "command",
            "actor": self.actor,
            "command_id": self.id,
        }
        repository_id = self.item.repository_id
        self.action_id = tracking.enqueue_issue(
            self.tx, integration, repository_id, request, self.by
        )

    def _unknown(self, key: str) -> str:
        close = suggestions.close_keys(self.tx, key) if self.is_told else []
        hint = f" Closest: {texts.code(close[0])}." if close else ""
        return f"There is no experiment {texts.code(key)}.{hint}"


Function = Callable[[Run], str | None]


@dataclass(frozen=True, slots=True)
class Command:
    """A command. `usage` is what is written behind `/experiment`, its name first.

    `permission` is the level on the repository that it needs. `read` means `write` where the
    repository is public, since there everybody may read.
    """

    name: str
    usage: str
    summary: str
    details: str
    examples: tuple[str, ...]
    permission: str
    function: Function


def command(
    usage: str, *, permission: str = "write", examples: Sequence[str] = ()
) -> Callable[[Function], Command]:
    """Make a function a command. The first line of its docstring is what `help` says of it.

    `usage` and `examples` are written without `/experiment`.
    """
    if permission not in LEVELS[1:]:
        raise ValueError(f"permission must be one of {', '.join(LEVELS[1:])}")

    def register(function: Function) -> Command:
        summary, _, details = (function.__doc__ or "").strip().partition("\n")
        details = "\n".join(line.strip() for line in details.strip().splitlines())
        name = usage.partition(" ")[0]
        return Command(name, usage, summary, details, tuple(examples), permission, function)

    return register


class Commands:
    """All commands by name, those of the bot and those of extensions."""

    def __init__(self, found: Sequence[Command]) -> None:
        self._by_name: dict[str, Command] = {}
        for one in found:
            if one.name in self._by_name:
                problem = f"two commands named {one.name!r}"
                raise SettingsError("EXTENSIONS", problem, "commands with different names")
            self._by_name[one.name] = one

    def __iter__(self) -> Iterator[Command]:
        return iter(self._by_name.values())

    def find(self, name: str) -> Command:
        """Return a command; refuses a name that none has. No name at all is `help`."""
        found = self._by_name.get(name or "help")
        if found is None:
            close = suggestions.closest(name, list(self._by_name), cutoff=60)
            hint = f" Did you mean {texts.code(close[0])}?" if close else ""
            raise Refusal(
                f"There is no command {texts.code(name)}.{hint} "
                f"{texts.code('/experiment help')} lists them."
            )
        return found


def load(extension_names: Sequence[str]) -> Commands:
    """Return the commands of this package and of extensions; raises SettingsError."""
    ours = extensions.instances(extensions.modules_of("bot.commands"), Command)
    theirs = extensions.instances(extensions.extension_modules(extension_names), Command)
    added = [one for one in theirs if one not in ours]  # a module may import one of ours
    return Commands(sorted(ours, key=lambda one: one.name) + added)


def registered(services: Services) -> Commands:
    """Return the commands of a running service; see `Services.shared`."""
    return load(services.settings.extensions)
