"""plans.py: our own plan, what presets and the command line leave of it, wrong entries."""

import functools
import tempfile
import unittest
from pathlib import Path

from harness.core import settings
from harness.core.errors import Exit
from harness.bench import plans
from harness.tests.bench.samples import FULL, PLAN, error
from harness.tests.fixture import QUEUE


class PlanTest(unittest.TestCase):
    def test_our_own(self):
        self.assertEqual(PLAN.ours, ["series"])
        self.assertEqual(PLAN.config["x86_64"], settings.REPO / "demo/demo.toml")

    def test_presets(self):
        quick, demo = PLAN.chosen("quick"), PLAN.chosen("demo")
        self.assertEqual([item.name for item in quick.kernel], ["base", "series"])
        self.assertEqual((quick.arches, quick.most_boots), (["x86_64"], 2))
        self.assertEqual(PLAN.chosen("quick", arches=["arm64"]).arches, ["arm64"])
        self.assertEqual([item.model for item in demo.guest], ["full", "voluntary"])
        self.assertEqual(([item.name for item in demo.kernel], demo.most_boots), (["base", "series"], 1))
        self.assertEqual(FULL.arches, ["x86_64", "arm64"])
        self.assertFalse({item.name for item in demo.guest} & {item.name for item in FULL.guest})

    def test_what_the_command_line_leaves(self):
        plan = PLAN.chosen("full", ["main", "tools"], ["7.2"], ["x86_64"], 4, 1)
        self.assertEqual([(item.name, item.boots, item.arches) for item in plan.guest],
                         [("main", 4, ("x86_64",)), ("tools", 3, ("x86_64",))])
        self.assertEqual(([item.name for item in plan.kernel], plan.jobs), (["7.2"], 1))
        for words, given in (("no guest 'zoo'", {"guests": ["zoo"]}), ("--boots", {"boots": 0}),
                             ("no guest 'demo'", {"guests": ["demo"]}), ("--jobs", {"jobs": 0}),
                             ("no kernel '9.9'", {"kernels": ["9.9"]}),
                             ("no architecture to measure 'z80'", {"arches": ["z80"]})):
            error(self, Exit.USAGE, words, functools.partial(PLAN.chosen, "full", **given))

    def test_steps_of_one_architecture(self):
        guest = next(item for item in PLAN.guest if item.name == "8-cpus")
        x86, arm = guest.steps_on("x86_64"), guest.steps_on("arm64")
        self.assertEqual(len(x86), len(arm) + 1)
        self.assertTrue(all(step.split()[0] in ("run", "load") for step in x86 + arm))
        self.assertTrue(any("munmap" in step for step in x86))
        self.assertFalse(any("munmap" in step for step in arm))

    def test_only_kernels_that_may_be_called_preemptible_are(self):
        pinned = {kernel.name: kernel.many_pinned for kernel in PLAN.kernel}
        self.assertEqual(pinned, {"base": 1, "series": 0, "7.2": 1, "7.3": 0})

    def test_models_and_builds(self):
        def booted(name: str) -> list[str]:
            guest = next(guest for guest in FULL.guest if guest.name == name)
            return [kernel.name for kernel in FULL.kernel
                    if guest.wants("x86_64", guest.build, kernel)]

        self.assertEqual(booted("main"), ["base", "series", "7.2", "7.3"])
        self.assertEqual((booted("voluntary"), booted("lazy")), (["base", "series"], ["7.2", "7.3"]))
        self.assertEqual([(way, kernel.name) for way, kernel in FULL.builds("x86_64")], [
            ("", "base"), ("", "series"), ("", "7.2"), ("", "7.3"),
            ("tracer", "base"), ("tracer", "series")])
        self.assertFalse(any(way for way, _ in FULL.builds("arm64")))

    def test_wrong(self):
        texts = [(plans.FOLDER / name).read_text() for name in ("bench.toml", "report.toml")]
        for old, new, words in (
                ("jobs = 2", "", "jobs"), ("jobs = 2", "jobs = 0", "1 or more"),
                ("boots = 5", "boots = 0", "1 or more"),
                ('name = "series"', 'name = "base"', "names of their own"),
                ('before = "7.2"', 'before = "7.1"', "no kernel for before of 7.3"),
                ('source = "series"', 'source = "base"', "one of them source"),
                ('source = "package"', 'source = "git"', "must be one of"),
                ('source = "package"', 'source = "package"\nqueue = "v7.3"', "is of no queue"),
                ("bench/forks.c", "bench/frogs.c", "no file of this repository"),
                ("run forks", "run frogs", "no [source] for a step of cost"),
                ('name = "main"', 'nmae = "main"', "nmae"),
                ('"x86_64: run tlbtest', '"x86: run tlbtest', "of 8-cpus in"),
                ('build = "tracer"', 'build = "trace"', "no build for build of preemptoff"),
                ('kernels = ["base"', 'kernels = ["bass"', "no kernel for kernels of"),
                ('["full", "quick"]', '["full", "quack"]', "no preset for presets of cost"),
                ('to_kernel = "7.3"', 'to_kernel = "7.4"', "no kernel for to_kernel of wakeup_peer"),
                ('statistic = "mean"', 'statistic = "mode"', "must be one of median, mean"),
                ('statistic = "least"\n', "", "must say why"),
                ("limit = 1.2", "limt = 1.2", "limt")):
            with self.subTest(new), tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                self.assertIn(old, "".join(texts))
                (folder / "bench.toml").write_text(texts[0].replace(old, new, 1))
                (folder / "report.toml").write_text(texts[1].replace(old, new, 1))
                error(self, Exit.USAGE, words, plans.read, QUEUE, folder)

if __name__ == "__main__":
    unittest.main()
