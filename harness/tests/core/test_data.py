"""The data files hold nothing that nobody reads, and explain nothing that they do not hold."""

from __future__ import annotations

import ast
import re
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.core import settings
from harness.tests.fixture import CODE

FILES = sorted(path for folder in ("harness/data", "lanes", "bench", "demo", "proof/*", "patches/*")
               for path in settings.REPO.glob(f"{folder}/*.toml"))
# Tables whose keys are names of something else: options of a kernel, totals of a test, files, heads
# of a table.
NAMES = {"config", "inlined", "options", "optional", "totals", "minimum", "built_as", "partly", "known",
         "left_out", "adapted", "only", "option", "message", "models", "target",
         "columns", "running"}
# Files whose tables are a list of things with names.
LISTS = {"mutants.toml", "pins.toml"}
EXPLAINED = re.compile(r"# {1,6}(?:\[*[\w.]+\]* +)?(\[*[a-z_]+\]*(?:, [a-z_]+)*) {2,}\S")


def keys(data: Any, table: str = "") -> Iterator[tuple[str, str]]:
    """(the table it is in, the key) for each key of a data file."""
    for item in data if isinstance(data, list) else []:
        yield from keys(item, table)
    for key, value in data.items() if isinstance(data, dict) else []:
        yield table, key
        yield from keys(value, key)


def words(data: Any) -> Iterator[str]:
    """Every word in the strings of a data file: they name things of other files."""
    if isinstance(data, str):
        yield from re.findall(r"[\w-]+", data)
    for item in data.values() if isinstance(data, dict) else data if isinstance(data, list) else []:
        yield from words(item)


def in_code() -> set[str]:
    """Every string constant of the harness, and every field that a table can be made into."""
    found = set()
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found.add(node.target.id)
    return found


def unread(files: dict[Path, Any], code: set[str]) -> list[str]:
    """Keys that neither the code nor another file's value names."""
    known = code | {word for data in files.values() for word in words(data)}
    return [f"{path.name}: {table}.{key}" for path, data in files.items()
            for table, key in keys(data)
            if key not in known and table not in NAMES and not key.isupper()      # an option
            and (table or path.name not in LISTS)]


def explained_only(text: str, there: set[str]) -> list[str]:
    """Keys that the comments of a data file explain, and that are not there."""
    found = {name for line in text.splitlines() if (match := EXPLAINED.match(line))
             for name in re.findall(r"\w+", match[1])}
    return sorted(found - there)


class Data(unittest.TestCase):
    def test_every_key_is_read(self) -> None:
        self.assertEqual(unread({path: settings.toml(path) for path in FILES}, in_code()), [])

    def test_every_limit_is_used(self) -> None:
        code = "".join(path.read_text("utf-8") for path in CODE)
        for table in settings.toml(settings.DATA / "limits.toml").values():
            for name in table:
                self.assertTrue(re.search(rf'(?:limit|gib|disk)\b[^"\n]*"{name}"', code), name)

    def test_every_key_that_is_explained_is_there(self) -> None:
        for path in FILES:
            # One lane explains the keys of all of them, a common file those of the queues' own.
            group = list(path.parent.glob("*.toml")) if path.parent.name == "lanes" else \
                [path, *(settings.REPO / "patches").glob(f"*/{path.name}")]
            there = {key for item in group for _, key in keys(settings.toml(item))}
            self.assertEqual(explained_only(path.read_text("utf-8"), there), [], path)

    def test_the_test(self) -> None:
        path = Path("a/x.toml")
        data = {"step": [{"limit": 3, "idle": 4, "uses": "run other"}],
                "other": {"config": {"SMP": "y"}, "left": 1}}
        self.assertEqual(unread({path: data}, {"step", "limit", "uses", "config"}),
                         ["x.toml: step.idle", "x.toml: other.left"])
        text = "# [[step]]   a step\n# limit     how long\n#   idle, gone  nothing\n# see x.c\n"
        self.assertEqual(explained_only(text, {"step", "limit", "idle"}), ["gone"])


if __name__ == "__main__":
    unittest.main()
