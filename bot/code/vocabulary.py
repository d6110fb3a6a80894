"""What is looked for in source code: keys, aliases, spellings and patterns, made ready once."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ahocorasick_rs import BytesAhoCorasick
from msgspec import Struct, json

from bot.code.fillings import Filling, filling_of
from bot.code.spellings import Spelling, spellings

_QUOTES = (b'"', b"'", b"`")
# Of the text that is searched at once: so many bytes, to have few finds in memory.
_PIECE = 1 << 18
_RUN = re.compile(rb"[A-Za-z0-9._-]++")
_RUN_BEFORE = re.compile(rb"[A-Za-z0-9._-]*+\Z")
_FARTHEST = 130  # bytes before what is found that may belong to the same key
# Part of the digest: what was found with other rules of the lexer is out of date.
_VERSION = 1


class Term(Struct, frozen=True, order=True):
    """What is looked for: `alias` is what is written, or None where that is the key itself."""

    key: str
    alias: str | None = None


class Rules(Struct, frozen=True):
    """What `code` of a repository's .github/experiments.yml says.

    `include` and `exclude` are patterns of gitignore, an empty `include` is everything. `aliases`
    are the spellings that count as identifiers, `patterns` the lines in which KEY stands for a key.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    aliases: tuple[Spelling, ...] = ()
    patterns: tuple[str, ...] = ()


NO_RULES = Rules()
Terms = Mapping[bytes, tuple[Term, ...]]


class Vocabulary:
    """What all experiments are called, and the rules of a repository. Never changes.

    `terms` are keys and aliases as they are written; `identifiers` and `hyphenated` their spellings
    that are switched on; `fillings` what may stand for KEY in `patterns`, of `lengths`; `is_loose`:
    there are spellings or patterns. False where there is nothing to look for.
    """

    def __init__(
        self, experiments: Iterable[tuple[str, Sequence[str]]], rules: Rules = NO_RULES
    ) -> None:
        terms: dict[bytes, set[Term]] = {}
        identifiers: dict[bytes, set[Term]] = {}
        hyphenated: dict[bytes, set[Term]] = {}
        for key, aliases in experiments:
            for text in (key, *aliases):
                _add(terms, text, key)
                for spelling, spelled in spellings(text, rules.aliases):
                    _add(hyphenated if spelling == "kebab" else identifiers, spelled, key)
        self.rules = rules
        self.terms = _settled(terms)
        self.identifiers = _settled(identifiers)
        self.hyphenated = _settled(hyphenated)
        self.patterns: tuple[Filling, ...] = tuple(
            filling for pattern in rules.patterns if (filling := filling_of(pattern))
        )
        fillings: dict[bytes, set[Term]] = {}
        for known in (terms, identifiers, hyphenated) if self.patterns else ():
            for written, found in known.items():
                fillings.setdefault(written, set()).update(found)
        self.fillings = _settled(fillings)
        self.lengths = tuple(sorted({len(text) for text in fillings}, reverse=True))
        self.is_loose = bool(identifiers or hyphenated or self.patterns)
        self.digest = _digest(self.terms, rules)
        self._quoted = _Search(quote + text + quote for text in self.terms for quote in _QUOTES)
        self._bare = _Search(self.terms)
        anchors = [one.anchor for one in self.patterns if terms]
        self._loose = _Search([*identifiers, *hyphenated, *anchors])

    def __bool__(self) -> bool:
        return bool(self.terms)

    def may_be_in_code(self, content: bytes) -> bool:
        """Tell whether a file of code is worth a close look: False is certain."""
        return self._quoted.finds(content) or self._loose.finds(content)

    def may_be_in_configuration(self, content: bytes) -> bool:
        """Tell the same of a file of configuration, where keys need no quotes."""
        return self._stands_alone(content) or self._loose.finds(content)

    def _stands_alone(self, content: bytes) -> bool:
        """Tell whether a key stands between characters that no key has, or dots (as of TOML)."""
        seen = 0
        for start, _ in self._bare.found(content):
            if start < seen:
                continue
            first = _RUN_BEFORE.search(content, max(seen, start - _FARTHEST), start)
            run = _RUN.match(content, first.start() if first else start)
            assert run
            seen = run.end()
            if run[0] in self.terms or any(part in self.terms for part in run[0].split(b".")):
                return True
        return False


class _Search:
    """Whether one of many byte strings is in a content (Aho-Corasick: the number costs no time)."""

    def __init__(self, wanted: Iterable[bytes]) -> None:
        patterns = sorted(set(wanted))
        self._longest = max(map(len, patterns), default=0)
        self._automaton = BytesAhoCorasick(patterns) if patterns else None

    def finds(self, content: bytes) -> bool:
        return next(self.found(content), None) is not None

    def found(self, content: bytes) -> Iterator[tuple[int, int]]:
        """Yield from where to where something is found, piece by piece; some may come twice."""
        if self._automaton is None:
            return
        view = memoryview(content)
        step = _PIECE + self._longest
        for piece in range(0, len(content), _PIECE):
            part = view[piece : piece + step]
            for _, start, end in self._automaton.find_matches_as_indexes(part):
                yield piece + start, piece + end


def _add(terms: dict[bytes, set[Term]], text: str, key: str) -> None:
    terms.setdefault(text.encode(), set()).add(Term(key, None if text == key else text))


def _settled(terms: Mapping[bytes, set[Term]]) -> Terms:
    return {text: tuple(sorted(found)) for text, found in sorted(terms.items())}


def _digest(terms: Terms, rules: Rules) -> str:
    said = [_VERSION, rules, [[one.key, one.alias] for found in terms.values() for one in found]]
    return hashlib.sha256(json.encode(said)).hexdigest()
