"""torture.py: the tests' own end lines, their totals, the guest's steps."""

import shutil
import subprocess
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

from harness.core import settings
from harness.core.errors import Exit
from harness.judge import judge, splats, torture
from harness.judge.ktap import Suite
from harness.tests.judge.test_judge import BUILD_ID, RUN, a_run

SCF = """\
[    5.000000] torture module --- scftorture:  disable_onoff_at_boot=0 random_shuffle=0
[    5.000100] scftorture: --- Start of test:  verbose=1 holdoff=0 longwait=0 nthreads=-1
[   20.100000] scftorture:  scf_invoked_count ver: 100 resched: 0 single: 1/2 single_ofl: 3/4 \
single_rpc: 5 single_rpc_ofl: 0 many: 6/7 all: 8/9 \
counted: 70/69 preemptions: 1 preempted: 1 migrated: 0 onoff: 1/1:2/2 5,6:7,8 9:10 (HZ=250) ste: 0 \
stnmie: 0 stnmoe: 0 staf: 0
[   25.500000] scftorture:  scf_invoked_count VER: 1000 resched: 0 single: 10/20 single_ofl: 3/4 \
single_rpc: 50 single_rpc_ofl: 5 many: 60/70 all: 80/90 \
counted: 700/700 preemptions: 12 preempted: 11 migrated: 4 \n\
[   25.500001] smpboot: CPU 2 is now offline
[   25.500002] onoff: 11/11:12/12 5,6:7,8 9:10 (HZ=250) ste: 0 stnmie: 0 stnmoe: 0 staf: 2
[   25.600000] scftorture: --- End of test: SUCCESS:  verbose=1 holdoff=0 longwait=0 nthreads=4
"""
RCU = """\
[   30.000000] srcu-torture:--- Start of test: nreaders=3 nfakewriters=4 stat_interval=15
[   45.000000] srcu-torture: rtc: 00000000bd1f ver: 17 tfle: 0 rta: 18 rtaf: 0 rtf: 9 rtmbe: 0 \
rtmbkf: 0/5 rtbe: 0 rtbke: 0 rtbf: 0 rtb: 0 nt: 33 onoff: 2/2:3/3 1,2:3,4 5:6 (HZ=250) \
barrier: 0/0:0 read-exits: 4 nocb-toggles: 0:0
[   60.000000] srcu-torture: rtc: 0000000000000000 VER: 117 tfle: 0 rta: 18 rtaf: 0 rtf: 9 \
rtmbe: 0 rtmbkf: 0/5 rtbe: 0 rtbke: 0 rtbf: 0 rtb: 0 nt: 133 onoff: 20/20:23/23 1,2:3,4 5:6 \
(HZ=250) barrier: 0/0:0 read-exits: 14 nocb-toggles: 0:0
[   60.000001] srcu-torture: Reader Pipe:  5000 12 0 0 0 0 0 0 0 0 0
[   60.000002] srcu-torture: Reader Batch:  5005 7 0 0 0 0 0 0 0 0 0
[   60.100000] srcu-torture:--- End of test: SUCCESS: nreaders=3 nfakewriters=4
"""
TLB = """\
[    5.000000] tlbtest: KTAP version 1
[    5.100000] tlbtest: FIGURE,guest,cpus=4,swap=0
[    5.200000] tlbtest: FIGURE,stale,case=munmap_1,operations=50,checked=900,faults=8,stale=0
[    5.300000] tlbtest: ok 1 stale.munmap_1 # 0 stale of 900
[    6.000000] not ok 7 another's
[    9.000000] tlbtest: FIGURE,stale,case=madvise_1,operations=51,checked=100,faults=1,stale=0
[    9.100000] tlbtest: ok 2 stale.madvise_1 # 0 stale of 100
[    9.200000] tlbtest: ok 3 stale.pageout # SKIP no swap in this guest
[   10.000000] tlbtest: FIGURE,lat,operation=munmap_1,held_ns=4000000,points=5,most_ns=1900
[   10.100000] tlbtest: FIGURE,lat,operation=membarrier_global,held_ns=16000000,points=5,most_ns=20000
[   11.000000] tlbtest: 1..3
"""
WAKEUP = """\
[    5.0] BENCH-NOTE,caller_cpu=1,held_cpu=2,cpus=8,reps=1,wake_delay_ns=50000,many_pinned=0
[    5.5] BENCH,wakeup,single,16000000,1,9000,1
[    6.0] BENCH-DISCARD,wakeup,many,16000000,1,returned
[    6.5] BENCH,wakeup,many,16000000,1,999999,1
[    7.0] BENCH-OK,2
"""
SELFTESTS = """\
[    5.0] selftests: KTAP version 1
[    5.1] selftests:     # Subtest: mm/cow
[    5.2] selftests:     1..2
[    5.3] selftests:     ok 1 first
[    5.3] selftests:     ok 2 # SKIP a big page
[    5.4] selftests: ok 1 mm/cow # exit value 0
[    5.4] selftests: FIGURE,programs,program=mm/cow,milliseconds=300
[    5.6] selftests: ok 2 mm/ksm -a 1 # exit value 0
[    5.6] selftests: FIGURE,programs,program=mm/ksm -a 1,milliseconds=1100
[    9.8] selftests: FIGURE,ran,programs=2
[    9.9] selftests: 1..2
"""


def asked(test: str, seconds: int = 10, **minimum: int) -> torture.Wanted:
    return torture.Wanted(test, seconds, minimum=minimum)


class Judged(unittest.TestCase):
    def judge(self, text: str, *words, **minimum) -> torture.Result:
        return torture.judge(asked(*words, **minimum), text.splitlines())

    def problem(self, text: str, *words, **minimum) -> str:
        found = self.judge(text, *words, **minimum).problems
        self.assertEqual(len(found), 1, found)
        return found[0]

    def test_scftorture(self):
        result = self.judge(SCF, "scftorture", offline=12, online=11)
        self.assertEqual(result.problems, [])
        self.assertEqual(result.totals, {
            "handler runs": 1000, "single": 30, "rpc": 50, "many": 130, "all": 170,
            "to an offline CPU": 12, "online": 11, "offline": 12, "counted sent": 700, "counted run": 700,
            "lost": 0, "preemptions": 12, "preempted in a call": 11, "migrated in a call": 4,
            "wrong": 0, "order in": 0, "order out": 0})
        self.assertAlmostEqual(result.seconds, 20.5999)
        self.assertIn("scftorture: ended with SUCCESS after 21 s; handler runs 1000,", result.text())

    def test_wakeup(self):
        result = self.judge(WAKEUP, "wakeup", 1, points=2)
        self.assertEqual((result.problems, result.totals), ([], {"points": 2, "late": 0}))
        self.assertEqual(result.tables, [[["function", "held_ns", "repetition", "latency_ns"],
                                          ["single", "16000000", "1", "9000"],
                                          ["many", "16000000", "1", "999999"]]])
        late = WAKEUP.replace(",999999,", ",1000000,")
        self.assertEqual(self.problem(late, "wakeup", 1), "late is 1, not 0")
        self.assertEqual(self.problem(WAKEUP, "wakeup", 1, points=3),
                         "points is 2, at least 3 are wanted")
        gave_up = WAKEUP.replace("BENCH-OK,2", "BENCH-FAIL,no points")
        self.assertIn("it ended with FAIL", self.judge(gave_up, "wakeup", 1).problems)
        self.assertEqual([case.status for text in (WAKEUP, gave_up)
                          for case in torture.said("wakeup", text.splitlines())], ["ok", "failed"])

    def test_rcutorture(self):
        result = self.judge(RCU, "rcutorture", updates=117)
        self.assertEqual(result.problems, [])
        self.assertEqual(result.totals, {
            "updates": 117, "reads": 5012, "too early": 0, "reads in timers": 133,
            "read and exit": 14, "online": 20, "offline": 23, "order": 0})

    def test_runs_are_added(self):
        result = self.judge(SCF + SCF, "scftorture", 20, offline=24)
        self.assertEqual(result.problems, [])
        self.assertEqual((result.totals["counted sent"], result.totals["online"]), (1400, 22))

    def test_another_kernel_goes_on(self):
        text = ("[    5.0] users: KTAP version 1\n[    0.0] Linux version 6.0.0\n"
                "[    3.0] users: ok 1 users.kexec # it runs\n[    3.0] users: 1..1\n")
        result = self.judge(text, "users", 0)
        self.assertEqual((result.problems, result.cases), ([], {"ok": 1}))

    def tlb(self, text: str, *skips: str, **minimum) -> torture.Result:
        suite = Suite("stale", 2, skips, "it is so" if skips else "")
        return torture.judge(torture.Wanted("tlb", 6, minimum=minimum, suites=(suite,)),
                             text.splitlines())

    def test_program(self):
        result = self.tlb(TLB, "pageout", checked=1000, points=10)
        self.assertEqual(result.problems, [])
        self.assertEqual(result.totals, {"operations": 101, "checked": 1000, "faults": 9, "stale": 0,
                                         "points": 10})
        self.assertEqual(result.cases, {"ok": 2, "skipped": 1})
        self.assertIn("tlb: 6 s; operations 101,", result.text())
        self.assertIn("2 cases ok, 1 cases skipped", result.text())
        self.assertIn("""
  operation           held_ns  points  most_ns
  munmap_1            4000000       5     1900
  membarrier_global  16000000       5    20000""", result.text())

    def test_program_that_fails(self):
        def problems(text: str, *skips: str, **minimum) -> str:
            return "; ".join(self.tlb(text, *(skips or ("pageout",)), **minimum).problems)
        self.assertEqual(problems(TLB), "")
        self.assertIn("stale is 2, not 0", problems(TLB.replace("faults=1,stale=0", "stale=2")))
        self.assertIn("stale.munmap_1 failed (0 stale of 900)", problems(TLB.replace("ok 1", "not ok 1")))
        self.assertIn("end line is missing", problems(TLB.replace("1..3", "killed")))
        self.assertIn("end line is missing; it gave up: /dev/hold: No such",
                      problems(TLB.replace("1..3", "Bail out! /dev/hold: No such file")))
        self.assertIn("announced 4 tests and reported 3", problems(TLB.replace("1..3", "1..4")))
        self.assertIn("it did not begin", problems(TLB.replace("tlbtest: ", "harness: ")))
        self.assertIn("flushes is 0, at least 1", problems(TLB, flushes=1))
        self.assertIn("stale.pageout was skipped (no swap in", problems(TLB, "page"))
        self.assertIn("no case is named stale.page, which", problems(TLB, "page"))
        self.assertIn("stale.munmap_1 must be skipped (it is so) but was", problems(TLB, "*"))
        none = "".join(line for line in TLB.splitlines(True) if "ok " not in line)
        self.assertIn("nothing was run", problems(none.replace("1..3", "1..0")))
        self.assertEqual(problems(TLB.replace("checked=100", "checked=?")), "")
        few = TLB.replace("tlbtest: ok 2", "x").replace("ok 3", "ok 2").replace("1..3", "1..2")
        self.assertIn("stale executed 1 cases, at least 2 must run", problems(few))

    def test_selftests(self):
        cow = Suite("mm/cow", 1, ("a * page",), "there are none")
        suites = (cow, Suite("mm/ksm -a 1", 1))

        def result(old: str = "", new: str = "") -> torture.Result:
            self.assertIn(old, SELFTESTS)
            return torture.judge(torture.Wanted("selftests", 4, minimum={"programs": 2}, suites=suites),
                                 SELFTESTS.replace(old, new).splitlines())

        good = result()
        self.assertEqual(good.problems, [])
        self.assertIn("programs 2, 2 cases ok, 1 cases skipped", good.text())
        self.assertIn("mm/ksm -a 1          1100", good.text())
        for old, new, problem in (
                ("ok 2 mm/ksm -a 1 # exit value 0", "not ok 2 mm/ksm -a 1 # exit value 1",
                 "mm/ksm -a 1 failed (exit value 1)"),
                ("ok 1 first", "not ok 1 first", "mm/cow.first failed"),
                ("ok 1 first", "ok 1 # SKIP first", "mm/cow.first was skipped (first)"),
                ("# SKIP a big page", "c", "no case is named mm/cow.a * page, which"),
                ("ok 1 mm/cow # exit value 0", "not ok 1 mm/cow # exit value 4, skipped",
                 "mm/cow failed (exit value 4, skipped)"),
                ("ok 1 mm/cow", "x", "mm/cow did not end"),
                ("ok 2 mm/ksm -a 1", "x", "mm/ksm -a 1 executed 0 cases, at least 1"),
                ("1..2\n[    5.3]", "1..9\n[    5.3]", ""),     # theirs is not ours to judge
                ("programs=2", "programs=1", "programs is 1, at least 2 are wanted")):
            self.assertIn(problem, "; ".join(result(old, new).problems), new)
        failed = SELFTESTS.replace("[    9.9] selftests: 1..2",
                                   "[    9.8] selftests: not ok 3 write /proc/x 1 # No such file\n"
                                   "[    9.9] selftests: 1..3")
        self.assertEqual(torture.judge(torture.Wanted("selftests", 4, suites=suites),
                                       failed.splitlines()).problems,
                         ["write /proc/x 1 failed (No such file)"])

    def test_own_verdict_counts(self):
        for said in ("FAILURE", "LOCK_HOTPLUG"):
            self.assertIn(said, self.problem(SCF.replace("SUCCESS", said), "scftorture"))
        self.assertIn("RCU_HOTPLUG", self.problem(RCU.replace("SUCCESS", "RCU_HOTPLUG"),
                                                  "rcutorture"))

    def test_end_line_is_missing(self):
        for text, test in ((SCF, "scftorture"), (RCU, "rcutorture")):
            cut = "\n".join(text.splitlines()[:-1])
            self.assertIn("its end line is missing", self.problem(cut, test, offline=99))
            self.assertIn("did not begin", self.problem("", test))

    def test_another_test_does_not_count(self):
        self.assertIn("did not begin", self.problem(SCF + TLB, "rcutorture"))

    def test_lost_request(self):
        for run, lost in ((699, 1), (701, -1)):
            self.assertIn(f"lost is {lost}, not 0", self.problem(
                SCF.replace("700/700", f"700/{run}"), "scftorture"))

    def test_totals(self):
        self.assertIn("wrong is 3", self.problem(SCF.replace("ste: 0", "ste: 3"), "scftorture"))
        self.assertIn("too early is 1", self.problem(RCU.replace("12 0 0", "12 0 1"), "rcutorture"))
        self.assertIn("order is 2", self.problem(RCU.replace("rtmbkf: 0", "rtmbkf: 2"),
                                                 "rcutorture"))
        self.assertIn("'updates' is missing", self.problem(RCU.replace("VER", "ver"), "rcutorture"))
        self.assertIn("at least 13", self.problem(SCF, "scftorture", offline=13))

    def test_too_short(self):
        self.assertIn("it ran 20.6 s, 30 s", self.problem(SCF, "scftorture", 30))

    def test_splats(self):
        for text in ("scftorture:  !!! scf_invoked_count ver: 1", "srcu-torture: !!! Reader Pipe:",
                     "srcu-torture:!!! out of memory",
                     "scftorture: --- End of test: FAILURE:  verbose=0"):
            self.assertTrue(splats.splat("[    1.000000] " + text), text)
        for line in (SCF + RCU + TLB).splitlines():
            self.assertIsNone(splats.splat(line), line)

    def test_verdict_of_a_run(self):
        console = (f"[    0.000000] Linux version 6.0.0\n[    4.0] harness: build {BUILD_ID}\n"
                   "[    4.0] harness: cpus 4 online\n"
                   + SCF + RCU + "[   61.0] harness: cpus 4 online\n[   61.0] harness: success\n")
        run = replace(a_run(RUN), suites=(), torture=(asked("scftorture"), asked("rcutorture")))
        verdict = judge.judge(console, "0", run)
        self.assertEqual((verdict.code, verdict.passed), (Exit.OK, 2), verdict.text())
        self.assertIn("handler runs 1000", verdict.text())
        verdict = judge.judge(console.replace(SCF, ""), "0", run)
        self.assertEqual((verdict.code, verdict.passed, verdict.failed), (Exit.TEST, 1, 1))
        self.assertIn("scftorture: it did not begin", verdict.text())

    def test_what_init_repeats_is_not_counted_twice(self):
        run = replace(a_run(RUN), suites=(), torture=(asked("scftorture"),))
        copy = "".join(f"[   26.0] harness: | {line}\n" for line in SCF.splitlines())
        self.assertEqual(judge.judge(SCF + copy, "0", run).torture[0].totals["rpc"], 50)


@unittest.skipUnless(shutil.which("gcc"), "needs gcc")
class Program(unittest.TestCase):
    """What a program says through harness/guest/program.h is what is judged."""

    SOURCE = """\
#define _GNU_SOURCE
#include "program.h"
int main(int argc, char **argv)
{
	char ops[4] = "1";
	const struct option_text options[] = { { "ops", ops, sizeof(ops) } };

	begin_verdicts();
	take_options(options, 1, argc, argv);
	figure("stale", "case=%s,operations=%s", "a", ops);
	verdict("stale", "a", atoi(ops) < 5, "%s of 5", ops);
	skip("stale", "pageout", "no swap");
	if (atoi(ops) == 7)
		abort();
	finish(atoi(ops) == 8 ? "open" : NULL);
}
"""

    def test_it(self):
        with tempfile.TemporaryDirectory() as name:
            source = Path(name, "tlbtest.c")
            source.write_text(self.SOURCE)
            subprocess.run(["gcc", "-Wall", "-Wextra", "-Werror", "-O2", "-I", settings.REPO / "harness/guest",
                            "-o", source.with_suffix(""), source], check=True)

            def problems(*options: str) -> list[str]:
                ended = subprocess.run([source.with_suffix(""), *options], text=True, timeout=20,
                                       stdout=subprocess.PIPE)
                lines = [f"[  1.0] tlbtest: {line}" for line in ended.stdout.splitlines()]
                return torture.judge(torture.Wanted("tlb", 0, minimum={"operations": 2}, suites=(
                    Suite("stale", 1, ("pageout",), "no swap"),)), lines).problems

            self.assertEqual(problems("ops=2"), [])
            self.assertEqual(problems(), ["operations is 1, at least 2 are wanted"])
            self.assertEqual(problems("ops=6"), ["stale.a failed (6 of 5)"])
            self.assertEqual(problems("ops=7"), ["its end line is missing"])
            self.assertRegex(problems("ops=8")[0], "its end line is missing; it gave up: open: ")
            for word in ("ops=1000", "op=1", "opss=1", "ops"):
                self.assertEqual(problems(word), [f"its end line is missing; it gave up: {word}: "
                                                  "Invalid argument"])


if __name__ == "__main__":
    unittest.main()
