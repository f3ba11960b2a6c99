"""Tests of harness/demo.py that need no kernel: configuration, consoles, files."""

import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

from harness.core.errors import Exit, HarnessError
from harness.queue.tree import TreeInfo
from harness.guest import qemu
from harness.lanes import lane_files
from harness.bench import demo, wakeup
from harness.tests.bench.test_wakeup import ASKED, console, slow
from harness.tests.fixture import QUEUE

INFO = TreeInfo(QUEUE, Path("linux"), "a" * 40, "b" * 40, "linux-source-6.12 6.12.0-1", "6.12.0", "sha256 x")


class ConfigurationTest(unittest.TestCase):
    def test_machine(self):
        lane = lane_files.read(demo.DEMO / "demo.toml", QUEUE)
        asked = wakeup.plan(lane.cmdline)
        self.assertEqual(asked.holds_ns, (100_000, 1_000_000, 4_000_000, 16_000_000, 64_000_000))
        self.assertGreaterEqual(asked.reps, 5)
        self.assertEqual(asked.models, ("full", "voluntary"))
        self.assertIn(("PREEMPT_DYNAMIC", "y"), lane.kernel.options)
        self.assertEqual((lane.arch.name, lane.cpus), ("x86_64", 4))
        self.assertNotIn("\n", lane.cmdline)

    def test_only_the_unpatched_kernel_is_called_pinned(self):
        base, series = demo.variants(INFO, Path("linux-base"))
        self.assertEqual((base.tree, base.many_pinned), (Path("linux-base"), 1))
        self.assertEqual((series.tree, series.many_pinned), (Path("linux"), 0))
        self.assertNotEqual(base.out, series.out)
        self.assertEqual(len({variant.boot_folder(model) for variant in (base, series)
                              for model in ("full", "voluntary")}), 4)


class ExamineTest(unittest.TestCase):
    def examine(self, text, exit_value="0", timed_out=False, preempt=True,
                build_id="0123abc"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "console.log"
            path.write_text("[    0.1] Dynamic Preempt: voluntary\r\n" * preempt
                            + "harness: build 0123abc\r\n" + text)
            return demo.examine(qemu.BootResult(exit_value, 1.0, timed_out, path), ASKED, "6.12.0",
                                build_id, "voluntary")

    def fails(self, code, words, *args, **more):
        with self.assertRaises(HarnessError) as caught:
            self.examine(*args, **more)
        self.assertEqual(caught.exception.code, code)
        self.assertIn(words, caught.exception.message)

    def test_good(self):
        found = self.examine(console(slow))
        self.assertEqual((len(found.points), found.model), (ASKED.points, "voluntary"))

    def test_other_model(self):
        self.fails(Exit.BOOT, "does not run with preempt=voluntary, but says nothing",
                   console(slow), preempt=False)
        self.fails(Exit.BOOT, "but says full", "[ 0.1] Dynamic Preempt: full\n" + console(slow),
                   preempt=False)

    def test_other_kernel(self):
        self.fails(Exit.BOOT, "has the build id 0123abc", console(slow), build_id="0123abd")

    def test_hang(self):
        self.fails(Exit.BOOT, "did not end", console(slow), qemu.TIMEOUT, True)

    def test_panic(self):
        self.fails(Exit.BOOT, "panicked", "[ 1.0] Kernel panic - not syncing: VFS\n")

    def test_splat_spoils_a_complete_measurement(self):
        text = console(slow) + "\n[    3.3] WARNING: CPU: 1 PID: 42 at kernel/smp.c:753 x+0x1/0x2\n"
        self.fails(Exit.SPLAT, "kernel report", text)

    def test_emulator_failed(self):
        self.fails(Exit.BOOT, "exit value 1", console(slow), "1")

    def test_no_success_line(self):
        self.fails(Exit.BOOT, "WAKEUP-OK", console(slow, end=""))


class ReportTest(unittest.TestCase):
    def test_all_boots(self):
        lane = lane_files.read(demo.DEMO / "demo.toml", QUEUE)
        asked = replace(ASKED, models=("full", "voluntary"))
        boots = [wakeup.read(console(slow), asked, label, Path("x"), model)
                 for model in asked.models for label in ("6.12.0 unpatched", "6.12.0 + series")]
        text = demo.report(boots, asked, lane, INFO, 3)
        self.assertIn("  voluntary   the default of Debian, RHEL and SLES\n", text)
        self.assertIn("120 points", text)
        self.assertIn("{base,series}-full,{base,series}-voluntary", text)
        table = text[:text.index("figures")]
        self.assertLessEqual(max(map(len, table.splitlines())), 100)


if __name__ == "__main__":
    unittest.main()
