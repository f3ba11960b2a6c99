"""wakeup.py: reading consoles, and the steps that measure."""

import unittest
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
        self.assertEqual(len(result[0]), ASKED.points)
        self.assertEqual([point.latency_ns for point in result[0]
                          if (point.function, point.hold_ns) == ("many", 100_000)],
                         [80_001, 80_002, 80_003])
        self.assertEqual(result[1], [])

    def test_discards_are_kept(self):
        text = "[ 1.9] WAKEUP-DISCARD,single,100000,0,the call was not waiting\n" + console(slow)
        self.assertEqual(self.read(text)[1], ["single,100000,0,the call was not waiting"])

    def test_no_end(self):
        self.fails(console(slow, end=""), Exit.BOOT, "no line WAKEUP-OK")

    def test_empty(self):
        self.fails("", Exit.BOOT, "no line WAKEUP-OK")

    def test_half_an_end(self):
        self.fails(console(slow, end="[ 3.1] WAKEUP-OK,1"), Exit.BOOT, "no line WAKEUP-OK")

    def test_module_failed(self):
        self.fails(console(slow, end="WAKEUP-FAIL,too many tries were discarded"), Exit.TEST,
                   "too many tries were discarded")

    def test_lost_line(self):
        self.fails(console(slow, drop=(4,)), Exit.TEST, "29 points on the console, but made 30")

    def test_fewer_than_asked_for(self):
        self.fails(console(slow, reps=2), Exit.TEST, "other points than the 30")

    def test_torn_line(self):
        text = console(slow).replace("WAKEUP,many,100000,2,80002", "WAKEUP,many,100000,2,8x002")
        self.fails(text, Exit.TEST, "makes no sense")

    def test_unknown_function(self):
        self.fails(console(slow).replace("WAKEUP,many", "WAKEUP,anyone"), Exit.TEST, "makes no sense")


class PlanTest(unittest.TestCase):
    GOOD = ("load wakeup reps=3 wake_delay_ns=20000 holds_ns=100000,4000000 "
            "entries=single,many,on_each,single_again,many_again many_pinned=1")

    def test_good(self):
        self.assertEqual(wakeup.plan(self.GOOD), ASKED)
        self.assertEqual(ASKED.points, 30)

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


if __name__ == "__main__":
    unittest.main()
