"""The mutants: the table against edits and cases, and what counts as caught."""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import io
import re
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness.core import queues, settings
from harness.core.errors import Exit, HarnessError
from harness.core.queues import Queue
from harness.core.progress import Progress
from harness.core.report import Part, exit_code, table
from harness.queue import series, tree
from harness.queue.tree import TreeInfo
from harness.build import kernel_build
from harness.guest import initramfs, qemu
from harness.judge import judge, runs, torture
from harness.lanes import lane_files, lane_run
from harness.proof import edits, mutants, queue_checks
from harness.tests.fixture import QUEUE, World, sh, verb

START = """\
[    0.000000] Linux version 6.0.0 (user@host)
[    1.000000] KTAP version 1
[    1.000000] 1..1
[    1.000000]     KTAP version 1
[    1.000000]     # Subtest: smp
[    1.000000]     1..2
"""
GOOD = START + """\
[    1.100000]         KTAP version 1
[    1.100000]         # Subtest: third_task
[    1.200000]         ok 1 many, wait
[    1.300000]         ok 2 many, nowait
[    1.300000]     # third_task: pass:2 fail:0 skip:0 total:2
[    1.300000]     ok 1 third_task
[    1.400000]     ok 2 right_cpus
[    1.400000] # smp: pass:2 fail:0 skip:0 total:2
[    1.400000] ok 1 smp
[    2.000000] harness: build 0123abc
[    2.000000] harness: cpus 8 online
[    2.100000] harness: success
[    2.200000] reboot: Power down
"""
CHECK = "[    1.15] # third_task: EXPECTATION FAILED at lib/tests/smp_contention_kunit.c:103\n"
BAD = GOOD.replace("ok 2 many", "not ok 2 many").replace("ok 1 third", "not ok 1 third") \
    .replace("ok 1 smp", "not ok 1 smp")
HANG = (re.compile("soft lockup"),)


def a_mutant(caught_by: str = "case", **more) -> mutants.Mutant:
    needed = {"case": {"cases": "smp.third_task", "fails": ("smp.right_cpus",)},
              "torture": {"params": "mode=stale", "fails": ("stale.*",)},
              "splat": {"cases": "smp.third_task", "splat": re.compile("csds are read")},
              "hang": {"cases": "smp.third_task"}}[caught_by]
    return mutants.Mutant(**{
        "name": "breaks-it", "edits": (), "breaks": "It.", "invariant": ("I7",), "lane": "x86_64",
        "caught_by": caught_by, "limit_s": 60, "hang": HANG, **needed, **more})


def cases_of_series(queue: Queue) -> set[str]:
    """suite.case of every KUnit case that the patches add, from their text."""
    found = set()
    for path in series.patches(queue):
        text = path.read_text("utf-8")
        for suite in re.findall(r'^\+\t\.name = "(\w+)",$', text, re.M):
            found |= {f"{suite}.{case}" for case in
                      re.findall(r"^\+\s+KUNIT_CASE\w*\((\w+)", text, re.M)}
    return found


class Caught(unittest.TestCase):
    def watch(self, mutant: mutants.Mutant, console: str) -> mutants.Watch:
        """The console up to the line with which it is over."""
        seen = mutants.Watch(mutant)
        any(seen.feed(line) for line in console.splitlines())
        return seen

    def test_parameter_of_a_case(self) -> None:
        mutant = a_mutant(fails=("smp.third_task.many, nowait",))
        self.assertEqual(self.watch(mutant, BAD).caught, "case: smp.third_task.many, nowait")
        self.assertEqual(self.watch(mutant, GOOD).caught, "")
        # A check failed, but it is not known yet for which parameter.
        first = self.watch(mutant, START + CHECK)
        self.assertEqual((first.caught, first.others()), ("", ["smp.third_task failed"]))

    def test_case(self) -> None:
        mutant = a_mutant(fails=("smp.third_task",))
        self.assertTrue(self.watch(mutant, BAD).caught)
        self.assertTrue(self.watch(mutant, START + CHECK).caught)

    def test_other_case_or_parameter_is_not_enough(self) -> None:
        for name in ("smp.third_task.many, wait", "smp.right_cpus"):
            seen = self.watch(a_mutant(fails=(name,)), BAD)
            self.assertEqual(seen.caught, "")
            self.assertIn("smp.third_task.many, nowait failed", seen.others())

    def test_all_that_are_named_must_fail(self) -> None:
        both = a_mutant(fails=("smp.third_task.many, nowait", "smp.right_cpus"))
        self.assertEqual(self.watch(both, BAD).caught, "")
        self.assertTrue(self.watch(both, BAD.replace("ok 2 right_cpus", "not ok 2 right_cpus")).caught)

    def test_splat(self) -> None:
        atomic = START + "[    1.2] BUG: scheduling while atomic: swapper/0/1/0x00000002\n"
        self.assertTrue(self.watch(a_mutant("splat", splat=re.compile("scheduling while")), atomic).caught)
        seen = self.watch(a_mutant("case", fails=("smp.right_cpus",)), atomic)
        self.assertEqual((seen.caught, len(seen.others())), ("", 1))
        other = self.watch(a_mutant("splat", splat=re.compile("in preemptible")), atomic)
        self.assertEqual((other.caught, len(other.others())), ("", 1))

    def test_hang(self) -> None:
        stuck = START + "[   30.0] watchdog: BUG: soft lockup - CPU#3 stuck for 26s! [x:55]\n"
        self.assertTrue(self.watch(a_mutant("hang"), stuck).caught)
        self.assertEqual(self.watch(a_mutant("hang"), GOOD).caught, "")
        self.assertEqual(self.watch(a_mutant(fails=("smp.right_cpus",)), stuck).caught, "")

    def baseline(self, lane: lane_files.Lane, console: str, mutant: mutants.Mutant) -> list[str]:
        run = mutants.asked(mutants.reduced(lane, mutant), mutant)
        return mutants.baseline(mutant, console, judge.judge(console, "0", run))

    TLB = "[    5.0] tlbtest: not ok 1 stale.munmap_1 # 3 stale of 100\n"

    def test_torture(self) -> None:
        def caught(*fails: str) -> mutants.Watch:
            return self.watch(a_mutant("torture", fails=fails), START + self.TLB)
        self.assertEqual(caught("stale.munmap_*").caught, "torture: stale.munmap_1")
        self.assertTrue(caught("stale.*").caught)
        for fails in (("stale.madvise_*",), ("stale.*", "lat.*")):
            seen = caught(*fails)
            self.assertEqual((seen.caught, seen.others()), ("", ["stale.munmap_1 failed"]))
        passes = self.watch(a_mutant("torture", fails=("stale.*",)),
                            START + self.TLB.replace("not ok", "ok"))
        self.assertEqual((passes.caught, passes.others()), ("", []))

    def test_torture_that_has_its_last_verdict_only(self) -> None:
        mutant = a_mutant("torture", fails=("scftorture.end",))
        end = "[    5.0] scftorture: --- End of test: FAILURE:  verbose=1 holdoff=0\n"
        self.assertEqual(self.watch(mutant, START + end).caught, "torture: scftorture.end")
        self.assertEqual(self.watch(mutant, START + end.replace("FAILURE", "SUCCESS")).caught, "")

    def test_without_a_mutant_the_torture_test_must_pass(self) -> None:
        lane = dataclasses.replace(lane_files.load("x86_64", QUEUE), torture=(torture.Wanted("tlb", 60),))
        good = ("[    0.0] Linux version 6.0.0\n[    1.0] harness: cpus 8 online\n"
                "[    2.0] tlbtest: KTAP version 1\n"
                "[    3.0] tlbtest: FIGURE,stale,case=munmap_1,operations=5,checked=100,stale=0\n"
                + self.TLB.replace("not ok", "ok")
                + "[    6.0] tlbtest: 1..1\n[    7.0] harness: success\n")

        def wrong(console: str, *fails: str) -> list[str]:
            return self.baseline(lane, console, a_mutant("torture", fails=fails))
        self.assertEqual(wrong(good, "stale.*"), [])
        self.assertEqual(wrong(good, "lat.munmap_1"), ["lat.munmap_1 was not run"])
        self.assertTrue(wrong(good.replace("ok 1", "not ok 1"), "stale.*"))
        self.assertTrue(wrong(good.replace("stale=0", "stale=1"), "stale.*"))

    def test_without_a_mutant_all_must_be_well(self) -> None:
        lane = lane_files.load("x86_64", QUEUE)
        def wrong(console: str, *fails: str) -> list[str]:
            return self.baseline(lane, console, a_mutant(fails=fails))
        self.assertEqual(wrong(GOOD, "smp.third_task.many, wait", "smp.right_cpus"), [])
        self.assertTrue(wrong(BAD, "smp.right_cpus"))
        many = "smp.third_task.many, wait"
        self.assertTrue(wrong(GOOD.replace("ok 2 right_cpus", "ok 2 right_cpus # SKIP one CPU"), many))
        self.assertTrue(wrong(GOOD + "[ 3.0] BUG: something\n", many))
        self.assertEqual(wrong(GOOD, "smp.third_task.single"), ["smp.third_task.single was not run"])

    def test_without_a_mutant_nothing_may_catch_it(self) -> None:
        lane = lane_files.load("x86_64", QUEUE)
        for mutant in (a_mutant("splat", splat=re.compile("Power down")),
                       a_mutant("hang", hang=(re.compile("cpus 8 online"),))):
            self.assertIn("a kernel without it is caught, too", self.baseline(lane, GOOD, mutant)[0])
        self.assertEqual(self.baseline(lane, GOOD, a_mutant("splat")), [])


class Data(unittest.TestCase):
    def test_each_case_of_the_suites_has_a_mutant_that_it_catches(self) -> None:
        caught = {".".join(name.split(".")[:2]) for mutant in mutants.load(QUEUE)
                  if mutant.caught_by == "case" for name in mutant.fails}
        self.assertEqual(cases_of_series(QUEUE) - caught, set())

    def test_table(self) -> None:
        table = mutants.load(QUEUE)
        known = cases_of_series(QUEUE)
        self.assertIn("smp.right_cpus", known)
        for mutant in table:
            for name in mutant.fails if mutant.caught_by == "case" else ():
                self.assertIn(".".join(name.split(".")[:2]), known, mutant.name)
                self.assertTrue(re.fullmatch(mutant.cases.replace("*", ".*"),
                                             ".".join(name.split(".")[:2])), mutant.name)
            lane = lane_files.load(mutant.lane, QUEUE)
            if mutant.caught_by == "torture":
                for name in mutant.fails:
                    self.assertTrue(self.is_in_source(name, lane.torture[0].kind), name)
            else:
                self.assertTrue(any(re.fullmatch(mutant.cases.replace("*", ".*"), name)
                                    for name in known), mutant.name)
            self.assertRegex(mutant.breaks, r"^\w.*\.$")
        self.assertGreaterEqual(len(table), 24)

    def is_in_source(self, name: str, kind: torture.Kind) -> bool:
        """Whether a test's program has a verdict MODE.CASE of that name, or pattern."""
        if not kind.program:
            return name == f"{kind.name}.end"
        said = {word for path in initramfs.with_headers(settings.REPO / kind.program)
                for word in re.findall(r'"(\w+)"', path.read_text("utf-8"))}
        mode, case = name.split(".")
        # munmap_64 is made of munmap and of a number.
        return mode in said and bool(fnmatch.filter(said, case) or re.sub(r"_\d+$", "", case) in said)

    def test_verdicts_that_a_program_has_not(self) -> None:
        tlb, scf = torture.kinds()["tlb"], torture.kinds()["scftorture"]
        for name in ("lat.munmap_tables", "stale.munmap_64", "stale.*"):
            self.assertTrue(self.is_in_source(name, tlb), name)
        for name in ("late.munmap_tables", "lat.munmap_table", "stale.mapping_64", "tlb.end"):
            self.assertFalse(self.is_in_source(name, tlb), name)
        self.assertTrue(self.is_in_source("scftorture.end", scf))
        self.assertFalse(self.is_in_source("rcutorture.end", scf))

    def test_every_invariant_has_one(self) -> None:
        for queue in map(queues.load, queues.names()):
            table = mutants.load(queue)
            named = {name for mutant in table for name in mutant.invariant}
            self.assertEqual(named, {f"I{number}" for number in range(1, 13)})
            self.assertTrue(all(mutant.invariant for mutant in table))

    def test_only_a_torture_test_runs_for_seconds(self) -> None:
        for queue in map(queues.load, queues.names()):
            self.assertEqual([mutant.name for mutant in mutants.load(queue)
                              if mutant.seconds and mutant.caught_by != "torture"], [])

    def test_subset_is_of_one_lane(self) -> None:
        for queue in map(queues.load, queues.names()):
            self.assertEqual([mutant.lane for mutant in mutants.load(queue) if mutant.subset],
                             [mutants.SUBSET_LANE] * 5)

    def test_choice(self) -> None:
        table = mutants.load(QUEUE)
        self.assertEqual(len(mutants.choose(table, [], True)), 5)
        first = table[0].name
        self.assertEqual([item.name for item in mutants.choose(table, [first], False)], [first])
        with self.assertRaises(HarnessError) as caught:
            mutants.choose(table, ["nonsense"], False)
        self.assertEqual(caught.exception.code, Exit.USAGE)


EDIT = """\
[[edit]]
file = "kernel/other.c"
function = ""
old = '''
other
'''
new = '''
broken
'''
"""
TABLE = """\
[general]
hang = []
limit_s = 60
[breaks-it]
breaks = "It."
invariant = ["I1"]
lane = "x86_64"
cases = "smp.third_task"
caught_by = "case"
fails = ["smp.third_task.many, nowait"]
"""


class Files(World):
    def setUp(self) -> None:
        super().setUp()
        self.folder = mutants.folder()
        (self.folder / "edits").mkdir(parents=True)
        (self.folder / "mutants.toml").write_text(TABLE)
        self.edit = self.folder / "edits/breaks-it.toml"
        self.edit.write_text(EDIT)

    def wrong(self) -> str:
        with self.assertRaises(HarnessError) as caught:
            mutants.load(self.world)
        self.assertEqual(caught.exception.code, Exit.USAGE)
        return caught.exception.message

    def breaks(self, path: Path) -> None:
        """Makes the mutant's edits in a tree."""
        edits.apply(mutants.load(self.world)[0].edits, path)

    def test_table_and_edits_agree(self) -> None:
        self.assertEqual(len(mutants.load(self.world)), 1)
        more = self.edit.with_name("more.toml")
        more.write_text(EDIT)
        self.assertIn("not so: more.", self.wrong())
        more.unlink()
        self.edit.unlink()
        self.assertIn("not so: breaks-it.", self.wrong())

    def test_what_a_queue_has_in_its_place(self) -> None:
        (self.queue / "mutants").mkdir()
        (self.queue / "mutants/breaks-it.toml").write_text(EDIT.replace("broken", "smashed"))
        (self.queue / "mutants.toml").write_text('[breaks-it]\nlane = "arm64"\n')
        [mutant] = mutants.load(self.world)
        self.assertEqual((mutant.lane, mutant.edits[0].new), ("arm64", "smashed\n"))
        (self.queue / "mutants.toml").write_text('[left_out]\nbreaks-it = "there is no it"\n')
        self.assertEqual(mutants.load(self.world), [])
        (self.queue / "mutants.toml").write_text('[left_out]\nbreaks-me = "there is no me"\n')
        self.assertIn("not so: breaks-me.", self.wrong())
        (self.queue / "mutants.toml").write_text('[left_out]\nbreaks-it = ""\n')
        self.assertIn("must not be empty", self.wrong())

    def test_bad_entries(self) -> None:
        for old, new, said in (('"case"', '"luck"', "caught_by of mutant breaks-it must be one of"),
                               ("cases =", "glob =", "'glob'"),
                               ('"case"', '"torture"', "must have fails and params, not"),
                               ("fails = [\"smp.third_task.many, nowait\"]", "splat = \"x\"", "and splat"),
                               ('lane = "x86_64"\n', "", "'lane'"), ("[general]", "[x]", "")):
            (self.folder / "mutants.toml").write_text(TABLE.replace(old, new))
            self.assertIn(said, self.wrong())

    def test_tree_is_changed_and_changed_back(self) -> None:
        info = self.make_queue()
        other = info.path / "kernel/other.c"
        with tree.changed(info, self.breaks):
            self.assertEqual(other.read_text(), "broken\n")
        self.assertEqual(other.read_text(), "other\n")
        self.assertEqual(tree.ensure_tree(self.opts), info)
        with self.assertRaises(ZeroDivisionError):
            with tree.changed(info, self.breaks):
                raise ZeroDivisionError
        self.assertEqual(sh("git", "status", "--porcelain", cwd=info.path), "")

    def test_interrupted_change_is_undone_by_the_next_use(self) -> None:
        info = self.make_queue()
        with mock.patch.object(tree, "_finish_move", lambda *words: None):
            with tree.changed(info, self.breaks):
                pass
        self.assertEqual((info.path / "kernel/other.c").read_text(), "broken\n")
        self.assertEqual(tree.ensure_tree(self.opts), info)
        self.assertEqual((info.path / "kernel/other.c").read_text(), "other\n")

    def test_edit_that_does_not_fit(self) -> None:
        info = self.make_queue()
        self.assertEqual(queue_checks.check_mutants(info), ([], "the edits of 1 mutants fit"))
        self.edit.write_text(EDIT.replace("\nother", "\nanother"))
        self.assertIn("breaks-it: no places", queue_checks.check_mutants(info)[0][0])
        with self.assertRaises(HarnessError) as caught:
            with tree.changed(info, self.breaks):
                self.fail("it was made")
        self.assertEqual(caught.exception.code, Exit.APPLY)
        self.assertEqual(tree.ensure_tree(self.opts), info)

    def outcomes(self, mutated: str, plain: str = GOOD) -> list[Part]:
        """A whole run, with consoles in the place of guests."""
        info = self.make_queue()
        built: list[str] = []

        def build(lane, src, out, progress, targets=None, configured=False):
            built.append((src / "kernel/other.c").read_text())
            out.mkdir(parents=True, exist_ok=True)
            (out / ".config").write_text("CONFIG_SMP=y\n")
            return mock.Mock(kernel=out / "image", seconds=1.0, source="0123", number="1",
                             build_id="0123abc")

        def guest(lane, info, mutant, made, folder, on_line=None):
            console = mutated if "mutants-" in str(made.kernel) else plain
            (folder / "console.log").write_text(console)
            (folder / "exit").write_text("0")
            runs.save(mutants.asked(mutants.reduced(lane, mutant), mutant), folder)
            for line in console.splitlines() if on_line else ():
                on_line(line)
            return qemu.BootResult("0", 1.0)

        with mock.patch.object(mutants.kernel_build, "build", build), \
                mock.patch.object(mutants, "guest_run", guest), \
                mock.patch.object(mutants.lane_run, "need", lambda lane: None), \
                mock.patch.object(mutants, "check_disk", lambda *words: None), \
                contextlib.redirect_stderr(io.StringIO()):
            found = mutants.run(mutants.load(self.world), self.opts, Progress(9, io.StringIO()))
        self.assertEqual((info.path / "kernel/other.c").read_text(), "other\n")
        self.built = built
        return found

    def test_a_caught_mutant_passes(self) -> None:
        found = self.outcomes(BAD)
        self.assertEqual([outcome.code for outcome in found], [Exit.OK])
        self.assertEqual(self.built, ["other\n", "broken\n"])
        self.assertIn("case: smp.third_task.many, nowait", table(found))

    def test_a_survivor_is_a_failure(self) -> None:
        found = self.outcomes(GOOD)
        self.assertEqual(exit_code(found), Exit.TEST)
        self.assertIn("SURVIVED", found[0].note)

    def test_a_guest_that_gave_up_is_no_survivor(self) -> None:
        found = self.outcomes(GOOD.replace("harness: success", "harness: cannot run it"), GOOD)
        self.assertEqual(exit_code(found), Exit.TEST)
        self.assertIn("did not come to their end", found[0].note)

    def test_caught_in_another_way_is_a_failure(self) -> None:
        found = self.outcomes(GOOD.replace("ok 1 many", "not ok 1 many"))
        self.assertEqual(found[0].code, Exit.TEST)
        self.assertIn("but: smp.third_task.many, wait failed", found[0].note)

    def test_nothing_is_caught_where_the_cases_fail_anyway(self) -> None:
        found = self.outcomes(BAD, plain=BAD)
        self.assertEqual(found[0].code, Exit.TEST)
        self.assertIn("fail without it", found[0].note)
        self.assertEqual(self.built, ["other\n"])


class Verb(unittest.TestCase):
    def test_which_kernel_booted(self) -> None:
        made = mock.Mock(number="3", build_id="0123abc")
        linux = "[ 0.0] Linux version 6.0.0 (user@host) (gcc 12) #{} SMP PREEMPT\n"
        said = "[ 1.0] harness: build {}\n"
        # Where it was caught before init ran, the number alone must do.
        for console in (linux.format(3), linux.format(3) + said.format("0123abc"), ""):
            self.assertEqual(mutants.wrong_kernel(console, made), "", console)
        for console in (linux.format(2), linux.format(3) + said.format("0123abd")):
            self.assertIn("the kernel that booted", mutants.wrong_kernel(console, made))

    def test_usage(self) -> None:
        for args in (["nonsense"], ["--frobnicate"]):
            with self.assertRaises(HarnessError) as caught:
                verb("mutants", *args)
            self.assertEqual(caught.exception.code, Exit.USAGE)

    def test_guest_runs_the_torture_test_with_other_parameters(self) -> None:
        lane = dataclasses.replace(lane_files.load("x86_64", QUEUE),
                                   torture=(torture.Wanted("tlb", 60, "mode=stale"),))
        mutant = a_mutant("torture", params="mode=lat reps=2", fails=("lat.*",))
        short = mutants.reduced(lane, mutant)
        self.assertEqual(short.suites, ())
        self.assertEqual(lane_run.steps(short),
                         ["load hold", "run tlbtest mode=lat reps=2", "unload hold"])
        self.assertEqual(short.torture[0].seconds, 60)
        short = mutants.reduced(lane, dataclasses.replace(mutant, seconds=20))
        self.assertEqual(short.torture[0].seconds, 20)

    def test_guest_runs_the_cases_at_boot_only(self) -> None:
        with mock.patch.object(mutants.qemu, "boot") as booted, \
                mock.patch.object(mutants.qemu, "probe_kvm", lambda spec: "tcg"), \
                mock.patch.object(mutants.lane_run.initramfs, "make"):
            info = TreeInfo(QUEUE, Path("t"), "base", "tip", "a package", "6.0.0", "sha256:abc")
            made = kernel_build.BuildResult(Path("o"), Path("k"), 1.5, True, 3, "0123",
                                            build_id="0123abc")
            with tempfile.TemporaryDirectory() as name:
                mutants.guest_run(lane_files.load("x86_64", QUEUE), info,
                                  a_mutant(cmdline="x.y=1"), made, Path(name))
                run = runs.load(Path(name))
        self.assertEqual((run.build_id, run.glob, run.facts["mutant"]),
                         ("0123abc", "smp.third_task", "It."))
        words = booted.call_args[0][0].cmdline.split()
        self.assertIn("harness.suites=", words)
        self.assertIn("kunit.filter_glob=smp.third_task", words)
        self.assertIn("x.y=1", words)
        self.assertEqual(booted.call_args[0][0].limit_s, settings.scaled(60))


if __name__ == "__main__":
    unittest.main()
