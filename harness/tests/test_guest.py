"""guest.py: the archive is what the kernel unpacks; init can be compiled."""

import dataclasses
import os
import shutil
import stat
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import guest, lanes


class Archive(unittest.TestCase):
    ENTRIES = [guest.directory("bin"),
               guest.Entry("bin/tool", stat.S_IFREG | 0o755, b"#!/bin/sh\n"),
               guest.link("bin/other", "tool")]

    def test_shape(self):
        data = guest.cpio(self.ENTRIES)
        self.assertEqual(len(data) % 4, 0)
        self.assertTrue(data.startswith(b"070701"))
        self.assertIn(b"TRAILER!!!\0", data)

    @unittest.skipUnless(shutil.which("busybox"), "needs busybox to unpack")
    def test_another_program_unpacks_it(self):
        with tempfile.TemporaryDirectory() as name:
            subprocess.run(["busybox", "cpio", "-i"], cwd=name, check=True, capture_output=True,
                           input=guest.cpio(self.ENTRIES))
            tool = Path(name, "bin/tool")
            self.assertEqual(tool.read_bytes(), b"#!/bin/sh\n")
            self.assertTrue(os.access(tool, os.X_OK))
            self.assertEqual(os.readlink(Path(name, "bin/other")), "tool")


@unittest.skipUnless(shutil.which("gcc"), "needs gcc")
class Init(unittest.TestCase):
    def test_compiles_and_archive_is_reproducible(self):
        arch = lanes.arch("x86_64")
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            first = guest.initramfs(arch, Path(one))
            again = guest.initramfs(arch, Path(one))
            other = guest.initramfs(arch, Path(two))
            self.assertEqual(first, again)
            self.assertEqual(first.read_bytes(), other.read_bytes())

    def test_architectures_do_not_share_a_program(self):
        """One folder serves all lanes; the compiler of the other is a script here."""
        with tempfile.TemporaryDirectory() as name:
            other_cc = Path(name, "other-cc")
            other_cc.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\n'
                                'echo other > "$2"\n')
            other_cc.chmod(0o755)
            own = lanes.arch("x86_64")
            other = dataclasses.replace(lanes.arch("arm64"), init_cc=str(other_cc))
            source = guest.SOURCES / "init.c"
            first = guest.compile_static(own, source, Path(name))
            second = guest.compile_static(other, source, Path(name))
            self.assertEqual(second.read_text(), "other\n")
            self.assertNotEqual(first.read_bytes(), second.read_bytes())


if __name__ == "__main__":
    unittest.main()
