"""kernel_build.module(): what is built is a copy of the sources, and only what changed is copied."""

import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness.core.errors import Exit, HarnessError
from harness.build import arches, kernel_build


class Module(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)
        self.source = self.dir / "source"
        self.source.mkdir()
        for name in ("Makefile", "hold.c", "hold.h", "README.md"):
            (self.source / name).write_text(name)
        self.kernel = arches.Kernel("k", arches.arch("x86_64"), {})

    def make(self, returncode: int, makes: str) -> Path:
        def run(argv, **options):
            self.argv = argv
            (self.dir / "out" / makes).write_text("module")
            return mock.Mock(returncode=returncode, output="hold.c:1: error: no")
        with mock.patch.object(kernel_build.proc, "run", run):
            return kernel_build.module(self.kernel, self.dir / "tree", self.dir / "o", self.source,
                                      "hold.ko", self.dir / "out")

    def test_the_repository_is_left_alone(self):
        made = self.make(0, "hold.ko")
        self.assertEqual(made, self.dir / "out/hold.ko")
        self.assertEqual({path.name for path in made.parent.iterdir()},
                         {"Makefile", "hold.c", "hold.h", "hold.ko"})
        self.assertIn(f"M={self.dir / 'out'}", self.argv)
        self.assertEqual(len(list(self.source.iterdir())), 4)

    def test_failure(self):
        for returncode, makes in ((2, "hold.ko"), (0, "other.ko")):
            with self.subTest(makes), self.assertRaises(HarnessError) as caught:
                (self.dir / "out").mkdir(exist_ok=True)
                (self.dir / "out/hold.ko").unlink(missing_ok=True)
                self.make(returncode, makes)
            self.assertEqual(caught.exception.code, Exit.BUILD)
            self.assertIn("hold.c:1: error: no", caught.exception.message)

    def test_unchanged_file_keeps_its_time(self):
        source, target = self.source / "hold.c", self.dir / "target"
        kernel_build.copy_if_changed(source, target)
        os.utime(target, (2000, 2000))
        kernel_build.copy_if_changed(source, target)
        self.assertEqual(target.stat().st_mtime, 2000)
        source.write_text("changed")
        kernel_build.copy_if_changed(source, target)
        self.assertEqual(target.read_text(), "changed")


if __name__ == "__main__":
    unittest.main()
