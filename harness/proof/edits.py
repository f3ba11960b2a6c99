"""Edits of C sources: what a mutant changes, said so that it fits more than one kernel.

In:  a file like proof/mutants/edits/NAME.toml, sources.  Out: the sources with the edits made.
An edit names a file, a function ("struct NAME"; nothing for what is outside of all), the lines
that are there, exactly once, and those that come in their place.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

from ..core import Exit, HarnessError, records, settings


@dataclass(frozen=True)
class Edit:
    file: str           # path in the kernel tree
    function: str       # "" if it is outside of all functions
    old: str            # whole lines
    new: str


def load(path: Path) -> list[Edit]:
    entries = settings.toml(path).get("edit", [])
    found = [records.make(Edit, entry, f"an [[edit]] in {path}") for entry in entries]
    if not found or not all(edit.old.endswith("\n") for edit in found):
        raise HarnessError(Exit.USAGE, f"{path} must have an [[edit]], and old text of whole lines.")
    return found


def spans(text: str, name: str) -> list[tuple[int, int]]:
    """(start, end) of each definition of a function, by the style of the kernel.

    There can be several, one for each setting of an option. Without a name, it is the whole text.
    """
    if not name:
        return [(0, len(text))]
    head = rf"{name}\s*\{{" if name.startswith("struct ") else \
        rf"(?![\s#])[^\n;{{}}]*\b{name}\([^;{{}}]*^\{{"
    return [found.span() for found in re.finditer(rf"^{head}\n.*?^\}}", text, re.M | re.S)]


def changed(text: str, edit: Edit) -> str:
    """The text with the edit made; APPLY if it does not fit."""
    there = spans(text, edit.function)
    places = [place for start, end in there for place in _lines(text, edit.old, start, end)]
    where = f"{edit.function}() of {edit.file}" if edit.function else edit.file
    if len(places) != 1:
        begins = edit.old.strip().splitlines()[0].strip()
        raise HarnessError(Exit.APPLY, f"{len(places) or 'no'} places in {where} fit an edit that "
                           f"begins with {begins!r}; there must be one.")
    return text[:places[0]] + edit.new + text[places[0] + len(edit.old):]


def _lines(text: str, old: str, start: int, end: int) -> list[int]:
    """Where the lines are in a part of the text."""
    return [found.start() for found in re.finditer("^" + re.escape(old), text, re.M)
            if start <= found.start() and found.end() <= end + 1]


def made(edits: Iterable[Edit], tree: Path) -> dict[str, str]:
    """File -> its text with the edits made, which the tree is left without."""
    texts: dict[str, str] = {}
    for edit in edits:
        path = tree / edit.file
        if edit.file not in texts and not path.is_file():
            raise HarnessError(Exit.APPLY, f"there is no {edit.file} to edit.")
        texts[edit.file] = changed(texts.get(edit.file) or path.read_text("utf-8"), edit)
    return texts


def apply(edits: Iterable[Edit], tree: Path) -> None:
    for file, text in made(edits, tree).items():
        (tree / file).write_text(text, "utf-8")
