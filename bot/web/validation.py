"""What is sent, held against its type; and what is said of a field that cannot be.

What msgspec says is read here, with the same sentences that the API then says, and nowhere else.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec
from aiohttp import web
from msgspec import Struct

from bot.domain.errors import Code, FieldError, Invalid

S = TypeVar("S", bound=Struct)

# What the API says; those up to `other` are msgspec's own sentences.
_WORDS: Mapping[Code, str] = {
    "unknown": "Object contains unknown field `{limit}`",
    "required": "Object missing required field `{limit}`",
    "choice": "Not one of the allowed values",
    "too_short": "Expected `str` of length >= {limit}",
    "too_long": "Expected `str` of length <= {limit}",
    "too_many": "Expected `array` of length <= {limit}",
    "too_many_names": "Expected `object` of length <= {limit}",
    "too_small": "Expected `int` >= {limit}",
    "too_large": "Expected `int` <= {limit}",
    "pattern": "Expected `str` matching regex {limit}",
    "type": "Expected {limit}",
    "other": "{limit}",
    "missing": "is missing",
    "twice": "is given twice",
    "not_one_of": "is one of {limit}",
    "no_key": "is not a key",
    "no_cursor": "is not a next_cursor of this list",
    "no_place": "must be a place in this list",
    "no_number": "must be a number, as GitHub shows it",
    "no_time": "must be a time, such as 2026-03-02T10:00:00Z, or a day; + is %2B in an address",
    "no_name": "must be 1 to 100 printable characters",
    "key_of_address": "is not the key in the address; a key cannot be changed",
    "no_integration": "must be the id of an integration",
    "inactive_integration": "is the id of an inactive integration",
    "unlisted_integration": "is the id of an integration that cannot be used: {limit}",
    "repository_not_allowed": "is not among the integration's repositories",
    "no_pull_request": "must be a pull request that the integration's credential can reach",
    "not_on_github": "is not on GitHub, or the integration's credential does not reach it",
    "issues_off": "has issues switched off on GitHub",
    "refused": "is refused by GitHub: {limit}",
    "unknown_command": "names an unknown command; known are {limit}",
    "same_secret": "is already in use, so nothing has changed",
    "is_mask": "is the mask of a stored secret; leave the field out",
    "not_alone": "cannot be combined: send either token, or app_id and private_key",
    "needs_credential": "is missing: send token, or app_id and private_key",
    "needs_private_key": "is required with app_id",
    "only_of_app": "is only allowed with app_id and private_key",
    "not_listed": "must be one of GITHUB_API_URLS: {limit}",
    "no_repository": "must be owner/name or owner/*",
    "other_owner": "is of another owner than {limit}: a fine-grained token serves one owner; make "
    "an integration with a token of its own for each, or use a GitHub App",
    "no_full_name": "must be owner/name, as GitHub has it",
    "empty_list": "lists no repository; null allows all",
    "not_printable": "must be printable text without leading or trailing white space",
    "not_removable": "cannot be removed again through GitHub's API; choose another",
    "not_ascii": "must be printable ASCII characters without white space",
    "not_trimmed": "has leading or trailing white space",
    "short_secret": "must have at least {limit} characters",
    "no_rsa_key": "must be an RSA private key as PEM (PKCS#1 or PKCS#8), no key of another kind",
    "no_pem": "must be an RSA private key as PEM: the whole file that GitHub made for the App, "
    "from -----BEGIN to the end of its last line",
    "broken_key": "is cut off or was changed: paste the whole file that GitHub made for the App",
    "short_key": "must have at least {limit} bits; GitHub's keys do",
    "encrypted_key": "is encrypted: store it without a password (openssl rsa -in FILE)",
    "certificate": "is a certificate: the private key is the file that GitHub made for the App",
    "public_key": "is a public key: the private key is the file that GitHub made for the App",
}
_READ = [
    (code, re.compile(re.escape(words).replace(r"\{limit\}", "(.+)"), re.DOTALL))
    for code, words in _WORDS.items()
    if code in ("unknown", "required") or words.startswith("Expected")
]
_ENUM = "Invalid enum value"


def words(error: FieldError) -> str:
    """Return what the API says of a field."""
    return _WORDS[error.code].format(limit=error.limit)


def sentence(invalid: Invalid) -> str:
    """Return all that is said of the fields."""
    return "; ".join(f"{one.field}: {words(one)}" for one in invalid.errors)


def fit(value: Any, shape: type[S]) -> S:
    """Return `value` as `shape`; raises Invalid, which names the field."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise Invalid([_read(str(error))]) from None


def parse_query(request: web.Request, shape: type[S]) -> S:
    """Return the query string as `shape`; raises Invalid for what is unknown or malformed.

    A parameter that is a list is given once for each of its values.
    """
    values: dict[str, str | int | list[str]] = {}
    lists = _lists(shape)
    for name, value in request.query.items():
        if name in lists:
            values.setdefault(name, []).append(value)  # type: ignore[union-attr]
            continue
        if name in values:
            raise Invalid.field(name, "twice")
        is_number = name == "limit" and value.isascii() and value.isdigit()
        values[name] = int(value) if is_number and len(value) < 10 else value
    try:
        return fit(values, shape)
    except Invalid as error:
        one = error.errors[0]
        raise Invalid([FieldError(one.field.partition("[")[0], one.code, one.limit)]) from None


@cache
def _lists(shape: type[Struct]) -> frozenset[str]:
    fields = msgspec.structs.fields(shape)
    return frozenset(one.name for one in fields if get_origin(_plain(one.type)) is tuple)


def _plain(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _read(sentence: str) -> FieldError:
    """Return what a sentence of msgspec's says; of what was sent it repeats nothing.

    It may be a secret in the wrong field.
    """
    message, _, path = sentence.partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    if message.startswith(_ENUM):
        return FieldError(field, "choice")
    for code, pattern in _READ:
        if found := pattern.fullmatch(message):
            limit = found[1]
            if code in ("unknown", "required"):
                return FieldError(f"{field}.{limit}".lstrip("."), code, limit)
            return FieldError(field, code, int(limit) if limit.isdecimal() else limit)
    return FieldError(field, "other", message)
