"""Private keys of Apps: in whichever shape one is pasted, and what is said of what is none."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, PublicFormat

from tests.api.managing import PATH, create, pem_of
from tests.kit.marks import sqlite_only
from tests.kit.running import SECRET, Bot

NOW = datetime(2026, 3, 2, tzinfo=UTC)
APP = {"app_id": 1, "webhook_secret": SECRET}
EC_KEY = pem_of(ec.generate_private_key(ec.SECP256R1()), PrivateFormat.PKCS8)
SHAPES: dict[str, Callable[[str], str]] = {
    "literal line ends": lambda pem: pem.replace("\n", "\\n"),
    "literal line ends of Windows": lambda pem: pem.replace("\n", "\\r\\n"),
    "quoted": lambda pem: f'  "{pem}" ',
    "quoted, with literal line ends": lambda pem: "'" + pem.replace("\n", "\\n") + "'\n",
    "line ends of Windows": lambda pem: pem.replace("\n", "\r\n"),
    "one line": lambda pem: pem.replace("\n", " "),
    "indented": lambda pem: pem.replace("\n", "\n    "),
    "base64": lambda pem: base64.b64encode(pem.encode()).decode(),
    "base64 of many lines": lambda pem: base64.encodebytes(pem.encode()).decode(),
    "base64 of literal line ends": lambda pem: base64.b64encode(
        pem.replace("\n", "\\n").encode()
    ).decode(),
}


@sqlite_only
@pytest.mark.parametrize("form", [PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8])
@pytest.mark.parametrize("shape", SHAPES)
async def test_a_key_in_another_shape(
    bot: Bot, rsa_key: rsa.RSAPrivateKey, shape: str, form: PrivateFormat
) -> None:
    """What is stored is PEM as GitHub writes it."""
    pem = pem_of(rsa_key, form)
    made = await bot.post(PATH, create(config={**APP, "private_key": SHAPES[shape](pem)}))
    assert made.status == 201, made.body
    opened = await bot.services.integration(made.body["id"])
    assert opened is not None and opened.private_key == pem


def _certificate(key: rsa.RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bot")])
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(1))
    return built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


NO_KEYS: dict[str, tuple[Callable[[rsa.RSAPrivateKey], str], str]] = {
    "encrypted": (lambda key: pem_of(key, PrivateFormat.PKCS8, b"password"), "is encrypted"),
    "encrypted as of old": (
        lambda key: pem_of(key, PrivateFormat.TraditionalOpenSSL, b"password"),
        "is encrypted",
    ),
    "certificate": (_certificate, "is a certificate"),
    "public": (
        lambda key: (
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        ),
        "is a public key",
    ),
    "elliptic": (lambda key: EC_KEY, "no key of another kind"),
    "elliptic as of old": (
        lambda key: pem_of(
            ec.generate_private_key(ec.SECP256R1()), PrivateFormat.TraditionalOpenSSL
        ),
        "no key of another kind",
    ),
    "OpenSSH": (lambda key: pem_of(key, PrivateFormat.OpenSSH), "no key of another kind"),
    "too small": (
        lambda key: pem_of(rsa.generate_private_key(65_537, 1024), PrivateFormat.PKCS8),
        "at least 2048 bits",
    ),
    "cut off": (lambda key: pem_of(key, PrivateFormat.PKCS8)[:-200], "is cut off"),
    "a line is missing": (
        lambda key: "\n".join(
            [*pem_of(key, PrivateFormat.PKCS8).split("\n")[:5], "-----END PRIVATE KEY-----"]
        ),
        "is cut off",
    ),
    "its name": (lambda key: "acme.2026-03-02.private-key.pem", "the whole file"),
}


@sqlite_only
@pytest.mark.parametrize("what", NO_KEYS)
async def test_what_is_no_key_is_said(bot: Bot, rsa_key: rsa.RSAPrivateKey, what: str) -> None:
    make, words = NO_KEYS[what]
    key = make(rsa_key)
    for shape in (key, key.replace("\n", "\\n")):
        answer = await bot.post(PATH, create(config={**APP, "private_key": shape}))
        assert answer.status == 422
        (error,) = answer.body["errors"]
        assert error["field"] == "config.private_key" and words in error["message"]
        assert all(line not in str(answer.body) for line in key.split("\n")[1:3] if line)
