"""boots.py: what is booted with what, a boot and its record, what is left out."""

import os
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from unittest import mock

from harness.core.errors import Exit, HarnessError
from harness.build import arches
from harness.guest import qemu
from harness.judge import judge
from harness.lanes import lane_files
from harness.bench import boots, points
from harness.tests.bench.samples import BOOT, CONSOLE, FULL, PLAN, error
from harness.tests.fixture import QUEUE


def ready(name: str, way: str = "") -> boots.Ready:
    """A kernel for x86_64 that was not built."""
    kernel = next(item for item in FULL.kernel if item.name == name)
    made = mock.Mock(kernel=Path("k"), build_id="0123abc", out=Path("out"))
    return boots.Ready(QUEUE, replace(kernel, label="6.0 + series", origin="a package"),
                       mock.Mock(arch=arches.arch("x86_64")), way, made, mock.MagicMock())


class JobsTest(unittest.TestCase):
    def test_jobs(self):
        plan = PLAN.chosen("full", boots=2)
        built = [ready(kernel.name, way) for way, kernel in plan.builds("x86_64")]
        for tools in {}, {"x86_64": boots.Tools()}:
            with mock.patch.object(boots.initramfs, "make"), \
                    mock.patch.object(boots.initramfs, "program"):
                jobs = boots.all_jobs(plan, built, tools)
            booted = {name: [job.point.kernel for job in jobs
                             if (job.point.guest, job.point.boot) == (name, 2)]
                      for name in ("main", "none", "lazy", "preemptoff", "tools")}
            every = ["base", "series", "7.2", "7.3"]
            self.assertEqual(booted, {
                "main": every, "none": every[:2], "lazy": every[2:], "preemptoff": every[:2],
                "tools": every if tools else []})       # they could not be had
            traced = {job.folder.parent.name for job in jobs if job.point.guest == "preemptoff"}
            self.assertEqual(traced, {"base-tracer", "series-tracer"})
            self.assertEqual(len({job.folder for job in jobs}), len(jobs))
        of = {job.point[:2] + job.point[6:7]: job for job in jobs}
        main, none = of["x86_64", "base", "main"], of["x86_64", "series", "none"]
        self.assertIn("many_pinned=1", main.run.facts["steps"][1])
        self.assertIn("many_pinned=0", none.run.facts["steps"][1])
        self.assertEqual((main.run.model, none.run.model), ("", "none"))
        self.assertIn(" preempt=none ", none.spec.cmdline)
        real = of["x86_64", "base", "tools"]
        self.assertEqual((main.spec.accel, real.spec.accel, real.run.cpus), ("icount", "tcg", 0))
        self.assertFalse(any("{" in step for job in jobs for step in job.run.facts["steps"]))

    def test_what_is_built(self):
        asked = lane_files.read(PLAN.config["x86_64"], QUEUE).kernel
        build = mock.Mock()
        with mock.patch.object(boots.kernel_build, "build", build), \
                mock.patch.object(boots.kernel_build, "module"), \
                mock.patch.object(boots.initramfs, "compile_static"):
            for way in ("", "tracer"):
                made = boots.prepare(mock.Mock(queue=QUEUE), FULL, asked, FULL.kernel[0], way,
                                     mock.Mock())
        plain, traced = (call.args[0] for call in build.call_args_list)
        self.assertEqual((plain.name, traced.name), ("demo-base", "demo-tracer-base"))
        self.assertEqual(plain.options, asked.options)
        self.assertEqual(traced.options["PREEMPT_TRACER"], "y")
        self.assertEqual(set(made.files), {"clock", "hold", "preemptoff"})

    def test_percpu(self):
        text = "ffffffff83a00000 D __per_cpu_start\nffffffff83a2f000 D __per_cpu_end\n" \
               "0000000000023740 0000000000000028 d cfd_data\n"
        for output, found in ((text, {"percpu_bytes": 0x2f000, "call_data_bytes": 0x28}), ("", {})):
            with mock.patch.object(boots.proc, "run", return_value=mock.Mock(output=output)):
                made = boots.memory(ready("series"))
            self.assertEqual({point.case: point.value for point in made}, found)

    def test_lacking(self):
        self.assertIn("the guest none was not booted with 7.2, 7.3: no preempt=none there",
                      boots.lacking(FULL))
        self.assertEqual(boots.lacking(PLAN.chosen("full", arches=["arm64"])), [])

    def test_what_cannot_be_had_is_a_note(self):
        notes: list[str] = []
        with boots.left_out("7.3 is left out", notes):
            raise HarnessError(Exit.FETCH, "no suite offers it.")
        self.assertEqual(notes, ["7.3 is left out: no suite offers it."])
        with self.assertRaises(HarnessError), boots.left_out("7.3 is left out", notes):
            raise HarnessError(Exit.APPLY, "it does not apply.")

    def test_failed_boot_is_a_note_and_the_exit_code(self):
        jobs = [mock.Mock(), mock.Mock()]
        jobs[0].run.name, jobs[1].run.name = "one", "two"

        def run_job(job, resume, stop):
            if job == jobs[0]:
                raise HarnessError(Exit.BOOT, "it hung.")
            return points.read(CONSOLE, BOOT, "tsc")

        notes: list[str] = []
        with mock.patch.object(boots, "run_job", run_job):
            found, code = boots.run_jobs(jobs, 2, mock.Mock(), notes)
        self.assertEqual((code, len(found)), (Exit.BOOT, 12))
        self.assertEqual(sorted(notes), [
            "one failed: it hung.",
            "two: discarded: own,wait,the hold was over before the waiter was moved"])


class RunTest(unittest.TestCase):
    """A boot leaves a record that is judged, now and later."""

    def run_job(self, console: str, model: str = "full") -> tuple:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        guest = replace(next(item for item in FULL.guest if item.name == "main"), model=model)
        with mock.patch.object(boots.initramfs, "make", return_value=Path("i")), \
                mock.patch.object(boots.initramfs, "program"):
            job = boots.make_job(FULL, ready("series"), guest, 1, boots.Tools())

        def boot(spec, folder, stop):
            (folder / "console.log").write_text(console)
            (folder / "exit").write_text("0\n")
            return qemu.BootResult("0", 1.0)

        with mock.patch.object(boots.qemu, "boot", boot):
            return boots.run_job(replace(job, folder=self.folder), False, mock.Mock())

    def test_good(self):
        said = "[    0.0] Linux version 6.0\n[    1.0] harness: build 0123abc\n"
        self.assertEqual(len(self.run_job(said + CONSOLE)[0]), 12)
        self.assertEqual(judge.judge_folder(self.folder).code, Exit.OK)
        for console, model, code, words in (
                (CONSOLE, "full", Exit.BOOT, "no line of a Linux kernel"),
                (said.replace("abc", "abd") + CONSOLE, "full", Exit.BOOT, "has the build id 0123abd"),
                (said + CONSOLE, "none", Exit.BOOT, "does not run with preempt=none"),
                (said + CONSOLE + "[    9.0] WARNING: CPU: 1\n", "full", Exit.SPLAT, "WARNING"),
                (said + CONSOLE.replace("harness: success", ""), "full", Exit.BOOT, "success"),
                (said + CONSOLE.replace("CLOCK,tsc", "CLOCK,hpet"), "full", Exit.TEST, "main 1: it ran by"),
                (said + CONSOLE.replace("BENCH-OK,2", "BENCH-OK,3"), "full", Exit.TEST, "made 6"),
                (said + "[    3.0] clock: BENCH-CLOCK,tsc\n[    3.7] harness: success\n", "full", Exit.TEST,
                 "measured nothing")):
            error(self, code, words, self.run_job, console, model)


class ResumeTest(unittest.TestCase):
    def test_only_a_complete_boot_of_the_same(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            kernel = folder / "bzImage"
            kernel.write_text("kernel")
            spec = qemu.BootSpec(arches.arch("x86_64"), kernel, Path("i"), "x=1", 4, 256, 60, "icount")
            self.assertFalse(boots.earlier(spec, folder))
            (folder / "qemu-cmd").write_text(qemu.script(spec))
            (folder / "console.log").write_text(CONSOLE)
            (folder / "exit").write_text("0\n")
            self.assertTrue(boots.earlier(spec, folder))
            self.assertFalse(boots.earlier(replace(spec, cmdline="x=2"), folder))
            (folder / "console.log").write_text(CONSOLE.replace("success", ""))
            self.assertFalse(boots.earlier(spec, folder))
            (folder / "console.log").write_text(CONSOLE)
            os.utime(folder / "exit", (1000, 1000))      # older than the kernel
            self.assertFalse(boots.earlier(spec, folder))

if __name__ == "__main__":
    unittest.main()
