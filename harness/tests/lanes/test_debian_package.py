"""debian_package.py: what is built, and what of it is booted, with make and QEMU left out."""

import io
import lzma
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from unittest import mock

from harness.core.errors import Exit, HarnessError
from harness.core.progress import Progress
from harness.build import debian_config
from harness.judge.judge import Verdict
from harness.lanes import debian_package, lane_run
from harness.queue import tree
from harness.tests.fixture import World

DEPENDENCIES = """\
kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz kernel/fs/mbcache.ko.xz
kernel/fs/jbd2/jbd2.ko.xz:
kernel/fs/mbcache.ko.xz:
kernel/drivers/net/dummy.ko:
kernel/drivers/odd.ko.zst:
"""
RELEASE = "9.8.7-x"


class Packages(World):
    def setUp(self) -> None:
        super().setUp()
        self.config = self.top / "small.config"
        self.config.write_text("CONFIG_SMP=y\n")
        self.info = tree.TreeInfo(self.world, self.linux, "base", "tip", "a package", "9.8.7", "sum")

    def refused(self, config: Path) -> str:
        with self.assertRaises(HarnessError) as caught:
            debian_package.configuration(self.world, config, False)
        self.assertEqual(caught.exception.code, Exit.USAGE)
        return caught.exception.message

    def test_configuration(self) -> None:
        for config, rt, name in ((self.config, False, "small"), (self.config, True, "small-rt")):
            self.assertEqual(debian_package.configuration(self.world, config, rt),
                             (name, "CONFIG_SMP=y\n"))
        with mock.patch.object(debian_config, "text", lambda queue, flavour: flavour):
            for rt, flavour in ((False, "none_amd64"), (True, "rt_amd64")):
                self.assertEqual(debian_package.configuration(self.world, None, rt),
                                 (flavour, flavour))

    def test_what_is_no_configuration(self) -> None:
        self.assertIn("is no file", self.refused(self.top / "none"))
        self.config.write_text("hello\n")
        self.assertIn("CONFIG_", self.refused(self.config))

    def test_the_release_says_what_it_is(self) -> None:
        plain, rt = (debian_package.kernel(self.world, "x", "CONFIG_SMP=y\n", rt)
                     for rt in (False, True))
        self.assertRegex(plain.options["LOCALVERSION"], r'^"-preemptible-ipi-[0-9a-f]{8}"$')
        self.assertEqual((plain.rt, rt.rt, rt.options["PREEMPT_RT"]), (False, True, "y"))
        self.assertNotIn("PREEMPT_RT", plain.options)

    def test_modules_come_after_what_they_need(self) -> None:
        self.assertEqual(debian_package.in_order(DEPENDENCIES, ("ext4", "odd", "none", "dummy")), [
            "kernel/fs/mbcache.ko.xz", "kernel/fs/jbd2/jbd2.ko.xz", "kernel/fs/ext4/ext4.ko.xz",
            "kernel/drivers/net/dummy.ko"])

    def package(self, out: Path) -> None:
        """What bindeb-pkg leaves beside its build folder."""
        root = self.top / "root"
        modules = root / "lib/modules" / RELEASE
        for name in DEPENDENCIES.replace(":", "").split():
            path = modules / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(lzma.compress(b"module") if name.endswith(".xz") else b"module")
        (modules / "modules.dep").write_text(DEPENDENCIES)
        (root / "boot").mkdir()
        (root / f"boot/vmlinuz-{RELEASE}").write_text("in the package")
        (root / "DEBIAN").mkdir()
        (root / "DEBIAN/control").write_text(
            f"Package: linux-image-{RELEASE}\nVersion: 1\nArchitecture: amd64\n"
            "Maintainer: A <a@invalid>\nDescription: x\n")
        (out / "include/config").mkdir(parents=True)
        (out / "include/config/kernel.release").write_text(RELEASE + "\n")
        subprocess.run(["dpkg-deb", "-b", root, out.parent], check=True, capture_output=True)

    def make(self, code: Exit) -> debian_package.Package:
        if not shutil.which("dpkg-deb"):
            self.skipTest("needs dpkg-deb")
        kernel = debian_package.kernel(self.world, "small", "CONFIG_SMP=y\n", False)

        def build(wanted, src, out, progress, targets, limit):
            self.targets = targets
            self.package(out)
            return lane_run.kernel_build.BuildResult(out, out / "bzImage", out / ".config", 1, True,
                                                     1, "s")

        def boot(lane, info, made, entries, progress):
            self.booted, self.entries = made.kernel.read_text(), entries
            folder = self.top / "run"
            folder.mkdir(exist_ok=True)
            (folder / "console.log").write_text("[ 0.0] Linux version 9.8.7-x (user@host)\n")
            return lane_run.LaneRun(lane.name, folder, replace(Verdict(), code=code), 1, 1)

        with mock.patch.object(debian_package.kernel_build, "build", build), \
                mock.patch.object(debian_package, "boot", boot), \
                mock.patch.object(debian_package, "check_disk"), \
                mock.patch.object(debian_package.host_packages, "need"):
            return debian_package.make(self.info, kernel, "build", Progress(2, io.StringIO()))

    def test_what_is_booted_is_out_of_the_package(self) -> None:
        made = self.make(Exit.OK)
        self.assertEqual(made.path, self.world.build / f"deb/deb-small/linux-image-{RELEASE}_1_amd64.deb")
        self.assertIn("Linux version 9.8.7-x", made.linux)
        self.assertEqual((self.booted, self.targets[-1]), ("in the package", "bindeb-pkg"))
        files = {entry.name: entry.data for entry in self.entries}
        self.assertEqual(files["steps"], b"load mbcache\nload jbd2\nload ext4\nload dummy\n")
        self.assertEqual(files["modules/ext4.ko"], b"module")

    def test_a_kernel_that_does_not_boot_is_not_ready(self) -> None:
        with self.assertRaisesRegex(HarnessError, "is not ready") as caught:
            self.make(Exit.BOOT)
        self.assertEqual(caught.exception.code, Exit.BOOT)
