"""torture.py: the tests' own end lines, their totals, the guest's steps."""

import unittest
from dataclasses import replace

from harness.core.errors import Exit
from harness.judge import judge, runs, torture
from harness.tests.judge.test_judge import BUILD_ID, RUN

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
KICK = """\
[    1.000000] kicktest: KICK-BEGIN
[    1.100000] kicktest: KICK-VERDICT,kick,quiet,pass,no exit in 9 of 10
[    1.200000] kicktest: KICK-VERDICT,kick,dirty_log_request,pass,20 of 20
[    2.000000] kicktest: KICK-DELAY,dirty_log,6540,10,6,0,9809,10050
[    2.000000] kicktest: KICK-VERDICT,kick,dirty_log,pass,0 of 10 late
[    2.100000] kicktest: KICK-VERDICT,kick,clock_request,pass,20 of 20
[    3.000000] kicktest: KICK-DELAY,clock,1362,10,4,0,8027,8800
[    3.000000] kicktest: KICK-VERDICT,kick,clock,pass,0 of 10 late
[    3.100000] kicktest: KICK-END,0
"""
TLB = """\
[    5.000000] tlbtest: TLB-BEGIN
[    5.100000] tlbtest: TLB-INFO,cpus,4
[    5.200000] tlbtest: TLB-STALE,munmap_1,ops=50,checked=900,faults=8,migrations=40,others=7,hotplugs=6,stale=0
[    5.300000] tlbtest: TLB-VERDICT,stale,munmap_1,pass,0 stale of 900
[    9.000000] tlbtest: TLB-STALE,madvise_1,ops=51,checked=100,faults=1,migrations=2,others=3,hotplugs=4,stale=0
[    9.100000] tlbtest: TLB-VERDICT,stale,madvise_1,pass,0 stale of 100
[    9.200000] tlbtest: TLB-VERDICT,stale,pageout,skip,no swap in this guest
[   10.000000] tlbtest: TLB-LAT-MAX,munmap_1,4000000,5,1900
[   10.100000] tlbtest: TLB-LAT-MAX,membarrier_global,16000000,5,20000
[   11.000000] tlbtest: TLB-END,0
"""
CONVERTED = """\
[    5.000000] converted: CONV-BEGIN
[    5.100000] converted: CONV-CASES,2
[    5.200000] converted: CONV-POINT,perf_read,4000000,1,1800,1
[    6.100000] converted: CONV-LAT,perf_read,4000000,5,5,1900,__perf_event_read
[    6.200000] converted: CONV-VERDICT,lat,perf_read,pass,5 points of 5
[    7.100000] converted: CONV-LAT,icache,4000000,5,6,1950,ipi_remote_fence_i
[    7.200000] converted: CONV-VERDICT,lat,icache,pass,5 points of 5
[    8.000000] converted: CONV-CHURN,perf_read,40,41,12,3,0
[    8.100000] converted: CONV-VERDICT,churn,perf_read,pass,40 operations
[    9.000000] converted: CONV-END,0
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
        text = ("[    5.0] users: USERS-BEGIN\n[    0.0] Linux version 6.0.0\n"
                "[    3.0] users: USERS-VERDICT,users,kexec,pass,it runs\n"
                "[    3.0] users: USERS-END,0\n")
        result = self.judge(text, "users", 0)
        self.assertEqual((result.problems, result.verdicts), ([], {"pass": 1}))

    def tlb(self, text: str, *skips: str, **minimum) -> torture.Result:
        wanted = torture.Wanted("tlb", 6, minimum=minimum, skips=skips, why="it is so")
        return torture.judge(wanted, text.splitlines())

    def test_program(self):
        result = self.tlb(TLB, "stale.pageout", checked=1000, points=10)
        self.assertEqual(result.problems, [])
        self.assertEqual(result.totals, {
            "operations": 101, "checked": 1000, "faults": 9, "migrations": 42, "others": 10,
            "hotplugs": 10, "stale": 0, "points": 10})
        self.assertEqual(result.verdicts, {"pass": 2, "skip": 1})
        self.assertIn("2 verdicts pass", result.text())
        self.assertIn("""
  operation           held_ns  points  most_ns
  munmap_1            4000000       5     1900
  membarrier_global  16000000       5    20000""", result.text())

    def test_program_that_fails(self):
        def problems(text: str, *skips: str, **minimum) -> str:
            return "; ".join(self.tlb(text, *(skips or ("stale.pageout",)), **minimum).problems)
        self.assertIn("stale is 2, not 0", problems(TLB.replace("=4,stale=0", "=4,stale=2")))
        self.assertIn("stale.munmap_1 failed: 0 stale of 900",
                      problems(TLB.replace("munmap_1,pass", "munmap_1,fail")))
        self.assertIn("ended with 1", problems(TLB.replace("END,0", "END,1")))
        self.assertIn("end line is missing", problems(TLB.replace("TLB-END", "killed")))
        self.assertIn("it did not begin", problems(TLB.replace("tlbtest: ", "harness: ")))
        self.assertIn("flushes is 0, at least 1", problems(TLB, flushes=1))
        self.assertIn("stale.pageout was skipped (no swap in", problems(TLB, "stale.page"))
        self.assertIn("has no verdict stale.page, which", problems(TLB, "stale.page"))
        self.assertIn("stale.munmap_1 must be skipped (it is so), but was not",
                      problems(TLB, "stale.*"))

    def test_two_tables(self):
        result = self.judge(CONVERTED, "converted", 1, points=10, called=11)
        self.assertEqual(result.problems, [])
        self.assertEqual(result.totals, {
            "cases": 2, "points": 10, "called": 11, "operations": 40, "called under churn": 41,
            "migrations": 12, "hotplugs": 3})
        self.assertEqual([len(table) for table in result.tables], [3, 2])
        failed = CONVERTED.replace("churn,perf_read,pass", "churn,perf_read,fail")
        self.assertIn("churn.perf_read failed: 40", self.problem(failed, "converted", 1))

    def test_kick(self):
        wanted = torture.Wanted("kick", 2, minimum={"requests": 40, "inside": 9})
        result = torture.judge(wanted, KICK.splitlines())
        self.assertEqual(result.problems, [])
        self.assertEqual(result.totals, {"points": 20, "inside": 10, "requests": 40})
        self.assertIn("clock         1362      10       4     0       8027      8800", result.text())
        late = torture.judge(wanted, KICK.replace("clock,pass", "clock,fail").splitlines())
        self.assertEqual(late.problems, ["kick.clock failed: 0 of 10 late"])
        few = torture.judge(wanted, KICK.replace("clock_request,pass,20 of", "clock_request,fail,19 of")
                            .splitlines())
        self.assertIn("kick.clock_request failed: 19 of 20", few.problems)
        self.assertIn("requests is 20, at least 40 are wanted", few.problems)

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
        self.assertIn("did not begin", self.problem(SCF + KICK, "rcutorture"))

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
        self.assertIn("it ran 21 s, 30 s", self.problem(SCF, "scftorture", 30))

    def test_splats(self):
        for text in ("scftorture:  !!! scf_invoked_count ver: 1", "srcu-torture: !!! Reader Pipe:",
                     "srcu-torture:!!! out of memory",
                     "scftorture: --- End of test: FAILURE:  verbose=0"):
            self.assertTrue(judge.splat("[    1.000000] " + text), text)
        for line in (SCF + RCU + TLB).splitlines():
            self.assertIsNone(judge.splat(line), line)

    def test_verdict_of_a_run(self):
        console = (f"[    0.000000] Linux version 6.0.0\n[    4.0] harness: build {BUILD_ID}\n"
                   "[    4.0] harness: cpus 4 online\n"
                   + SCF + RCU + "[   61.0] harness: cpus 4 online\n[   61.0] harness: success\n")
        run = replace(runs.read(RUN), suites=(), torture=(asked("scftorture"), asked("rcutorture")))
        verdict = judge.judge(console, "0", run)
        self.assertEqual((verdict.code, verdict.passed), (Exit.OK, 2), verdict.text())
        self.assertIn("handler runs 1000", verdict.text())
        verdict = judge.judge(console.replace(SCF, ""), "0", run)
        self.assertEqual((verdict.code, verdict.passed, verdict.failed), (Exit.TEST, 1, 1))
        self.assertIn("scftorture: it did not begin", verdict.text())

    def test_what_init_repeats_is_not_counted_twice(self):
        run = replace(runs.read(RUN), suites=(), torture=(asked("scftorture"),))
        copy = "".join(f"[   26.0] harness: | {line}\n" for line in SCF.splitlines())
        self.assertEqual(judge.judge(SCF + copy, "0", run).torture[0].totals["rpc"], 50)


class Guest(unittest.TestCase):
    WANTED = (torture.Wanted("scftorture", 30, "verbose=1 stutter=0"),
              torture.Wanted("rcutorture", 20))

    def test_steps(self):
        self.assertEqual(torture.steps(self.WANTED).splitlines(), [
            "load torture", "load scftorture verbose=1 stutter=0", "sleep 30", "unload scftorture",
            "unload torture", "load torture", "load rcutorture", "sleep 20", "unload rcutorture",
            "unload torture"])
        self.assertEqual(torture.steps([torture.Wanted("tlb", 60, "mode=stale seconds=8")])
                         .splitlines(),
                         ["load hold", "run tlbtest mode=stale seconds=8", "unload hold"])

    def test_modules(self):
        self.assertEqual(torture.modules(self.WANTED), [
            "kernel/torture.ko", "kernel/scftorture.ko", "kernel/rcu/rcutorture.ko"])
        self.assertEqual(torture.modules([torture.Wanted("tlb", 60)]), [])

    def test_progress(self):
        shown = [torture.progress(line) for line in (SCF + RCU).splitlines()]
        self.assertEqual([text for text in shown if text],
                         ["scftorture: scf_invoked_count ver: 100", "rcutorture: ver: 17"])


if __name__ == "__main__":
    unittest.main()
