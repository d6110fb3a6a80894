"""Makes what GitHub sent fit to show: without secrets and e-mail addresses, and of a bearable size.

What is looked at is bounded, so that no payload keeps the service busy for long.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bot import characters
from bot.domain.audit import MASK
from bot.emails import without_emails

MAIL = "(e-mail address hidden)"
_NODES = 4_000  # values of one part of a payload
_LONGEST = 10_000  # characters of one string
_MARGIN = 1_000  # looked at beyond that, so that a secret is not cut before it is known as one
_PART = 100_000  # characters of one part of a payload
_SECRET_NAME = re.compile(
    r"token|secret|passw|private_?key|api_?key|authorization|signature|credential|cookie", re.I
)
_MAIL_NAME = re.compile(r"e-?mail$", re.I)
_SECRETS = re.compile(
    r"\bgh[a-z]_[A-Za-z0-9_]{10,255}"
    r"|\bgithub_pat_[A-Za-z0-9_]{10,255}"
    r"|\bv1\.[0-9a-f]{40}\b"
    r"|-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*"
    r"|(?<=://)[^\s/@:]{1,200}:[^\s/@]{1,200}(?=@)",
    re.S,
)
_PARAMETERS = re.compile(
    r"([?&](?:[a-z_-]{0,40}token|client_secret|secret|sig|signature|code|api_key)=)[^&#\s\"']+",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Part:
    """A member of a payload. `text` is its JSON, for people; `size` says what is in it."""

    name: str
    text: str
    size: str | None  # of an object or list; None for anything else
    is_cut: bool


def text(value: str) -> str:
    """Return a text without what looks like a secret or an e-mail address."""
    hidden = value[: _LONGEST + _MARGIN]
    hidden = _PARAMETERS.sub(rf"\g<1>{MASK}", _SECRETS.sub(MASK, hidden))
    hidden = without_emails(hidden, MAIL)
    return f"{characters.begin(hidden, _LONGEST)}…" if len(value) > _LONGEST else hidden


def named(name: str, value: str) -> str:
    """Return the value of a header or member of this name, as `text`."""
    if value and _SECRET_NAME.search(name):
        return MASK
    return MAIL if value and _MAIL_NAME.search(name) else text(value)


def parts(payload: dict[str, Any]) -> list[Part]:
    """Return a payload member by member, plain values first. Takes a while for a large one."""
    looked_at = _Look()
    names = [name for name, _ in looked_at.within(payload.items())]
    found = [_part(name, payload[name]) for name in names]
    if looked_at.is_cut:
        found.append(Part("…", f"{len(payload) - len(names)} more", None, True))
    return sorted(found, key=lambda part: part.size is not None)


def _part(name: str, value: Any) -> Part:
    looked_at = _Look()
    shown = json.dumps(looked_at.value(name, value), indent=2, ensure_ascii=False)
    size = None
    if isinstance(value, dict | list):
        what = "field" if isinstance(value, dict) else "item"
        size = f"{len(value):,} {what}{'' if len(value) == 1 else 's'}"
    return Part(
        text(name), characters.begin(shown, _PART), size, looked_at.is_cut or len(shown) > _PART
    )


class _Look:
    """Copies values, concealed, until it has seen enough."""

    def __init__(self) -> None:
        self.left = _NODES
        self.is_cut = False

    def within(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            self.left -= 1
            if self.left < 0:
                self.is_cut = True
                return
            yield item

    def value(self, name: str, value: Any) -> Any:
        if isinstance(value, dict):
            members = self.within(value.items())
            return {text(key): self.value(key, member) for key, member in members}
        if isinstance(value, list):
            return [self.value(name, member) for member in self.within(value)]
        if isinstance(value, str):
            self.is_cut = self.is_cut or len(value) > _LONGEST
            return named(name, value)
        if value is None or isinstance(value, bool) or not _SECRET_NAME.search(name):
            return value
        return MASK
