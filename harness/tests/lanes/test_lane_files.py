"""lane_files.py, kconfig.py: lane files, and options that did not take effect."""

import tempfile
import unittest
from pathlib import Path

from harness.core import queues
from harness.core.errors import Exit, HarnessError
from harness.build import arches, kconfig
from harness.judge import torture
from harness.judge.runs import Suite
from harness.lanes import lane_files, lane_run
from harness.tests.fixture import QUEUE, World

MINIMAL = """\
proves = "a test"
when = "all"
arch = "x86_64"
cpus = 2
memory_mib = 256
boot_limit_s = 10
[[suite]]
name = "smp"
min_cases = 3
[config]
PREEMPT = "y"
"""


class LaneFiles(unittest.TestCase):
    def read(self, text: str) -> lane_files.Lane:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name, "some.toml")
            path.write_text(text)
            return lane_files.read(path, QUEUE)

    def refused(self, text: str) -> str:
        with self.assertRaises(HarnessError) as caught:
            self.read(text)
        self.assertEqual(caught.exception.code, Exit.USAGE)
        return caught.exception.message

    def test_every_lane_can_be_read(self):
        self.assertGreaterEqual(len(lane_files.names(QUEUE)), 3)
        for name in lane_files.names(QUEUE):
            lane = lane_files.load(name, QUEUE)
            self.assertTrue(lane.suites or lane.torture)
            self.assertTrue(lane.proves)
            self.assertGreaterEqual(lane.cpus, 4)
            self.assertGreater(lane.boot_limit_s, sum(asked.seconds for asked in lane.torture), name)

    def test_our_own_name_lanes_that_there_are(self) -> None:
        for name in queues.names():
            for lane in lane_files.left_out(queues.load(name)):
                self.assertTrue((lane_files.LANES / f"{lane}.toml").is_file(), lane)

    def test_fields(self):
        lane = self.read(MINIMAL)
        self.assertEqual((lane.name, lane.cpus, lane.suites[0].min_cases), ("some", 2, 3))
        self.assertEqual(lane.kernel.options["PREEMPT"], "y")
        self.assertEqual(lane.kernel.options["KUNIT_DEBUGFS"], "y")
        self.assertEqual((lane.when, lane.suites[0].skips), ("all", ()))

    def test_skips_need_a_reason(self):
        skips = MINIMAL.replace("[config]", 'skips = ["a.*", "b"]\nwhy = "w"\n[config]')
        self.assertEqual(self.read(skips).suites[0], Suite("smp", 3, ("a.*", "b"), "w"))
        self.assertIn("go together", self.refused(skips.replace('why = "w"', "")))
        self.assertIn("go together", self.refused(skips.replace('"a.*", "b"', "")))
        self.assertIn("of type str", self.refused(skips.replace('"a.*", "b"', "1")))

    def test_cpus_that_come_up_at_boot(self):
        self.assertEqual(self.read(MINIMAL).boot_cpus, 0)
        self.assertEqual(self.read("boot_cpus = 1\n" + MINIMAL).boot_cpus, 1)
        self.assertIn("from 1 to cpus", self.refused("boot_cpus = 3\n" + MINIMAL))
        late = self.read("boot_cpus = 1\n" + MINIMAL)
        self.assertIn("maxcpus=1 harness.online=1", lane_run.cmdline(late, None))
        self.assertNotIn("maxcpus", lane_run.cmdline(self.read(MINIMAL), None))

    def test_torture(self):
        text = MINIMAL.replace("[config]", """\
[[torture]]
test = "scftorture"
seconds = 30
params = "stutter=0"
minimum = { online = 3 }
[config]
SCF_TORTURE_TEST = "m\"""")
        lane = self.read(text)
        self.assertEqual(lane.torture, (torture.Wanted("scftorture", 30, "stutter=0",
                                                       {"online": 3}),))
        self.assertTrue(lane.kernel.modules)
        self.assertFalse(self.read(MINIMAL).kernel.modules)
        self.assertIn("known: scftorture",
                      self.refused(text.replace('"scftorture"', '"locktorture"')))
        self.assertIn("one of its totals", self.refused(text.replace("online = 3", "onlin = 3")))
        stale = "suites = [{ name = 'stale', min_cases = 2, skips = ['a'], why = 'w' }]\nminimum"
        program = text.replace("scftorture", "tlb").replace("online = 3", "stale = 0") \
            .replace("minimum", stale)
        self.assertEqual(self.read(program).torture[0].suites, (Suite("stale", 2, ("a",), "w"),))
        self.assertIn("go together", self.refused(program.replace("why = 'w'", "why = ''")))
        self.assertIn("has no suites", self.refused(text.replace("minimum", stale)))
        self.assertIn("'seconds' of torture of", self.refused(text.replace("seconds = 30", "")))

    def test_counted_instructions(self):
        self.assertEqual(self.read(MINIMAL).accel, "auto")
        self.assertEqual(self.read('accel = "icount"\n' + MINIMAL).accel, "icount")
        self.assertIn("one of auto, icount, one_thread", self.refused('accel = "fast"\n' + MINIMAL))

    def test_the_emulators_own_arguments(self):
        self.assertEqual((self.read(MINIMAL).qemu, self.read(MINIMAL).acpi), ((), None))
        lane = self.read('qemu = ["-cpu", "max"]\nacpi = "run"\n' + MINIMAL)
        self.assertEqual(lane.qemu, ("-cpu", "max"))
        self.assertTrue(lane.acpi.is_file())
        self.assertIn("is no file", self.refused('acpi = "none.asl"\n' + MINIMAL))

    def test_modules_of_this_repository_need_a_kernel_with_modules(self):
        self.assertTrue(self.read(MINIMAL + 'MODULES = "y"\n').kernel.modules)

    def test_full_configuration(self):
        lane = self.read('base_config = "none_amd64"\nrt = true\nmodules = ["a.ko"]\n' + MINIMAL)
        self.assertTrue(lane.kernel.base and lane.kernel.rt)
        self.assertNotIn("EXPERT", lane.kernel.options)
        self.assertEqual((lane.modules, lane.suites[0].again), (("a.ko",), False))
        self.assertEqual((lane.kernel.only, self.read('modules = ["a.ko"]\n' + MINIMAL).kernel.only),
                         (("a.ko",), ()))
        plain = self.read(MINIMAL)
        self.assertFalse(plain.kernel.base or plain.kernel.rt)
        self.assertTrue(plain.suites[0].again)

    def test_kernel_of_another_lane(self):
        other = MINIMAL.replace('arch = "x86_64"', 'kernel = "one"').split("[config]")[0]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "one.toml").write_text(MINIMAL)
            (folder / "two.toml").write_text(other)
            one, two = (lane_files.load(name, QUEUE, folder) for name in ("one", "two"))
            self.assertEqual((two.kernel, two.arch, two.name), (one.kernel, one.arch, "two"))
            for text, why in ((other.replace('"one"', '"two"'), "no kernel of its own"),
                              (other.replace('"one"', '"none"'), "no lane for the kernel of two.toml"),
                              (other + '[config]\nSMP = "y"\n', "config must go")):
                (folder / "two.toml").write_text(text)
                with self.assertRaises(HarnessError) as caught:
                    lane_files.load("two", QUEUE, folder)
                self.assertIn(why, caught.exception.message)

    def test_unknown_lane_lists_the_lanes(self):
        with self.assertRaises(HarnessError) as caught:
            lane_files.load("nonsense", QUEUE)
        self.assertEqual(caught.exception.code, Exit.USAGE)
        for name in lane_files.names(QUEUE):
            self.assertIn(name, caught.exception.message)

    def test_unknown_architecture(self):
        self.assertIn("known: x86_64", self.refused(MINIMAL.replace("x86_64", "vax")))

    def test_mistakes(self):
        self.assertIn("unknown", self.refused("colour = 1\n" + MINIMAL))
        self.assertRegex(self.refused(MINIMAL.replace("cpus = 2\n", "")), "'cpus' .* is missing")
        self.assertIn("type int", self.refused(MINIMAL.replace("cpus = 2", 'cpus = "2"')))
        self.assertIn("must be one of", self.refused(MINIMAL.replace('"all"', '"never"')))
        self.assertIn("arch", self.refused(MINIMAL.replace('arch = "x86_64"\n', "")))
        self.assertIn("of suites of", self.refused(MINIMAL.replace("[config]", "x = 1\n[config]")))
        self.assertIn("min_cases", self.refused(MINIMAL.replace("min_cases = 3\n", "")))
        self.assertIn("without CONFIG_", self.refused(MINIMAL + 'CONFIG_SMP = "y"\n'))
        self.assertIn("must be of type str", self.refused(MINIMAL + "NR_CPUS = 8\n"))
        self.assertIn("TOML", self.refused("= ="))


class LeftOut(World):
    def test_lane_that_makes_no_sense(self) -> None:
        folder = self.top / "lanes"
        folder.mkdir()
        for name in ("one", "two"):
            (folder / f"{name}.toml").write_text(MINIMAL)
        self.assertEqual(lane_files.names(self.world, folder), ["one", "two"])
        (self.queue / "lanes.toml").write_text('[left_out]\ntwo = "it has no two"\n')
        self.assertEqual(lane_files.names(self.world, folder), ["one"])
        with self.assertRaisesRegex(HarnessError, "not for v9.8: it has no two"):
            lane_files.load("two", self.world, folder)

    def test_command_line(self) -> None:
        plain = lane_files.load("x86_64-tlb-latency", self.world).cmdline
        file = self.queue / "lanes.toml"
        file.write_text('[cmdline]\nx86_64 = "a=b"\narm64 = "c=d"\n')
        self.assertEqual(lane_files.load("x86_64-tlb-latency", self.world).cmdline, f"{plain} a=b")
        self.assertEqual(lane_files.load("arm64", self.world).cmdline, "c=d")
        file.write_text('[cmdline]\nz80 = "a=b"\n')
        with self.assertRaisesRegex(HarnessError, "z80"):
            lane_files.load("arm64", self.world)

    def test_unknown_table(self) -> None:
        for table in ("leftout", "config", "lane.two"):
            (self.queue / "lanes.toml").write_text(f'[{table}]\ntwo = "it has no two"\n')
            with self.assertRaisesRegex(HarnessError, table.split(".")[0]):
                lane_files.names(self.world)


class Options(unittest.TestCase):
    CONFIG = 'CONFIG_SMP=y\nCONFIG_NR_CPUS=8\n# CONFIG_VT is not set\nCONFIG_NAME="x"\n'

    def test_all_set(self):
        asked = {"SMP": "y", "NR_CPUS": "8", "VT": "n", "ABSENT": "n", "NAME": "x"}
        self.assertEqual(kconfig.missing(asked, self.CONFIG), [])

    def test_each_kind_of_difference_is_named(self):
        asked = {"VT": "y", "NR_CPUS": "64", "SMP": "n", "ABSENT": "y"}
        self.assertEqual(kconfig.missing(asked, self.CONFIG),
                         ["CONFIG_VT=y (is n)", "CONFIG_NR_CPUS=64 (is 8)",
                          "CONFIG_SMP=n (is y)", "CONFIG_ABSENT=y (is n)"])

    def test_error_has_its_own_code(self):
        with tempfile.TemporaryDirectory() as name:
            Path(name, ".config").write_text(self.CONFIG)
            with self.assertRaises(HarnessError) as caught:
                kconfig.check("k", {"VT": "y"}, Path(name))
        self.assertEqual(caught.exception.code, Exit.CONFIG)
        self.assertIn("CONFIG_VT=y", caught.exception.message)

    def test_fragment_lets_the_lane_win_over_the_suite(self):
        kernel = arches.Kernel("k", arches.arch("x86_64"), {"NR_CPUS": "8192", "VT": "n"}, "kc")
        with tempfile.TemporaryDirectory() as name:
            Path(name, "kc").write_text("# a comment\nCONFIG_NR_CPUS=8\nCONFIG_SMP=y\n")
            self.assertEqual(kconfig.fragment(kernel, Path(name)).splitlines(),
                             ["CONFIG_SMP=y", "CONFIG_NR_CPUS=8192", "# CONFIG_VT is not set"])

    def test_missing_kunitconfig(self):
        kernel = arches.Kernel("k", arches.arch("x86_64"), {}, "lib/none.kunitconfig")
        with self.assertRaises(HarnessError) as caught:
            kconfig.fragment(kernel, Path("/nonexistent"))
        self.assertEqual(caught.exception.code, Exit.CONFIG)


if __name__ == "__main__":
    unittest.main()
