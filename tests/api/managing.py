"""Integrations as tests of the API create them."""

from typing import Any

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tests.kit.running import SECRET

PATH = "/api/v1/integrations"
MASK = "********"
TOKEN = {"token": "ghp_of_the_tests", "webhook_secret": SECRET}


def pem_of(key: Any, form: PrivateFormat, password: bytes | None = None) -> str:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    text: bytes = key.private_bytes(Encoding.PEM, form, encryption)
    return text.decode()


def create(**values: Any) -> dict[str, Any]:
    """Return a body that creates an integration; `config` replaces a token and a secret."""
    return {"name": "Tests", "integration_type": "GITHUB", "config": TOKEN, **values}
