"""Tests of harness/wakeup.py: reading consoles, medians, the table and the CSV file."""

import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

from harness.core.errors import Exit, HarnessError
from harness.bench import wakeup
from harness.bench.wakeup import Plan

ASKED = Plan(holds_ns=(100_000, 4_000_000), reps=3, wake_delay_ns=20_000,
             entries=("single", "many", "on_each", "single_again", "many_again"))
WHERE = Path("console.log")


def console(latency, reps=3, clock="tsc", end="[    3.1] WAKEUP-OK,{count},0", drop=()):
    """A console as a guest prints it; latency(hold, rep) -> ns."""
    lines = ["[    0.000000] Linux version 6.12.0", f"WAKEUP-CLOCK,{clock}",
             "[    1.6] WAKEUP-INFO,caller_cpu=1,held_cpu=2,cpus=4,reps=3"]
    points = [f"[    2.0] WAKEUP,{function},{hold},{rep},{latency(hold, rep)}"
              for function in ASKED.entries for hold in ASKED.holds_ns
              for rep in range(1, reps + 1)]
    lines += [line for number, line in enumerate(points) if number not in drop]
    lines.append(end.format(count=len(points)))
    return "\r\n".join(lines) + "\r\n[    3.2] reboot: Power down"


def slow(hold, rep):
    return hold - 20_000 + rep


def fast(hold, rep):
    return 1900 + rep


class ReadTest(unittest.TestCase):
    def read(self, text):
        return wakeup.read(text, ASKED, "6.12.0", WHERE)

    def fails(self, text, code, words):
        with self.assertRaises(HarnessError) as caught:
            self.read(text)
        self.assertEqual(caught.exception.code, code)
        self.assertIn(words, caught.exception.message)
        self.assertIn("console.log", caught.exception.message)

    def test_good(self):
        result = self.read(console(slow))
        self.assertEqual(len(result.points), ASKED.points)
        self.assertEqual(result.latencies("many", 100_000), [80_001, 80_002, 80_003])
        self.assertEqual(result.discards, ())

    def test_discards_are_kept(self):
        text = "[ 1.9] WAKEUP-DISCARD,single,100000,0,the call was not waiting\n" + console(slow)
        self.assertEqual(self.read(text).discards, ("single,100000,0,the call was not waiting",))

    def test_no_end(self):
        self.fails(console(slow, end=""), Exit.BOOT, "no line WAKEUP-OK")

    def test_empty(self):
        self.fails("", Exit.BOOT, "no line WAKEUP-OK")

    def test_half_an_end(self):
        self.fails(console(slow, end="[ 3.1] WAKEUP-OK,1"), Exit.BOOT, "no line WAKEUP-OK")

    def test_module_failed(self):
        self.fails(console(slow, end="WAKEUP-FAIL,too many tries were discarded"), Exit.TEST,
                   "too many tries were discarded")

    def test_init_failed_although_the_module_did_not(self):
        text = console(slow) + "\nWAKEUP-INIT-FAIL,load /wakeup.ko: Exec format error"
        self.fails(text, Exit.TEST, "Exec format error")

    def test_other_clock(self):
        self.fails(console(slow, clock="hpet"), Exit.TEST, "by the clock hpet")

    def test_lost_line(self):
        self.fails(console(slow, drop=(4,)), Exit.TEST, "29 points on the console, but made 30")

    def test_fewer_than_asked_for(self):
        self.fails(console(slow, reps=2), Exit.TEST, "other points than the 30")

    def test_torn_line(self):
        text = console(slow).replace("WAKEUP,many,100000,2,80002", "WAKEUP,many,100000,2,8x002")
        self.fails(text, Exit.TEST, "makes no sense")

    def test_unknown_function(self):
        self.fails(console(slow).replace("WAKEUP,many", "WAKEUP,anyone"), Exit.TEST, "makes no sense")


class ModelTest(unittest.TestCase):
    def test_is_kept(self):
        self.assertEqual(wakeup.read(console(slow), ASKED, "b", WHERE).model, "full")
        self.assertEqual(wakeup.read(console(slow), ASKED, "b", WHERE, "none").model, "none")

    def test_farthest_point(self):
        odd = wakeup.read(console(lambda hold, rep: 5000 if (hold, rep) == (4_000_000, 2) else 1900),
                          ASKED, "series", WHERE, "voluntary")
        even = wakeup.read(console(lambda hold, rep: 1900), ASKED, "base", WHERE)
        self.assertEqual(wakeup.farthest([even, odd], ASKED),
                         "5.00 us, where the median is 1.90 us "
                         "(smp_call_function_single(), 4 ms, series, voluntary)")


class PlanTest(unittest.TestCase):
    GOOD = ("tsc=reliable wakeup.reps=3 wakeup.wake_delay_ns=20000 "
            "wakeup.holds_ns=100000,4000000 "
            "wakeup.entries=single,many,on_each,single_again,many_again")

    def test_good(self):
        self.assertEqual(wakeup.plan(self.GOOD), ASKED)
        self.assertEqual(ASKED.points, 30)
        self.assertEqual(wakeup.plan(self.GOOD + " demo.models=full,none").models, ("full", "none"))

    def test_missing_and_wrong(self):
        for text in ("quiet", self.GOOD.replace("reps=3", "reps=x"),
                     self.GOOD.replace("reps=3", "reps=0"), self.GOOD.replace("100000,", ","),
                     self.GOOD.replace("single,", "singel,")):
            with self.subTest(text), self.assertRaises(HarnessError) as caught:
                wakeup.plan(text)
            self.assertEqual(caught.exception.code, Exit.USAGE)


class ShowTest(unittest.TestCase):
    def test_three_digits(self):
        for value, text in ((7, "7 ns"), (999, "999 ns"), (1_000, "1.00 us"), (1_934, "1.93 us"),
                            (80_003, "80.0 us"), (980_400, "980 us"), (999_900, "1.00 ms"),
                            (9_996_000, "10.0 ms"), (63_990_000, "64.0 ms"),
                            (1_500_000_000, "1.50 s")):
            self.assertEqual(wakeup.show(value), text)

    def test_holds(self):
        self.assertEqual([wakeup.hold_name(hold) for hold in ASKED.holds_ns], ["0.1 ms", "4 ms"])


class TableTest(unittest.TestCase):
    def setUp(self):
        self.base = wakeup.read(console(slow), ASKED, "base", WHERE)
        self.series = wakeup.read(console(fast), ASKED, "series", WHERE)

    def test_one_model(self):
        lines = wakeup.table([self.base, self.series], ASKED).splitlines()
        self.assertEqual(lines[0].split(), ["-" * 6, "preempt=full", "-" * 6])
        self.assertEqual(lines[1].split(), ["function", "held", "unpatched", "+", "series", "ratio"])
        self.assertTrue(lines[3].startswith("smp_call_function_single()  0.1 ms"), lines[3])
        self.assertEqual(lines[3].split()[-5:], ["80.0", "us", "1.90", "us", "42"])
        self.assertTrue(lines[4].endswith("  2093"), lines[4])     # 3 980 002 / 1902
        self.assertEqual(lines[5], "")
        self.assertEqual(len({len(line) for line in lines if line}), 1)

    def test_two_models(self):
        asked = replace(ASKED, models=("full", "voluntary"))
        boots = [self.base, self.series, replace(self.base, model="voluntary"),
                 replace(self.base, label="series", model="voluntary")]
        lines = wakeup.table(boots, asked).splitlines()
        self.assertIn(" preempt=full ", lines[0])
        self.assertIn(" preempt=voluntary ", lines[0])
        self.assertEqual(lines[1].split().count("unpatched"), 2)
        self.assertEqual(lines[3].split()[-10:], ["80.0", "us", "1.90", "us", "42",
                                                  "80.0", "us", "80.0", "us", "1.0"])
        self.assertEqual(len({len(line) for line in lines if line}), 1)
        self.assertLessEqual(len(lines[1]), 100)

    def test_csv(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "points.csv"
            wakeup.write_csv((self.base, replace(self.series, model="voluntary")), path)
            lines = path.read_text().splitlines()
        self.assertEqual(lines[0], "kernel,model,function,hold_ns,rep,latency_ns")
        self.assertEqual(lines[1], "base,full,smp_call_function_single(),100000,1,80001")
        self.assertTrue(lines[-1].startswith("series,voluntary,"))
        self.assertEqual(len(lines), 1 + 2 * ASKED.points)


if __name__ == "__main__":
    unittest.main()
