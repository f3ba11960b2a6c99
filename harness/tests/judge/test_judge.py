"""judge.py and splats.toml: sample logs of every kind, and each pattern."""

import io
import json
import re
import tempfile
import unittest
from contextlib import redirect_stdout
from pathlib import Path

from harness.core import records, settings
from harness.core.errors import Exit, HarnessError
from harness.judge import judge, runs, splats
from harness.tests.judge.test_ktap import GOOD
from harness.tests.fixture import verb

BUILD_ID = "0123abc"
RUN = {"cpus": 4, "suites": [{"name": "smp", "min_cases": 4}], "limit_s": 60, "build_id": BUILD_ID}


def a_run(data: dict) -> runs.Run:
    return records.make(runs.Run, data, "a run")


def log(at_boot: str = GOOD, results: str | None = None, tail: str = "") -> str:
    """The console of a whole run, in the shape that kernel and init give it."""
    bare = re.sub(r"^\[ *[\d.]+\] ", "", results if results is not None else GOOD, flags=re.M)
    said = [f"build {BUILD_ID}", "cpus 4 online", "run smp", "results smp begin",
            *("| " + line for line in bare.splitlines()), "results smp end", "cpus 4 online",
            "success"]
    return ("[    0.000000] Linux version 6.0.0 (user@host)\n" + at_boot
            + "".join(f"[    2.000000] harness: {line}\n" for line in said) + tail
            + "[    3.000000] reboot: Power down\n")


class Verdicts(unittest.TestCase):
    def code(self, console: str, exit_value: str = "0", **change) -> Exit:
        self.verdict = judge.judge(console, exit_value, a_run({**RUN, **change}))
        return self.verdict.code

    def test_passed(self):
        self.assertEqual(self.code(log()), Exit.OK, self)
        self.assertEqual((self.verdict.passed, self.verdict.failed, self.verdict.skipped),
                         (8, 0, 0))
        self.assertEqual(self.verdict.runs, {"at boot": 4, "after boot": 4})

    def test_another_kernel(self):
        # Two clean builds call themselves #1.
        self.assertEqual(self.code(log(), build_id="0123abd"), Exit.BOOT)
        self.assertIn("the kernel that booted has the build id 0123abc", self.verdict.text())
        twice = log().replace("harness: success", "harness: build 0123abd\n[    2.0] harness: success")
        self.assertEqual(self.code(twice), Exit.BOOT)

    def test_kernel_that_does_not_say_which_it_is(self):
        silent = "".join(line for line in log().splitlines(True) if "harness: build" not in line)
        self.assertEqual(self.code(silent), Exit.BOOT)
        self.assertIn("the build id (none said)", self.verdict.text())
        for line in ("harness: build unknown", "harness: build"):
            self.assertEqual(self.code(log().replace(f"harness: build {BUILD_ID}", line)), Exit.BOOT)
        # One that did not come that far has another failure.
        self.assertEqual(self.code(silent[:silent.index("harness:")], "timeout"), Exit.BOOT)
        self.assertNotIn("build id", self.verdict.text())

    def test_failed_at_boot(self):
        self.assertEqual(self.code(log(GOOD.replace("ok 3 right_cpus", "not ok 3 right_cpus"))), Exit.TEST)
        self.assertIn("at boot: smp.right_cpus failed", self.verdict.text())

    def test_failed_after_boot_only(self):
        self.assertEqual(self.code(log(results=GOOD.replace("ok 3 right_cpus", "not ok 3 right_cpus"))),
                         Exit.TEST)
        self.assertIn("after boot: smp.right_cpus failed", self.verdict.text())

    def test_one_skip_is_a_failure(self):
        self.assertEqual(self.code(log(GOOD.replace("ok 3 right_cpus", "ok 3 right_cpus # SKIP no CPU"))),
                         Exit.TEST)
        self.assertEqual(self.verdict.skipped, 1)
        self.assertIn("no CPU", self.verdict.text())

    def test_all_skipped(self):
        skipped = re.sub(r"ok (\d) (\w+)$", r"ok \1 \2 # SKIP one CPU", GOOD, flags=re.M)
        self.assertEqual(self.code(log(skipped, skipped)), Exit.TEST)
        self.assertEqual(self.verdict.passed, 0)

    def test_skips_that_the_lane_lists(self):
        one = GOOD.replace("ok 3 right_cpus", "ok 3 right_cpus # SKIP not preemptible")
        asked = [{"name": "smp", "min_cases": 3, "skips": ["right_cpus"], "why": "no preemption"}]
        self.assertEqual(self.code(log(one, one), suites=asked), Exit.OK, self)
        self.assertEqual(self.verdict.skipped, 2)
        self.assertEqual(self.code(log(), suites=asked), Exit.TEST)
        self.assertIn("must be skipped (no preemption)", self.verdict.text())
        asked[0]["skips"] = ["right_cpus", "nothing.*"]
        self.assertEqual(self.code(log(one, one), suites=asked), Exit.TEST)
        self.assertIn("no case is named smp.nothing.*", self.verdict.text())
        self.assertEqual(self.code(log(one, one), suites=asked, glob="smp.*"), Exit.OK, self)
        asked[0]["skips"] = ["plain"]
        self.assertEqual(self.code(log(one, one), suites=asked, glob="x"), Exit.TEST)
        self.assertIn("smp.right_cpus was skipped", self.verdict.text())

    def test_listed_case_stands_for_its_parameters(self):
        each = re.sub(r"        ok (\d) (single|many)", r"        ok \1 \2 # SKIP not here", GOOD)
        each = each.replace("ok 2 with_parameters", "ok 2 with_parameters # SKIP")
        whole = "".join(line for line in each.splitlines(True) if "         " not in line)
        asked = [{"name": "smp", "min_cases": 2, "skips": ["with_parameters"], "why": "w"}]
        self.assertEqual(self.code(log(each, whole), suites=asked), Exit.OK, self.verdict.text())
        self.assertEqual(self.verdict.skipped, 3)
        one = GOOD.replace("ok 1 single", "ok 1 single # SKIP not here")
        self.assertEqual(self.code(log(one, whole), suites=asked), Exit.TEST)
        self.assertIn("smp.with_parameters.many must be skipped (w)", self.verdict.text())

    def test_too_few_cases(self):
        self.assertEqual(self.code(log(), suites=[{"name": "smp", "min_cases": 5}]), Exit.TEST)
        self.assertIn("at least 5", self.verdict.text())

    def test_other_suite_than_asked_for(self):
        self.assertEqual(self.code(log(), suites=[{"name": "other", "min_cases": 1}]), Exit.TEST)

    def test_no_second_run(self):
        self.assertEqual(self.code(log(results="")), Exit.TEST)
        self.assertIn("after boot: nothing was run", self.verdict.text())

    def test_second_run_alone(self):
        self.assertEqual(self.code(log(at_boot="")), Exit.TEST)

    def test_empty(self):
        self.assertEqual(self.code(""), Exit.BOOT)

    def test_no_line_of_the_kernel(self):
        self.assertEqual(self.code(log().replace("Linux version", "Something")), Exit.BOOT)

    def test_cut_off(self):
        console = log()
        self.assertEqual(self.code(console[:len(console) // 2], "timeout"), Exit.BOOT)
        self.assertIn("within the limit of 60 s", self.verdict.text())

    def test_cut_off_though_qemu_ended(self):
        console = log()
        self.assertEqual(self.code(console[:len(console) // 2]), Exit.BOOT)

    def test_success_line_only_inside_results(self):
        console = log().replace("harness: success", "harness: | success")
        self.assertEqual(self.code(console), Exit.BOOT)

    def test_qemu_failed(self):
        self.assertEqual(self.code(log(), "1"), Exit.BOOT)
        self.assertEqual(self.code(log(), ""), Exit.BOOT)

    def test_panic(self):
        self.assertEqual(self.code(log(tail="[    2.5] Kernel panic - not syncing: x\n")),
                         Exit.BOOT)
        self.assertIn("panicked", self.verdict.text())

    def test_panic_that_is_asked_for(self):
        asked = {"panic": "sysrq triggered crash", "suites": []}
        panic = ("[    2.5] Kernel panic - not syncing: sysrq triggered crash\n"
                 "[    2.5] CPU: 0 PID: 7 Comm: users\n[    2.5] Call Trace:\n")
        alone = log()[:log().index("[    2.000000] harness: cpus 4 online\n[    2.000000] harness: s")] + panic
        self.assertEqual(self.code(alone, **asked), Exit.OK, self)
        # Another kernel that is booted then must come to its end.
        self.assertEqual(self.code(alone + log(), **asked), Exit.OK, self)
        self.assertEqual(self.code(alone + "[    0.0] Linux version 6.0.0\n", **asked), Exit.BOOT)
        self.assertEqual(self.code(alone + "[    2.6] WARNING: CPU: 1\n", **asked), Exit.SPLAT)
        self.assertEqual(self.code(alone + "[    2.6] Call Trace:\n", **asked), Exit.SPLAT)
        for wrong in (log(), alone + panic, alone.replace("sysrq", "other"), alone.replace("crash", "crash 2")):
            self.assertEqual(self.code(wrong, **asked), Exit.BOOT)
            self.assertIn("panic", self.verdict.text())

    def test_splat_outside_of_any_test(self):
        self.assertEqual(self.code(log(tail="[    2.5] WARNING: CPU: 1 PID: 1 at kernel/x.c:1\n")),
                         Exit.SPLAT)
        self.assertEqual(len(self.verdict.splats), 1)

    def test_splat_before_any_test(self):
        self.assertEqual(self.code("[    0.1] BUG: KASAN: use-after-free in f+0x1/0x2\n" + log()),
                         Exit.SPLAT)

    def test_splat_outranks_a_failed_test(self):
        self.assertEqual(self.code(log(GOOD.replace("ok 3 right_cpus", "not ok 3 right_cpus"),
                                       tail="[    2.5] UBSAN: shift in f\n")), Exit.SPLAT)

    def test_cpu_left_offline(self):
        console = log().replace("cpus 4 online\n[    2.000000] harness: success",
                                "cpus 3 online\n[    2.000000] harness: success")
        self.assertEqual(self.code(console), Exit.TEST)
        self.assertIn("3 CPUs were online, not 4", self.verdict.text())

    def test_cpus_that_come_later(self):
        late = log().replace("cpus 4 online\n", "cpus 3 online\n[    2.0] harness: cpus 4 online\n", 1)
        self.assertEqual(self.code(late, boot_cpus=3), Exit.OK, self)
        self.assertEqual(self.code(late), Exit.TEST)
        self.assertEqual(self.code(log(), boot_cpus=3), Exit.TEST)
        never = log().replace("cpus 4 online", "cpus 3 online")
        self.assertEqual(self.code(never, boot_cpus=3), Exit.TEST)
        self.assertIn("3 CPUs were online, not 4", self.verdict.text())

    def test_second_opinion(self):
        self.assertEqual(self.code(log(), kunit_py={"passed": 4}), Exit.OK)
        self.assertEqual(self.code(log(), kunit_py={"passed": 3, "skipped": 1}), Exit.TEST)
        self.assertIn("kunit.py counts", self.verdict.text())
        for wrong in ({"passed": 4, "errors": 1}, {"passed": 4, "crashed": 1}, {}):
            self.assertEqual(self.code(log(), kunit_py=wrong), Exit.TEST, wrong)
        self.assertEqual(self.code(log(), kunit_py={}), Exit.TEST)
        self.assertIn("was not understood", self.verdict.text())

    def test_many_problems_are_cut(self):
        self.code(log(tail="[    2.5] WARNING: x\n" * 50))
        self.assertIn("40 more splat lines", self.verdict.text())


class Patterns(unittest.TestCase):
    def setUp(self):
        self.rules = settings.toml(settings.DATA / "splats.toml")

    def test_each_pattern_matches_its_sample(self):
        for item in self.rules["pattern"]:
            with self.subTest(item["regex"]):
                self.assertRegex(item["sample"], item["regex"])
                self.assertTrue(item["means"])
                self.assertTrue(splats.splat("[    1.000000] " + item["sample"]))

    def test_ordinary_lines(self):
        for line in ("[    0.9] rcu: Hierarchical RCU implementation.",
                     "[    0.9] clocksource: tsc: mask: 0xffffffffffffffff max_cycles: 0x25",
                     "[    0.9] smpboot: CPU 3 is now offline",
                     "[    0.9] debug: unmapping init [mem 0x01-0x02]",
                     "[    0.9] Lock dependency validator: Copyright (c) 2006 Red Hat, Inc.",
                     "[    0.9] kasan: KernelAddressSanitizer initialized",
                     "[    0.9] psci: CPU3 killed (polled 0 ms)",
                     "[    0.9] KTAP version 1"):
            self.assertIsNone(splats.splat(line), line)


class Folder(unittest.TestCase):
    def test_old_folder_is_judged_again(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            runs.save(a_run({**RUN, "facts": {"linux": "6.0.0"}}), folder)
            (folder / "console.log").write_text(log())
            (folder / "exit").write_text("0\n")
            shown = io.StringIO()
            with redirect_stdout(shown):
                self.assertEqual(verb("judge", name), Exit.OK)
            self.assertIn("4 at boot, 4 after boot", shown.getvalue())
            record = json.loads((folder / "verdict.json").read_text())
            self.assertEqual((record["code"], record["facts"]["linux"]), ("OK", "6.0.0"))

    def test_a_record_is_what_was_saved(self):
        run = a_run({**RUN, "touched": ["f"], "model": "none", "torture": [
            {"test": "clockset", "seconds": 3,
             "suites": [{"name": "", "min_cases": 0, "skips": ["a"], "why": "w"}]}]})
        with tempfile.TemporaryDirectory() as name:
            runs.save(run, Path(name))
            self.assertEqual(runs.load(Path(name)), run)

    def test_preemption_model(self):
        says = "[    0.1] Dynamic Preempt: voluntary\n"
        for console, code, words in ((says + log(), Exit.OK, ""), (log(), Exit.BOOT, "says nothing"),
                                     (says.replace("voluntary", "full") + log(), Exit.BOOT, "says full")):
            verdict = judge.judge(console, "0", a_run({**RUN, "model": "voluntary"}))
            self.assertEqual(verdict.code, code)
            self.assertIn(words, verdict.text())

    def test_what_programs_say_is_no_report(self):
        said = log(tail="[    2.5] rt: RT-LOAD,x,WARNING: slow\n")
        run = {**RUN, "spoken": r"\brt: RT-LOAD,"}
        self.assertEqual(judge.judge(said, "0", a_run(run)).code, Exit.OK)
        self.assertEqual(judge.judge(said, "0", a_run(RUN)).code, Exit.SPLAT)

    def test_no_run_folder(self):
        with tempfile.TemporaryDirectory() as name:
            for args in ([name], [name + "/none"], []):
                with self.assertRaises(HarnessError) as caught:
                    verb("judge", *args)
                self.assertEqual(caught.exception.code, Exit.USAGE)


if __name__ == "__main__":
    unittest.main()
