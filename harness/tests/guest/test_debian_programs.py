"""initramfs.debian_programs(): programs of packages, and the libraries that come with them."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness.core.errors import Exit, HarnessError
from harness.build import arches
from harness.guest import initramfs


class ToolsTest(unittest.TestCase):
    def test_programs_and_all_libraries(self):
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            for path in ("usr/bin/tool", "usr/lib/x86_64-linux-gnu/liba.so.1.2", "lib/x/libb.so.2",
                         "lib/x/ld.so", "usr/lib/python3/odd.so", "usr/lib/x86_64-linux-gnu/gconv/A.so"):
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(path)
            (root / "lib64").mkdir()
            (root / "lib64/ld.so.2").symlink_to("/lib/x/ld.so")
            (root / "usr/lib/x86_64-linux-gnu/liba.so.1").symlink_to("liba.so.1.2")
            entries = initramfs.unpacked(root, ["usr/bin/tool"])
            names = [entry.name for entry in entries]
            self.assertEqual(len(names), len(set(names)))
            self.assertEqual(set(names), {
                "tmp", "bin/tool", "lib", "lib/x", "lib/x/libb.so.2", "lib/x/ld.so", "lib64",
                "lib64/ld.so.2", "usr", "usr/lib", "usr/lib/x86_64-linux-gnu",
                "usr/lib/x86_64-linux-gnu/liba.so.1", "usr/lib/x86_64-linux-gnu/liba.so.1.2"})
            for entry in entries:       # a folder comes before what is in it
                parent = str(Path(entry.name).parent)
                self.assertTrue(parent in (".", "bin") or names.index(parent) < names.index(entry.name))
            data = {entry.name: entry.data for entry in entries}
            self.assertEqual(data["lib64/ld.so.2"], b"/lib/x/ld.so")
            with self.assertRaisesRegex(HarnessError, "holds no usr/bin/other"):
                initramfs.unpacked(root, ["usr/bin/other"])

    def test_cannot_be_had(self):
        with tempfile.TemporaryDirectory() as name, \
                mock.patch.object(initramfs.apt.settings, "BUILD", Path(name)), \
                mock.patch.object(initramfs.apt, "check_disk"), \
                mock.patch.object(initramfs.apt.shutil, "which", lambda name: None):
            with self.assertRaises(HarnessError) as caught:
                initramfs.debian_programs(arches.arch("x86_64"), ["rt-tests"], [], ("x",))
        self.assertEqual(caught.exception.code, Exit.FETCH)


if __name__ == "__main__":
    unittest.main()
