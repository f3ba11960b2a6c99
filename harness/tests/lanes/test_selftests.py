"""selftests.py and the runner: what is listed is built and run."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness.core import records, settings
from harness.core.errors import Exit, HarnessError
from harness.build import arches
from harness.guest import initramfs
from harness.judge import ktap, torture
from harness.lanes import selftests
from harness.tests.fixture import QUEUE

LIST = """\
targets = ["mm"]
copied = ["tools/testing/selftests/mm"]
cflags = "-DX"
make = ["A=1"]
limit_s = 30
setup = ["write /proc/x 1"]
[[run]]
program = "mm/cow"
skips = ["a * page", "c"]
why = "there are none"
[[run]]
program = "mm/ksm -a 1"
user = 7
limit_s = 5
before = ["mount tmpfs /tmp"]
[[left_out]]
programs = ["mm/run.sh"]
why = "a script"
"""


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)

    def load(self, text: str = LIST) -> selftests.Listed:
        path = self.dir / "list.toml"
        path.write_text(text)
        return records.read(selftests.Listed, path)


class List(Case):
    def refused(self, text: str) -> str:
        with self.assertRaises(HarnessError) as caught:
            self.load(text)
        self.assertEqual(caught.exception.code, Exit.USAGE)
        return caught.exception.message

    def test_the_ones_that_are_used(self):
        for kind, least in (("selftests", 50), ("kvm-selftests", 45)):
            listed = selftests.load(QUEUE, torture.kinds()[kind].programs)
            for name in [*listed.built, *listed.not_run]:
                self.assertIn(name.split("/")[0], listed.targets)
            self.assertGreater(len(listed.run), least)

    def test_steps(self):
        self.assertEqual(selftests.steps(self.load()).splitlines(), [
            "write /proc/x 1", "run 30 0 mm/cow", "mount tmpfs /tmp", "run 5 7 mm/ksm -a 1"])

    def test_what_is_wrong_with_it(self):
        self.assertIn("is unknown", self.refused(LIST.replace("cflags", "flags")))
        self.assertIn("is unknown", self.refused(LIST.replace("user =", "users =")))
        self.assertIn("go together", self.refused(LIST.replace('why = "there are none"', "")))
        self.assertIn("must begin", self.refused(LIST.replace('"write /proc', '"echo /proc')))
        self.assertIn("twice: mm/cow", self.refused(LIST.replace('"mm/run.sh"', '"mm/cow"')))
        self.assertIn("twice: mm/cow", self.refused(LIST.replace('"mm/ksm -a 1"', '"mm/cow"')))
        self.assertIn("must not be empty", self.refused(LIST.replace('"a script"', '""')))

    def test_every_program_must_be_listed(self):
        listed, known = self.load(), ["mm/cow", "mm/ksm", "mm/run.sh"]
        self.assertEqual(selftests.unlisted(listed, known), [])
        self.assertEqual(selftests.unlisted(listed, [*known, "mm/new"]),
                         ["mm/new is not in the list"])
        self.assertEqual(selftests.unlisted(listed, known[1:]),
                         ["mm/cow is in the list, but no Makefile knows it"])


@unittest.skipUnless(shutil.which("gcc"), "needs gcc")
class Runner(Case):
    PROGRAMS = {"good": "echo \"ok 1 $1\"", "bad": "echo 'not ok 1 x'; exit 1",
                "crash": "kill -9 $$", "skips": "exit 4", "slow": "printf begun; sleep 60",
                "left": "sleep 60 & echo end"}

    def test_what_it_says_is_what_is_judged(self):
        (self.dir / "mm").mkdir()
        for name, text in self.PROGRAMS.items():
            path = self.dir / "mm" / name
            path.write_text(f"#!/bin/sh\n{text}\n")
            path.chmod(0o755)
        (self.dir / "value").touch()
        steps = [f"write {self.dir}/value a b", f"write {self.dir}/none/x 1",
                 "run 9 0 mm/good it is", "run 9 0 mm/bad", "run 9 0 mm/crash", "run 1 0 mm/slow",
                 "run 9 0 mm/left", "run 9 0 mm/skips", "run 9 0 mm/none"]
        (self.dir / "list").write_text("".join(step + "\n" for step in steps))
        with mock.patch.object(settings, "BUILD", self.dir / "build"):
            runner = initramfs.compile_static(arches.arch("x86_64"), settings.REPO / torture.kinds()[
                "selftests"].program)
        ended = subprocess.run([runner, self.dir / "list"], capture_output=True, text=True,
                               timeout=50)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertEqual((self.dir / "value").read_text(), "a b")
        reader = ktap.read(ended.stdout.splitlines())
        self.assertEqual(ktap.incomplete(reader.root), [])
        self.assertEqual({test.name: (test.status, test.reason) for test in reader.root.tests}, {
            f"write {self.dir}/none/x 1": ("failed", "No such file or directory"),
            "mm/good it is": ("ok", "exit value 0"), "mm/bad": ("failed", "exit value 1"),
            "mm/crash": ("failed", "ended by signal 9"),
            "mm/slow": ("failed", "killed at its limit of 1 s"), "mm/left": ("ok", "exit value 0"),
            "mm/skips": ("failed", "exit value 4, skipped"), "mm/none": ("failed", "exit value 127")})
        self.assertEqual([leaf.name for leaf in reader.root.leaves() if leaf.status == "ok"],
                         ["mm/good it is.it", "mm/left"])
        self.assertIn("mm/bad.x", reader.failed)
        self.assertIn("    begun\n", ended.stdout)
        self.assertEqual(reader.figures[-1], ("ran", {"programs": "7"}))
        self.assertEqual(len(reader.figures), 8)


@unittest.skipUnless(shutil.which("make"), "needs make")
class Build(Case):
    """A tree in small, whose Makefile writes beside itself as that of mm does."""

    MAKEFILE = """\
TEST_GEN_FILES := $(OUTPUT)/cow $(OUTPUT)/ksm
TEST_GEN_PROGS_EXTENDED := $(SUB)
TEST_PROGS := run.sh
$(OUTPUT)/%:
\ttouch beside
\t@test "$*" != "$(BROKEN)" || { echo "$*.c:1: error: no"; exit 1; }
\tmkdir -p $(@D) && echo "$(USERCFLAGS) $(A)" > $@
"""

    def make(self, text: str = LIST, makefile: str = MAKEFILE) -> dict[str, Path]:
        tree = self.dir / "tree"
        mm = tree / "tools/testing/selftests/mm"
        mm.mkdir(parents=True, exist_ok=True)
        (tree / "Makefile").write_text("headers:\n\techo >> $(O)/headers\n")
        (mm / "Makefile").write_text(makefile)
        (self.dir / "out").mkdir(exist_ok=True)
        before = sorted(os.walk(tree))
        kernel = arches.Kernel("k", arches.arch("x86_64"), {})
        with mock.patch.object(selftests.kernel_build, "source_state", return_value="0123"):
            try:
                return selftests.make(self.load(text), kernel, tree, self.dir / "out",
                                           self.dir / "out/tests")
            finally:
                self.assertEqual(sorted(os.walk(tree)), before)

    def test_programs(self):
        files = self.make()
        self.assertEqual(sorted(files), ["mm/cow", "mm/ksm"])
        self.assertEqual(files["mm/cow"].read_text(), "-static -DX 1\n")
        self.make()
        self.assertEqual((self.dir / "out/headers").read_text(), "\n")     # nothing was run
        self.make(LIST.replace("-DX", "-DY"))
        self.assertEqual(files["mm/cow"].read_text(), "-static -DY 1\n")
        names = [entry.name for entry in selftests.entries(self.load(), files)]
        self.assertEqual(names, ["selftests", "selftests/mm", "selftests/list", "selftests/mm/cow",
                                 "selftests/mm/ksm"])

    def test_a_program_in_a_folder_of_its_target(self):
        text = LIST.replace("[[left_out]]", '[[run]]\nprogram = "mm/x86/sub"\n[[left_out]]')
        makefile = self.MAKEFILE.replace("$(SUB)", "$(OUTPUT)/x86/sub")
        files = self.make(text, makefile)
        self.assertEqual(files["mm/x86/sub"].read_text(), "-static -DX 1\n")
        names = [entry.name for entry in selftests.entries(self.load(text), files)]
        self.assertEqual(names[:3], ["selftests", "selftests/mm", "selftests/mm/x86"])
        self.assertIn("mm/x86/sub is not in the list", self.refused(
            Exit.TEST, text=LIST, makefile=makefile))

    def refused(self, code: Exit, **texts) -> str:
        with self.assertRaises(HarnessError) as caught:
            self.make(**texts)
        self.assertEqual(caught.exception.code, code)
        return caught.exception.message

    def test_what_does_not_build(self):
        self.assertIn("cow.c:1: error", self.refused(
            Exit.BUILD, makefile=self.MAKEFILE.replace("$(BROKEN)", "cow")))
        self.assertIn("copying what the selftests are built from", self.refused(
            Exit.BUILD, text=LIST.replace('copied = [', 'copied = ["lib/x", ')))

    def test_what_is_not_listed(self):
        self.assertIn("mm/new is not in the list", self.refused(
            Exit.TEST, makefile="TEST_GEN_PROGS := new\n" + self.MAKEFILE))
        self.assertIn("no Makefile knows", self.refused(
            Exit.TEST, makefile=self.MAKEFILE.replace("run.sh", "")))


if __name__ == "__main__":
    unittest.main()
