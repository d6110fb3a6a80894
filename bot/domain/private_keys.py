"""A GitHub App's private key, in whichever shape it was pasted, and what is wrong with one."""

import base64
import re
from collections.abc import Mapping

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bot.domain.errors import Code

SHORTEST = 2048  # bits; GitHub's have as many
_LABEL = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")
_PEM = re.compile(r"(-----BEGIN ([A-Z0-9 ]+)-----)([A-Za-z0-9+/=\s]+)(-----END \2-----)")
_OTHERS: Mapping[str, Code] = {
    "ENCRYPTED": "encrypted_key",
    "CERTIFICATE": "certificate",
    "PUBLIC": "public_key",
}


def as_pem(text: str) -> str:
    r"""Return a key as PEM is written, whatever forms, shells and files of variables made of it.

    They lose line ends or write them as `\n`, add quotation marks, or want all of it as base64.
    """
    text = _plain(text)
    if "-----" not in text:
        text = _plain(_decoded(text))
    found = _PEM.fullmatch(text)
    if found is None:
        return text
    code = "".join(found[3].split())
    lines = [code[start : start + 64] for start in range(0, len(code), 64)]
    return "\n".join((found[1], *lines, found[4], ""))


def _plain(text: str) -> str:
    text = text.strip().strip("\"'")
    return text.replace("\\r", "").replace("\\n", "\n").strip()


def _decoded(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("ascii")
    except ValueError:
        return text


def problem_of(pem: str) -> Code | None:
    """Return what is wrong with a key as `as_pem` returns it; None if Apps can sign with it."""
    label = _LABEL.search(pem)
    if label is None:
        return "no_pem"
    for word, code in _OTHERS.items():
        if word in label[1]:
            return code
    return "encrypted_key" if "ENCRYPTED" in pem else _problem_of_key(pem, label[1])


def _problem_of_key(pem: str, label: str) -> Code | None:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "broken_key" if label in ("RSA PRIVATE KEY", "PRIVATE KEY") else "no_rsa_key"
    if not isinstance(key, RSAPrivateKey):
        return "no_rsa_key"
    return "short_key" if key.key_size < SHORTEST else None
