"""excused.py: a known report is counted; one that differs in anything is a splat."""

import unittest

from harness.core import settings
from harness.core.errors import Exit
from harness.judge import excused, judge, runs
from harness.tests.judge.test_judge import RUN, log
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
        return judge.judge(log(tail=tail), "0", runs.read(RUN))

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
        self.assertTrue(excused.rules(QUEUE))


if __name__ == "__main__":
    unittest.main()
