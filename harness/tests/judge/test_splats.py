"""splats.py: known reports, and what the kernel's own script looks for, against the patterns."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness.core import settings
from harness.core.errors import Exit, HarnessError
from harness.judge import judge, splats
from harness.tests.judge.test_judge import RUN, a_run, log
from harness.tests.fixture import QUEUE

KNOWN = """\
[  330.765360] ------------[ cut here ]------------
[  330.806030] Dying CPU not properly vacated!
[  330.808131] WARNING: CPU: 9 PID: 62 at kernel/sched/core.c:8365 sched_cpu_dying+0x222/0x620
[  330.878392] Modules linked in:
[  331.223138] Call Trace:
[  331.253858]  <TASK>
[  331.353772]  cpuhp_invoke_callback+0x350/0x10d0
[  331.595599]  </TASK>
[  331.795296] ---[ end trace 0000000000000000 ]---
[  331.795963] CPU9 enqueued tasks (2 total):
[  331.796623] \tpid: 62, name: migration/9
[  331.935259] smpboot: CPU 9 is now offline
"""


class Excused(unittest.TestCase):
    def judge(self, tail: str) -> judge.Verdict:
        return judge.judge(log(tail=tail), "0", a_run(RUN))

    def test_counted(self):
        verdict = self.judge(KNOWN + KNOWN)
        self.assertEqual((verdict.code, len(verdict.excused)), (Exit.OK, 2), verdict.text())
        self.assertIn("2 known reports", verdict.text())
        self.assertIn("2 x known report: the fair server", verdict.text())

    def test_anything_else_is_a_splat(self):
        other = "[  331.796624] \tpid: 63, name: smp_kunit/9\n"
        for text in (
                KNOWN.replace("migration/9\n", "migration/9\n" + other),
                KNOWN.replace("migration/9", "smp_kunit/9"),
                KNOWN.replace("(2 total)", "(3 total)"),
                KNOWN.replace("sched_cpu_dying+", "sched_cpu_deactivate+"),
                KNOWN.replace("[  330.806030] Dying CPU not properly vacated!\n", ""),
                KNOWN[:KNOWN.index("[  331.795963]")],
                KNOWN[:KNOWN.index("[  331.795296]")],
                KNOWN.replace("Modules linked in:", "BUG: KASAN: use-after-free in f"),
                KNOWN + KNOWN.replace("(2 total)", "(1 total)")):
            self.assertEqual(self.judge(text).code, Exit.SPLAT, text)

    def test_rules_have_reasons(self):
        for entry in QUEUE.data(settings.DATA / "splats.toml")["excused"]:
            self.assertGreater(len(entry["reason"]), 100)
        self.assertTrue(splats.rules(QUEUE))


SCRIPT = r"""#!/bin/bash
grep -E 'BUG: KCSAN:|\?\?\? Writer stall state|rcu_.*kthread starved for|Gremlin' |
grep -v 'ODEBUG: '
"""


class Badness(unittest.TestCase):
    def complaints(self, script: str, listed: list[dict[str, str]]) -> list[str]:
        with tempfile.TemporaryDirectory() as name, \
                mock.patch.object(settings, "toml", lambda path: {"badness": listed}):
            path = Path(name, splats.SCRIPT)
            path.parent.mkdir(parents=True)
            path.write_text(script)
            return splats.badness(Path(name), QUEUE)

    def setUp(self) -> None:
        splats.splat("")     # reads the patterns before their file is another

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
