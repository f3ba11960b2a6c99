"""Tests of what the real tools measure: consoles, percentiles, noise floor."""

import contextlib
import importlib.util
import io
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness.core.errors import Exit, HarnessError
from harness.bench import cyclictest, plans, plots, points, summary
from harness.bench.points import Boot, Key, Point, Stat
from harness.bench.summary import Measured
from harness.tests.fixture import QUEUE, verb

BOOT = Boot("x86_64", "series", 4, "tools", 1, "tsc")
STEPS = ["run clock", "run rt idle 8 0-1", "load stall hold_ms=100 gap_ms=100",
         "run rt membarrier 8 0-1 stress-ng --membarrier 1"]
CONSOLE = """\
[    2.0] clock: BENCH-CLOCK,tsc
[    2.1] rt: RT-BEGIN,idle,1000,0
[    9.0] rt: RT-HIST,idle,50,90,80
[    9.0] rt: RT-HIST,idle,300,10,20
[    9.0] rt: RT-OVER,idle,0,0
[    9.0] rt: RT-MAX,idle,309,301
[    9.0] rt: RT-HOLDS,idle,0
[    9.0] rt: RT-END,idle
[    9.1] STALL-INFO,cpu=3,hold_ms=100,gap_ms=100
[    9.2] rt: RT-BEGIN,membarrier,1000,100
[   19.0] rt: RT-LOAD,membarrier,stress-ng: metrc: [99] stressor       bogo ops real time  usr time
[   19.0] rt: RT-LOAD,membarrier,stress-ng: metrc: [99] membarrier       259     15.87      0.06
[   19.0] rt: RT-HIST,membarrier,50,98,99
[   19.0] rt: RT-HIST,membarrier,99000,2,1
[   19.0] rt: RT-OVER,membarrier,0,0
[   19.0] rt: RT-MAX,membarrier,99310,99001
[   19.0] rt: RT-HOLDS,membarrier,40
[   19.0] rt: RT-END,membarrier
[   19.2] harness: success
"""


class ReadTest(unittest.TestCase):
    def test_good(self):
        found, buckets = cyclictest.read(CONSOLE, BOOT, STEPS, Path("c"))
        values = {(point.row, point.case, point.x): point.value for point in found}
        self.assertEqual(values["rt_max", "idle", 0], 309_000)
        self.assertEqual(values["rt_p99", "idle", 0], 300_000)
        self.assertEqual(values["rt_max", "membarrier", 100_000_000], 99_310_000)
        # Three stalls of 99 wake-ups each among 494: more than one in a hundred.
        self.assertEqual(values["rt_p99", "membarrier", 100_000_000], 98_000_000)
        self.assertEqual(values["rt_late", "idle", 0], 0)
        self.assertGreater(values["rt_late", "membarrier", 100_000_000], 100)
        self.assertEqual([(item.late_us, item.count) for item in buckets],
                         [(50, 170), (300, 30), (50, 197), (99000, 3)])

    def test_left_out_wakeups_count(self):
        one = cyclictest.Round("x", 100, 1000, threads=1)
        one.counts.update({50: 900, 100_000: 1})
        self.assertEqual(one.all_wakeups().total(), 1001)
        self.assertEqual(one.percentile_us(0.5), 50)
        self.assertEqual(one.percentile_us(0.99), 90_000)
        self.assertAlmostEqual(one.late_a_minute(50_000), 60 / 1.001)

    def test_bad(self):
        for old, new, words in (
                ("RT-END,idle", "RT-FAIL,idle,the load ended early", "the load ended early"),
                ("[    9.0] rt: RT-END,idle\n", "", "not complete"),
                (" 259 ", "   0 ", "the load did nothing"),
                ("HOLDS,membarrier,40", "HOLDS,membarrier,0", "no CPU was held"),
                ("STALL-INFO,cpu=3,hold_ms=100,gap_ms=100", "STALL-FAIL,cpu is not online",
                 "cpu is not online"),
                ("CLOCK,tsc", "CLOCK,hpet", "hpet"),
                ("RT-MAX,membarrier", "RT-MAX,other", "no round"),
                ("idle", "busy", "made the rounds busy")):
            with self.subTest(words), self.assertRaises(HarnessError) as caught:
                self.assertIn(old, CONSOLE)
                cyclictest.read(CONSOLE.replace(old, new), BOOT, STEPS, Path("c"))
            self.assertEqual(caught.exception.code, Exit.TEST)
            self.assertIn(words, caught.exception.message)

    def test_table(self):
        found, wrong = cyclictest.rounds(CONSOLE)
        self.assertEqual(wrong, [])
        rows = cyclictest.rounds_table(found).splitlines()
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

    def test_csv(self):
        _, buckets = cyclictest.read(CONSOLE, BOOT, STEPS, Path("c"))
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "h.csv"
            points.write_csv(buckets, path)
            self.assertEqual(path.read_text().splitlines()[1], "x86_64,series,tools,1,idle,0,50,170")

    def test_steps_of_our_own(self):
        plan = plans.read(QUEUE)
        guest = next(item for item in plan.guest if item.tools)
        for accel in ("tcg", "kvm"):
            text = "\n".join(guest.lines(plan.kernel[0], "x86_64", plan.tools.hold[accel]))
            self.assertNotIn("{", text)
        # The noise floor comes first.
        verbs = [step.split()[0] for step in guest.steps]
        self.assertGreaterEqual(verbs.index("load"), 3)


def stat(median, least=None, greatest=None):
    return Stat(median, least or median, greatest or median, 3, median)


class FloorTest(unittest.TestCase):
    def test_difference(self):
        floor = 40e6
        for one, other, words in (
                (stat(2e6), stat(99e6, 90e6, 110e6), "times"),
                (stat(2e6), stat(39e6), summary.NO_DIFFERENCE),        # inside the floor
                (Stat(2e6, 2e6, 2e6, 2, 2e6), stat(99e6), "too few boots"),
                (stat(80e6, 30e6, 95e6), stat(99e6, 90e6, 110e6), summary.NO_DIFFERENCE)):
            self.assertIn(words, summary.difference(one, other, floor))

    def test_section(self):
        plan = plans.read(QUEUE)
        kernels = [Measured(item.name, item.name, "") for item in plan.kernel[:2]]
        made = [Point("x86_64", kernel, 4, "rt_max", case, x, "tools", boot, 1, value + boot)
                for boot in (1, 2, 3) for kernel, case, x, value in (
                    ("base", "idle", 0, 20e6), ("series", "idle", 0, 21e6),
                    ("base", "membarrier", 10 ** 8, 99e6), ("series", "membarrier", 10 ** 8, 15e6),
                    ("base", "idle", 10 ** 8, 18e6), ("series", "idle", 10 ** 8, 17e6))]
        text = "\n".join(summary.real_tools(plan, points.stats(made), "x86_64", kernels))
        self.assertIn("Noise floor: 21.0 ms", text)
        self.assertRegex(text, r"membarrier \| 100 ms \|.*\| 0.152 times \|")
        self.assertRegex(text, rf"idle \| 100 ms \|.*\| {summary.NO_DIFFERENCE} \|")
        self.assertEqual(summary.real_tools(plan, {}, "x86_64", kernels), [])

    def test_not_compared_between_results(self):
        key = Key("a", "k", 4, "rt_max", "idle", 0)
        self.assertEqual(points.worse({key: stat(1)}, {key: stat(9)}), [])


@unittest.skipUnless(importlib.util.find_spec("matplotlib"), "matplotlib is not installed")
class PlotTest(unittest.TestCase):
    def test_bins(self):
        buckets = [cyclictest.Bucket("a", "k", "tools", 1, "idle", 0, late, 2)
                   for late in (0, 1, 10, 10, 99)]
        self.assertEqual([count for _, count in plots.bins(buckets)], [4, 4, 2])

    def test_picture(self):
        _, buckets = cyclictest.read(CONSOLE, BOOT, STEPS, Path("c"))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            plots.draw_histograms(buckets, "x86_64", [Measured("series", "S", "")], folder,
                                      folder)
            plots.draw_histograms(buckets, "arm64", [], folder, folder)
            self.assertEqual([path.name for path in folder.glob("*.svg")],
                             ["cyclictest-x86_64.svg"])


if __name__ == "__main__":
    unittest.main()
