"""The packages stand on one another: each imports only from those below it."""

from __future__ import annotations

import ast
import unittest

from harness.core import settings
from harness.tests.fixture import CODE

# From the bottom to the top. What starts a verb, harness/cli.py, is above all of them.
FLOORS = ["core", "fetch", "queue", "build", "guest", "judge", "lanes", "proof", "bench", "verbs"]
HARNESS = settings.REPO / "harness"


def imported(source: str, package: str) -> set[str]:
    """The packages (and modules of the own package) that a module of the package imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        if node.level == 1:
            found |= {f"{package}.{(node.module or name.name)}" for name in node.names}
        else:
            found |= {(node.module or name.name).split(".")[0] for name in node.names}
    return found


def upwards(source: str, package: str) -> list[str]:
    """Packages above its own, or that there are not, from which a module imports."""
    above = FLOORS[:FLOORS.index(package)]
    return sorted(name for name in imported(source, package)
                  if not name.startswith(f"{package}.") and name not in above)


def circle(edges: dict[str, set[str]]) -> list[str]:
    """The names that are left when all that leads nowhere is taken away: those of circles."""
    left = {name: set(to) & set(edges) for name, to in edges.items()}
    while gone := [name for name, to in left.items() if not to]:
        left = {name: to - set(gone) for name, to in left.items() if name not in gone}
    return sorted(left)


class Layers(unittest.TestCase):
    def test_imports_lead_down(self) -> None:
        for path in CODE:
            package = path.parent.name
            if path.parent != HARNESS and path.parent.name != "data":
                self.assertEqual(upwards(path.read_text("utf-8"), package), [], path)

    def test_no_circles_within_a_package(self) -> None:
        edges = {f"{path.parent.name}.{path.stem}": imported(path.read_text("utf-8"), path.parent.name)
                 for path in CODE if path.parent != HARNESS}
        self.assertEqual(circle(edges), [])

    def test_every_package_is_in_the_list(self) -> None:
        there = {path.parent.name for path in HARNESS.glob("*/__init__.py")}
        self.assertEqual(there - {"tests"}, set(FLOORS))

    def test_a_verb_is_its_help_and_what_it_does(self) -> None:
        for path in (HARNESS / "verbs").glob("[!_]*.py"):
            body = ast.parse(path.read_text("utf-8")).body
            names = {node.name for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
            self.assertLessEqual(names, {"main", "arguments"}, path)

    def test_tests_follow_the_layout(self) -> None:
        tests = HARNESS / "tests"
        for path in tests.glob("*/test_*.py"):
            self.assertIn(path.parent.name, FLOORS, path)

    def test_the_test(self) -> None:
        self.assertEqual(upwards("from ..bench import plans\nfrom ..core.proc import run\n", "judge"),
                         ["bench"])
        self.assertEqual(upwards("from . import ktap\nfrom .. import elsewhere\n", "judge"),
                         ["elsewhere"])
        self.assertEqual(circle({"a": {"b"}, "b": {"a", "c"}, "c": set()}), ["a", "b"])
        self.assertEqual(circle({"a": {"b"}, "b": {"c"}, "c": set()}), [])


if __name__ == "__main__":
    unittest.main()
