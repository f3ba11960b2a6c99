"""cyclictest.py: consoles of real tools, percentiles, what is printed of them."""

import contextlib
import io
import tempfile
import unittest
from pathlib import Path

from harness.core.errors import Exit, HarnessError
from harness.bench import cyclictest
from harness.bench.points import Point
from harness.tests.bench.samples import PLAN
from harness.tests.fixture import verb

BOOT = Point("x86_64", "series", 4, "", "", 0, "tools", 1, 1, 0)
STEPS = ["run clock", "run rt idle 8 0-1", "load stall hold_ms=100 gap_ms=100",
         "run rt membarrier 8 0-1 stress-ng --membarrier 1"]
CONSOLE = """\
[    2.0] clock: BENCH-CLOCK,tsc
[    2.1] rt: RT-BEGIN,idle,1000,0
[    9.0] rt: RT-JSON,idle,{ "cmdline:": "cyclictest -q", "thread": { "0": { "histogram": { "50": 90,
[    9.0] rt: RT-JSON,idle,"300": 4, "305": 6 }, "cycles": 100, "max": 309, "avg": 75.00 }, "1": {
[    9.0] rt: RT-JSON,idle,"histogram": { "50": 80, "301": 20 }, "cycles": 100, "max": 301 } } }
[    9.0] rt: RT-HOLDS,idle,0
[    9.0] rt: RT-END,idle
[    9.1] STALL-INFO,cpu=3,hold_ms=100,gap_ms=100
[    9.2] rt: RT-BEGIN,membarrier,1000,100
[   19.0] rt: RT-LOAD,membarrier,stress-ng: metrc: [99] stressor       bogo ops real time  usr time
[   19.0] rt: RT-LOAD,membarrier,stress-ng: metrc: [99] membarrier       259     15.87      0.06
[   19.0] rt: RT-JSON,membarrier,{ "thread": { "0": { "histogram": { "50": 98, "99300": 1,
[   19.0] rt: RT-JSON,membarrier,"99310": 1 }, "cycles": 100, "max": 99310 }, "1": { "histogram":
[   19.0] rt: RT-JSON,membarrier,{ "50": 99, "99001": 1 }, "cycles": 100, "max": 99001 } } }
[   19.0] rt: RT-HOLDS,membarrier,40
[   19.0] rt: RT-END,membarrier
[   19.2] harness: success
"""


class ReadTest(unittest.TestCase):
    def test_good(self):
        found = cyclictest.read(CONSOLE, BOOT, STEPS)
        values = {(point.row, point.case, point.x): point.value for point in found}
        self.assertEqual(values["rt_max", "idle", 0], 309_000)
        self.assertEqual(values["rt_p99", "idle", 0], 300_000)
        self.assertEqual(values["rt_max", "membarrier", 100_000_000], 99_310_000)
        # Three stalls of 99 wake-ups each among 494: more than one in a hundred.
        self.assertEqual(values["rt_p99", "membarrier", 100_000_000], 98_000_000)
        self.assertEqual(values["rt_late", "idle", 0], 0)
        self.assertGreater(values["rt_late", "membarrier", 100_000_000], 100)
        self.assertEqual([(item.case, item.x, item.value) for item in found
                          if item.row == cyclictest.HISTOGRAM],
                         [("idle, no CPU held", 50_000, 170), ("idle, no CPU held", 300_000, 30),
                          ("membarrier, held 100 ms", 50_000, 197),
                          ("membarrier, held 100 ms", 99_000_000, 3)])

    def test_left_out_wakeups_count(self):
        thread = {"histogram": {"50": 900, "100000": 1}, "cycles": 901, "max": 100_000}
        figures = cyclictest.Round("x", 1000, 100, [thread]).summed_up(100)
        self.assertEqual(figures["rt_p99"], 90_000_000)      # of 1001 wake-ups
        self.assertAlmostEqual(figures["rt_late"], 60 / 1.001)

    def test_what_the_histogram_has_no_place_for(self):
        thread = {"histogram": {"7": 10, "123": 1, "128": 1}, "cycles": 13, "max": 500_000}
        one = cyclictest.Round("x", 1000, 0, [thread])
        self.assertEqual((one.counts, one.wakeups), ({7: 10, 120: 2}, 13))
        self.assertEqual(one.summed_up(100)["rt_late"], 1 / (12 * 1000 / 60e6))

    def test_none_is_asked(self):
        self.assertEqual(cyclictest.read("", BOOT, ["run clock"]), [])

    def test_bad(self):
        for old, new, words in (
                ("RT-HOLDS,idle,0", "RT-FAIL,idle,the load ended early", "idle: the load ended early"),
                ("RT-HOLDS,idle,0", "", "not complete"), ('"99310": 1', '"99310: 1', "not complete"),
                (" 259 ", "   0 ", "the load did nothing"),
                ("HOLDS,membarrier,40", "HOLDS,membarrier,0", "no CPU was held"),
                ("idle", "busy", "made the rounds busy")):
            with self.subTest(words), self.assertRaisesRegex(ValueError, words):
                self.assertIn(old, CONSOLE)
                cyclictest.read(CONSOLE.replace(old, new), BOOT, STEPS)

    def test_table(self):
        found, wrong = cyclictest.rounds(CONSOLE)
        self.assertEqual(wrong, [])
        rows = cyclictest.table(found).splitlines()
        self.assertEqual(rows[1].split()[:5], ["idle", "-", "200", "300", "us"])
        self.assertEqual(rows[2].split()[:4], ["membarrier", "100", "ms", "200"])

    def test_read(self):
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "console"
            for text, code in ((CONSOLE, Exit.OK), (CONSOLE.replace(" 259 ", " 0 "), Exit.TEST)):
                path.write_text(text)
                with contextlib.redirect_stdout(io.StringIO()) as printed:
                    self.assertEqual(verb("bench", "--read", str(path)), code)
                self.assertIn("membarrier", printed.getvalue())
            path.write_text("nothing")
            with self.assertRaisesRegex(HarnessError, "no output of bench/rt.c"):
                verb("bench", "--read", str(path))

    def test_steps_of_our_own(self):
        # The noise floor comes first.
        verbs = [step.split()[0] for step in next(item for item in PLAN.guest if item.tools).steps]
        self.assertGreaterEqual(verbs.index("load"), 3)


if __name__ == "__main__":
    unittest.main()
