"""summary.py: targets, tables, what is said of cyclictest, what got worse."""

import contextlib
import io
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

from harness.core import queues
from harness.core.errors import Exit
from harness.bench import plans, points, summary
from harness.tests.bench.samples import BOOT, CONSOLE, FULL, GOOD, PLAN, made
from harness.tests.fixture import verb

KERNELS = [replace(item, label=f"Linux {item.name}", origin="a package") for item in FULL.kernel]


class TargetsTest(unittest.TestCase):
    def verdicts(self, **changed) -> dict[str, str]:
        values = dict(GOOD)
        for name, (key, value) in changed.items():
            self.assertIn(key, values)
            values[key] = value
        return {item.what: item.word for item in summary.targets(FULL, made(values), "x86_64")}

    def test_all_met(self):
        self.assertEqual(set(self.verdicts().values()), {"met"})

    def test_each_can_be_missed(self):
        for words, key, value in (
                ("wake-up, preempt=full", ("series", 32, "wakeup", "many", 64_000_000), 2001),
                ("wake-up, preempt=none",
                 ("series", 4, "wakeup", "many", 16_000_000, "none"), 2001),
                ("wake-up, preempt=voluntary",
                 ("series", 4, "wakeup", "many", 16_000_000, "voluntary"), 16e6),
                ("flat in the length", ("series", 4, "wakeup", "many", 64_000_000), 2000),
                ("flat in the number", ("series", 32, "wakeup", "single", 100_000), 3000),
                ("wake-up during TLB flushes and membarrier: flat in the hold",
                 ("series", 4, "tlb_wakeup", "munmap_1", 16_000_000), 2700),
                ("wake-up during TLB flushes and membarrier: at most",
                 ("series", 32, "tlb_wakeup", "munmap_1", 100_000), 2401),
                ("cost of a TLB flush", ("series", 8, "tlb_cost", "munmap", 1), 102),
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
                missed = [what for what, met in self.verdicts(it=(key, value)).items() if met != "met"]
                self.assertTrue(any(words in what for what in missed), missed)

    def test_statistic_of_each_target_is_that_of_the_data(self):
        """All is well by the median, and nothing by the mean."""
        medians = {name: replace(limit, statistic="median", why="") for name, limit in FULL.target.items()}
        # Of two figures of the series that are compared, the one that must not be the greater.
        spoiled = {key: replace(stat, mean=1000 * stat.mean) if key.kernel == "series" and
                   (key.case == "third" or key.cpus == 32 or key.x != 100_000 and key.case != "offline_alone")
                   else stat
                   for key, stat in made(GOOD).items()}

        def met(target: dict) -> set[str]:
            return {item.word for item in summary.targets(replace(FULL, target=target), spoiled, "x86_64")}
        self.assertEqual(met(medians), {"met"})
        there = {item.what for item in summary.targets(FULL, spoiled, "x86_64")}
        for name, limit in medians.items():
            if limit.what not in there:     # the series' kernel has no such preemption model
                continue
            with self.subTest(name):
                self.assertIn("**missed**", met({**medians, name: replace(limit, statistic="mean", why="w")}))

    def test_not_measured_is_not_met(self):
        found = summary.targets(FULL, {}, "x86_64")
        self.assertEqual({item.word for item in found}, {"not measured"})

    def test_summary(self):
        text = summary.summary(PLAN.chosen("full", arches=["x86_64"]), made(GOOD), KERNELS,
                               "Benchmarks", "How.", ["7.3 was slow"])
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
        values = {key: value for key, value in GOOD.items() if not key[0].startswith("7")}
        text = summary.summary(PLAN.chosen("full", arches=["x86_64"]), made(values), KERNELS[:2], "B", "",
                               [])
        self.assertIn("not measured", text)
        self.assertNotIn("7.3 / 7.2", text)

    def test_only_what_is_booted(self):
        def said(*guests: str) -> set[str]:
            plan = PLAN.chosen("quick" if not guests else "full", guests)
            return {item.what.split(":")[0].split(",")[0] for item in summary.targets(plan, {}, "x86_64")}

        self.assertIn("operations of more threads than CPUs", said("crowd"))
        self.assertNotIn("operations of more threads than CPUs", said("main"))
        self.assertIn("overhead of a call", said("main"))
        self.assertNotIn("overhead of a call", said())      # mainline is not among the kernels

    def test_only_models_of_the_series(self):
        for queue, has, lacks in (("v6.12", "voluntary", "lazy"), ("v7.3", "lazy", "voluntary")):
            there = {item.what for item in summary.targets(plans.read(queues.load(queue)), {}, "x86_64")}
            self.assertIn(f"wake-up, preempt={has}", there)
            self.assertNotIn(f"wake-up, preempt={lacks}", there)


class CompareTest(unittest.TestCase):
    def test_worse_than_the_spread(self):
        def of(case: str, *values: float, row: str = "cost") -> list[points.Point]:
            return [BOOT._replace(row=row, case=case, x=1, value=value) for value in values]

        old = [*of("one", 9, 10, 11), *of("two", 9, 10, 11), *of("idle", 1, 2, row="rt_max")]
        new = [*of("one", 12, 13, 14), *of("two", 11, 12, 13), *of("new", 99), *of("idle", 9, row="rt_max")]
        with tempfile.TemporaryDirectory() as name:
            folders = [Path(name) / "a", Path(name) / "b"]
            for folder, values in zip(folders, (old, new)):
                folder.mkdir()
                points.write_csv(values, folder / "points.csv")
            text, worse = summary.comparison(*folders, PLAN.names)
        self.assertEqual((text.splitlines()[0], worse), (
            "x86_64 series: one, 1 targets, 4 CPUs: 10 ns (9 ns to 11 ns) -> 13 ns (12 ns to 14 ns) "
            "(1.300 times)", True))
        self.assertTrue(text.splitlines()[1].startswith("1 of 3 figures got worse"), text)

    def test_verb(self):
        found, _ = points.read(CONSOLE, BOOT, "tsc")
        slower = [point._replace(value=point.value * 2) if point.row == "cost" else point
                  for point in found]
        with tempfile.TemporaryDirectory() as name:
            for folder, values in (("a", found), ("b", slower)):
                (Path(name) / folder).mkdir()
                points.write_csv(values, Path(name) / folder / "points.csv")
            for pair, code, words in (("ab", Exit.TEST, "2 of 11 figures"),
                                      ("ba", Exit.OK, "0 of 11 figures")):
                printed = io.StringIO()
                with contextlib.redirect_stdout(printed):
                    self.assertEqual(verb("bench", "--compare", *(f"{name}/{folder}" for folder in pair)), code)
                self.assertIn(words, printed.getvalue())


def stat(median, least=None, greatest=None):
    return points.Stat(median, least or median, greatest or median, 3, median)


class FloorTest(unittest.TestCase):
    def test_difference(self):
        floor = 40e6
        for one, other, words in (
                (stat(2e6), stat(99e6, 90e6, 110e6), "times"),
                (stat(2e6), stat(39e6), summary.NO_DIFFERENCE),        # inside the floor
                (points.Stat(2e6, 2e6, 2e6, 2, 2e6), stat(99e6), "too few boots"),
                (stat(80e6, 30e6, 95e6), stat(99e6, 90e6, 110e6), summary.NO_DIFFERENCE)):
            self.assertIn(words, summary.difference(one, other, floor))

    def test_section(self):
        section = next(item for item in FULL.section if item.noise_floor)
        made = [points.Point("x86_64", kernel, 4, "rt_max", case, x, "tools", boot, 1, value + boot)
                for boot in (1, 2, 3) for kernel, case, x, value in (
                    ("base", "idle", 0, 20e6), ("series", "idle", 0, 21e6),
                    ("base", "membarrier", 10 ** 8, 99e6), ("series", "membarrier", 10 ** 8, 15e6),
                    ("base", "idle", 10 ** 8, 18e6), ("series", "idle", 10 ** 8, 17e6))]
        text = "\n".join(summary.section(FULL, points.stats(made), "x86_64", KERNELS[:2], section))
        self.assertIn("Noise floor: 21.0 ms", text)
        self.assertRegex(text, r"membarrier \| 100 ms \|.*\| 0.152 times \|")
        self.assertRegex(text, rf"idle \| 100 ms \|.*\| {summary.NO_DIFFERENCE} \|")
        self.assertEqual(summary.section(FULL, {}, "x86_64", KERNELS[:2], section), [])

if __name__ == "__main__":
    unittest.main()
