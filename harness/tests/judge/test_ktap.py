"""ktap.py: what is counted, and what is called incomplete."""

import unittest

from harness.judge import ktap

GOOD = """\
[    1.000000] KTAP version 1
[    1.000001] 1..1
[    1.000002]     KTAP version 1
[    1.000003]     # Subtest: smp
[    1.000004]     # module: smp_kunit
[    1.000005]     1..3
[    1.100000]     ok 1 plain
[    1.200000]         KTAP version 1
[    1.200001]         # Subtest: with_parameters
[    1.200002]         ok 1 single
[    1.200003] clocksource: Switched to clocksource tsc
[    1.200004]         ok 2 many
[    1.200005]     # with_parameters: pass:2 fail:0 skip:0 total:2
[    1.200006]     ok 2 with_parameters
[    1.300000]     # right_cpus.speed: slow
[    1.300001]     ok 3 right_cpus
[    1.300002] # smp: pass:3 fail:0 skip:0 total:3
[    1.300003] # Totals: pass:4 fail:0 skip:0 total:4
[    1.300004] ok 1 smp
"""


def parse(text: str) -> ktap.Report:
    return ktap.parse(text.splitlines())


class Complete(unittest.TestCase):
    def test_parameters_count_one_each(self):
        report = parse(GOOD)
        self.assertEqual([case.name for case in report.leaves("ok")],
                         ["smp.plain", "smp.with_parameters.single", "smp.with_parameters.many",
                          "smp.right_cpus"])
        self.assertEqual(report.problems, [])

    def test_without_time_stamps(self):
        bare = "\n".join(ktap.strip(line) for line in GOOD.splitlines())
        self.assertEqual(parse(bare).executed, 4)

    def test_stamp_with_thread(self):
        self.assertEqual(ktap.strip("[    1.3][    T1]     ok 3 right_cpus\r\n"), "    ok 3 right_cpus")

    def test_failed_parameter(self):
        report = parse(GOOD.replace("ok 2 many", "not ok 2 many")
                       .replace("ok 2 with_parameters", "not ok 2 with_parameters"))
        self.assertEqual([case.name for case in report.leaves("failed")],
                         ["smp.with_parameters.many"])
        self.assertEqual(report.executed, 4)

    def test_place_of_the_failure(self):
        report = parse(GOOD.replace("[    1.300001]     ok 3",
                                    "[    1.3]     # right_cpus: EXPECTATION FAILED at lib/x.c:7\n"
                                    "[    1.3]     Expected a == b, but\n"
                                    "[    1.300001]     not ok 3"))
        self.assertEqual([(case.name, case.reason) for case in report.leaves("failed")],
                         [("smp.right_cpus", "lib/x.c:7")])

    def test_case_failed_after_its_parameters(self):
        report = parse(GOOD.replace("ok 2 with_parameters", "not ok 2 with_parameters"))
        self.assertEqual(len(report.leaves("failed")), 1)

    def test_skip_has_reason_and_is_not_executed(self):
        report = parse(GOOD.replace("ok 1 plain", "ok 1 plain # SKIP needs 3 CPUs"))
        skipped = report.leaves("skipped")
        self.assertEqual([(case.name, case.reason) for case in skipped],
                         [("smp.plain", "needs 3 CPUs")])
        self.assertEqual(report.executed, 3)

    def test_suite_skipped_as_a_whole(self):
        report = parse("KTAP version 1\n1..1\n    # Subtest: smp\n    1..0\n"
                       "ok 1 smp # SKIP one CPU")
        self.assertEqual(report.executed, 0)
        self.assertEqual(len(report.leaves("skipped")), 1)

    def test_finished_case_for_the_progress_line(self):
        self.assertEqual(ktap.finished("[    1.100000]     ok 1 plain"), "plain")
        self.assertEqual(ktap.finished("[    1.100000] ok then"), "")


class Incomplete(unittest.TestCase):
    def problems(self, text: str) -> str:
        return "; ".join(parse(text).problems)

    def test_silent(self):
        self.assertIn("no suite", self.problems("[    1.0] Linux version 6\n"))

    def test_cut_off(self):
        cut = GOOD[:GOOD.index("[    1.300001]")]
        self.assertIn("did not end", self.problems(cut))
        self.assertIn("announced 3 cases and reported 2", self.problems(cut))

    def test_case_lost(self):
        lost = GOOD.replace("[    1.100000]     ok 1 plain\n", "")
        self.assertIn("announced 3 cases and reported 2", self.problems(lost))

    def test_suite_lost(self):
        self.assertIn("2 suites were announced",
                      self.problems(GOOD.replace("] 1..1\n", "] 1..2\n")))

    def test_suite_failed_without_a_case(self):
        self.assertIn("outside of its cases",
                      self.problems(GOOD.replace("] ok 1 smp", "] not ok 1 smp")))


if __name__ == "__main__":
    unittest.main()
