"""Makes a dataclass of a table of a data file, or of a JSON object.

A key that is unknown, missing or of a wrong type is a usage error that says where.
"""

import functools
import re
import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from .errors import Exit, HarnessError

T = typing.TypeVar("T")
Text = typing.NewType("Text", str)      # one that must not be empty: a reason, a name


def make(cls: type[T], table: dict[str, Any], where: str, **given: Any) -> T:
    """An instance with the table's values; `given` are fields that no table may have."""
    if not isinstance(table, dict):
        raise _wrong(f"{where} must be a table")
    known = {field.name: field for field in fields(cls) if field.name not in given}
    for name in table:
        if name not in known:
            raise _wrong(f"the key {name!r} of {where} is unknown; known are: {', '.join(known)}")
    for name, field in known.items():
        if name not in table and field.default is MISSING and field.default_factory is MISSING:
            raise _wrong(f"the key {name!r} of {where} is missing")
    hints = _hints(cls)
    values = {name: value(hints[name], item, f"{name} of {where}") for name, item in table.items()}
    try:
        return cls(**given, **values)
    except ValueError as error:         # of the dataclass's own __post_init__()
        raise _wrong(f"{where}: {error}") from None


_hints = functools.cache(typing.get_type_hints)


def value(hint: Any, item: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return item
    if hint is Text:
        if not value(str, item, where).strip():
            raise _wrong(f"{where} must not be empty")
        return item
    if origin is typing.Literal:
        if item not in args:
            raise _wrong(f"{where} must be one of {', '.join(args)}")
        return item
    if origin is re.Pattern:
        try:
            return re.compile(item)
        except (re.error, TypeError) as error:
            raise _wrong(f"{where} is no regex ({error})") from None
    if origin is types.UnionType:           # X | None
        return None if item is None else value(args[0], item, where)
    if origin in (list, tuple):
        if not isinstance(item, (list, tuple)):
            raise _wrong(f"{where} must be of type list")
        return origin(value(args[0], one, where) for one in item)
    if origin is dict:
        if not isinstance(item, dict):
            raise _wrong(f"{where} must be of type dict")
        return {name: value(args[1], one, f"{name} in {where}") for name, one in item.items()}
    if is_dataclass(hint):
        return make(hint, item, where)
    if hint is float and type(item) is int:
        return float(item)
    if type(item) is not hint:
        raise _wrong(f"{where} must be of type {hint.__name__}")
    return item


def _wrong(what: str) -> HarnessError:
    return HarnessError(Exit.USAGE, what + ".")
