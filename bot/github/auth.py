"""Who we are to GitHub: a token as it is, an App by JWT, or an installation of it.

https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bot import times
from bot.github import limits
from bot.github.failures import NoToken, Refused, Temporary

_BACK = 60  # seconds that a JWT is issued in the past, for clocks that differ
_LIFE = 540  # seconds from there; GitHub's limit is 600
_JWT_MARGIN = 60  # seconds before its end from which a JWT is not used any more
_MARGIN = 300 * times.SECOND  # the same for an installation token
_DRIFT = 5.0  # seconds by which clocks may differ without notice


class FixedToken:
    """A personal access token, an installation token that somebody pasted, or None for nobody."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    async def token(self) -> str | None:
        """Return the token, None to go without; raises CallFailed if there is none to be had."""
        return self._token

    def refused(self, token: str | None, headers: Mapping[str, str]) -> bool:
        """GitHub answered 401 to `token`: tell whether another one may do."""
        return False


class AppToken:
    """Signs JWTs as an App. Follows GitHub's clock where ours is wrong."""

    def __init__(self, app_id: int, private_key: str) -> None:
        self._app_id, self._private_key = app_id, private_key
        self._drift = 0.0  # seconds that GitHub's clock is ahead of ours
        self._signed: tuple[str, float] | None = None

    async def token(self) -> str:
        now = times.now() / times.SECOND + self._drift
        if self._signed is None or now >= self._signed[1] - _JWT_MARGIN:
            issued = int(now) - _BACK
            claims = {"iat": issued, "exp": issued + _LIFE, "iss": str(self._app_id)}
            self._signed = jwt.encode(claims, self._key(), algorithm="RS256"), issued + _LIFE
        return self._signed[0]

    def _key(self) -> RSAPrivateKey:
        # It was checked when it was stored, which takes a hundred times as long as signing.
        pem = self._private_key.encode()
        key = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
        assert isinstance(key, RSAPrivateKey)
        return key

    def refused(self, token: str | None, headers: Mapping[str, str]) -> bool:
        github_now = limits.date_of(headers)
        if github_now is None:
            return False
        drift = github_now - times.now() / times.SECOND
        if abs(drift - self._drift) <= _DRIFT:
            return False
        self._drift, self._signed = drift, None
        return True


class InstallationToken:
    """Has tokens of an installation minted, one at a time, and keeps each until shortly before
    it expires. They are opaque."""

    def __init__(self, mint: Callable[[], Awaitable[Any]]) -> None:
        self._mint = mint
        self._minting = asyncio.Lock()
        self._minted: tuple[str, int] | None = None

    async def token(self) -> str:
        async with self._minting:
            if self._minted is None or times.now() >= self._minted[1] - _MARGIN:
                answer = await self._mint()
                try:
                    self._minted = answer["token"], times.parse(answer["expires_at"]) or 0
                except (KeyError, TypeError, ValueError):
                    raise Temporary("GitHub's answer holds no installation token") from None
            return self._minted[0]

    def refused(self, token: str | None, headers: Mapping[str, str]) -> bool:
        if self._minted is not None and self._minted[0] == token:
            self._minted = None
        return True


Auth = FixedToken | AppToken | InstallationToken


def explain_mint(error: Refused, installation_id: int) -> Refused:
    """Return why there is no token of an installation, with what to do about it."""
    what = f"installation {installation_id}"
    why = {
        401: (f"GitHub does not know the App: {error.reason}", "check app_id and private_key"),
        403: (f"{what} gives no token: {error.reason}", "unsuspend it in GitHub"),
        404: (f"{what} does not exist (any more)", "install the App again"),
    }.get(error.status)
    if why is None:
        return error
    return NoToken(error.status, *why, lags=error.status == 404, hindrance=error.hindrance)
