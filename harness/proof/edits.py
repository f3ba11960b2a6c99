"""Edits of C sources: what a mutant changes, said so that it fits more than one kernel.

In:  a file like proof/mutants/edits/NAME.toml, sources.  Out: the sources with the edits made.
An edit names a file, a function (nothing for anywhere in the file), the lines that are there,
exactly once, and those that come in their place.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

from ..core import Exit, records, require, settings
from . import c_text


@dataclass(frozen=True)
class Edit:
    file: str           # path in the kernel tree
    function: str       # "": the lines may be anywhere
    old: str            # whole lines
    new: str

    def __post_init__(self) -> None:
        if not self.old.endswith("\n"):
            raise ValueError("the old text must be whole lines")


def load(path: Path) -> tuple[Edit, ...]:
    return records.value(tuple[Edit, ...], settings.toml(path).get("edit"), f"[[edit]] of {path}")


def place(text: str, edit: Edit) -> int:
    """Where in the text the old lines are; APPLY if that is not one place.
    A function can be defined several times, once for each setting of an option."""
    plain = c_text.blank(text)
    spans = [(start, end + 1) for name, start, end in c_text.functions(plain) if name == edit.function] \
        if edit.function else [(0, len(text))]
    found = [match.start() for match in re.finditer("^" + re.escape(edit.old), text, re.M)
             if any(start <= match.start() and match.end() <= end for start, end in spans)]
    where = f"{edit.function}() of {edit.file}" if edit.function else edit.file
    require(len(found) == 1, f"{len(found) or 'no'} places in {where} fit an edit that begins with "
            f"{edit.old.strip().splitlines()[0].strip()!r}; there must be one.", Exit.APPLY)
    return found[0]


def made(edits: Iterable[Edit], tree: Path) -> dict[str, str]:
    """File -> its text with the edits made, all of which are to what the tree has."""
    texts: dict[str, str] = {}
    placed = []
    for edit in edits:
        path = tree / edit.file
        require(path.is_file(), f"there is no {edit.file} to edit.", Exit.APPLY)
        text = texts.setdefault(edit.file, path.read_text("utf-8"))
        placed.append((place(text, edit), edit))
    for start, edit in sorted(placed, key=lambda item: item[0], reverse=True):
        text = texts[edit.file]
        texts[edit.file] = text[:start] + edit.new + text[start + len(edit.old):]
    return texts


def apply(edits: Iterable[Edit], tree: Path) -> None:
    for file, text in made(edits, tree).items():
        (tree / file).write_text(text, "utf-8")
