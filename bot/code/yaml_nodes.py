"""Reads YAML of strangers into nodes that know where they stand: bounded, and without surprises.

An alias stands for the very node that its anchor names, which is not copied; whoever walks through
the nodes counts how many he meets. https://yaml.org/spec/1.1/
"""

from collections.abc import Iterator
from typing import Any, Literal

import yaml
from msgspec import Struct

from bot import characters

MOST_BYTES = 64 * 1024
DEPTH = 10  # mappings and lists within each other
_MOST_NODES = 20_000
_SHOWN = 60  # characters of what stands there that a problem repeats


class Problem(Struct, frozen=True, omit_defaults=True):
    """What is wrong in a file, and where: line and column count from 1.

    `path` is what it is about, such as `code.include[2]`; empty for the file as a whole.
    """

    line: int
    column: int
    message: str
    path: str = ""


TOO_LARGE = Problem(1, 1, f"The file is larger than {MOST_BYTES // 1024} KB.")
UNREADABLE = Problem(1, 1, "GitHub gives the file in a form that cannot be read.")


class Node(Struct, frozen=True):
    """Something that stands in a file."""

    line: int
    column: int


class Scalar(Node, frozen=True):
    """A text as it was written; `kind` is what YAML takes it for."""

    text: str
    kind: Literal["text", "empty", "boolean", "number", "date"] = "text"


class List(Node, frozen=True):
    items: list[Node]


class Mapping(Node, frozen=True):
    pairs: list[tuple[Scalar, Node]]


class Unreadable(Exception):
    """It is no YAML, or none that is read here."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(line, column, message)


def read(content: bytes) -> Node | None:
    """Return the node of a file's one document, None if it says nothing. Raises Unreadable."""
    if len(content) > MOST_BYTES:
        raise Unreadable(1, 1, TOO_LARGE.message)
    text = _decoded(content)
    try:
        return _Composer().compose(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.reader.ReaderError as error:
        line, column = _place(text, error.position)
        message = f"The character U+{int(error.character):04X} must not stand in YAML."
        raise Unreadable(line, column, message) from None
    except yaml.MarkedYAMLError as error:
        raise _unreadable(error, text) from None
    except (ValueError, OverflowError):  # "\U00110000"
        raise Unreadable(1, 1, "An escape in it names a character that there is not.") from None


def shown(text: str) -> str:
    """Return in quotes what stands in a file, as it may be repeated in a line."""
    return f'"{characters.shortened(characters.plain(text), _SHOWN)}"'


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _place(content[: error.start].decode("utf-8-sig", "replace"), error.start)
        raise Unreadable(line, column, "The file is not in UTF-8.") from None


def _place(text: str, position: int) -> tuple[int, int]:
    before = text[:position]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _see_to_text(text: str, line: int, column: int) -> None:
    """Raise Unreadable for what only escapes can say, and no JSON and no database keeps."""
    for one in text:
        if one == "\0" or "\ud800" <= one <= "\udfff":
            message = f"The character U+{ord(one):04X} must not stand in a text."
            raise Unreadable(line, column, message)


# --- From events to nodes, without recursion


class _Open(Struct):
    """A list or mapping that has not ended; `key` waits for its value, or for the next key."""

    node: List | Mapping
    anchor: str | None
    key: Scalar | None = None

    def add(self, node: Node, line: int, column: int) -> None:
        """Add a node that stands in it."""
        if isinstance(self.node, List):
            self.node.items.append(node)
        elif self.key is not None:
            self.node.pairs.append((self.key, node))
            self.key = None
        elif isinstance(node, Scalar):
            self.key = node
        else:
            raise Unreadable(line, column, f"A name is expected here. {_QUOTE_IT}")


class _Composer:
    """Makes nodes of events."""

    def __init__(self) -> None:
        self._anchors: dict[str, Node] = {}
        self._stack: list[_Open] = []
        self._root: Node | None = None
        self._count = 0

    def compose(self, events: Iterator[Any]) -> Node | None:
        documents = 0
        for event in events:
            line, column = event.start_mark.line + 1, event.start_mark.column + 1
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise Unreadable(line, column, "A second document begins here: one is read.")
                continue
            done = self._node(event, line, column)
            if done is not None:
                self._keep(*done, line, column)
        is_empty = isinstance(self._root, Scalar) and self._root.kind == "empty"
        return None if is_empty else self._root

    def _node(self, event: Any, line: int, column: int) -> tuple[Node, str | None] | None:
        """Return the node that an event ends, and its anchor."""
        if isinstance(event, yaml.AliasEvent):
            found = self._anchors.get(event.anchor or "")  # nor is one there that has not ended
            if found is None:
                raise Unreadable(line, column, _no_anchor(event.anchor or ""))
            return found, None
        if isinstance(event, yaml.ScalarEvent):
            _see_to_tag(event, line, column)
            _see_to_text(event.value, line, column)
            return Scalar(line, column, event.value, _kind(event)), event.anchor
        if isinstance(event, yaml.CollectionStartEvent):
            _see_to_tag(event, line, column)
            is_list = isinstance(event, yaml.SequenceStartEvent)
            opened = List(line, column, []) if is_list else Mapping(line, column, [])
            self._stack.append(_Open(opened, event.anchor))
            if len(self._stack) > DEPTH:
                raise Unreadable(line, column, f"It is nested more than {DEPTH} levels deep.")
        elif isinstance(event, yaml.CollectionEndEvent):
            ended = self._stack.pop()
            return ended.node, ended.anchor
        return None

    def _keep(self, node: Node, anchor: str | None, line: int, column: int) -> None:
        self._count += 1
        if self._count > _MOST_NODES:
            raise Unreadable(line, column, "The file says too much to be read.")
        if anchor is not None:
            self._anchors[anchor] = node
        if self._stack:
            self._stack[-1].add(node, line, column)
        else:
            self._root = node


def _see_to_tag(event: Any, line: int, column: int) -> None:
    if event.tag is not None:
        said = f"{shown(event.tag)} is a tag of YAML, which is not read. {_QUOTE_IT}"
        raise Unreadable(line, column, said)


_RESOLVER = yaml.resolver.Resolver()
_KINDS: dict[str, Literal["empty", "boolean", "number", "date"]] = {
    "null": "empty",
    "bool": "boolean",
    "int": "number",
    "float": "number",
    "timestamp": "date",
}


def _kind(event: yaml.ScalarEvent) -> Literal["text", "empty", "boolean", "number", "date"]:
    if event.style is not None:
        return "text"
    tag: str = _RESOLVER.resolve(yaml.ScalarNode, event.value, (True, False))  # type: ignore[no-untyped-call]
    return _KINDS.get(tag.rpartition(":")[2], "text")


# --- What is said of what is no YAML

_QUOTE_IT = "If it is part of a text, put the text in quotes."
_SPECIAL = {
    "*": "In YAML, * begins a reference.",
    "&": "In YAML, & begins an anchor.",
    "!": "In YAML, ! begins a tag.",
    "@": "In YAML, no text begins with @.",
    "`": "In YAML, no text begins with `.",
    "%": "In YAML, no text begins with %.",
    "[": "In YAML, [ begins a list.",
    "{": "In YAML, { begins a mapping.",
    "|": "In YAML, | begins a text of several lines.",
    ">": "In YAML, > begins a text of several lines.",
    '"': 'In YAML, a text in " ends with the next ". Put one that has " in it between \'.',
    "'": "In YAML, a text in ' ends with the next '. Put one that has ' in it between \".",
}


def _no_anchor(name: str) -> str:
    return f"{shown('*' + name)} refers to nothing. {_SPECIAL['*']} {_QUOTE_IT}"


def _unreadable(error: yaml.MarkedYAMLError, text: str) -> Unreadable:
    """Return what is wrong, in words that help: mostly something lacks quotes."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Unreadable(1, 1, "It is no YAML.")
    lines = text.splitlines() or [""]
    row = min(mark.line, len(lines) - 1)
    line = lines[row]
    here = line[mark.column : mark.column + 1]
    if here == "\t" or "\t" in line[: len(line) - len(line.lstrip())]:
        return Unreadable(row + 1, mark.column + 1, "A tab: YAML is indented with spaces.")
    began = _began(line)
    if began in _SPECIAL:
        # The place where the text begins helps more than that where YAML gave up.
        column = line.index(began) + 1
        return Unreadable(row + 1, column, f"It is no YAML. {_SPECIAL[began]} {_QUOTE_IT}")
    problem = characters.plain(error.problem or "it cannot be read")
    return Unreadable(row + 1, mark.column + 1, f"It is no YAML: {problem}.")


def _began(line: str) -> str:
    """Return with which character the text of a line begins: of an item, a value or a name."""
    rest = line.strip().removeprefix("- ").strip()
    if rest[:1] in _SPECIAL:
        return rest[:1]
    return rest.partition(": ")[2].strip()[:1]
