"""torture.py: the tests' own end lines, their totals, the guest's steps."""

import unittest
from dataclasses import asdict

from harness import judge, torture
from harness.errors import Exit
from harness.tests.test_judge import RUN

SCF = """\
[    5.000000] torture module --- scftorture:  disable_onoff_at_boot=0 random_shuffle=0
[    5.000100] scftorture: --- Start of test:  verbose=1 holdoff=0 longwait=0 nthreads=-1
[   20.100000] scftorture:  scf_invoked_count ver: 100 resched: 0 single: 1/2 single_ofl: 3/4 \
single_rpc: 5 single_rpc_ofl: 0 many: 6/7 all: 8/9 onoff: 1/1:2/2 5,6:7,8 9:10 (HZ=250) ste: 0 \
stnmie: 0 stnmoe: 0 staf: 0
[   25.500000] scftorture:  scf_invoked_count VER: 1000 resched: 0 single: 10/20 single_ofl: 3/4 \
single_rpc: 50 single_rpc_ofl: 5 many: 60/70 all: 80/90 \n\
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
STORM = """\
[    1.000000]     # storm: storm_seconds=10 storm_threads=2 storm_seed=1, 4 CPUs
[   11.500000]     # storm: 200 calls; requests without wait: 70 sent, 70 run; CPUs taken 5 \
times offline, 4 times online
"""


def asked(test: str, seconds: int = 10, **minimum: int) -> dict:
    return asdict(torture.Wanted(test, seconds, minimum=minimum))


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
            "to an offline CPU": 12, "online": 11, "offline": 12, "wrong": 0, "order in": 0,
            "order out": 0})
        self.assertAlmostEqual(result.seconds, 20.5999)
        self.assertIn("scftorture: ended with SUCCESS after 21 s; handler runs 1000,", result.text())

    def test_rcutorture(self):
        result = self.judge(RCU, "rcutorture", updates=117)
        self.assertEqual(result.problems, [])
        self.assertEqual(result.totals, {
            "updates": 117, "reads": 5012, "too early": 0, "reads in timers": 133,
            "read and exit": 14, "online": 20, "offline": 23, "order": 0})

    def test_storm_adds_its_runs(self):
        result = self.judge(STORM + STORM.replace("[   11", "[   12"), "storm", 20, offline=10)
        self.assertEqual(result.problems, [])
        self.assertEqual(result.totals, {"calls": 400, "sent": 140, "run": 140, "offline": 10,
                                         "online": 8, "lost": 0})

    def test_own_verdict_counts(self):
        for said in ("FAILURE", "LOCK_HOTPLUG"):
            self.assertIn(said, self.problem(SCF.replace("SUCCESS", said), "scftorture"))
        self.assertIn("RCU_HOTPLUG", self.problem(RCU.replace("SUCCESS", "RCU_HOTPLUG"),
                                                  "rcutorture"))

    def test_end_line_is_missing(self):
        for text, test in ((SCF, "scftorture"), (RCU, "rcutorture"), (STORM, "storm")):
            cut = "\n".join(text.splitlines()[:-1])
            self.assertIn("its end line is missing", self.problem(cut, test, offline=99))
            self.assertIn("did not begin", self.problem("", test))

    def test_another_test_does_not_count(self):
        self.assertIn("did not begin", self.problem(SCF + STORM, "rcutorture"))

    def test_lost_request(self):
        self.assertIn("lost is 1, not 0", self.problem(STORM.replace("70 run", "69 run"), "storm"))

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
        for line in (SCF + RCU + STORM).splitlines():
            self.assertIsNone(judge.splat(line), line)

    def test_verdict_of_a_run(self):
        console = ("[    0.000000] Linux version 6.0.0\n[    4.0] harness: cpus 4 online\n"
                   + SCF + RCU + "[   61.0] harness: cpus 4 online\n[   61.0] harness: success\n")
        run = {**RUN, "suites": [], "torture": [asked("scftorture"), asked("rcutorture")]}
        verdict = judge.judge(console, "0", run)
        self.assertEqual((verdict.code, verdict.passed), (Exit.OK, 2), verdict.text())
        self.assertIn("handler runs 1000", verdict.text())
        verdict = judge.judge(console.replace(SCF, ""), "0", run)
        self.assertEqual((verdict.code, verdict.passed, verdict.failed), (Exit.TEST, 1, 1))
        self.assertIn("scftorture: it did not begin", verdict.text())

    def test_what_init_repeats_is_not_counted_twice(self):
        run = {**RUN, "suites": [], "torture": [asked("storm")]}
        copy = "".join(f"[   12.0] harness: | {line}\n" for line in STORM.splitlines())
        self.assertEqual(judge.judge(STORM + copy, "0", run).torture[0].totals["calls"], 200)


class Guest(unittest.TestCase):
    WANTED = (torture.Wanted("scftorture", 30, "verbose=1 stutter=0"), torture.Wanted("storm", 60),
              torture.Wanted("rcutorture", 20))

    def test_steps(self):
        self.assertEqual(torture.steps(self.WANTED).splitlines(), [
            "load torture", "load scftorture verbose=1 stutter=0", "sleep 30", "unload scftorture",
            "unload torture", "load torture", "load rcutorture", "sleep 20", "unload rcutorture",
            "unload torture"])
        self.assertEqual(torture.steps(self.WANTED[1:2]), "")

    def test_modules(self):
        self.assertEqual(torture.modules(self.WANTED), [
            "kernel/torture.ko", "kernel/scftorture.ko", "kernel/rcu/rcutorture.ko"])

    def test_progress(self):
        shown = [torture.progress(line) for line in (SCF + RCU + STORM).splitlines()]
        self.assertEqual([text for text in shown if text],
                         ["scftorture: scf_invoked_count ver: 100", "rcutorture: ver: 17",
                          "storm: 200 calls"])


if __name__ == "__main__":
    unittest.main()
