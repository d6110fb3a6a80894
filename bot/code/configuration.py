"""Files of configuration: there a whole key or a whole value counts without quotes, too."""

import re
from collections.abc import Callable, Container, Iterator

from bot.code.families import Family
from bot.code.lexer import Lexed, lexed
from bot.code.yaml_scalars import yaml_scalars

Place = tuple[int, bytes]

_NOT_LINE_END = re.compile(rb"[^\n]")
_PROPERTY = re.compile(
    rb"^[ \t\f]*+(?:(?P<comment>[#!][^\n]*+)"
    rb"|(?P<key>(?:\\.|[^\s:=\\])++)[ \t\f]*+[:=]?(?P<value>(?:[^\\\n]|\\(?:[^\n]|\n|\Z))*+))",
    re.MULTILINE,
)
_VARIABLE = re.compile(
    rb"^[ \t]*+(?:(?P<comment>#[^\n]*+)"
    rb"|(?:export[ \t]++)?(?P<key>[A-Za-z0-9_.-]++)[ \t]*+=[ \t]*+"
    rb"(?P<value>\"(?:[^\"\\]|\\[\s\S])*+\"|'[^']*+'|(?:[^\s]++|[ \t]++(?=[^\s#]))*+))",
    re.MULTILINE,
)
_OPTION = re.compile(
    rb"^[ \t]*+(?:(?P<comment>[#;][^\n]*+)|\[(?P<section>[^\]\n]*+)\]"
    rb"|(?P<key>[^=:\n]++)[=:][ \t]*+(?P<value>(?:[^\s]++|[ \t]++(?=[^\s#;]))*+))",
    re.MULTILINE,
)
_JSON_KEY = re.compile(rb"(?<![A-Za-z0-9_$.-])[A-Za-z0-9][A-Za-z0-9._-]*+(?=\s*+:)")
_TOML_NAMES = re.compile(
    rb"(?:^|[{,])(?P<names>[A-Za-z0-9_. \t-]++)=|^[ \t]*+\[\[?(?P<table>[A-Za-z0-9_. \t-]++)\]",
    re.MULTILINE,
)
_NAME = re.compile(rb"[A-Za-z0-9_-]++")


def blanked(text: bytes, spans: list[tuple[int, int]]) -> bytes:
    """Return a text of the same length and lines with blanks in place of some parts of it."""
    pieces = []
    at = 0
    for start, end in sorted(spans):
        if end > at:
            begin = max(start, at)
            pieces += [text[at:begin], _NOT_LINE_END.sub(b" ", text[begin:end])]
            at = end
    return b"".join([*pieces, text[at:]])


def whole_keys_and_values(
    kind: str, family: Family, text: bytes, wanted: Container[bytes]
) -> tuple[Lexed, list[Place]]:
    """Return what is quoted in configuration, and the wanted keys and values that are not.

    `kind` is what `configuration_of` returns. Places are offsets.
    """
    if kind == "yaml":
        return yaml_scalars(text, wanted)
    if kind in _LINES:
        return _of_lines(_LINES[kind], text, wanted)
    read = lexed(text, family, wanted)
    code = blanked(text, [*read.comments, *read.others])
    names = _BARE[kind](code)
    return read, [(place, name) for place, name in names if name in wanted]


def _json_names(text: bytes) -> Iterator[Place]:
    for found in _JSON_KEY.finditer(text):
        yield found.start(), found[0]


def _toml_names(text: bytes) -> Iterator[Place]:
    """Yield each part of a dotted key, and the dotted key as a whole."""
    for found in _TOML_NAMES.finditer(text):
        group = found.lastgroup or "names"
        start, whole = found.start(group), found[group]
        for part in _NAME.finditer(whole):
            yield start + part.start(), part[0]
        if b"." in whole:
            yield start + len(whole) - len(whole.lstrip()), whole.strip()


def _of_lines(
    line: re.Pattern[bytes], text: bytes, wanted: Container[bytes]
) -> tuple[Lexed, list[Place]]:
    read = Lexed([], [], [])
    for found in line.finditer(text):
        if found["comment"]:
            read.comments.append(found.span("comment"))
            continue
        for group in found.groupdict():
            if found[group] and (content := _unquoted(found[group])) in wanted:
                start = found.start(group) + found[group].index(content)
                read.literals.append((start, content))
    return read, []


def _unquoted(value: bytes) -> bytes:
    value = value.strip()
    if len(value) > 1 and value[:1] in {b'"', b"'", b"`"} and value[:1] == value[-1:]:
        return value[1:-1]
    return value


_LINES = {"properties": _PROPERTY, "env": _VARIABLE, "ini": _OPTION}
_BARE: dict[str, Callable[[bytes], Iterator[Place]]] = {"json5": _json_names, "toml": _toml_names}
