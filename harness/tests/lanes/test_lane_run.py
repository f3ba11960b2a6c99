"""lane_run.py: what a run leaves behind, with a sh script in the place of QEMU."""

import dataclasses
import json
import os
import re
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness.core import settings
from harness.core.errors import Exit, HarnessError
from harness.core.progress import Progress
from harness.queue.tree import TreeInfo
from harness.build import kernel_build
from harness.judge import torture
from harness.judge.runs import Suite
from harness.lanes import lane_files, lane_run
from harness.tests.judge.test_judge import BUILD_ID, log
from harness.tests.judge.test_ktap import GOOD
from harness.tests.fixture import QUEUE


class Run(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)
        console, qemu = self.dir / "console", self.dir / "qemu"
        console.write_text(log())
        qemu.write_text(f"#!/bin/sh\ncat {console}\n")
        qemu.chmod(0o755)
        (self.dir / ".config").write_text("CONFIG_SMP=y\n")
        lane = lane_files.load("x86_64", QUEUE)
        self.lane = dataclasses.replace(
            lane, cpus=4, suites=(Suite("smp", 4),),
            kernel=dataclasses.replace(lane.kernel, arch=dataclasses.replace(lane.arch, qemu=str(qemu))))
        made = kernel_build.BuildResult(self.dir, self.dir / "bzImage", 1.5, True, 3,
                                        "0123abc", build_id=BUILD_ID)
        for where, name, value in (
                (settings, "BUILD", self.dir / "build"),
                (lane_run.kernel_build, "build", lambda *words: made),
                (lane_run, "need", lambda lane: None),
                (lane_run.initramfs, "make", lambda *words: self.dir / "initrd"),
                (lane_run.qemu, "probe_kvm", lambda *words: "tcg"),
                (lane_run.series, "patches", lambda queue: []),
                (lane_run, "second_opinion", lambda *words: {"passed": 4})):
            patched = mock.patch.object(where, name, value)
            patched.start()
            self.addCleanup(patched.stop)
        self.info = TreeInfo(QUEUE, self.dir, "base", "tip", "a package 6.0.0-1", "6.0.0",
                             "sha256:abc")
        self.null = open(os.devnull, "w")
        self.addCleanup(self.null.close)

    def run_lane(self, **options) -> lane_run.LaneRun:
        return lane_run.run(self.lane, self.info, Progress(1, self.null), **options)

    def test_folder(self):
        ran = self.run_lane()
        self.assertEqual(ran.verdict.code, Exit.OK, ran.verdict.text())
        self.assertEqual({path.name for path in ran.folder.iterdir()},
                         {"config", "qemu-cmd", "console.log", "exit", "run.json",
                          "verdict.json"})
        record = json.loads((ran.folder / "verdict.json").read_text())
        for key, value in {"linux": "6.0.0", "source": "a package 6.0.0-1", "code": "OK",
                           "checksum": "sha256:abc", "commit": "0123abc", "passed": 8,
                           "lane": "x86_64", "build_s": 1.5}.items():
            self.assertEqual((record | record["facts"])[key], value)
        self.assertIn("boot_s", record["facts"])
        self.assertTrue(record["facts"]["series"])

    def test_second_opinion_is_asked_for_and_must_be_understood(self):
        with mock.patch.object(lane_run, "second_opinion", lambda *words: {}):
            ran = self.run_lane()
        self.assertEqual(ran.verdict.code, Exit.TEST)
        self.assertIn("kunit.py parse was not understood", ran.verdict.text())

    def test_pattern_asks_for_one_case_only(self):
        ran = self.run_lane(glob="smp.s*")
        record = json.loads((ran.folder / "run.json").read_text())
        self.assertEqual(record["suites"], [{"name": "smp", "min_cases": 1, "skips": [], "why": "",
                                              "again": True}])
        self.assertIn("kunit.filter_glob=smp.s*", (ran.folder / "qemu-cmd").read_text())

    def test_pattern_wins_over_the_lane(self):
        self.lane = dataclasses.replace(self.lane, cmdline="kunit.filter_glob=smp.x")
        words = (self.run_lane(glob="smp.s*").folder / "qemu-cmd").read_text()
        self.assertLess(words.index("filter_glob=smp.x"), words.index("filter_glob=smp.s*"))

    def test_only_at_boot(self):
        self.lane = dataclasses.replace(self.lane, suites=(Suite("smp", 4, again=False),))
        ran = self.run_lane()
        self.assertEqual(ran.verdict.runs, {"at boot": 4})
        self.assertIn("harness.suites='", (ran.folder / "qemu-cmd").read_text())

    def test_torture(self):
        wanted = torture.Wanted("scftorture", 3, "verbose=1")
        self.lane = dataclasses.replace(self.lane, torture=(wanted,))
        with self.assertRaises(HarnessError) as caught:
            lane_run.step_entries(self.lane, self.info, self.dir)
        self.assertEqual(caught.exception.code, Exit.BUILD)
        (self.dir / "kernel").mkdir()
        for name in ("torture", "scftorture"):
            (self.dir / f"kernel/{name}.ko").write_text(name)
        entries = lane_run.step_entries(self.lane, self.info, self.dir)
        self.assertEqual([entry.name for entry in entries],
                         ["steps", "modules", "modules/torture.ko", "modules/scftorture.ko"])
        self.assertIn(b"load scftorture verbose=1\nsleep 3\n", entries[0].data)
        self.assertIn("harness.steps=/steps ", lane_run.cmdline(self.lane, None) + " ")
        self.assertNotIn("steps", lane_run.cmdline(dataclasses.replace(self.lane, torture=()), None))

    def test_suites_in_modules(self):
        self.lane = dataclasses.replace(
            self.lane, modules=("lib/kunit/kunit.ko", "lib/tests/smp_kunit.ko"),
            cmdline="smp_kunit.x=1 kunit.enable=1 quiet", suites=(Suite("smp", 4, again=False),))
        for path in self.lane.modules:
            (self.dir / path).parent.mkdir(parents=True, exist_ok=True)
            (self.dir / path).write_text("module")
        steps, _, *files = lane_run.step_entries(self.lane, self.info, self.dir, "smp.s*")
        self.assertEqual(steps.data, b"load kunit enable=1 filter_glob=smp.s*\nload smp_kunit x=1\n"
                                     b"unload smp_kunit\nunload kunit\n")
        self.assertEqual([entry.name for entry in files], ["modules/kunit.ko", "modules/smp_kunit.ko"])
        console = self.dir / "console"
        first, rest = log().split(GOOD)
        said = re.sub(r".*harness: (run|results|\|).*\n", "", rest)
        build, rest = said.split("\n", 1)
        console.write_text(f"{first}{build}\n[    1.0] harness: load kunit\n{GOOD}"
                           f"[    3.0] harness: unload kunit\n{rest}")
        with mock.patch.object(lane_run, "step_entries", return_value=()):
            ran = self.run_lane()
        self.assertEqual(ran.verdict.runs, {"as modules": 4}, ran.verdict.text())
        self.assertEqual(ran.verdict.code, Exit.OK, ran.verdict.text())

    def test_rt(self):
        self.lane = dataclasses.replace(self.lane, kernel=dataclasses.replace(self.lane.kernel, rt=True))
        under = dataclasses.replace(self.info, source="a package + rt")
        with mock.patch.object(lane_run.rt_tree, "ensure", return_value=under) as ensure:
            record = json.loads((self.run_lane().folder / "run.json").read_text())
        self.assertEqual((record["facts"]["source"], ensure.call_count), ("a package + rt", 1))

    def test_torture_by_a_program(self):
        self.lane = dataclasses.replace(
            self.lane, torture=(torture.Wanted("tlb", 3, "mode=stale"),))
        ko = self.dir / "hold.ko"
        ko.write_text("module")
        with mock.patch.object(lane_run.kernel_build, "module", return_value=ko) as made, \
                mock.patch.object(lane_run.initramfs, "compile_static", return_value=ko):
            entries = lane_run.step_entries(self.lane, self.info, self.dir)
        self.assertEqual([entry.name for entry in entries],
                         ["steps", "modules", "modules/hold.ko", "bin/tlbtest"])
        source = made.call_args[0][3]
        self.assertTrue((source / "hold.c").is_file() and (source / "Makefile").is_file())
        self.assertTrue((settings.REPO / torture.kinds()["tlb"].program).is_file())

    def test_the_kernel_in_the_guest(self):
        self.lane = dataclasses.replace(self.lane, torture=(torture.Wanted("users", 1),))
        for name in ("hold.ko", "storm.ko", self.lane.arch.kernel):
            (self.dir / name).parent.mkdir(parents=True, exist_ok=True)
            (self.dir / name).write_text(name)
        with mock.patch.object(lane_run.kernel_build, "module", return_value=self.dir / "storm.ko"), \
                mock.patch.object(lane_run.initramfs, "compile_static",
                                  return_value=self.dir / "hold.ko"):
            entries = lane_run.step_entries(self.lane, self.info, self.dir)
        self.assertEqual([entry.data.decode() for entry in entries if entry.name == "kernel"],
                         [self.lane.arch.kernel])

    def test_two_modules_from_one_folder(self):
        self.lane = dataclasses.replace(self.lane, torture=(torture.Wanted("converted", 1),))
        for name in ("hold.ko", "calls.ko"):
            (self.dir / name).write_text("module")
        with mock.patch.object(lane_run.kernel_build, "module", return_value=self.dir / "calls.ko"), \
                mock.patch.object(lane_run.initramfs, "compile_static",
                                  return_value=self.dir / "hold.ko"):
            entries = lane_run.step_entries(self.lane, self.info, self.dir)
        self.assertEqual([entry.name for entry in entries],
                         ["steps", "modules", "modules/hold.ko", "modules/calls.ko",
                          "bin/converted"])
        self.assertEqual(entries[0].data, b"load hold\nload calls\nrun converted\n"
                                          b"unload calls\nunload hold\n")

    def test_the_emulators_own_arguments(self):
        self.lane = dataclasses.replace(self.lane, qemu=("-cpu", "max"),
                                        acpi=self.dir / "some.asl")
        with mock.patch.object(lane_run.proc, "run") as ran:
            args = lane_run.qemu_args(self.lane)
        table = self.dir / "build/guest/some.aml"
        self.assertEqual(args, ("-cpu", "max", "-acpitable", f"file={table}"))
        self.assertEqual(ran.call_args[0][0],
                         ["iasl", "-p", table.with_suffix(""), self.dir / "some.asl"])
        self.assertEqual(lane_run.qemu_args(dataclasses.replace(self.lane, acpi=None)),
                         ("-cpu", "max"))

    def test_one_thread_emulates_all_cpus(self):
        lane = self.lane
        for key, argument in ("icount", "-icount shift=0"), ("one_thread", "-accel tcg,thread=single "):
            self.lane = dataclasses.replace(lane, accel=key)
            with self.subTest(key), mock.patch.object(lane_run.qemu, "probe_kvm") as probe:
                ran = self.run_lane()
                probe.assert_not_called()
                self.assertIn(argument, (ran.folder / "qemu-cmd").read_text())
                self.assertEqual(json.loads((ran.folder / "run.json").read_text())["facts"]["accel"], key)

    def test_variant_has_its_own_folder_and_names_no_series(self):
        ran = self.run_lane(variant="base")
        self.assertEqual(ran.folder.name, "x86_64-base")
        self.assertEqual(json.loads((ran.folder / "run.json").read_text())["facts"]["series"], "")

    def test_console_is_shown(self):
        shown = []
        self.run_lane(show=shown.append)
        self.assertIn("[    3.000000] reboot: Power down", shown)


class SecondOpinion(unittest.TestCase):
    def opinion(self, said: str):
        with tempfile.TemporaryDirectory() as name:
            tool = Path(name) / "tools/testing/kunit/kunit.py"
            tool.parent.mkdir(parents=True)
            tool.write_text(f"import sys\nsys.stdin.read()\nprint({said!r})\nsys.exit(1)\n")
            return lane_run.second_opinion(Path(name), log())

    def test_summary(self):
        self.assertEqual(self.opinion("[10:00:00] Testing complete. Ran 5 tests: passed: 3, "
                                      "crashed: 1, errors: 2"),
                         {"passed": 3, "crashed": 1, "errors": 2})
        self.assertEqual(self.opinion("[10:00:00] Finished: 5 of 5 passed"), {})


if __name__ == "__main__":
    unittest.main()
