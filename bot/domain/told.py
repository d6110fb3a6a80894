"""Who has told something of GitHub's, and when: what a rule needs beside the words themselves."""

import uuid
from collections.abc import Set
from dataclasses import dataclass

from bot import storage as store
from bot import times
from bot.domain import installations, repositories
from bot.domain.repositories import Scope
from bot.github import names, payloads


@dataclass(frozen=True, slots=True)
class Told:
    """Through whom and when something was told, and the transaction in which it is taken in.

    `scope` says of which repositories the integration may hear, and `confirmed` which names GitHub
    itself has told. `received_at` stands in for times that are not told, in microseconds.
    """

    tx: store.Transaction
    scope: Scope
    guid: str
    received_at: int
    installation_id: int | None = None
    confirmed: Set[tuple[str, int]] = frozenset()

    @property
    def integration_id(self) -> str:
        return self.scope.integration_id

    @property
    def host(self) -> str:
        """The web host of the GitHub that it came from."""
        return self.scope.host

    def time(self, value: str | int | None) -> int | None:
        """Return a time that was told; None if it is none. It is never ahead of its arrival."""
        try:
            moment = times.parse(value)
        except ValueError:
            return None
        return None if moment is None else times.not_ahead(moment, self.received_at)

    def repository(
        self,
        repository: payloads.Repository,
        *,
        is_rename: bool = False,
        old_name: str | None = None,
    ) -> int:
        """Return our id of the repository that something is told of.

        Raises NotAllowed, Unconfirmed.
        """
        repository_id = repositories.resolve(
            self.tx,
            self.scope,
            repository.full_name,
            repository.id,
            self.time(repository.updated_at),
            repository.default_branch,
            repositories.visibility_of(repository.private, repository.visibility),
            is_rename=is_rename,
            old_name=old_name,
            confirmed=self.confirmed,
        )
        if self.installation_id is not None:
            installations.observe_repository(
                self.tx, self.integration_id, repository_id, self.installation_id
            )
        return repository_id

    def other_repository(self, repository: payloads.Repository) -> int | None:
        """Return our id of a repository that is named beside; None if it is not to be told.

        Nothing that is known of it changes.
        """
        return repositories.other(
            self.tx,
            self.scope,
            repository.full_name,
            repository.id,
            self.time(repository.updated_at),
            repository.default_branch,
        )

    def address(self, told: str | None, repository: payloads.Repository, page: str) -> str | None:
        """Return the address that was told of a page of a repository.

        Behind an allow-list it leads nowhere else.
        """
        if not told or self.scope.entries is None:
            return told
        if names.is_address_in(told, repository.full_name):
            return told
        return f"https://{self.host}/{repository.full_name}/{page}"


def by_answer(
    tx: store.Transaction, scope: Scope, repository: payloads.Repository | None = None
) -> Told:
    """Return who tells what GitHub has just answered; its word on a name needs no confirmation."""
    confirmed = (
        {(repository.full_name.lower(), repository.id)}
        if repository is not None and repository.id is not None
        else frozenset[tuple[str, int]]()
    )
    return Told(tx, scope, f"fetched:{uuid.uuid4()}", times.now(), confirmed=confirmed)
