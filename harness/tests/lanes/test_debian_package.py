"""debian_package.py: what is built, and what of it is booted, with make and QEMU left out."""

import io
import lzma
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from unittest import mock

from harness.core import queues
from harness.core.errors import Exit, HarnessError
from harness.core.progress import Progress
from harness.build import debian_config
from harness.judge.judge import Verdict
from harness.lanes import debian_package, lane_files, lane_run
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
CONFIG = """\
# Linux/x86 9.8.7 Kernel Configuration
CONFIG_SMP=y
CONFIG_BLK_DEV_INITRD=y
CONFIG_SERIAL_8250_CONSOLE=y
"""


class Packages(World):
    def setUp(self) -> None:
        super().setUp()
        self.config = self.top / "small.config"
        self.config.write_text(CONFIG)
        self.info = tree.TreeInfo(self.world, self.linux, "base", "tip", "a package", "9.8.7", "sum")

    def refused(self, config: Path, code: Exit = Exit.USAGE) -> str:
        with self.assertRaises(HarnessError) as caught:
            debian_package.chosen(self.world, config, False)
        self.assertEqual(caught.exception.code, code)
        return caught.exception.message

    def test_configuration(self) -> None:
        for rt, name in ((False, "deb-small"), (True, "deb-small-rt")):
            kernel = debian_package.chosen(self.world, self.config, rt)
            self.assertEqual((kernel.name, kernel.rt, kernel.base()), (name, rt, CONFIG))

    def test_its_name_is_that_of_the_configuration(self) -> None:
        for file, name in (("config-6.12.9+deb13-amd64", "deb-config-6.12.9+deb13-amd64"),
                           ("mine/.config", "deb-mine"), ("a b:c.config", "deb-a_b_c")):
            path = self.top / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(CONFIG)
            self.assertEqual(debian_package.chosen(self.world, path, False).name, name)

    def test_one_of_an_rt_kernel_needs_the_rt_patches(self) -> None:
        for name in "config-6.12.9+deb13-rt-amd64", "config-6.12.117-rt15-preemptible-ipi-0123abcd":
            path = self.config.with_name(name)
            path.write_text(CONFIG)
            for asked in False, True:
                kernel = debian_package.chosen(self.world, path, asked)
                self.assertEqual((kernel.name, kernel.rt), (f"deb-{name}", True))

    def test_without_one_it_is_that_of_the_running_flavour(self) -> None:
        for release, rt, flavour in (
                ("6.12.9+deb13-amd64", False, "none_amd64"), ("6.12.9+deb13-amd64", True, "rt_amd64"),
                ("6.12.9+deb13-rt-amd64", False, "rt_amd64"),
                ("6.12.117-rt15-preemptible-ipi-0123abcd", False, "rt_amd64"),
                ("6.12.9-other", False, "none_amd64"),
                ("6.12.9+deb13-cloud-amd64", False, "none_cloud-amd64")):
            with mock.patch.object(debian_config, "text", lambda queue, name: name), \
                    mock.patch.object(debian_package.platform, "release", return_value=release):
                kernel = debian_package.chosen(self.world, None, rt)
            self.assertEqual((kernel.name, kernel.base(), kernel.rt),
                             ("deb-" + flavour, flavour, flavour == "rt_amd64"))

    def test_what_is_no_configuration(self) -> None:
        for text in "hello\n", "/* CONFIG_SMP=y */\n", CONFIG.replace("x86", "arm64"):
            self.config.write_text(text)
            self.assertIn("is no configuration of an x86 kernel", self.refused(self.config))
        for path in self.top, self.top / "none":
            self.assertIn("is no configuration of an x86 kernel", self.refused(path))

    def test_what_qemu_could_not_boot(self) -> None:
        self.config.write_text(CONFIG.replace("CONFIG_BLK_DEV_INITRD=y", "# CONFIG_BLK_DEV_INITRD is not set"))
        self.assertIn("lacks CONFIG_BLK_DEV_INITRD=y", self.refused(self.config, Exit.CONFIG))

    def test_the_release_says_what_it_is(self) -> None:
        plain, rt = (debian_package.kernel(self.world, "x", "CONFIG_SMP=y\n", rt)
                     for rt in (False, True))
        self.assertRegex(plain.options["LOCALVERSION"], r'^"-preemptible-ipi-[0-9a-f]{8}"$')
        self.assertEqual((plain.rt, rt.rt, rt.options["PREEMPT_RT"]), (False, True, "y"))
        self.assertNotIn("PREEMPT_RT", plain.options)
        other = debian_package.kernel(self.world, "x", "CONFIG_SMP=n\n", False)
        self.assertNotEqual(other.options["LOCALVERSION"], plain.options["LOCALVERSION"])

    def test_a_large_configuration_has_many_modules(self) -> None:
        text = "".join(f"CONFIG_X{number}=m\n" for number in range(debian_package.plan().many))
        for config, large in (text, True), (text[:-1].rpartition("\n")[0], False):
            self.assertEqual(debian_package.is_large(config), large)

    def test_space_is_asked_for_until_it_is_built(self) -> None:
        many = "".join(f"CONFIG_X{number}=m\n" for number in range(debian_package.plan().many))
        kernel = debian_package.kernel(self.world, "x", many, False)
        out = self.world.build / "out" / kernel.name
        out.mkdir(parents=True)
        with mock.patch.object(debian_package, "check_disk") as check_disk:
            debian_package.check_space(self.world, kernel)
            check_disk.assert_called_once_with(out, "deb")
            (out / "built.json").touch()
            debian_package.check_space(self.world, kernel)
        check_disk.assert_called_once()

    def test_the_small_ones_of_a_check(self) -> None:
        queue = queues.load()
        for name in debian_package.plan().lanes:
            lane = lane_files.load(name, queue)
            with mock.patch.object(debian_package, "make") as make:
                make.return_value = Path("x.deb"), mock.Mock(build_s=1, boot_s=2)
                part = debian_package.part(replace(self.info, queue=queue), lane, Progress(1, io.StringIO()))
            kernel = make.call_args.args[1]
            self.assertEqual((kernel.name, kernel.rt), ("deb-check" + "-rt" * lane.kernel.rt, lane.kernel.rt))
            self.assertEqual(part.name, f"deb for {name}")
            self.assertFalse(debian_package.is_large(kernel.base()))

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

    def make(self, code: Exit) -> Path:
        if not shutil.which("dpkg-deb"):
            self.skipTest("needs dpkg-deb")
        kernel = debian_package.kernel(self.world, "small", "CONFIG_SMP=y\n", False)

        def build(wanted, src, out, progress, targets):
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
                mock.patch.object(debian_package.host_packages, "need"):
            self.said = io.StringIO()
            return debian_package.make(self.info, kernel, Progress(2, self.said))[0]

    def test_what_is_booted_is_out_of_the_package(self) -> None:
        self.assertEqual(self.make(Exit.OK),
                         self.world.build / f"deb/deb-small/linux-image-{RELEASE}_1_amd64.deb")
        self.assertIn("Linux version 9.8.7-x", self.said.getvalue())
        self.assertIn("modules that were loaded: mbcache, jbd2, ext4, dummy", self.said.getvalue())
        self.assertEqual((self.booted, self.targets[-1]), ("in the package", "bindeb-pkg"))
        files = {entry.name: entry.data for entry in self.entries}
        self.assertEqual(files["steps"], b"load mbcache\nload jbd2\nload ext4\nload dummy\n")
        self.assertEqual(files["modules/ext4.ko"], b"module")

    def test_what_an_earlier_build_has_left(self) -> None:
        out = self.world.build / "out" / "deb-small"
        out.mkdir(parents=True)
        (out / "built.json").touch()
        old = out.parent / f"linux-image-{RELEASE}_0_amd64.deb"
        old.touch()
        self.assertTrue(self.make(Exit.OK).is_file())
        self.assertFalse(old.exists())
        self.assertFalse((out / "built.json").exists())     # there was no package of it: built again

    def test_a_build_without_a_package(self) -> None:
        with mock.patch.object(self, "package", lambda out: None), \
                self.assertRaisesRegex(HarnessError, "left no linux-image") as caught:
            release = self.world.build / "out/deb-small/include/config/kernel.release"
            release.parent.mkdir(parents=True)
            release.write_text(RELEASE + "\n")
            self.make(Exit.OK)
        self.assertEqual(caught.exception.code, Exit.BUILD)

    def test_a_kernel_that_does_not_boot_is_not_ready(self) -> None:
        with self.assertRaisesRegex(HarnessError, "is not ready") as caught:
            self.make(Exit.BOOT)
        self.assertEqual(caught.exception.code, Exit.BOOT)
