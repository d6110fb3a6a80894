"""The vault encrypts what is stored, knows the keys, and makes and hashes our own tokens."""

import base64
import hashlib
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

TOKEN_PREFIX = "xbot_"  # noqa: S105 - lets secret scanners know a token of ours

# What it is about, and the secrets by their names.
_SEALED = msgspec.json.Decoder(tuple[str, dict[str, str]])


class VaultError(Exception):
    """A stored secret cannot be read with the keys at hand."""


class Vault:
    """Encrypts small mappings with the first of `keys` and decrypts with any of them.

    Each is bound to what it is about: moved to another row, or used for another purpose, it opens
    no more.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        self._first = base64.urlsafe_b64decode(keys[0])

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes from the first key that serve one purpose and tell nothing of it."""
        return HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(self._first)

    def seal(self, secrets_by_name: Mapping[str, str], about: str) -> str:
        """Return the mapping encrypted, as ASCII text, to be opened as what it is `about` alone."""
        return self._fernet.encrypt(msgspec.json.encode((about, secrets_by_name))).decode("ascii")

    def open(self, sealed: str, about: str) -> dict[str, str]:
        """Return the mapping that `seal` was given.

        Raises VaultError if no key fits, or if it was sealed about something else.
        """
        try:
            bound, opened = _SEALED.decode(self._decrypted(sealed))
        except msgspec.DecodeError:
            bound, opened = "", {}
        if bound != about:
            raise VaultError(
                "a stored secret was sealed for another place than where it is now: "
                "store it anew, or restore a backup"
            )
        return opened

    def bind(self, sealed: str, about: str) -> str:
        """Return what a version before had sealed about nothing, sealed as `seal` does now."""
        return self.seal(msgspec.json.decode(self._decrypted(sealed), type=dict[str, str]), about)

    def _decrypted(self, sealed: str) -> bytes:
        try:
            return self._fernet.decrypt(sealed.encode("ascii"))
        except (InvalidToken, UnicodeEncodeError):
            raise VaultError(
                "a stored secret cannot be decrypted with SECRET_KEY: "
                "add the key it was stored with to the list"
            ) from None


def load_or_create_key(data_dir: Path) -> str:
    """Return the key of `DATA_DIR/secret.key`, made on first use (file mode 0600).

    Two processes that start at once agree on one key: it is written aside and then linked into
    place, which only one of them can do.
    """
    path = data_dir / "secret.key"
    if not path.exists():
        aside = data_dir / f".secret.key.{os.getpid()}.{secrets.token_hex(4)}"
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(aside)
        except FileExistsError:
            pass  # another process was first: its key is the key
        finally:
            aside.unlink()
    key = path.read_text("ascii", "replace").strip()
    try:
        Fernet(key)
    except ValueError:
        raise VaultError(f"{path} holds no Fernet key; restore it from a backup") from None
    return key


def new_token() -> str:
    """Return a new random API token (256 bits)."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return what is stored of an API token: its SHA-256 in hexadecimal.

    Tokens are 256 random bits, so a plain hash cannot be searched; no salt is needed.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
