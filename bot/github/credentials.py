"""What a client acts with: a token, or an App's id and key, and the GitHub that they are for."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """A credential. `label` names it in logs and metrics; the secrets are never shown."""

    label: str
    api_url: str
    app_id: int | None
    token: str | None = field(repr=False)
    private_key: str | None = field(repr=False)

    @property
    def is_app(self) -> bool:
        """Tell whether it is an App's, which acts as one of its installations."""
        return self.token is None
