"""badness.py: what the kernel's own script looks for, against the splat patterns."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness.core import settings
from harness.core.errors import HarnessError
from harness.judge import badness, judge
from harness.tests.fixture import QUEUE

SCRIPT = r"""#!/bin/bash
grep -E 'BUG: KCSAN:|\?\?\? Writer stall state|rcu_.*kthread starved for|Gremlin' |
grep -v 'ODEBUG: '
"""


class Badness(unittest.TestCase):
    def complaints(self, script: str, listed: list[dict[str, str]]) -> list[str]:
        with tempfile.TemporaryDirectory() as name, \
                mock.patch.object(settings, "toml", lambda path: {"badness": listed}):
            path = Path(name, badness.SCRIPT)
            path.parent.mkdir(parents=True)
            path.write_text(script)
            return badness.complaints(Path(name), QUEUE)

    def setUp(self) -> None:
        judge.splat("")     # reads the patterns before their file is another

    def test_what_no_pattern_finds_needs_a_reason(self) -> None:
        [text] = self.complaints(SCRIPT, [])
        self.assertIn("looks for 'Gremlin'", text)
        self.assertEqual(self.complaints(SCRIPT, [{"text": "Gremlin", "reason": "fed after dusk"}]), [])
        self.assertTrue(self.complaints(SCRIPT, [{"text": "Gremlin", "reason": ""}]))

    def test_what_is_no_difference_must_go(self) -> None:
        listed = [{"text": "Gremlin", "reason": "r"}, {"text": "BUG: KCSAN:", "reason": "r"},
                  {"text": "Mogwai", "reason": "r"}]
        self.assertEqual(len(self.complaints(SCRIPT, listed)), 2)

    def test_script_that_cannot_be_read(self) -> None:
        for script in ("exit 0\n", "grep -E '[A-Z]adness' |\n"):
            with self.assertRaises(HarnessError):
                self.complaints(script, [])


if __name__ == "__main__":
    unittest.main()
