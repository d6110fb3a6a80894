"""Takes e-mail addresses out of what people wrote: no list, feed or page shows them.

What stands around the sign tells an address from what only looks like one, as `react@18.2.0`,
`actions/checkout@v4` and `git@github.com:acme/shop.git` do. docs/linking.md has the rules.
"""

import re
from itertools import islice

_SIGN = re.compile(r"[@\uff20\ufe6b]|%40|&#0*64;|&#x0*40;|&commat;", re.IGNORECASE)
_BREAKS = "[\u00ad\u200b-\u200f\u2060\ufeff]*+"  # invisible; some put them beside the sign
_DOMAIN = re.compile(rf"{_BREAKS}([\w-]++(?:\.[\w-]++)*+|\[[\w.:-]{{1,255}}+\])")
# What stands before the sign, read backwards from it
_LOCAL = re.compile(
    rf"""{_BREAKS}\\?
    (?P<local>(?:\]tob\[)?(?: [^\s<>()\[\]{{}}"'`*,;:@\uff20\ufe6b/\\|=~\#] | (?<=\w)'(?=\w) )++
      | "[^"\n]{{1,64}}" )
    (?P<mailto>(?://)?:otliam)?""",
    re.VERBOSE | re.IGNORECASE,
)
_LONGEST = 256  # characters before a sign
_MOST_SIGNS = 1_000  # of a text that a person wrote; of others whole words go
_WORD = re.compile(rf"(?<!\S)\S\S*?(?:{_SIGN.pattern})\S*", re.IGNORECASE)

_NO_PERSON = re.compile(r"git|org-\d+")  # of a repository's address
_NO_PACKAGE = "root"
_THIS_MACHINE = re.compile(r"localhost(?:\.\w+)?", re.IGNORECASE)
_IP = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}")
_VERSION = re.compile(
    r"v?\d+(?:\.\d+)+(?:[.-]\w+)*"  # 18.2.0, v1.2.3-beta.1, 5.3.0.RELEASE
    r"|v?\d+(?:\.x)?(?:-[\w-]+(?:\.\d+)*)?"  # v4, 18.x, 20-bookworm
    r"|(?=[a-f]*\d)[\da-f]{7,64}"  # a commit's SHA
    r"|\d(?:\.\d)?x\.[a-z]{3,4}",  # icon@2x.png
    re.IGNORECASE,
)
_TAG = re.compile(
    r"(?:alpha|beta|canary|current|dev|develop|edge|experimental|file|head|insiders|latest|legacy"
    r"|link|lts|main|master|next|nightly|npm|patch|preview|rc|release|sha\d+|snapshot|stable|tip"
    r"|trunk|upstream|workspace)(?:-[\w-]+)?",
    re.IGNORECASE,
)


def without_emails(text: str, instead: str = "") -> str:
    """Return a text with `instead` in the place of each e-mail address."""
    return _replaced(text, instead, everything=False)


def name_without_email(name: str | None) -> str | None:
    """Return a person's name, None if nothing is left: some have set it to their address."""
    return (_replaced(name, "", everything=True).strip() or None) if name else None


def _replaced(text: str, instead: str, *, everything: bool) -> str:
    signs = list(islice(_SIGN.finditer(text), _MOST_SIGNS + 1))
    if len(signs) > _MOST_SIGNS:
        return _WORD.sub(lambda _: instead, text)
    kept, position = [], 0
    for sign in signs:
        if sign.start() < position:
            continue
        domain = _DOMAIN.match(text, sign.end())
        before = text[max(position, sign.start() - _LONGEST) : sign.start()][::-1]
        local = _LOCAL.match(before) if domain else None
        if domain is None or local is None:
            continue
        start, end = sign.start() - local.end(), domain.end()
        around = before[local.end() : local.end() + 2]  # backwards, too
        in_brackets = around.startswith("<") and text.startswith(">", end)
        if everything or in_brackets or _is_address(local, domain[1], around):
            if in_brackets and not instead:
                start, end = start - len(around if around == "< " else "<"), end + 1
            kept += [text[position:start], instead]
            position = end
    return "".join([*kept, text[position:]])


def _is_address(local: re.Match[str], domain: str, before: str) -> bool:
    name = local["local"][::-1]
    if local["mailto"] or name.startswith('"') or domain.startswith("[") or _IP.fullmatch(domain):
        return True
    if name == _NO_PACKAGE or _THIS_MACHINE.fullmatch(domain):
        return True
    if _NO_PERSON.fullmatch(name) or _VERSION.fullmatch(domain):
        return False
    is_path = before.startswith("/") and before != "//"
    return "." in domain or not (is_path or _TAG.fullmatch(domain))
