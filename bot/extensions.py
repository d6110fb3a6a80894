"""Finds what modules define: a new file in a package is found without being listed anywhere."""

import importlib
import pkgutil
from collections.abc import Sequence
from types import ModuleType
from typing import TypeVar

from bot.settings import SettingsError

T = TypeVar("T")


def modules_of(name: str) -> list[ModuleType]:
    """Import a module and, if it is a package, all in it, in the order of their names.

    Raises whatever the import of one of them raises.
    """
    module = importlib.import_module(name)
    found = [module]
    if hasattr(module, "__path__"):
        for info in sorted(pkgutil.iter_modules(module.__path__), key=lambda one: one.name):
            found.extend(modules_of(f"{name}.{info.name}"))
    return found


def extension_modules(names: Sequence[str]) -> list[ModuleType]:
    """Import the modules that EXTENSIONS names; raises SettingsError for one that fails."""
    found: list[ModuleType] = []
    for name in names:
        try:
            found.extend(modules_of(name))
        except Exception as error:
            raise SettingsError(
                "EXTENSIONS",
                f"{name!r}, which cannot be imported ({type(error).__name__}: {error})",
                "modules that Python finds: install the package into the bot's environment, or "
                "put its folder on PYTHONPATH",
            ) from error
    return found


def instances(modules: Sequence[ModuleType], type_: type[T]) -> list[T]:
    """Return the objects of a type that modules hold by a name of their own, each once."""
    found = {
        id(value): value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type_)
    }
    return list(found.values())
