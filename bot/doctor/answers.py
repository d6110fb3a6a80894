"""What GitHub answers of Apps, installations and repositories, as far as it matters here."""

from msgspec import Struct, field


class App(Struct):
    slug: str
    html_url: str = ""
    permissions: dict[str, str] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)


class Account(Struct):
    login: str | None = None
    slug: str | None = None  # of an enterprise


class Installation(Struct):
    id: int
    account: Account | None = None
    permissions: dict[str, str] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    suspended_at: str | None = None
    html_url: str = ""

    @property
    def name(self) -> str:
        account = self.account or Account()
        return f"{account.login or account.slug or 'unknown'} ({self.id})"


class Repository(Struct):
    full_name: str
    private: bool = False
    archived: bool = False
    has_issues: bool = True
    permissions: dict[str, bool] | None = None


class Repositories(Struct):
    repositories: list[Repository]
