"""selftests.py, selftest_build.py and the runner: what is listed is built, run and judged."""

import dataclasses
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness.core import settings
from harness.core.errors import Exit, HarnessError
from harness.build import arches
from harness.guest import initramfs
from harness.judge import selftests, torture
from harness.lanes import selftest_build

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
LINES = """\
[    5.0] selftests: SELFTESTS-BEGIN
[    5.1] selftests: SELFTESTS-RUN,mm/cow
[    5.2] selftests: | 1..4
[    5.3] selftests: | ok 1 first, not ok in its name
[    5.3] selftests: | ok 2 # SKIP a big page
[    5.3] selftests: |     ok 3 - c # SKIP no such thing
[    5.3] selftests: | ok 4 last # XFAIL
[    5.4] selftests: SELFTESTS-ENDED,mm/cow,exit 0,300
[    5.5] selftests: SELFTESTS-RUN,mm/ksm -a 1
[    5.6] selftests: SELFTESTS-ENDED,mm/ksm -a 1,exit 0,1100
[    9.9] selftests: SELFTESTS-END,2,0
"""


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)

    def load(self, text: str = LIST) -> selftests.Listed:
        path = self.dir / "list.toml"
        path.write_text(text)
        return selftests.load(path)


class List(Case):
    def refused(self, text: str) -> str:
        with self.assertRaises(HarnessError) as caught:
            self.load(text)
        self.assertEqual(caught.exception.code, Exit.USAGE)
        return caught.exception.message

    def test_the_ones_that_are_used(self):
        for kind, least in (("selftests", 50), ("kvm-selftests", 45)):
            listed = selftests.load(settings.REPO / torture.kinds()[kind].programs)
            for name in [*listed.built, *listed.not_run]:
                self.assertIn(name.split("/")[0], listed.targets)
            self.assertGreater(len(listed.runs), least)

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
        self.assertIn("says why", self.refused(LIST.replace('"a script"', '""')))

    def test_every_program_must_be_listed(self):
        listed, known = self.load(), ["mm/cow", "mm/ksm", "mm/run.sh"]
        self.assertEqual(selftests.unlisted(listed, known), [])
        self.assertEqual(selftests.unlisted(listed, [*known, "mm/new"]),
                         ["mm/new is not in the list"])
        self.assertEqual(selftests.unlisted(listed, known[1:]),
                         ["mm/cow is in the list, but no Makefile knows it"])


class Judged(Case):
    def judge(self, text: str, **changes) -> tuple[dict, dict, list]:
        first, *others = self.load().runs
        return selftests.judge([dataclasses.replace(first, **changes), *others], text.splitlines())

    def problem(self, old: str, new: str, **changes) -> str:
        self.assertIn(old, LINES)
        found = self.judge(LINES.replace(old, new), **changes)
        self.assertEqual(len(found[2]), 1, found)
        self.assertEqual(sum(found[0].values()), 2)
        self.assertEqual(found[0].get("pass"), 1)
        return found[2][0]

    def test_pass(self):
        self.assertEqual(self.judge(LINES), ({"pass": 2}, {"ok": 2, "skip": 2}, []))

    def test_end_of_a_program(self):
        cow, ksm = "mm/cow,exit 0", "mm/ksm -a 1,exit 0"
        self.assertEqual(self.problem(ksm, "mm/ksm -a 1,exit 1"),
                         "mm/ksm -a 1: ended with exit value 1")
        self.assertEqual(self.problem(ksm, "mm/ksm -a 1,exit 4"), "mm/ksm -a 1: was skipped")
        self.assertIn("signal 11", self.problem(ksm, "mm/ksm -a 1,signal 11"))
        self.assertIn("limit of 30 s", self.problem(cow, "mm/cow,limit 30"))
        self.assertIn("mm/cow: did not end", self.problem("ENDED,mm/cow", "x"))
        only = "".join(line + "\n" for line in LINES.splitlines() if "ksm" not in line)
        self.assertEqual(self.judge(only)[2], ["mm/ksm -a 1: was not run"])

    def test_exit_value_0_is_not_all(self):
        self.assertEqual(self.problem("| ok 1", "| not ok 1"),
                         "mm/cow: case 'first, not ok in its name' failed")

    def test_skips(self):
        self.assertEqual(self.problem("| ok 1 first", "| ok 1 # SKIP first"),
                         "mm/cow: case 'first, not ok in its name' was skipped")
        self.assertEqual(self.problem("c # SKIP no such thing", "c"),
                         "mm/cow: no case was skipped that is named 'c', which the list says must")
        self.assertEqual(self.problem("big page", "big page", skips=["a * page"]),
                         "mm/cow: case 'c' was skipped")

    def test_known_failures(self):
        known = {"fails": ["first*"], "why_fails": "the base's"}
        text = LINES.replace("| ok 1", "| not ok 1").replace("cow,exit 0", "cow,exit 1")
        self.assertEqual(self.judge(text, **known),
                         ({"known": 1, "pass": 1}, {"not ok": 1, "ok": 1, "skip": 2}, []))
        more = text.replace("| ok 4 last # XFAIL", "| not ok 4 last")
        self.assertIn("case 'last' failed", self.judge(more, **known)[2][0])
        self.assertIn("no case failed that is named 'first*'", self.judge(LINES, **known)[2][0])
        self.assertIn("ended with exit value 1",
                      self.judge(LINES.replace("cow,exit 0", "cow,exit 1"), **known)[2][1])

    def test_as_a_torture_test(self):
        asked = torture.Wanted("selftests", 4, minimum={"programs": 2}, programs=self.load().runs)
        result = torture.judge(asked, LINES.splitlines())
        self.assertEqual(result.problems, [])
        self.assertIn("programs 2, 2 verdicts pass", result.text())
        self.assertIn("mm/ksm -a 1  exit 0          1100", result.text())
        bad = torture.judge(asked, LINES.replace("cow,exit 0", "cow,exit 9").splitlines())
        self.assertEqual(bad.problems, ["mm/cow: ended with exit value 9"])
        late = torture.judge(asked, LINES.replace("END,2,0", "END,2,1").splitlines())
        self.assertEqual(late.problems, ["it ended with 1"])
        self.assertEqual(torture.steps([torture.Wanted("selftests", 1)]), "run selftests\n")


@unittest.skipUnless(shutil.which("gcc"), "needs gcc")
class Runner(Case):
    PROGRAMS = {"good": "echo \"ok 1 $1\"", "bad": "echo 'not ok 1 x'; exit 1",
                "crash": "kill -9 $$", "slow": "printf begun; sleep 60",
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
                 "run 9 0 mm/left", "run 9 0 mm/none"]
        (self.dir / "list").write_text("".join(step + "\n" for step in steps))
        with mock.patch.object(settings, "BUILD", self.dir / "build"):
            runner = initramfs.compile_static(arches.arch("x86_64"), settings.REPO / torture.kinds()[
                "selftests"].program)
        ended = subprocess.run([runner, self.dir / "list"], capture_output=True, text=True,
                               timeout=50)
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertEqual((self.dir / "value").read_text(), "a b")
        found = selftests.ran("selftests: " + line for line in ended.stdout.splitlines())
        self.assertEqual({name: (ran.how, ran.value) for name, ran in found.items()}, {
            "mm/good it is": ("exit", 0), "mm/bad": ("exit", 1), "mm/crash": ("signal", 9),
            "mm/slow": ("limit", 1), "mm/left": ("exit", 0), "mm/none": ("exit", 127)})
        self.assertEqual(found["mm/good it is"].cases, [("it", "ok")])
        self.assertEqual(found["mm/bad"].cases, [("x", "not ok")])
        self.assertIn("| begun\n", ended.stdout)
        self.assertRegex(ended.stdout, r"SELFTESTS-FAILED,write \S+/none/x 1: No such file")
        self.assertTrue(ended.stdout.endswith("SELFTESTS-END,6,1\n"), ended.stdout)


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
        with mock.patch.object(selftest_build.kernel_build, "source_state", return_value="0123"):
            try:
                return selftest_build.make(self.load(text), kernel, tree, self.dir / "out",
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
        names = [entry.name for entry in selftest_build.entries(self.load(), files)]
        self.assertEqual(names, ["selftests", "selftests/mm", "selftests/list", "selftests/mm/cow",
                                 "selftests/mm/ksm"])

    def test_a_program_in_a_folder_of_its_target(self):
        text = LIST.replace("[[left_out]]", '[[run]]\nprogram = "mm/x86/sub"\n[[left_out]]')
        makefile = self.MAKEFILE.replace("$(SUB)", "$(OUTPUT)/x86/sub")
        files = self.make(text, makefile)
        self.assertEqual(files["mm/x86/sub"].read_text(), "-static -DX 1\n")
        names = [entry.name for entry in selftest_build.entries(self.load(text), files)]
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
