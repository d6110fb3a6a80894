"""Holds nodes of YAML against a type, and says of each that does not fit what would.

Knows the types that bot/code/experiments_yml.py is made of. A text may be checked further by a
function in its `Meta(extra={"unusable": …})`, which returns what is wrong with it, or None.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, inspect
from rapidfuzz import fuzz, process

from bot.code.yaml_nodes import List, Mapping, Node, Problem, Scalar, shown

S = TypeVar("S", bound=msgspec.Struct)
_MOST_STEPS = 5_000  # nodes that are met, those behind aliases each time
_ENOUGH = 70  # of 100
_KINDS = {"empty": "nothing", "boolean": "a boolean", "number": "a number", "date": "a date"}
_SWITCHES = {"on": "on", "off": "off", "true": "on", "false": "off"}


class _TooMuch(Exception):
    """There is too much to look at; aliases of aliases make much of little."""


def conformed(node: Node, shape: type[S], problems: list[Problem]) -> S | None:
    """Return what a node says as a Struct, None if it is no mapping; problems join a list."""
    walk = _Walk(problems)
    try:
        value = walk.value(node, inspect.type_info(shape), "")
    except _TooMuch:
        problems.append(Problem(node.line, node.column, "The file says too much to be read."))
        return None
    return value if isinstance(value, shape) else None


class _Walk:
    """One walk through a file."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems
        self._left = _MOST_STEPS

    def value(self, node: Node, wanted: inspect.Type, path: str) -> Any:
        """Return the value of a node; UNSET where it does not fit, which is told."""
        self._left -= 1
        if self._left < 0:
            raise _TooMuch
        unusable = None
        while isinstance(wanted, inspect.Metadata):
            unusable = (wanted.extra or {}).get("unusable", unusable)
            wanted = wanted.type
        match wanted:
            case inspect.UnionType():
                return self._one_of(node, wanted.types, path)
            case inspect.StructType():
                return self._struct(node, wanted, path)
            case inspect.DictType():
                return self._dict(node, wanted, path)
            case inspect.VarTupleType():
                return self._list(node, wanted, path)
            case inspect.LiteralType():
                return self._word(node, wanted.values, path)
            case inspect.StrType():
                return self._text(node, wanted, unusable, path)
        raise TypeError(f"no file is held against {wanted}")

    def _say(self, node: Node, path: str, message: str) -> Any:
        subject = f'"{path}" ' if path else "The file "
        self._problems.append(Problem(node.line, node.column, f"{subject}{message}.", path))
        return UNSET

    def _one_of(self, node: Node, types: Sequence[inspect.Type], path: str) -> Any:
        """Take that of several types for which a node is made."""
        plain = {type(_without_meta(one)): one for one in types}
        literal = plain.get(inspect.LiteralType)
        if inspect.NoneType in plain and isinstance(node, Scalar) and node.kind == "empty":
            return None
        if isinstance(node, Mapping) and inspect.StructType in plain:
            return self.value(node, plain[inspect.StructType], path)
        if inspect.StrType not in plain:
            assert literal is not None
            more = "a mapping, or " if inspect.StructType in plain else ""
            return self._word(node, _without_meta(literal).values, path, more)
        if literal is not None and _is_word(node, _without_meta(literal).values):
            return None if inspect.NoneType in plain else "off"
        return self.value(node, plain[inspect.StrType], path)

    def _struct(self, node: Node, wanted: inspect.StructType, path: str) -> Any:
        fields = {field.encode_name: field.type for field in wanted.fields}
        if not isinstance(node, Mapping):
            names = ", ".join(fields)
            return self._say(node, path, f"must be a mapping with one of the names {names}")
        found: dict[str, Any] = {}
        seen: set[str] = set()
        for key, value in node.pairs:
            name = key.text
            below = f"{path}.{name}" if path else name
            if name in seen:
                self._say(key, below, "stands here twice")
            elif name not in fields:
                self._unknown(key, list(fields), path)
            elif (
                isinstance(value, Scalar)
                and value.kind == "empty"
                and not _may_be_none(fields[name])
            ):
                self._say(value, below, "has no value: give it one, or leave the name out")
            else:
                found[name] = self.value(value, fields[name], below)
            seen.add(name)
        return wanted.cls(**{name: value for name, value in found.items() if value is not UNSET})

    def _unknown(self, key: Scalar, names: Sequence[str], path: str) -> None:
        near = process.extractOne(key.text.lower(), names, scorer=fuzz.ratio, score_cutoff=_ENOUGH)
        hint = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(names)}."
        place = f' in "{path}"' if path else ""
        said = f"There is no setting {shown(key.text)}{place}: {hint}"
        self._problems.append(Problem(key.line, key.column, said, path))

    def _dict(self, node: Node, wanted: inspect.DictType, path: str) -> Any:
        if not isinstance(node, Mapping):
            return self._say(node, path, 'must be a mapping, such as {"services/": "web team"}')
        if wanted.max_length is not None and len(node.pairs) > wanted.max_length:
            return self._say(node, path, f"must have at most {wanted.max_length} entries")
        found: dict[str, str] = {}
        for position, (key, value) in enumerate(node.pairs):
            name = self.value(key, wanted.key_type, f"{path}[{position}]")
            below = f"{path}[{shown(key.text)[1:-1]}]"
            if name in found:
                self._say(key, below, "stands here twice")
                continue
            given = self.value(value, wanted.value_type, below)
            if UNSET not in (name, given):
                found[name] = given
        return found

    def _list(self, node: Node, wanted: inspect.VarTupleType, path: str) -> Any:
        if not isinstance(node, List):
            like = f", such as [{shown(node.text)}]" if isinstance(node, Scalar) else ""
            return self._say(node, path, f"must be a list{like}")
        if wanted.max_length is not None and len(node.items) > wanted.max_length:
            return self._say(node, path, f"must have at most {wanted.max_length} entries")
        values = [
            self.value(item, wanted.item_type, f"{path}[{position}]")
            for position, item in enumerate(node.items)
        ]
        return tuple(value for value in values if value is not UNSET)

    def _word(self, node: Node, values: Sequence[Any], path: str, more: str = "") -> Any:
        """Take one of a few words, also `on` and `off`, which are booleans to YAML 1.1."""
        expected = f"must be {more}one of {', '.join(sorted(values, key=values.index))}"
        if not isinstance(node, Scalar):
            return self._say(node, path, expected)
        word = node.text
        if word not in values and node.kind == "boolean":
            word = _SWITCHES.get(word.lower(), word)
        if word in values:
            return word
        near = process.extractOne(word.lower(), values, scorer=fuzz.ratio, score_cutoff=_ENOUGH)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        return self._say(node, path, f"{expected}, not {shown(word)}{hint}".rstrip("?"))

    def _text(self, node: Node, wanted: inspect.StrType, unusable: Any, path: str) -> Any:
        if not isinstance(node, Scalar):
            what = "a list" if isinstance(node, List) else "a mapping"
            said = f"must be a text, and is {what} to YAML: put it in quotes if it is meant as one"
            return self._say(node, path, said)
        if node.kind == "empty" and not node.text:
            said = "is empty: what follows # is a comment, unless it is in quotes"
            return self._say(node, path, said)
        if node.kind != "text":
            said = f"must be a text, and is {_KINDS[node.kind]} to YAML: write {shown(node.text)}"
            return self._say(node, path, f"{said}, in quotes")
        length = len(node.text)
        if length < (wanted.min_length or 0):
            return self._say(node, path, "must not be empty")
        if wanted.max_length is not None and length > wanted.max_length:
            return self._say(node, path, f"must have at most {wanted.max_length} characters")
        wrong = unusable(node.text) if unusable is not None else None
        return node.text if wrong is None else self._say(node, path, wrong)


def _without_meta(wanted: inspect.Type) -> Any:
    while isinstance(wanted, inspect.Metadata):
        wanted = wanted.type
    return wanted


def _may_be_none(wanted: inspect.Type) -> bool:
    plain = _without_meta(wanted)
    return isinstance(plain, inspect.UnionType) and any(
        isinstance(one, inspect.NoneType) for one in plain.types
    )


def _is_word(node: Node, values: Sequence[Any]) -> bool:
    return isinstance(node, Scalar) and (
        node.text in values
        or (node.kind == "boolean" and _SWITCHES.get(node.text.lower()) in values)
    )
