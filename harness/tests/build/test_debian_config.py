"""debian_config.py: what is changed in a configuration, and a .config made from it."""

import lzma
import shutil
import subprocess
import unittest
from pathlib import Path
from unittest import mock

from harness.core import settings
from harness.core.errors import Exit, HarnessError
from harness.build import arches, debian_config, kconfig
from harness.fetch import apt
from harness.tests.fixture import World

CONFIG = """\
CONFIG_SMP=y
CONFIG_NR_CPUS=8192
CONFIG_KVM=m
CONFIG_DRM=m
# CONFIG_VT is not set
CONFIG_SYSTEM_TRUSTED_KEYS="debian/certs/some.pem"
CONFIG_DEFAULT_HOSTNAME="debian"
"""


class Text(unittest.TestCase):
    def test_only_names_of_files_go(self) -> None:
        self.assertEqual(debian_config.buildable(CONFIG),
                         CONFIG.replace('"debian/certs/some.pem"', '""'))

    def test_dot_config(self) -> None:
        kernel = arches.Kernel("x", arches.arch("x86_64"), {"KUNIT": "m", "SMP": "n"}, base=lambda: CONFIG)
        made = kconfig.fragment(kernel, Path("nowhere"))
        self.assertTrue(made.startswith(CONFIG))
        self.assertTrue(made.endswith("CONFIG_KUNIT=m\n# CONFIG_SMP is not set\n"))

    def test_an_empty_string_may_be_none(self) -> None:
        self.assertEqual(kconfig.missing({"A": '""', "B": '""'}, 'CONFIG_A=""\n'), [])
        self.assertEqual(len(kconfig.missing({"A": '""'}, 'CONFIG_A="x"\n')), 1)


class Fetched(World):
    def setUp(self) -> None:
        super().setUp()
        if not shutil.which("dpkg-deb"):
            self.skipTest("needs dpkg-deb")
        root = self.top / "package"
        folder = root / "usr/src/linux-config-9.8"
        folder.mkdir(parents=True)
        (folder / "config.amd64_none_amd64.xz").write_bytes(lzma.compress(CONFIG.encode()))
        (root / "DEBIAN").mkdir()
        (root / "DEBIAN/control").write_text(
            "Package: linux-config-9.8\nVersion: 9.8.7-1\nArchitecture: amd64\n"
            "Maintainer: A <a@invalid>\nDescription: x\n")
        self.deb = self.top / "x.deb"
        subprocess.run(["dpkg-deb", "-b", root, self.deb], check=True, capture_output=True)

    def test_it_is_fetched_once(self) -> None:
        with mock.patch.object(apt, "binary",
                               return_value=apt.Download(self.deb, "9.8.7-1", "")) as fetch:
            for _ in range(2):
                self.assertEqual(debian_config.text(self.world, "none_amd64"), CONFIG)
            with self.assertRaisesRegex(HarnessError, "known: none_amd64"):
                debian_config.text(self.world, "rt_amd64")
        fetch.assert_called_once_with("linux-config-9.8", self.world.suites)

    def test_nobody_has_it(self) -> None:
        gone = HarnessError(Exit.FETCH, "no suite has it")
        with mock.patch.object(apt, "binary", side_effect=gone), \
                self.assertRaises(HarnessError) as caught:
            debian_config.text(self.world, "none_amd64")
        self.assertEqual(caught.exception.code, Exit.FETCH)
        self.assertFalse((settings.fetched() / "linux-config-9.8").exists())
