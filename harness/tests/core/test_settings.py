"""The data files and their errors."""

from __future__ import annotations

import ast
import io
import os
import re
import unittest
from unittest import mock

from harness.core import progress, queues, settings
from harness.core.errors import HarnessError
from harness.tests.fixture import CODE


class Data(unittest.TestCase):
    def test_every_limit_is_a_number(self) -> None:
        data = settings.toml(settings.DATA / "limits.toml")
        for name in data["seconds"]:
            self.assertGreater(settings.limit(name), 0)
        for name in data["free_gib"]:
            self.assertGreater(settings.limits("free_gib")[name], 0)

    def test_limit_scale(self) -> None:
        with mock.patch.dict(os.environ, LIMIT_SCALE="2"):
            twice = settings.limit("git")
        with mock.patch.dict(os.environ, LIMIT_SCALE="1"):
            self.assertEqual(twice, 2 * settings.limit("git"))
        for wrong in ("much", "0", "-1", "nan"):
            with mock.patch.dict(os.environ, LIMIT_SCALE=wrong), self.assertRaises(HarnessError):
                settings.limit("git")

    def test_limits_that_the_code_names_are_there(self) -> None:
        for path in CODE:
            for name in re.findall(r'\blimit(?:=|\()"(\w+)"', path.read_text()):
                settings.limit(name)

    def test_version_number_stands_in_no_code_and_no_data(self) -> None:
        versions = [queues.load(name).version for name in queues.names()]
        for path in CODE:
            tree = ast.parse(path.read_text())
            docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and id(node) not in docs:
                    for version in versions:
                        self.assertNotIn(version, str(node.value), f"{path}:{node.lineno}")
        for path in settings.DATA.glob("*.toml"):
            for version in versions:
                self.assertNotIn(version, repr(settings.toml(path)), path)


class Lines(unittest.TestCase):
    def test_quiet_stream_gets_few_lines(self) -> None:
        out = io.StringIO()
        shown = progress.Progress(2, out)
        shown.phase("first")
        for _ in range(100):
            shown.tick("busy")
        self.assertEqual(out.getvalue(), "[1/2] first\n")
        shown.last -= progress.QUIET_S
        shown.tick("busy")
        self.assertIn("first: busy", out.getvalue())

    def test_terminal_gets_one_live_line(self) -> None:
        out = io.StringIO()
        out.isatty = lambda: True  # type: ignore[method-assign]
        shown = progress.Progress(1, out)
        shown.phase("first")
        shown.last -= 1
        shown.tick("busy")
        self.assertEqual(out.getvalue().count("\n"), 1)
        shown.done("ready")
        self.assertTrue(out.getvalue().endswith("ready (0:00)\n"))
