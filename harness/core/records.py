"""Makes a dataclass of a table of a data file, or of a JSON object.

A key that is unknown, missing or of a wrong type is a usage error that says where.
"""

import functools
import re
import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

from . import settings
from .errors import Exit, HarnessError, require

T = typing.TypeVar("T")
Text = typing.NewType("Text", str)      # one that must not be empty: a reason, a name
Count = typing.NewType("Count", int)    # 1 or more


def make(cls: type[T], table: dict[str, Any], where: str, **given: Any) -> T:
    """An instance with the table's values; `given` are fields that no table may have."""
    require(isinstance(table, dict), f"{where} must be a table.")
    known = {field.name: field for field in fields(cls) if field.name not in given}
    for name in table:
        require(name in known, f"the key {name!r} of {where} is unknown; known are: "
                f"{', '.join(known)}.")
    for name, field in known.items():
        optional = field.default is not MISSING or field.default_factory is not MISSING
        require(optional or name in table, f"the key {name!r} of {where} is missing.")
    hints = _hints(cls)
    values = {name: value(hints[name], item, f"{name} of {where}") for name, item in table.items()}
    try:
        return cls(**given, **values)
    except ValueError as error:         # of the dataclass's own __post_init__()
        raise HarnessError(Exit.USAGE, f"{where}: {error}.") from None


def read(cls: type[T], path: Path, **given: Any) -> T:
    """An instance of what a data file says."""
    return make(cls, settings.toml(path), str(path), **given)


_hints = functools.cache(typing.get_type_hints)


def value(hint: Any, item: Any, where: str) -> Any:
    """The item as a field of that type has it. A Path is one of a file of this repository."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return item
    if origin is types.UnionType:           # X | None
        return None if item is None else value(args[0], item, where)
    if is_dataclass(hint):
        return make(hint, item, where)
    if origin in (list, tuple):
        require(isinstance(item, (list, tuple)), f"{where} must be of type list.")
        return origin(value(args[0], one, where) for one in item)
    if origin is dict:
        require(isinstance(item, dict), f"{where} must be of type dict.")
        return {name: value(args[1], one, f"{name} in {where}") for name, one in item.items()}
    if origin is typing.Literal:
        require(item in args, f"{where} must be one of {', '.join(args)}.")
        return item
    if hint is float and type(item) is int:
        return float(item)
    plain = int if hint is Count else str if hint in (Text, Path) or origin is re.Pattern else hint
    require(type(item) is plain, f"{where} must be of type {plain.__name__}.")
    require(hint is not Text or item.strip(), f"{where} must not be empty.")
    require(hint is not Count or item > 0, f"{where} must be 1 or more.")
    if hint is Path:
        require((settings.REPO / item).is_file(),
                f"{where} names {item}, which is no file of this repository.")
        return settings.REPO / item
    if origin is re.Pattern:
        try:
            return re.compile(item)
        except re.error as error:
            raise HarnessError(Exit.USAGE, f"{where} is no regex ({error}).") from None
    return item
