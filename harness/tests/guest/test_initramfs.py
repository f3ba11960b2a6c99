"""initramfs.py: the archive is what the kernel unpacks; init can be compiled."""

import dataclasses
import os
import shutil
import stat
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness.core import settings
from harness.build import arches
from harness.guest import initramfs


class Archive(unittest.TestCase):
    ENTRIES = [initramfs.directory("bin"),
               initramfs.Entry("bin/tool", stat.S_IFREG | 0o755, b"#!/bin/sh\n"),
               initramfs.link("bin/other", "tool")]

    def test_shape(self):
        data = initramfs.cpio(self.ENTRIES)
        self.assertEqual(len(data) % 4, 0)
        self.assertTrue(data.startswith(b"070701"))
        self.assertIn(b"TRAILER!!!\0", data)

    @unittest.skipUnless(shutil.which("busybox"), "needs busybox to unpack")
    def test_another_program_unpacks_it(self):
        with tempfile.TemporaryDirectory() as name:
            subprocess.run(["busybox", "cpio", "-i"], cwd=name, check=True, capture_output=True,
                           input=initramfs.cpio(self.ENTRIES))
            tool = Path(name, "bin/tool")
            self.assertEqual(tool.read_bytes(), b"#!/bin/sh\n")
            self.assertTrue(os.access(tool, os.X_OK))
            self.assertEqual(os.readlink(Path(name, "bin/other")), "tool")


@unittest.skipUnless(shutil.which("gcc"), "needs gcc")
class Init(unittest.TestCase):
    def setUp(self):
        self.build = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(mock.patch.object(settings, "BUILD", self.build))

    def test_compiles_and_archive_is_reproducible(self):
        arch = arches.arch("x86_64")
        first = initramfs.make(arch)
        self.assertEqual(first, initramfs.make(arch))
        with mock.patch.object(settings, "BUILD", self.build / "other"):
            other = initramfs.make(arch)
        self.assertNotEqual(first, other)
        self.assertEqual(first.read_bytes(), other.read_bytes())

    def test_build_id_is_that_of_the_notes(self):
        """The kernel's notes as the guest's init reads them: other notes come first."""
        def note(owner: bytes, kind: int, text: bytes) -> bytes:
            return struct.pack("=III", len(owner), len(text), kind) + b"".join(
                part + b"\0" * (-len(part) % 4) for part in (owner, text))

        own = bytes(range(0xe0, 0xf4))
        others = note(b"Linux\0", 0x101, b"\0") + note(b"Xen\0", 3, own[::-1])
        with tempfile.TemporaryDirectory() as name:
            notes, source, program = (Path(name, part) for part in ("notes", "a.c", "a"))
            source.write_text(f'#define BUILD_ID_NOTES "{notes}"\n'
                              f'#include "{initramfs.SOURCES}/build_id.h"\n'
                              'int main(void)\n{\n\tchar id[BUILD_ID_SIZE];\n'
                              '\tkernel_build_id(id);\n\treturn puts(id) < 0;\n}\n')
            subprocess.run(["gcc", "-Wall", "-Wextra", "-Werror", "-o", program, source], check=True)
            for content, said in ((others + note(b"GNU\0", 3, own), own.hex()),
                                  (note(b"GNU\0", 3, own) + others, own.hex()),
                                  (others, "unknown"), (note(b"GNU\0", 3, own)[:-1], "unknown"),
                                  (note(b"GNU\0", 3, bytes(100)), "unknown"), (b"", "unknown")):
                notes.write_bytes(content)
                shown = subprocess.run([program], check=True, capture_output=True, text=True)
                self.assertEqual(shown.stdout, said + "\n")

    def test_changed_header_is_compiled_again(self):
        with tempfile.TemporaryDirectory() as name:
            source, near, far = (Path(name, part) for part in ("in/a.c", "in/near.h", "far.h"))
            source.parent.mkdir()
            source.write_text('#include "near.h"\nint main(void) { return FAR; }\n')
            near.write_text('#include "../far.h"\n')
            made = []
            for number in (1, 1, 2):
                far.write_text(f"#define FAR {number}\n")
                made.append(initramfs.compile_static(arches.arch("x86_64"), source))
            self.assertEqual((made[0] == made[1], made[1] == made[2]), (True, False))

    def test_architectures_do_not_share_a_program(self):
        """One folder serves all lanes; the compiler of the other is a script here."""
        with tempfile.TemporaryDirectory() as name:
            other_cc = Path(name, "other-cc")
            other_cc.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\n'
                                'echo other > "$2"\n')
            other_cc.chmod(0o755)
            own = arches.arch("x86_64")
            other = dataclasses.replace(arches.arch("arm64"), init_cc=str(other_cc))
            source = initramfs.SOURCES / "init.c"
            first = initramfs.compile_static(own, source)
            second = initramfs.compile_static(other, source)
            self.assertEqual(second.read_text(), "other\n")
            self.assertNotEqual(first.read_bytes(), second.read_bytes())


if __name__ == "__main__":
    unittest.main()
