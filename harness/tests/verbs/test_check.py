"""check.py, report.py, lane_run.py, kunit.py: counting, the closing line, run folders."""

import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness.core import report, settings
from harness.core.errors import Exit, HarnessError
from harness.core.progress import Progress
from harness.core.report import Part
from harness.queue import series
from harness.lanes import lane_files, lane_run
from harness.proof import unit_tests
from harness.tests.fixture import QUEUE, verb


class UnitCount(unittest.TestCase):
    def test_all_passed(self):
        part = unit_tests.count("Ran 12 tests in 0.1s\n\nOK\n", 0, 0.1)
        self.assertEqual((part.code, part.passed, part.failed, part.skipped),
                         (Exit.OK, 12, 0, 0))

    def test_failures_errors_and_skips(self):
        output = ("FAIL: test_a (x.A.test_a)\nERROR: test_b (x.A.test_b)\n"
                  "Ran 12 tests in 0.1s\n\nFAILED (failures=1, errors=2, skipped=3)\n")
        part = unit_tests.count(output, 1, 0.1)
        self.assertEqual((part.code, part.passed, part.failed, part.skipped),
                         (Exit.TEST, 6, 3, 3))
        self.assertIn("test_a", part.note)

    def test_no_test_at_all_is_a_failure(self):
        for output in ("", "Ran 0 tests in 0.0s\n\nOK\n"):
            self.assertEqual(unit_tests.count(output, 0, 0.1).failed, 1)

    def test_crash_after_the_count(self):
        self.assertEqual(unit_tests.count("Ran 3 tests in 0.1s\n\nOK\n", 1, 0.1).code, Exit.TEST)


class Report(unittest.TestCase):
    PARTS = [Part("unit tests", Exit.OK, 10, 0, 1, 2.0),
             Part("x86_64", Exit.BUILD, 0, 1, 0, 61.0, "build of x86_64 failed\nmore"),
             Part("arm64", Exit.SPLAT, 40, 1, 0, 3.0)]

    def test_closing_line(self):
        self.assertEqual(report.closing(self.PARTS), "50 passed, 2 failed, 1 skipped")

    def test_exit_code_is_that_of_the_first_failure(self):
        self.assertEqual(report.exit_code(self.PARTS), Exit.BUILD)
        self.assertEqual(report.exit_code(self.PARTS[:1]), Exit.OK)
        self.assertEqual(report.exit_code([Part("x", Exit.OK, 1, 1, 0, 1.0)]), Exit.TEST)

    def test_table_has_one_line_per_part(self):
        lines = report.table(self.PARTS).splitlines()
        self.assertEqual(len(lines), 4)
        self.assertIn("BUILD", lines[2])
        self.assertIn("1:01", lines[2])
        self.assertNotIn("more", report.table(self.PARTS))

    def test_a_step_that_raises_counts_as_one_failure_and_the_check_goes_on(self):
        def step():
            raise HarnessError(Exit.CONFIG, "an option is not set.")
        with open(os.devnull, "w") as null, mock.patch("sys.stderr", null):
            parts = report.guarded("lane", Progress(1, null), step)
        self.assertEqual([(part.code, part.failed) for part in parts], [(Exit.CONFIG, 1)])


class Arguments(unittest.TestCase):
    def test_unknown_lane(self):
        with self.assertRaises(HarnessError) as caught:
            verb("check", "nonsense")
        self.assertEqual(caught.exception.code, Exit.USAGE)
        self.assertIn("x86_64", caught.exception.message)

    def test_which_lanes(self):
        default = [lane.name for lane in lane_files.choose(QUEUE, [], False)]
        self.assertEqual([lane.name for lane in lane_files.choose(QUEUE, [], True)], lane_files.names(QUEUE))
        self.assertEqual(default, [name for name in lane_files.names(QUEUE)
                                   if lane_files.load(name, QUEUE).when == "check"])
        self.assertIn("x86_64-debug", default)
        self.assertEqual([lane.name for lane in lane_files.choose(QUEUE, ["arm64"], False)], ["arm64"])
        for args in (["x86_64", "--all"], ["x86_64", "--quick"], ["--all", "--quick"]):
            with self.assertRaises(HarnessError) as caught:
                verb("check", *args)
            self.assertEqual(caught.exception.code, Exit.USAGE)

    def test_unknown_architecture(self):
        with self.assertRaises(HarnessError) as caught:
            verb("boot", "vax")
        self.assertEqual(caught.exception.code, Exit.USAGE)
        self.assertIn("arm64", caught.exception.message)

    def test_what_is_no_pattern(self):
        for pattern in ("", "any*[", "any*[]", "any* x"):
            with self.assertRaises(HarnessError) as caught:
                verb("kunit", "x86_64", pattern)
            self.assertEqual(caught.exception.code, Exit.USAGE)
            self.assertIn("no pattern", caught.exception.message)
        for pattern in ("any*", "smp.any_[a-c]?", "*"):
            with mock.patch("harness.verbs.kunit.tree.ensure_tree", side_effect=KeyboardInterrupt), \
                    mock.patch("sys.stderr"), self.assertRaises(KeyboardInterrupt):
                verb("kunit", "x86_64", pattern)

    def test_pattern_for_cases(self):
        lane = lane_files.load("x86_64", QUEUE)
        self.assertEqual(lane_run.full_glob(lane, "any*"), "*.any*")
        self.assertEqual(lane_run.full_glob(lane, "smp.a*"), "smp.a*")
        self.assertIsNone(lane_run.full_glob(lane, None))
        self.assertIn("kunit.filter_glob=smp.a*", lane_run.cmdline(lane, "smp.a*"))
        self.assertIn("harness.suites=smp", lane_run.cmdline(lane, None))

    def test_tests_are_the_patches_below_lib(self):
        with tempfile.TemporaryDirectory() as name:
            one, two = Path(name, "1.patch"), Path(name, "2.patch")
            one.write_text("diff --git a/lib/tests/x.c b/lib/tests/x.c\n"
                           "diff --git a/lib/Makefile b/lib/Makefile\n")
            two.write_text("diff --git a/lib/a.c b/lib/a.c\ndiff --git a/kernel/b.c b/kernel/b.c\n")
            with mock.patch.object(series, "patches", lambda queue: [one, two]):
                self.assertEqual(series.test_patches(QUEUE), [one])


class Folders(unittest.TestCase):
    def test_the_run_before_is_kept(self):
        with tempfile.TemporaryDirectory() as name, \
                mock.patch.object(settings, "BUILD", Path(name)):
            for count in range(3):
                folder = lane_run.run_folder(QUEUE, "lane")
                self.assertEqual(list(folder.iterdir()), [])
                (folder / "n").write_text(str(count))
            self.assertEqual((QUEUE.build / "runs/lane/n").read_text(), "2")
            self.assertEqual((QUEUE.build / "runs/lane.old/n").read_text(), "1")


if __name__ == "__main__":
    unittest.main()
