"""results.py: the folders of bench and demo, the table of demo, differences of configurations."""

import datetime
import importlib.util
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from unittest import mock

from harness.core import settings
from harness.core.errors import Exit
from harness.queue.tree import TreeInfo
from harness.bench import boots, plans, plots, points, results
from harness.bench.boots import Measurements
from harness.bench.points import Point
from harness.tests.bench.samples import BOOT, GOOD, PLAN, error, made
from harness.tests.fixture import QUEUE, verb

INFO = TreeInfo(QUEUE, Path("linux"), "a" * 40, "b" * 40, "linux-source-6.12 6.12.0-1", "6.12.0",
                "sha256 x")
KERNELS = [replace(kernel, label=f"6.12.0, {kernel.name}") for kernel in PLAN.kernel[:2]]
POINTS = [Point("x86_64", kernel, 4, "wakeup", call, hold, "demo", 1, rep,
                (hold - 20_000 if kernel == "base" else 1900) + rep, model)
          for model in ("full", "voluntary") for kernel in ("base", "series")
          for call in ("single", "many") for hold in (100_000, 4_000_000) for rep in (1, 2, 3)]


class TableTest(unittest.TestCase):
    def test_columns(self):
        lines = results.demo_table(PLAN.names, points.stats(POINTS), KERNELS).splitlines()
        self.assertEqual(lines[0].split(), ["full:", "base", "series", "ratio", "voluntary:", "base",
                                            "series", "ratio"])
        self.assertTrue(lines[1].startswith("smp_call_function_single()  0.1 ms"), lines[1])
        self.assertEqual(lines[1].split()[-5:], ["80.0", "us", "1.90", "us", "42"])
        self.assertTrue(lines[2].endswith("  2093"), lines[2])     # 3 980 002 / 1902
        self.assertLessEqual(max(map(len, lines)), 100)

    def test_farthest_point(self):
        found = [*POINTS[:-1], POINTS[-1]._replace(value=5000)]
        self.assertEqual(results.farthest(PLAN.names, found, points.stats(found)),
                         "5.00 us, where the median is 1.90 us "
                         "(smp_call_function_many(), 4 ms, series, voluntary)")

    @unittest.skipUnless(importlib.util.find_spec("matplotlib"), "matplotlib is not installed")
    def test_folder(self):
        with tempfile.TemporaryDirectory() as name, mock.patch.object(settings, "BUILD", Path(name)):
            text = results.write_demo(PLAN, Measurements(
                INFO, [mock.Mock(kernel=kernel) for kernel in KERNELS], POINTS, ["a note"], Exit.OK,
                mock.Mock()))
            self.assertEqual({path.name for path in (QUEUE.build / "demo").glob("*.*")},
                             {"points.csv", "latency.svg", "result.txt"})
        self.assertIn("  voluntary   the default of Debian, RHEL and SLES\n", text)
        self.assertIn("48 points", text)
        self.assertIn("note        a note", text)


class FolderTest(unittest.TestCase):
    def setUp(self):
        self.top = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def test_config_differences(self):
        (self.top / "a").write_text("CONFIG_SMP=y\nCONFIG_ONE=y\n")
        (self.top / "b").write_text("CONFIG_SMP=y\nCONFIG_HZ=250\n")
        ready = [mock.Mock(kernel=kernel, arch="x86_64", way="") for kernel in KERNELS]
        for item, name in zip(ready, "ab"):
            item.made.config = self.top / name
        text = results.config_differences(ready)
        self.assertIn("## x86_64: 2 of 3 options", text)
        self.assertIn("| `HZ` | - | 250 |\n| `ONE` | y | - |", text)

    @unittest.skipUnless(importlib.util.find_spec("matplotlib"), "matplotlib is not installed")
    def test_result(self):
        ready = [mock.Mock(kernel=kernel, arch="x86_64", way="") for kernel in KERNELS]
        for item in ready:
            item.made.config, item.asked.arch.qemu = self.top / "config", "qemu"
        (self.top / "config").write_text("CONFIG_SMP=y\n")
        found = Measurements(INFO, ready, POINTS, ["a note"], Exit.BOOT, mock.Mock())
        with mock.patch.object(boots, "measured", return_value=found) as measured, \
                mock.patch.object(results, "version", return_value="7.2.22"), \
                mock.patch.object(settings, "BUILD", self.top / "build"), \
                mock.patch.object(plans, "FOLDER", self.top), \
                mock.patch.object(plots, "FOLDER", settings.REPO / "bench"), \
                mock.patch("builtins.print") as said:
            self.assertEqual(verb("bench", "--quick", "--guest", "main", "--kernel", "base"),
                             Exit.BOOT)
        self.assertEqual(measured.call_args.args[2], ["only base, as the command line said"])
        folder = self.top / "results" / f"{datetime.date.today()}-{QUEUE.name}-quick-base-main"
        self.assertLessEqual({"points.csv", "summary.md", "config-differences.md"},
                             {path.name for path in folder.iterdir()})
        self.assertEqual(points.read_csv(folder / "points.csv"), POINTS)
        self.assertIn("2 boots of each guest, the kernels", (folder / "summary.md").read_text())
        self.assertIn("a note", (folder / "summary.md").read_text())
        self.assertTrue(any("wake-up: flat" in str(call) for call in said.call_args_list))

    def test_usage(self):
        for words, args in (("no architecture to measure 'z80'", ["--arch", "z80"]),
                            ("no kernel '9.9'", ["--kernel", "9.9"]), ("--boots", ["--boots", "0"])):
            error(self, Exit.USAGE, words, verb, "bench", *args)


@unittest.skipUnless(importlib.util.find_spec("matplotlib"), "matplotlib is not installed")
class PlotTest(unittest.TestCase):
    def test_pictures(self):
        kernels = [replace(item, label=item.name) for item in PLAN.kernel]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            plots.draw_all(made(GOOD), "x86_64", kernels, "sub", folder, folder)
            self.assertEqual({path.name for path in folder.glob("*.svg")},
                             {"latency-by-hold-x86_64.svg", "cost-by-targets-x86_64.svg"})
            plots.draw_all({}, "arm64", kernels, "sub", folder, folder)
            self.assertEqual(len(list(folder.glob("*.svg"))), 2)


if __name__ == "__main__":
    unittest.main()
