"""kcsan.py and judge.py: which data races are the series', and which cannot be read."""

import unittest

from harness.core.errors import Exit
from harness.judge import judge, kcsan
from harness.tests.judge.test_judge import RUN, a_run, log
from harness.tests.fixture import QUEUE

RULE = "=" * 66
TWO = f"""\
[    1.500000][   T40] {RULE}
[    1.500001][   T40] BUG: KCSAN: data-race in reader / writer.constprop.0
[    1.500002][   T40]
[    1.500003][   T40] write (marked) to 0xffff888001234567 of 8 bytes by task 41 on cpu 2:
[    1.500004][   T40]  writer.constprop.0+0x12/0x30
[    1.500005][    C1] an ordinary line of another CPU
[    1.500006][   T40]  middle+0x1/0x2
[    1.500007][   T40]  third+0x1/0x2 [some_module]
[    1.500008][   T40]  fourth+0x1/0x2
[    1.500009][   T40]
[    1.500010][   T40] read to 0xffff888001234567 of 8 bytes by interrupt on cpu 1:
[    1.500011][   T40]  reader+0x12/0x30
[    1.500012][   T40]  low+0x12/0x30
[    1.500013][   T40]   |
[    1.500014][   T40]   +-> reordered to: after+0x3/0x4
[    1.500015][   T40]
[    1.500016][   T40] value changed: 0x0000000000000000 -> 0x0000000000000001
[    1.500017][   T40]
[    1.500018][   T40] Reported by Kernel Concurrency Sanitizer on:
[    1.500019][   T40] CPU: 1 UID: 0 PID: 40 Comm: x Not tainted 6.0.0 #1
[    1.500020][   T40] {RULE}
"""
ONE = f"""\
[    1.600000] BUG: KCSAN: data-race in lonely+0x71/0xd0
[    1.600001]
[    1.600002] race at unknown origin, with read to 0xffff888001234567 of 4 bytes by task 5 on cpu 2:
[    1.600003]  lonely+0x71/0xd0
[    1.600004]  caller+0x89/0xd0
[    1.600005]
[    1.600006] {RULE}
"""


class Reports(unittest.TestCase):
    rules = kcsan.rules(QUEUE)

    def read(self, text: str) -> list[kcsan.Race]:
        return kcsan.reports(text.splitlines(), self.rules)

    def test_two_accesses(self):
        [race] = self.read(TWO)
        self.assertEqual((race.line, race.title, race.problem),
                         (2, "data-race in reader / writer.constprop.0", ""))
        self.assertEqual(race.functions,
                         {"reader", "writer", "middle", "third", "low", "after"})

    def test_unknown_origin(self):
        [race] = self.read(ONE)
        self.assertEqual((race.functions, race.problem), ({"lonely", "caller"}, ""))

    def test_callers_of_a_known_function_do_not_count(self):
        self.rules = kcsan.Rules(3, {"reader": "a reason"})
        [race] = self.read(TWO)
        self.assertEqual(race.functions, {"reader", "writer", "middle", "third", "after"})

    def test_several(self):
        self.assertEqual([race.line for race in self.read(TWO + ONE + TWO)], [2, 22, 30])

    def test_what_cannot_be_read(self):
        for text in (TWO[:TWO.rindex("[")],                            # no end
                     TWO[:TWO.rindex("[")] + ONE,
                     TWO.replace("write (marked) to", "something"),    # an access is lost
                     TWO.replace("  reader+0x12/0x30\n", "\n").replace("  low+0x12/0x30\n", "\n"),
                     TWO.replace("data-race in", "data-race between"),
                     TWO.replace("reader / ", "0xffffffff81000000 / "),
                     ONE.replace("  lonely", "lonely").replace("  caller", "caller")):
            self.assertTrue(self.read(text)[0].problem, text)


class Verdicts(unittest.TestCase):
    def judge(self, console: str, touched: list[str] | None) -> judge.Verdict:
        run = RUN if touched is None else {**RUN, "touched": touched}
        return judge.judge(console, "0", a_run(run))

    def test_elsewhere_is_counted_and_printed(self):
        verdict = self.judge(log(tail=TWO + ONE + TWO), ["smp_call"])
        self.assertEqual((verdict.code, len(verdict.elsewhere)), (Exit.OK, 3), verdict.text())
        self.assertIn("3 data races elsewhere", verdict.text())
        self.assertIn("2 x outside of what the series touches: data-race in reader",
                      verdict.text())

    def test_touched_code_is_a_splat(self):
        for name in ("reader", "writer", "third", "after"):
            verdict = self.judge(log(tail=TWO), [name])
            self.assertEqual(verdict.code, Exit.SPLAT)
            self.assertIn(f"what the series touches: {name}", verdict.text())

    def test_deep_in_the_stack_is_elsewhere(self):
        self.assertEqual(self.judge(log(tail=TWO), ["fourth"]).code, Exit.OK)

    def test_not_readable_is_a_splat(self):
        verdict = self.judge(log(tail=TWO.replace("read to", "something")), ["none"])
        self.assertEqual(verdict.code, Exit.SPLAT)
        self.assertIn("it shows 1 accesses", verdict.text())

    def test_other_report_inside_of_one_is_a_splat(self):
        inside = TWO.replace("an ordinary line of another CPU", "WARNING: CPU: 1 at x")
        self.assertEqual(self.judge(log(tail=inside), ["none"]).code, Exit.SPLAT)

    def test_without_names_every_report_is_a_splat(self):
        self.assertEqual(self.judge(log(tail=TWO), None).code, Exit.SPLAT)


if __name__ == "__main__":
    unittest.main()
