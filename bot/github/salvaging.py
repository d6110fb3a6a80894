"""Reads piece by piece what cannot be read as a whole: what is odd of it is left out."""

import types
from contextlib import suppress
from typing import Any, Union, get_args, get_origin

import msgspec
from msgspec import Struct

_MOST = 10_000  # elements that are looked at one by one of a list that cannot be read as a whole


class InvalidPayload(ValueError):
    """A signed payload without what its event is about: what is wrong, and where."""


def salvaged(value: Any, hint: Any, path: str) -> Any:
    """Return `value` as `hint` says, without what cannot be read of it; raises InvalidPayload."""
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError:
        pass  # piece by piece
    for choice in _choices(hint):
        if isinstance(value, dict) and isinstance(choice, type) and issubclass(choice, Struct):
            return _salvaged_object(value, choice, path)
        if isinstance(value, list) and get_origin(choice) is list:
            return _salvaged_list(value, get_args(choice)[0], path)
    raise unreadable(path)


def _salvaged_object(value: dict[str, Any], shape: type[Struct], path: str) -> Struct:
    kept: dict[str, Any] = {}
    for field in msgspec.structs.fields(shape):
        here = f"{path}.{field.encode_name}".lstrip(".")
        if field.encode_name not in value:
            if field.required:
                raise unreadable(here)
            continue
        try:
            kept[field.name] = salvaged(value[field.encode_name], field.type, here)
        except InvalidPayload:
            if field.required:
                raise
            if type(None) in _choices(field.type):
                kept[field.name] = None
    try:
        return shape(**kept)
    except ValueError:
        raise unreadable(f"{path}.number") from None


def _salvaged_list(value: list[Any], hint: Any, path: str) -> list[Any]:
    kept = []
    for element in value[:_MOST]:
        with suppress(InvalidPayload):
            kept.append(salvaged(element, hint, f"{path}[]"))
    return kept


def unreadable(path: str) -> InvalidPayload:
    return InvalidPayload(f"`{path or 'the payload'}` is missing or cannot be read")


def _choices(hint: Any) -> tuple[Any, ...]:
    """Return what a value may be: the members of a union, else the one type."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
