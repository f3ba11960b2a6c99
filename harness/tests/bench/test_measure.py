"""Tests of the benchmarks that need no kernel: plan, consoles, points, targets, verb."""

import contextlib
import importlib.util
import io
import os
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from unittest import mock

from harness import cli
from harness.core import settings
from harness.core.errors import Exit, HarnessError
from harness.build import arches
from harness.guest import qemu
from harness.judge import judge
from harness.lanes import lane_files
from harness.bench import measure, plans, plots, points, summary
from harness.bench.points import Boot, Key, Point, Stat
from harness.bench.summary import Measured
from harness.tests.fixture import QUEUE, verb

WHERE = Path("console.log")
BOOT = Boot("x86_64", "series", 4, "main", 2, "tsc")
STEPS = ["run clock", "load calls parts=cost many_pinned=0",
         "load wakeup entries=single,third holds_ns=100000 reps=1 wake_delay_ns=20000 many_pinned=0"]
CONSOLE = """\
[    3.0] clock: BENCH-CLOCK,tsc
[    3.1] BENCH-INFO,cpus=4,many_pinned=0,task_bytes=4096
[    3.2] BENCH,cost,single,1,1,8000,20
[    3.2] BENCH,cost,many,3,1,30000,20
[    3.3] BENCH-DISCARD,own,wait,the hold was over before the waiter was moved
[    3.3] BENCH-OK,2
[    3.4] forks: BENCH,fork,fork_exit_wait,0,1,900000,20
[    3.4] tlbtest: BENCH,tlb_wakeup,munmap,4000000,1,2100,1
[    3.4] tlbtest: BENCH,tlb_wakeup_locked,cow_fault,4000000,1,4000100,1
[    3.4] flushes: BENCH,tlb_cost,madvise_1,3,1,1700,1
[    3.4] flushes: BENCH,tlb_cost,madvise_1,3,2,1710,1
[    3.4] crowd: BENCH,crowd,munmap,2,1,100000000,20000
[    3.4] preemptoff: BENCH,preemptoff,many,16000000,1,4000,1
[    3.4] preemptoff: PREEMPTOFF-VERDICT,preemptoff,many,pass,longest 4 us
[    3.5] BENCH,wakeup,single,100000,1,1810,1
[    3.5] BENCH,wakeup,third,100000,1,2900,1
[    3.6] BENCH-OK,2
[    3.7] harness: success
"""


def error(test, code, words, step, *args):
    with test.assertRaises(HarnessError) as caught:
        step(*args)
    test.assertEqual(caught.exception.code, code)
    test.assertIn(words, caught.exception.message)


class PlanTest(unittest.TestCase):
    def test_our_own(self):
        plan = plans.read(QUEUE)
        self.assertEqual((plan.ours.before, plan.peer.before), ("base", "7.2"))
        self.assertEqual([item.name for item in plan.quick().kernel], ["base", "series"])
        self.assertTrue(all((settings.REPO / path).is_file() for path in plan.source.values()))
        self.assertTrue(all((settings.REPO / path).is_file() for path in plan.config.values()))
        self.assertTrue(any(guest.arches for guest in plan.quick().guest))

    def test_steps_are_of_the_kernel(self):
        plan = plans.read(QUEUE)
        main = next(item for item in plan.guest if item.name == "main")
        for kernel in plan.kernel:
            text = "\n".join(main.lines(kernel, "x86_64"))
            self.assertIn(f"many_pinned={kernel.many_pinned}", text)
            self.assertNotIn("{", text)

    def test_steps_of_one_architecture(self):
        guest = next(item for item in plans.read(QUEUE).guest if item.name == "8-cpus")
        x86, arm = guest.steps_on("x86_64"), guest.steps_on("arm64")
        self.assertEqual(len(x86), len(arm) + 1)
        self.assertTrue(all(step.split()[0] in ("run", "load") for step in x86 + arm))
        self.assertTrue(any("munmap" in step for step in x86))
        self.assertFalse(any("munmap" in step for step in arm))

    def test_only_kernels_that_may_be_called_preemptible_are(self):
        pinned = {kernel.name: kernel.many_pinned for kernel in plans.read(QUEUE).kernel}
        self.assertEqual(pinned, {"base": 1, "series": 0, "7.2": 1, "7.3": 0})

    def test_models(self):
        plan = plans.read(QUEUE)
        guests = {guest.name: guest for guest in plan.guest}
        self.assertEqual((guests["main"].words, guests["voluntary"].words, guests["crowd"].words),
                         ("", "preempt=voluntary", guests["crowd"].cmdline))
        self.assertEqual([kernel.name for kernel in plan.kernel
                          if guests["voluntary"].boots_with(kernel)], ["base", "series"])
        self.assertEqual([kernel.name for kernel in plan.kernel
                          if guests["lazy"].boots_with(kernel)], ["7.2", "7.3"])
        self.assertTrue(all(guests["main"].boots_with(kernel) for kernel in plan.kernel))
        self.assertIn("the guest none was not booted with 7.2, 7.3: no preempt=none there",
                      measure.lacking(plan, list(plan.kernel), ["x86_64"]))
        self.assertEqual(measure.lacking(plan, list(plan.kernel), ["arm64"]), [])

    def test_builds(self):
        plan = plans.read(QUEUE)
        names = [(way, kernel.name) for way, kernel in plan.wanted("x86_64")]
        self.assertEqual(names, [("", "base"), ("", "series"), ("", "7.2"), ("", "7.3"),
                                 ("tracer", "base"), ("tracer", "series")])
        self.assertFalse(any(way for way, _ in plan.wanted("arm64")))
        asked = lane_files.read(settings.REPO / plan.config["x86_64"], QUEUE).kernel
        traced = measure.as_built(plan, asked, plan.kernel[0], "tracer")
        plain = measure.as_built(plan, asked, plan.kernel[0], "")
        self.assertEqual((plain.name, traced.name), ("demo-base", "demo-tracer-base"))
        self.assertEqual(plain.options, asked.options)
        self.assertEqual(traced.options["PREEMPT_TRACER"], "y")

    def test_wrong(self):
        text = plans.PLAN.read_text()
        for old, new, words in (
                ("boots = 5", "", "boots"),
                ('name = "series"', 'name = "base"', "two kernels"),
                ('before = "7.2"', 'before = "7.1"', "no kernel"),
                ('source = "series"', 'source = "base"', "one kernel must"),
                ('source = "package"', 'source = "git"', "must be one of"),
                ("run forks", "run frogs", "not in [source]"),
                ('name = "main"', 'nmae = "main"', "nmae"),
                ('"x86_64: run tlbtest', '"x86: run tlbtest', "a step for x86,"),
                ('build = "tracer"', 'build = "trace"', "not in [build]"),
                ('kernels = ["base"', 'kernels = ["bass"', "bass, which is none"),
                ('statistic = "mean"', 'statistic = "mode"', "must be one of median, mean"),
                ('statistic = "least"\n', "", "must say why"),
                ("limit = 1.2", "limt = 1.2", "limt"),
                ("jobs = 2", "jobs = 0", "1 or more")):
            with self.subTest(new), tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "bench.toml"
                self.assertIn(old, text)
                path.write_text(text.replace(old, new, 1))
                error(self, Exit.USAGE, words, plans.read, QUEUE, path)


class ReadTest(unittest.TestCase):
    def test_good(self):
        found, discards = points.read(CONSOLE, BOOT, WHERE)
        values = {(point.row, point.case, point.x, point.rep): point.value for point in found}
        self.assertEqual(values, {
            ("memory", "task_bytes", 0, 1): 4096, ("cost", "single", 1, 1): 400,
            ("cost", "many", 3, 1): 1500, ("fork", "fork_exit_wait", 0, 1): 45000,
            ("tlb_wakeup", "munmap", 4000000, 1): 2100,
            ("tlb_wakeup_locked", "cow_fault", 4000000, 1): 4000100, ("tlb_cost", "madvise_1", 3, 1): 1700,
            ("tlb_cost", "madvise_1", 3, 2): 1710, ("wakeup", "single", 100000, 1): 1810,
            ("crowd", "munmap", 2, 1): 5000, ("preemptoff", "many", 16000000, 1): 4000,
            ("wakeup", "third", 100000, 1): 2900})
        self.assertEqual({(point.guest, point.boot, point.cpus) for point in found},
                         {("main", 2, 4)})
        self.assertEqual(len(discards), 1)

    def test_bad(self):
        for old, new, words in (
                ("CLOCK,tsc", "CLOCK,hpet", "hpet"), ("BENCH-OK,2", "BENCH-OK,3", "made 6"),
                ("single,1,1,8000", "single,1,1,x", "no sense"),
                ("third,100000,1,2900", "third,100000,1,2x", "no sense")):
            with self.subTest(new), self.assertRaises(HarnessError) as caught:
                self.assertIn(old, CONSOLE)
                points.read(CONSOLE.replace(old, new), BOOT, WHERE)
            self.assertIn(words, caught.exception.message)

    def test_model(self):
        found, _ = points.read(CONSOLE, replace(BOOT, model="none"), WHERE)
        self.assertEqual({point.key.model for point in found}, {"none"})

    def test_csv_without_a_model(self):
        found, _ = points.read(CONSOLE, BOOT, WHERE)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "points.csv"
            points.write_csv(found, path)
            path.write_text("\n".join(line.rsplit(",", 1)[0]
                                      for line in path.read_text().splitlines()) + "\n")
            self.assertEqual(points.read_csv(path), found)

    def test_csv(self):
        found, _ = points.read(CONSOLE, replace(BOOT, model="voluntary"), WHERE)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "points.csv"
            points.write_csv(found, path)
            self.assertEqual(points.read_csv(path), found)
            path.write_text("a,b\n1,2\n")
            error(self, Exit.USAGE, "not a file of points", points.read_csv, path)
            path.unlink()
            error(self, Exit.USAGE, "missing", points.read_csv, path)


def made(values: dict) -> dict[Key, Stat]:
    """Stats of x86_64: {(kernel, cpus, row, case, x): value}; the model may come behind x."""
    return points.stats(Point("x86_64", *key[:5], "g", 1, 1, float(value), *key[5:])
                        for key, value in values.items())


GOOD = {
    **{("series", cpus, "wakeup", case, x): 1800 + cpus for cpus in (4, 32)
       for case in ("single", "many") for x in (100_000, 64_000_000)},
    **{("7.3", cpus, "wakeup", case, x): 1980 for cpus in (4, 32)
       for case in ("single", "many") for x in (100_000, 64_000_000)},
    ("series", 4, "wakeup", "third", 100_000): 1900,
    **{("series", 4, "wakeup", "many", 16_000_000, model): 1900 for model in ("voluntary", "none")},
    **{("base", 4, "cost", "many", x): 1000 * x for x in (1, 3)},
    ("series", 4, "cost", "many", 1): 1005, ("series", 4, "cost", "many", 3): 3000,
    **{("7.2", 4, "cost", "many", x): 1000 * x for x in (1, 3)},
    **{("7.3", 4, "cost", "many", x): 1020 * x for x in (1, 3)},
    ("series", 4, "fork", "f", 0): 1001, ("base", 4, "fork", "f", 0): 1000,
    ("series", 4, "memory", "percpu_bytes", 0): 9, ("base", 4, "memory", "percpu_bytes", 0): 8,
    ("series", 4, "memory", "task_bytes", 0): 4096, ("base", 4, "memory", "task_bytes", 0): 4096,
    ("series", 4, "hotplug", "offline", 0): 101, ("base", 4, "hotplug", "offline", 0): 100,
    ("series", 4, "starved", "offline_behind", 1): 119,
    ("series", 4, "starved", "offline_alone", 1): 100,
    ("series", 4, "preemptoff", "many", 16): 5000, ("series", 4, "preemptoff", "alone", 16): 60000,
    ("series", 4, "crowd", "munmap", 2): 100, ("base", 4, "crowd", "munmap", 2): 99.5,
    ("series", 4, "own", "wait", 4_000_000): 1500,
    ("series", 8, "tlb_cost", "munmap", 1): 100, ("base", 8, "tlb_cost", "munmap", 1): 100,
    ("series", 4, "grace", "behind", 1): 15, ("base", 4, "grace", "behind", 1): 15,
}


class TargetsTest(unittest.TestCase):
    def verdicts(self, **changed) -> dict[str, bool | None]:
        values = dict(GOOD)
        for name, (key, value) in changed.items():
            self.assertIn(key, values)
            values[key] = value
        return {item.what: item.met for item in
                summary.targets(plans.read(QUEUE), made(values), "x86_64")}

    def test_all_met(self):
        self.assertEqual(set(self.verdicts().values()), {True})

    def test_each_can_be_missed(self):
        for words, key, value in (
                ("wake-up, preempt=full", ("series", 32, "wakeup", "many", 64_000_000), 2001),
                ("wake-up, preempt=none",
                 ("series", 4, "wakeup", "many", 16_000_000, "none"), 2001),
                ("wake-up, preempt=voluntary",
                 ("series", 4, "wakeup", "many", 16_000_000, "voluntary"), 16e6),
                ("flat in the length", ("series", 4, "wakeup", "many", 64_000_000), 2000),
                ("flat in the number", ("series", 32, "wakeup", "single", 100_000), 3000),
                ("at most that of 7.3", ("series", 32, "wakeup", "single", 100_000), 1981),
                ("to one or two targets", ("series", 4, "cost", "many", 1), 1011),
                ("to three targets and more", ("series", 4, "cost", "many", 3), 3001),
                ("longest section", ("series", 4, "preemptoff", "many", 16), 50001),
                ("operations of more threads", ("series", 4, "crowd", "munmap", 2), 101),
                ("CPU offline with a waiter", ("series", 4, "starved", "offline_behind", 1), 121),
                ("overhead of a call", ("series", 4, "cost", "many", 3), 3061),
                ("fork", ("series", 4, "fork", "f", 0), 1006),
                ("memory of a task", ("series", 4, "memory", "task_bytes", 0), 4104),
                ("CPU offline", ("series", 4, "hotplug", "offline", 0), 103),
                ("third task", ("series", 4, "wakeup", "third", 100_000), 4000),
                ("own-request", ("series", 4, "own", "wait", 4_000_000), 2001),
                ("grace period", ("series", 4, "grace", "behind", 1), 16)):
            with self.subTest(words):
                missed = [what for what, met in self.verdicts(it=(key, value)).items() if not met]
                self.assertTrue(any(words in what for what in missed), missed)

    def test_statistic_of_each_target_is_that_of_the_data(self):
        """All is well by the median, and nothing by the mean."""
        plan = plans.read(QUEUE)
        medians = {name: replace(limit, statistic="median", why="") for name, limit in plan.target.items()}
        # Of two figures of the series that are compared, the one that must not be the greater.
        spoiled = {key: replace(stat, mean=1000 * stat.mean) if key.kernel == "series" and
                   (key.case == "third" or key.x != 100_000 and key.case != "offline_alone")
                   else stat
                   for key, stat in made(GOOD).items()}

        def met(target: dict) -> set[bool | None]:
            return {item.met for item in summary.targets(replace(plan, target=target), spoiled,
                                                             "x86_64")}
        self.assertEqual(met(medians), {True})
        for name, limit in medians.items():
            with self.subTest(name):
                self.assertIn(False, met({**medians, name: replace(limit, statistic="mean", why="w")}))

    def test_not_measured_is_not_met(self):
        found = summary.targets(plans.read(QUEUE), {}, "x86_64")
        self.assertEqual({item.met for item in found}, {None})

    def test_summary(self):
        plan = plans.read(QUEUE)
        kernels = [Measured(item.name, f"Linux {item.name}", "a package")
                   for item in plan.kernel]
        text = summary.summary(plan, made(GOOD), ["x86_64"], kernels, "Benchmarks", ["How."],
                                   ["7.3 was slow"])
        self.assertIn("| memory of a task, to that of the unpatched kernel | at most 1 times | met | "
                      "worst 1.000 (memory task_bytes, 4 CPUs: 4096 to 4096); 1 of 1", text)
        self.assertIn("| 4 | `many` | 1 | 1.00 us | 1.00 us | 1.00 us | 1.02 us | 1.005 | 1.020 | "
                      "+5.0 ns | +20.0 ns |",
                      text)
        self.assertIn("| voluntary | 4 | `many` | 16 ms | - | 1.90 us | - | - |", text)
        self.assertIn("- offline: least, as it waits for grace periods", text)
        self.assertIn("## More threads than CPUs, x86_64", text)
        self.assertIn("## Longest section with preemption off, x86_64", text)
        self.assertIn("- 7.3 was slow", text)

    def test_peer_left_out(self):
        plan = plans.read(QUEUE)
        kernels = [Measured(item.name, item.name, "") for item in plan.kernel[:2]]
        values = {key: value for key, value in GOOD.items() if not key[0].startswith("7")}
        text = summary.summary(plan, made(values), ["x86_64"], kernels, "B", [], [])
        self.assertIn("not measured", text)
        self.assertNotIn("7.3 / 7.2", text)


class CompareTest(unittest.TestCase):
    def test_worse_than_the_spread(self):
        old = {Key("a", "k", 4, "cost", case, 1): Stat(10, 9, 11, 3, 10) for case in ("one", "two")}
        new = {Key("a", "k", 4, "cost", "one", 1): Stat(13, 12, 14, 3, 13),
               Key("a", "k", 4, "cost", "two", 1): Stat(12, 11, 13, 3, 12),
               Key("a", "k", 4, "cost", "new", 1): Stat(99, 99, 99, 3, 99)}
        self.assertEqual([key.case for key, *_ in points.worse(old, new)], ["one"])

    def test_verb(self):
        found, _ = points.read(CONSOLE, BOOT, WHERE)
        slower = [replace(point, value=point.value * 2) if point.row == "cost" else point
                  for point in found]
        with tempfile.TemporaryDirectory() as name:
            for folder, values in (("a", found), ("b", slower)):
                (Path(name) / folder).mkdir()
                points.write_csv(values, Path(name) / folder / "points.csv")
            for pair, code, words in (("ab", Exit.TEST, "2 of 11 figures"),
                                      ("ba", Exit.OK, "0 of 11 figures")):
                printed = io.StringIO()
                with contextlib.redirect_stdout(printed):
                    self.assertEqual(verb("bench", "--compare", *(f"{name}/{folder}"
                                                                   for folder in pair)), code)
                self.assertIn(words, printed.getvalue())


class VerbTest(unittest.TestCase):
    def test_percpu(self):
        text = "ffffffff83a00000 D __per_cpu_start\nffffffff83a2f000 D __per_cpu_end\n"
        nm = "0000000000023740 0000000000000028 d cfd_data\n"
        self.assertEqual(measure.memory(text, nm), {"percpu_bytes": 0x2f000, "call_data_bytes": 0x28})
        self.assertEqual(measure.memory("nothing", "nothing"), {})

    def test_unknown_architecture(self):
        error(self, Exit.USAGE, "no architecture to measure 'z80'", verb, "bench", "--arch", "z80")

    def test_unknown_kernel(self):
        error(self, Exit.USAGE, "no kernel '9.9'", verb, "bench", "--kernel", "9.9")

    def test_jobs(self):
        plan = replace(plans.read(QUEUE), boots=2)
        ready = [measure.Ready(kernel, "v9.8", mock.Mock(), arches.arch("x86_64"), Path("a"), Path("b"),
                               Path("c"), {}, {}, "1", build=way)
                 for way, kernel in plan.wanted("x86_64")]
        jobs = measure.all_jobs(plan, ready)
        booted = {name: [(job.ready.build, job.ready.kernel.name) for job in jobs
                         if job.guest.name == name and job.number == 2]
                  for name in ("main", "none", "lazy", "preemptoff", "tools")}
        self.assertEqual(booted, {
            "main": [("", "base"), ("", "series"), ("", "7.2"), ("", "7.3")],
            "none": [("", "base"), ("", "series")], "lazy": [("", "7.2"), ("", "7.3")],
            "preemptoff": [("tracer", "base"), ("tracer", "series")],
            "tools": []})       # they could not be had

    def test_jobs_are_keys(self):
        plan = plans.read(QUEUE)
        ready = measure.Ready(plan.kernel[0], "v9.8", mock.Mock(), mock.Mock(), Path("a"), Path("b"),
                              Path("c"), {"calls": Path("d")}, {}, "1")
        self.assertEqual(len({measure.Job(ready, plan.guest[0], number) for number in (1, 1, 2)}), 2)

    def test_fewer_boots(self):
        plan = plans.read(QUEUE)
        tools = next(one for one in plan.guest if one.tools)
        self.assertEqual(list(tools.boots_of(5)), [1, 2, 3])
        self.assertEqual(list(tools.boots_of(2)), [1, 2])
        self.assertEqual(list(plan.guest[0].boots_of(2)), [1, 2])
        self.assertEqual(measure.fewer(plan), f" ({tools.name}: 3)")

    def test_unknown_guest(self):
        error(self, Exit.USAGE, "no guest 'zoo'", verb, "bench", "--guest", "zoo")

    def test_limited(self):
        parsed = cli.parser("bench").parse_args(["--guest", "main", "--boots", "3", "--jobs", "1"])
        plan = measure.limited(plans.read(QUEUE).of(""), parsed)
        self.assertEqual(([item.name for item in plan.guest], plan.boots, plan.jobs),
                         (["main"], 3, 1))

    def test_peer_that_cannot_be_had_is_left_out(self):
        plan = plans.read(QUEUE)

        def place(kernel, info):
            if kernel.name == "7.3":
                raise HarnessError(Exit.FETCH, "no suite offers it.")
            return Path(kernel.name), "", Measured(kernel.name, kernel.name, "")

        notes: list[str] = []
        with mock.patch.object(measure, "place", place):
            found = measure.find_kernels(plan, mock.Mock(), mock.Mock(), notes, [])
        self.assertEqual([kernel.name for kernel, *_ in found], ["base", "series", "7.2"])
        self.assertIn("7.3 could not be had", notes[0])
        with mock.patch.object(measure, "place", place):
            found = measure.find_kernels(plan, mock.Mock(), mock.Mock(), notes, ["base"])
        self.assertEqual([kernel.name for kernel, *_ in found], ["base"])

    def test_failed_boot_is_a_note_and_the_exit_code(self):
        plan = plans.read(QUEUE)
        jobs = [measure.Job(mock.Mock(arch=mock.Mock(), kernel=plan.kernel[0], accel="tcg"),
                            next(item for item in plan.guest if item.name == "main"), n)
                for n in (1, 2)]

        def run_job(job, spec, steps, stop, resume):
            if job.number == 1:
                raise HarnessError(Exit.BOOT, "it hung.")
            return measure.Found(*points.read(CONSOLE, BOOT, WHERE))

        notes: list[str] = []
        with mock.patch.object(measure, "run_job", run_job), \
                mock.patch.object(measure, "boot_spec", lambda *_: None):
            found, code = measure.run_jobs(plan, jobs, 2, mock.Mock(), notes)
        self.assertEqual((code, [len(one.points) for one in found]), (Exit.BOOT, [12]))
        self.assertIn("it hung", notes[0] + notes[1])


@unittest.skipUnless(importlib.util.find_spec("matplotlib"), "matplotlib is not installed")
class PlotTest(unittest.TestCase):
    def test_pictures(self):
        plan = plans.read(QUEUE)
        kernels = [Measured(item.name, item.name, "") for item in plan.kernel]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            plots.draw_all(made(GOOD), "x86_64", kernels, "sub", folder, folder)
            self.assertEqual({path.name for path in folder.glob("*.svg")},
                             {"latency-by-hold-x86_64.svg", "latency-by-cpus-x86_64.svg",
                              "cost-by-targets-x86_64.svg"})
            plots.draw_all({}, "arm64", kernels, "sub", folder, folder)
            self.assertEqual(len(list(folder.glob("*.svg"))), 3)


class RunTest(unittest.TestCase):
    """A boot leaves a record that is judged, now and later."""

    def run_job(self, console: str, model: str = "full") -> measure.Found:
        plan = plans.read(QUEUE)
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        kernel = next(item for item in plan.kernel if item.name == BOOT.kernel)
        ready = measure.Ready(kernel, QUEUE.name, Measured("series", "6.0 + series", "a package"),
                              arches.arch("x86_64"), Path("a"), Path("b"), self.folder, {}, {}, "0123abc")
        guest = replace(next(item for item in plan.guest if item.name == "main"), model=model)
        spec = qemu.BootSpec(ready.arch, Path("k"), None, "", 4, 256, 60)

        def boot(spec, folder, stop):
            (folder / "console.log").write_text(console)
            (folder / "exit").write_text("0\n")
            return qemu.BootResult("0", 1.0, folder / "console.log")

        with mock.patch.object(measure.qemu, "boot", boot):
            return measure.run_job(measure.Job(ready, guest, 1), spec, STEPS, mock.Mock())

    def test_good(self):
        said = "[    0.0] Linux version 6.0\n[    1.0] harness: build 0123abc\n"
        self.assertEqual(len(self.run_job(said + CONSOLE).points), 12)
        self.assertEqual(judge.judge_folder(self.folder / "main-1").code, Exit.OK)
        for console, model, code, words in (
                (CONSOLE, "full", Exit.BOOT, "no line of a Linux kernel"),
                (said.replace("abc", "abd") + CONSOLE, "full", Exit.BOOT, "has the build id 0123abd"),
                (said + CONSOLE, "none", Exit.BOOT, "does not run with preempt=none"),
                (said + CONSOLE + "[    9.0] WARNING: CPU: 1\n", "full", Exit.SPLAT, "WARNING"),
                (said + CONSOLE.replace("harness: success", ""), "full", Exit.BOOT, "success")):
            error(self, code, words, self.run_job, console, model)


class ResumeTest(unittest.TestCase):
    def test_only_a_complete_boot_of_the_same(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            kernel = folder / "bzImage"
            kernel.write_text("kernel")
            spec = qemu.BootSpec(arches.arch("x86_64"), kernel, Path("i"), "x=1", 4, 256, 60, "icount")
            self.assertIsNone(measure.earlier(spec, folder))
            (folder / "qemu-cmd").write_text(qemu.script(spec))
            (folder / "console.log").write_text(CONSOLE)
            (folder / "exit").write_text("0\n")
            self.assertEqual(measure.earlier(spec, folder).exit, "0")
            self.assertIsNone(measure.earlier(replace(spec, cmdline="x=2"), folder))
            (folder / "console.log").write_text(CONSOLE.replace("success", ""))
            self.assertIsNone(measure.earlier(spec, folder))
            (folder / "console.log").write_text(CONSOLE)
            os.utime(folder / "console.log", (1000, 1000))      # older than the kernel
            self.assertIsNone(measure.earlier(spec, folder))

    def test_boots(self):
        error(self, Exit.USAGE, "--boots", verb, "bench", "--boots", "0")
        error(self, Exit.USAGE, "--jobs", verb, "bench", "--jobs", "0")


if __name__ == "__main__":
    unittest.main()
