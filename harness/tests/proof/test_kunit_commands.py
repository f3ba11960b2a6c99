"""kunit_commands: which commands a kunitconfig gives, and when one has passed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from ...core.errors import Exit
from ...proof import kunit_commands

CONFIG = """\
# Tests. On x86_64:
#
#\t./tools/testing/kunit/kunit.py run --arch=x86_64 --qemu_args="-smp 8" \\
#\t\t--kunitconfig=lib/tests/smp.kunitconfig
#
# and more words
#
#\t./kunit.py run --arch=arm64
CONFIG_KUNIT=y
"""
GOOD = "[10:00:00] Testing complete. Ran 104 tests: passed: 104\n"


class Commands(unittest.TestCase):
    def test_as_they_stand_there(self) -> None:
        found = kunit_commands.commands(CONFIG)
        self.assertEqual(found, [
            ["./tools/testing/kunit/kunit.py", "run", "--arch=x86_64", "--qemu_args=-smp 8",
             "--kunitconfig=lib/tests/smp.kunitconfig"], ["./kunit.py", "run", "--arch=arm64"]])


class Verdict(unittest.TestCase):
    def verdict(self, output: str, code: int = 0):
        return kunit_commands.verdict("kunit.py x86_64", output, code, 1.0)

    def test_passed(self) -> None:
        part = self.verdict(GOOD)
        self.assertEqual((part.code, part.passed, part.failed), (Exit.OK, 104, 0))

    def test_what_fails(self) -> None:
        for output, code in ((GOOD, 1), ("", 0), (GOOD.replace("104\n", "103, skipped: 1\n"), 0),
                             (GOOD.replace("104\n", "103, failed: 1\n"), 0),
                             (GOOD.replace("passed: 104", ""), 0),
                             (GOOD + "[    1.0] WARNING: CPU: 3 PID: 1 at kernel/smp.c:1\n", 0)):
            part = self.verdict(output, code)
            self.assertEqual(part.code, Exit.TEST, output)
            self.assertGreater(part.failed, 0, output)


class Wrapper(unittest.TestCase):
    def test_other_words_stay(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            qemu, wrapper = Path(name, "qemu"), Path(name, "wrapper")
            for path, text in ((qemu, '#!/bin/sh\nprintf "[%s]" "$@"\n'),
                               (wrapper, kunit_commands.WITHOUT_KVM.format(
                                   python=sys.executable, qemu=str(qemu)))):
                path.write_text(text)
                path.chmod(0o755)
            said = subprocess.run([wrapper, "-append", "a b", "-accel", "kvm", "-accel", "hvf", "-accel",
                                   "tcg", "-smp", "8"], capture_output=True, text=True, check=True)
        self.assertEqual(said.stdout, "[-append][a b][-accel][tcg][-smp][8]")


if __name__ == "__main__":
    unittest.main()
