"""qemu.py with sh scripts in the place of QEMU: limits, exit values, Ctrl-C, KVM probe."""

import dataclasses
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from contextlib import redirect_stderr
from pathlib import Path
from unittest import mock

from harness.core import settings
from harness.core.errors import Exit, HarnessError
from harness.build import arches
from harness.guest import qemu
from harness.judge import judge

HANG = "echo 'Linux version 6.0'; echo $$ > PID; while :; do sleep 0.1; done"
PANIC = "echo 'Linux version 6.0'; echo '[ 1.0] Kernel panic - not syncing: x'"
FINE = ("echo 'Linux version 6.0'; echo '[ 1.0] harness: cpus 1 online'; "
        "echo '[ 1.0] harness: success'")


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class Fake(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)
        self.run_dir = self.dir / "run"

    def spec(self, body: str, limit_s: float = 20) -> qemu.BootSpec:
        """A guest whose QEMU is a sh script; PID in it becomes a file."""
        fake = self.dir / "fake-qemu"
        fake.write_text("#!/bin/sh\n" + body.replace("PID", str(self.dir / "pid")) + "\n")
        fake.chmod(0o755)
        arch = dataclasses.replace(arches.arch("x86_64"), qemu=str(fake))
        return qemu.BootSpec(arch, Path("bzImage"), Path("initrd"), "", 1, 64, limit_s)

    def judged(self, limit_s: float = 20) -> judge.Verdict:
        (self.run_dir / "run.json").write_text(
            json.dumps({"cpus": 1, "suites": [], "limit_s": limit_s}))
        return judge.judge_folder(self.run_dir)

    def guest_pid(self) -> int:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                return int((self.dir / "pid").read_text())
            except (FileNotFoundError, ValueError):
                time.sleep(0.02)
        self.fail("the guest did not start")


class Boots(Fake):
    def test_guest_that_ends_well(self):
        seen = []
        result = qemu.boot(self.spec(FINE), self.run_dir, seen.append)
        self.assertEqual((result.exit, result.timed_out, len(seen)), ("0", False, 3))
        self.assertEqual(self.judged().code, Exit.OK)

    def test_hanging_guest_is_killed_at_the_limit(self):
        start = time.monotonic()
        result = qemu.boot(self.spec(HANG, 1), self.run_dir)
        self.assertLess(time.monotonic() - start, 10)
        self.assertTrue(result.timed_out)
        self.assertFalse(running(self.guest_pid()), "QEMU is still there")
        verdict = self.judged(1)
        self.assertEqual(verdict.code, Exit.BOOT)
        self.assertIn("within the limit of 1 s", verdict.text())
        self.assertIn("Linux version 6.0", verdict.text())      # its last line

    def test_panic(self):
        qemu.boot(self.spec(PANIC), self.run_dir)
        verdict = self.judged()
        self.assertEqual(verdict.code, Exit.BOOT)
        self.assertIn("panicked", verdict.text())

    def test_silent_guest(self):
        qemu.boot(self.spec("exit 0"), self.run_dir)
        self.assertEqual(self.judged().code, Exit.BOOT)

    def test_qemu_that_fails(self):
        result = qemu.boot(self.spec(FINE + "; exit 3"), self.run_dir)
        self.assertEqual(result.exit, "3")
        verdict = self.judged()
        self.assertEqual(verdict.code, Exit.BOOT)
        self.assertIn("exit value 3", verdict.text())

    def test_missing_qemu(self):
        spec = self.spec(FINE)
        Path(spec.arch.qemu).unlink()
        with self.assertRaises(HarnessError) as caught:
            qemu.boot(spec, self.run_dir)
        self.assertEqual(caught.exception.code, Exit.TOOL)

    def test_command_can_be_run_again(self):
        qemu.boot(self.spec(FINE), self.run_dir)
        again = subprocess.run([self.run_dir / "qemu-cmd"], capture_output=True, text=True,
                               check=True)
        self.assertEqual(again.stdout, qemu.console(self.run_dir))

    def test_ctrl_c_leaves_no_guest_and_no_verdict(self):
        spec = self.spec(HANG, 60)
        code = ("import signal, sys; from pathlib import Path; from dataclasses import replace\n"
                "from harness.build import arches\nfrom harness.guest import qemu\n"
                # A background job of a shell starts with SIGINT ignored.
                "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
                f"arch = replace(arches.arch('x86_64'), qemu={spec.arch.qemu!r})\n"
                "spec = qemu.BootSpec(arch, Path('k'), Path('i'), '', 1, 64, 60)\n"
                "try: qemu.boot(spec, Path(sys.argv[1]))\n"
                "except KeyboardInterrupt: sys.exit(130)\n")
        child = subprocess.Popen([sys.executable, "-B", "-c", code, self.run_dir],
                                 cwd=settings.REPO)
        try:
            guest = self.guest_pid()
            console = self.run_dir / "console.log"
            while not (console.exists() and console.stat().st_size):
                time.sleep(0.02)        # the boot is being watched
            child.send_signal(signal.SIGINT)
            self.assertEqual(child.wait(15), 130)
        finally:
            child.kill()
        self.assertFalse(running(guest), "QEMU is still there")
        self.assertFalse((self.run_dir / "exit").exists())


class Command(Fake):
    def test_emulation_with_a_thread_per_cpu(self):
        words = shlex.join(qemu.argv(self.spec(FINE)))
        self.assertIn("-accel tcg,thread=multi", words)
        self.assertIn("-no-reboot", words)
        self.assertIn("panic=-1", words)

    def test_counted_instructions(self):
        spec = dataclasses.replace(self.spec(FINE), accel="icount")
        words = shlex.join(qemu.argv(spec))
        self.assertIn("-icount shift=0,sleep=off", words)

    def test_arm64_has_no_slow_pointer_authentication(self):
        spec = dataclasses.replace(self.spec(FINE), arch=arches.arch("arm64"))
        self.assertIn("pauth-impdef=on", shlex.join(qemu.argv(spec)))


class KvmProbe(Fake):
    """/dev/null stands for a /dev/kvm that may be opened."""

    def probe(self, body: str, device: str = "/dev/null") -> str:
        spec = self.spec(body)
        host = qemu.host_is
        qemu.host_is = lambda arch: True
        os.environ["LIMIT_SCALE"], scale = "0.05", os.environ.get("LIMIT_SCALE")
        try:
            with redirect_stderr(io.StringIO()), mock.patch.object(settings, "BUILD", self.dir):
                return qemu.probe_kvm(spec, Path(device))
        finally:
            qemu.host_is = host
            del os.environ["LIMIT_SCALE"]
            if scale:
                os.environ["LIMIT_SCALE"] = scale

    def test_guest_comes_up(self):
        self.assertEqual(self.probe(FINE), "kvm")

    def test_guest_hangs(self):
        self.assertEqual(self.probe(HANG), "tcg")
        self.assertFalse(running(self.guest_pid()))

    def test_guest_ends_without_a_word(self):
        self.assertEqual(self.probe("exit 0"), "tcg")

    def test_no_device(self):
        self.assertEqual(self.probe(FINE, "/nonexistent/kvm"), "tcg")

    def test_asked_once_only(self):
        self.assertEqual(self.probe("exit 0"), "tcg")
        self.assertEqual(self.probe(FINE), "tcg")

    def test_other_architecture(self):
        spec = dataclasses.replace(self.spec(FINE), arch=arches.arch("arm64"))
        if not qemu.host_is(spec.arch):
            self.assertEqual(qemu.probe_kvm(spec, Path("/dev/null")), "tcg")


if __name__ == "__main__":
    unittest.main()
