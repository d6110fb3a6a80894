"""The references to experiments in a whole file."""

import operator
import re
from collections.abc import Iterator

from msgspec import Struct

from bot.code.configuration import blanked, whole_keys_and_values
from bot.code.files import decoded
from bot.code.fillings import WORD, filled_in
from bot.code.lexer import lexed
from bot.code.names import configuration_of, family_of
from bot.code.vocabulary import Term, Vocabulary

_IDENTIFIER = re.compile(rb"[%s]+" % WORD)
_IDENTIFIER_WITH_DOLLAR = re.compile(rb"[%s$]+" % WORD)
_KEBAB = re.compile(rb"[%s-]+" % WORD)


class Reference(Struct, frozen=True):
    """An experiment named in a line of a file, counted from 1 as git does (lines end with \\n).

    `alias` is what is written there: an alias, or a spelling; None where it is the key itself.
    """

    line: int
    key: str
    alias: str | None

    def __lt__(self, other: "Reference") -> bool:
        return self.place < other.place

    @property
    def place(self) -> tuple[int, str, str]:
        """What references are sorted by."""
        return self.line, self.key, self.alias or ""


def references(vocabulary: Vocabulary, path: str, content: bytes) -> list[Reference]:
    """Return the references of a whole file, sorted, each once a line.

    Whether a file is to be read at all is not asked here (bot/code/files.py).
    """
    return _references(vocabulary, path, decoded(content), partial=False)


def references_in_part(vocabulary: Vocabulary, path: str, content: bytes) -> list[Reference]:
    """Return the references of a part of a file, such as a hunk of a diff; its lines from 1."""
    return _references(vocabulary, path, content, partial=True)


def _references(
    vocabulary: Vocabulary, path: str, content: bytes, *, partial: bool
) -> list[Reference]:
    configuration = configuration_of(path)
    if configuration:
        promising = vocabulary.may_be_in_configuration(content)
    else:
        promising = vocabulary.may_be_in_code(content)
    if not promising:
        return []
    counted = content.replace(b"\r\n", b"\n")
    text = counted.replace(b"\r", b"\n")
    family = family_of(path)
    if configuration:
        read, bare = whole_keys_and_values(configuration, family, text, vocabulary.terms)
    else:
        read, bare = lexed(text, family, vocabulary.terms, partial=partial), []
    places = [
        (place, term)
        for place, written in (*read.literals, *bare)
        for term in vocabulary.terms[written]
    ]
    if vocabulary.is_loose:
        seen = blanked(text, read.comments)
        places += _identifiers(vocabulary, seen, dollar=family.dollar)
        places += [
            (place, term)
            for pattern in vocabulary.patterns
            for place, written in filled_in(pattern, seen, vocabulary.fillings, vocabulary.lengths)
            for term in vocabulary.fillings[written]
        ]
    return _numbered(counted, places)


def _identifiers(
    vocabulary: Vocabulary, text: bytes, *, dollar: bool
) -> Iterator[tuple[int, Term]]:
    """Find spellings as whole identifiers, and as whole words with hyphens in them."""
    identifiers = _IDENTIFIER_WITH_DOLLAR if dollar else _IDENTIFIER
    for words, known in ((identifiers, vocabulary.identifiers), (_KEBAB, vocabulary.hyphenated)):
        if known:
            for found in words.finditer(text):
                for term in known.get(found[0], ()):
                    yield found.start(), term


def _numbered(text: bytes, places: list[tuple[int, Term]]) -> list[Reference]:
    found = set()
    line, at = 1, 0
    for place, term in sorted(places, key=operator.itemgetter(0)):
        line += text.count(b"\n", at, place)
        at = place
        found.add(Reference(line, term.key, term.alias))
    return sorted(found)
