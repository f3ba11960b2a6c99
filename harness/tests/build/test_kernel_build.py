"""kernel_build.py with a small make tree in the place of Linux: errors, no-ops, interruptions."""

import json
import os
import subprocess
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from unittest import mock

from harness.core.errors import Exit, HarnessError
from harness.core.progress import Progress
from harness.build import arches, kconfig, kernel_build

MAKEFILE = """\
image:
\t@echo '  CC      one.o'
\t@echo '  CC      two.o'
\t@test ! -f broken || { echo "two.c:7:2: error: 'x' undeclared"; exit 1; }
\t@mkdir -p $(O)/arch/x86/boot
\t@echo run >> $(O)/runs
\t@echo image > $(O)/arch/x86/boot/bzImage
\t@wc -l < $(O)/runs > $(O)/.version
bzImage: image
modules lib/a.ko lib/b.ko:
\t@echo $@ >> $(O)/runs
.PHONY: image
"""


class Builds(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.src, self.out = Path(folder.name, "src"), Path(folder.name, "out")
        self.src.mkdir()
        (self.src / "Makefile").write_text(MAKEFILE)
        self.git("init", "-q")
        self.git("add", ".")
        self.git("commit", "-q", "-m", "one")
        self.kernel = arches.Kernel("small", arches.arch("x86_64"), {"SMP": "y"})
        self.progress = Progress(1, open(os.devnull, "w"))
        self.addCleanup(self.progress.stream.close)

        def configure(*words):
            (self.out / ".config").write_text("CONFIG_SMP=y\n")

        for where, name, value in ((kernel_build, "configure", configure),
                                   (kernel_build, "build_id", lambda vmlinux: f"id of {vmlinux.name}")):
            patched = mock.patch.object(where, name, value)
            patched.start()
            self.addCleanup(patched.stop)

    def git(self, *words):
        subprocess.run(["git", "-C", self.src, "-c", "user.name=n", "-c", "user.email=n@localhost",
                        *words], check=True)

    def build(self) -> kernel_build.BuildResult:
        return kernel_build.build(self.kernel, self.src, self.out, self.progress, ["image"])

    def test_a_full_configuration_may_take_longer(self) -> None:
        full = replace(self.kernel, base=lambda: "CONFIG_SMP=y\n")
        for self.kernel, limit in (self.kernel, "build"), (full, "full_config"):
            run = mock.Mock(wraps=kernel_build.proc.run)
            with self.subTest(limit), mock.patch.object(kernel_build.proc, "run", run):
                self.build()
                self.assertIn(limit, [call.kwargs.get("limit") for call in run.call_args_list])

    def runs(self) -> int:
        return len((self.out / "runs").read_text().splitlines())

    def test_files_are_counted(self):
        result = self.build()
        self.assertEqual((result.built, result.compiled, result.number, result.build_id),
                         (True, 2, "1", "id of vmlinux"))
        self.assertTrue(result.kernel.exists())

    def test_nothing_is_run_when_nothing_changed(self):
        self.build()
        self.assertFalse(self.build().built)
        self.assertEqual(self.runs(), 1)

    def test_modules_are_built_if_there_are_any(self):
        for options, runs in ({}, ["run"]), ({"SCF_TORTURE_TEST": "m"}, ["run", "modules"]):
            kernel = arches.Kernel("small", arches.arch("x86_64"), {"SMP": "y"} | options)
            out = self.out / str(len(options))
            with mock.patch.object(kconfig, "check"):
                kernel_build.build(kernel, self.src, out, self.progress)
            self.assertCountEqual((out / "runs").read_text().split(), runs)

    def test_modules_that_are_named_come_after_the_image_together(self):
        kernel = replace(self.kernel, options={"A": "m"}, only=("lib/a.ko", "lib/b.ko"))
        with mock.patch.object(kconfig, "check"):
            for _ in range(2):
                kernel_build.build(kernel, self.src, self.out, self.progress)
        image, *modules = (self.out / "runs").read_text().split()
        self.assertEqual((image, sorted(modules)), ("run", ["lib/a.ko", "lib/b.ko"]))

    def test_a_new_commit_and_a_changed_file_are_built(self):
        self.build()
        (self.src / "new").write_text("x")
        self.assertTrue(self.build().built)
        self.assertTrue(self.build().built, "a tree with changes has no state to rely on")
        self.git("add", "new")
        self.git("commit", "-q", "-m", "two")
        self.assertTrue(self.build().built)
        self.assertFalse(self.build().built)

    def test_a_changed_option_is_built(self):
        self.build()
        self.kernel = arches.Kernel("small", arches.arch("x86_64"), {"SMP": "y", "VT": "n"})
        self.assertTrue(self.build().built)

    def test_compiler_error_is_shown_with_the_log(self):
        (self.src / "broken").write_text("")
        with mock.patch.dict(os.environ), self.assertRaises(HarnessError) as caught:
            self.build()
        self.assertEqual(caught.exception.code, Exit.BUILD)
        self.assertIn("two.c:7:2: error: 'x' undeclared", caught.exception.message)
        self.assertIn(str(self.out / "build.log"), caught.exception.message)
        (self.src / "broken").unlink()
        self.assertTrue(self.build().built)

    def test_interrupted_build_is_not_taken_for_good(self):
        def stop(line):
            raise KeyboardInterrupt
        with mock.patch.object(self.progress, "tick", stop), self.assertRaises(KeyboardInterrupt):
            self.build()
        (self.out / "half-written.o").write_text("")
        self.assertTrue(self.build().built)
        self.assertFalse((self.out / "half-written.o").exists())

    def test_interrupted_rebuild_is_not_taken_for_good(self):
        self.build()
        self.assertTrue((self.out / "built.json").exists())
        (self.out / "unfinished").touch()
        self.assertTrue(self.build().built)
        self.assertFalse((self.out / "unfinished").exists())

    def test_stamp_says_what_was_built(self):
        result = self.build()
        self.assertEqual(json.loads((self.out / "built.json").read_text())["source"],
                         result.source)


class BuildId(unittest.TestCase):
    def test_two_links_with_one_number(self):
        with tempfile.TemporaryDirectory() as name:
            found = []
            for text, option in (("a", "sha1"), ("b", "sha1"), ("b", "sha1"), ("b", "none")):
                made = Path(name, "vmlinux")
                subprocess.run(["gcc", "-nostdlib", "-shared", f"-Wl,--build-id={option}", "-o", made,
                                "-xc", "-"], input=f'char text[] = "{text}";', text=True, check=True)
                if option == "none":
                    with self.assertRaisesRegex(HarnessError, "has no build id"):
                        kernel_build.build_id(made)
                else:
                    found.append(kernel_build.build_id(made))
            self.assertRegex(found[0], "^[0-9a-f]{40}$")
            self.assertEqual((found[0] == found[1], found[1] == found[2]), (False, True))


class Messages(unittest.TestCase):
    def test_first_errors_not_last_lines(self):
        output = "a.c:1:1: error: first\n" + "  CC x.o\n" * 50 + "make: *** [x] Error 2\n"
        self.assertEqual(kernel_build.first_errors(output).splitlines()[0].strip(),
                         "a.c:1:1: error: first")

    def test_without_a_known_error_the_end_is_shown(self):
        self.assertIn("killed", kernel_build.first_errors("a\nkilled\n"))


if __name__ == "__main__":
    unittest.main()
