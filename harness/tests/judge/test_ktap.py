"""ktap.py: what is counted, and what is called incomplete or wrong."""

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
PROGRAM = """\
[    2.0] tlbtest: KTAP version 1
[    2.0] tlbtest: FIGURE,guest,cpus=4,swap=1
[    2.1] tlbtest: ok 1 lat.munmap_1 # 5 points of 5; at most 10 ns
[    2.1] other: not ok 2 lat.munmap_2
[    2.2] not ok 3 smp
[    2.3] tlbtest: not ok 2 stale.x # 3 stale: #1, #2
[    2.4] tlbtest: ok 3 stale.pageout # SKIP no swap in this guest
[    2.4] tlbtest: FIGURE,stale,case=a b,checked=5
[    2.5] tlbtest: 1..3
"""
OF_OTHERS = """\
KTAP version 1
    # Subtest: mm/ksm -a 1
    1..9
    ok 1 first, not ok in its name
    ok 2 # SKIP a big page
        ok 3 - c # SKIP no such thing
    ok 4 last # XFAIL is known
    ok 5 not a # directive
ok 1 mm/ksm -a 1 # exit value 0
    # Subtest: mm/cow
ok 2 mm/cow # exit value 0
    # Subtest: mm/mdwe
    not ok 1 one
not ok 3 mm/mdwe # exit value 1
    # Subtest: mm/hmm
    ok 1 one
not ok 4 mm/hmm # ended by signal 11
1..4
"""


def read(text: str, prefix: str = "") -> ktap.Test:
    return ktap.read(text.splitlines(), prefix).root


def names(root: ktap.Test, status: str) -> list[str]:
    return [leaf.name for leaf in root.leaves() if leaf.status == status]


class Complete(unittest.TestCase):
    def test_parameters_count_one_each(self):
        root = read(GOOD)
        self.assertEqual(names(root, "ok"), ["smp.plain", "smp.with_parameters.single",
                                             "smp.with_parameters.many", "smp.right_cpus"])
        self.assertEqual(len(root.leaves()), 4)
        self.assertEqual(ktap.incomplete(root, root.tests), [])

    def test_without_time_stamps(self):
        bare = "\n".join(ktap.strip(line) for line in GOOD.splitlines())
        self.assertEqual(len(names(read(bare), "ok")), 4)

    def test_stamp_with_thread(self):
        self.assertEqual(ktap.strip("[    1.3][    T1]     ok 3 right_cpus\r\n"), "    ok 3 right_cpus")

    def test_failed_parameter(self):
        root = read(GOOD.replace("ok 2 many", "not ok 2 many")
                    .replace("ok 2 with_parameters", "not ok 2 with_parameters")
                    .replace("ok 1 smp", "not ok 1 smp"))
        self.assertEqual(names(root, "failed"), ["smp.with_parameters.many"])
        self.assertEqual(len(root.leaves()), 4)

    def test_place_of_the_failure(self):
        root = read(GOOD.replace("[    1.300001]     ok 3",
                                 "[    1.3]     # right_cpus: EXPECTATION FAILED at lib/x.c:7\n"
                                 "[    1.3]     Expected a == b, but\n"
                                 "[    1.300001]     not ok 3"))
        self.assertEqual([(leaf.name, leaf.reason) for leaf in root.leaves() if leaf.reason],
                         [("smp.right_cpus", "lib/x.c:7")])

    def test_case_fails_though_its_parameters_pass(self):
        root = read(GOOD.replace("ok 2 with_parameters", "not ok 2 with_parameters"))
        self.assertEqual(names(root, "failed"), ["smp.with_parameters"])

    def test_skipped_case(self):
        root = read(GOOD.replace("ok 1 plain", "ok 1 plain # SKIP needs 3 CPUs"))
        self.assertEqual([(leaf.name, leaf.reason) for leaf in root.leaves()
                          if leaf.status == "skipped"], [("smp.plain", "needs 3 CPUs")])

    def test_suite_skipped_as_a_whole(self):
        root = read("KTAP version 1\n1..1\n    # Subtest: smp\n    1..0\nok 1 smp # SKIP one CPU")
        self.assertEqual([leaf.status for leaf in root.leaves()], ["skipped"])
        self.assertEqual(ktap.incomplete(root, root.tests), [])

    def test_program(self):
        reader = ktap.read(PROGRAM.splitlines(), "tlbtest: ")
        self.assertEqual([(leaf.name, leaf.status, leaf.reason) for leaf in reader.root.leaves()],
                         [("lat.munmap_1", "ok", "5 points of 5; at most 10 ns"),
                          ("stale.x", "failed", "3 stale: #1, #2"),
                          ("stale.pageout", "skipped", "no swap in this guest")])
        self.assertEqual(reader.figures, [("guest", {"cpus": "4", "swap": "1"}),
                                          ("stale", {"case": "a b", "checked": "5"})])
        self.assertEqual(ktap.incomplete(reader.root), [])
        self.assertEqual(reader.failed, ["stale.x"])

    def test_programs_of_others(self):
        root = read(OF_OTHERS)
        self.assertEqual(ktap.incomplete(root), [])
        first = "mm/ksm -a 1"
        self.assertEqual(names(root, "skipped"), [f"{first}.a big page", f"{first}.c"])
        self.assertEqual(names(root, "ok"), [f"{first}.first, not ok in its name", f"{first}.last",
                                             f"{first}.not a", "mm/cow", "mm/hmm.one"])
        # What was said of the program's end is not lost.
        self.assertEqual(names(root, "failed"), ["mm/mdwe.one", "mm/mdwe", "mm/hmm"])


class Incomplete(unittest.TestCase):
    def problems(self, text: str) -> str:
        root = read(text)
        return "; ".join(ktap.incomplete(root, root.tests))

    def test_silent(self):
        self.assertEqual(self.problems("[    1.0] Linux version 6\n"), "nothing was run")

    def test_cut_off(self):
        cut = GOOD[:GOOD.index("[    1.300001]")]
        self.assertIn("smp did not end", self.problems(cut))
        self.assertIn("smp announced 3 tests and reported 2", self.problems(cut))

    def test_case_lost(self):
        lost = GOOD.replace("[    1.100000]     ok 1 plain\n", "")
        self.assertIn("announced 3 tests and reported 2", self.problems(lost))

    def test_end_of_a_case_lost(self):
        lost = GOOD.replace("[    1.200006]     ok 2 with_parameters\n", "")
        self.assertIn("smp.with_parameters did not end", self.problems(lost))

    def test_suite_lost(self):
        self.assertIn("the run announced 2 tests", self.problems(GOOD.replace("] 1..1\n", "] 1..2\n")))

    def test_no_plan(self):
        self.assertIn("smp announced no number", self.problems(GOOD.replace("    1..3", "")))
        self.assertIn("smp announced no number", self.problems(
            "KTAP version 1\n1..1\n    # Subtest: smp\n    1..0\nok 1 smp"))
        self.assertIn("the run announced no number", self.problems(GOOD.replace("] 1..1\n", "] \n")))

    def test_begin_of_a_suite_lost(self):
        self.assertIn("announced", self.problems(GOOD.replace("# Subtest: smp", "")))

    def test_suite_failed_without_a_case(self):
        root = read(GOOD.replace("] ok 1 smp", "] not ok 1 smp"))
        self.assertEqual(ktap.complaints(root, []), ["smp failed (outside of its cases)"])

    def test_program(self):
        def problems(text: str) -> list[str]:
            return ktap.incomplete(read(text, "tlbtest: "))
        self.assertEqual(problems(PROGRAM), [])
        self.assertIn("no number", problems(PROGRAM.replace("1..3", "killed"))[0])
        self.assertIn("announced 4 tests and reported 3", problems(PROGRAM.replace("1..3", "1..4"))[0])
        self.assertEqual(problems("tlbtest: KTAP version 1\ntlbtest: 1..0\n"), ["nothing was run"])


class Asked(unittest.TestCase):
    def complaints(self, text: str, *suites: ktap.Suite, whole: bool = True) -> list[str]:
        return ktap.complaints(read(text), suites, whole)

    def test_skips(self):
        why = "of no use"
        listed = ktap.Suite("mm/ksm -a 1", 1, ("a * page", "c"), why)
        self.assertEqual(self.complaints(OF_OTHERS, listed)[3:], [])
        self.assertEqual(self.complaints(OF_OTHERS, ktap.Suite(listed.name, 1, ("a * page",), why))[3:],
                         [f"{listed.name}.c was skipped (no such thing)"])
        self.assertEqual(self.complaints(OF_OTHERS, ktap.Suite(listed.name, 1, ("*",), why))[0],
                         f"{listed.name}.first, not ok in its name must be skipped (of no use) but was "
                         "executed, with 2 more of *")
        other = ktap.Suite(listed.name, 1, (*listed.skips, "d"), why)
        self.assertIn(f"no case is named {listed.name}.d", self.complaints(OF_OTHERS, other)[0])
        self.assertNotIn("is named", self.complaints(OF_OTHERS, other, whole=False)[0])

    def test_too_few(self):
        for name, count in (("mm/ksm", 0), ("mm/ksm -a 1", 3), ("mm/cow", 1), ("mm/none", 0)):
            self.assertEqual(self.complaints(OF_OTHERS, ktap.Suite(name, 4))[0],
                             f"{name} executed {count} cases, at least 4 must run")

    def test_failures(self):
        self.assertEqual(self.complaints(OF_OTHERS)[:3], [
            "mm/mdwe.one failed", "mm/mdwe failed (exit value 1)",
            "mm/hmm failed (ended by signal 11)"])
        many = "".join(f"not ok {number} x{number}\n" for number in range(12))
        self.assertEqual(len(self.complaints(many)), ktap.SHOWN + 1)
        self.assertIn("2 more cases: failed", self.complaints(many))


if __name__ == "__main__":
    unittest.main()
