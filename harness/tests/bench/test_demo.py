"""demo.py and the preset: what is booted, the table, the folder."""

from __future__ import annotations

import importlib.util
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from unittest import mock

from harness.core import settings
from harness.queue.tree import TreeInfo
from harness.bench import demo, plans
from harness.bench.points import Point
from harness.bench.summary import Measured
from harness.tests.fixture import QUEUE

INFO = TreeInfo(QUEUE, Path("linux"), "a" * 40, "b" * 40, "linux-source-6.12 6.12.0-1", "6.12.0",
                "sha256 x")
KERNELS = [Measured("base", "6.12.0", ""), Measured("series", "6.12.0 + series", "")]
POINTS = [Point("x86_64", kernel, 4, "wakeup", call, hold, "demo", 1, rep,
                (hold - 20_000 if kernel == "base" else 1900) + rep, model)
          for model in ("full", "voluntary") for kernel in ("base", "series")
          for call in ("single", "many") for hold in (100_000, 4_000_000) for rep in (1, 2, 3)]


class PlanTest(unittest.TestCase):
    def test_preset(self):
        plan = plans.read(QUEUE).of("demo")
        self.assertEqual([item.model for item in plan.guest], ["full", "voluntary"])
        self.assertEqual(([item.name for item in plan.kernel], plan.boots), (["base", "series"], 1))
        self.assertFalse(any(item.preset for item in plans.read(QUEUE).of("").guest))


class TableTest(unittest.TestCase):
    def test_columns(self):
        lines = demo.table(POINTS, KERNELS).splitlines()
        self.assertEqual(lines[0].split(), ["full:", "base", "series", "ratio", "voluntary:", "base",
                                            "series", "ratio"])
        self.assertTrue(lines[1].startswith("smp_call_function_single()  0.1 ms"), lines[1])
        self.assertEqual(lines[1].split()[-5:], ["80.0", "us", "1.90", "us", "42"])
        self.assertTrue(lines[2].endswith("  2093"), lines[2])     # 3 980 002 / 1902
        self.assertLessEqual(max(map(len, lines)), 100)

    def test_farthest_point(self):
        odd = replace(POINTS[-1], value=5000)
        self.assertEqual(demo.farthest([*POINTS[:-1], odd]),
                         "5.00 us, where the median is 1.90 us "
                         "(smp_call_function_many(), 4 ms, series, voluntary)")

    @unittest.skipUnless(importlib.util.find_spec("matplotlib"), "matplotlib is not installed")
    def test_folder(self):
        with tempfile.TemporaryDirectory() as name, mock.patch.object(settings, "BUILD", Path(name)):
            text = demo.write(POINTS, KERNELS, plans.read(QUEUE).of("demo"), INFO, ["a note"])
            self.assertEqual({path.name for path in (QUEUE.build / "demo").glob("*.*")},
                             {"points.csv", "latency.svg", "result.txt"})
        self.assertIn("  voluntary   the default of Debian, RHEL and SLES\n", text)
        self.assertIn("48 points", text)
        self.assertIn("note        a note", text)


if __name__ == "__main__":
    unittest.main()
