"""External commands: limits, groups, logs, errors that name the step."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
import unittest
from pathlib import Path

from harness.core import proc
from harness.core.errors import Exit, HarnessError


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Run(unittest.TestCase):
    def test_output_and_lines(self) -> None:
        lines: list[str] = []
        result = proc.run(["sh", "-c", "echo one; echo two >&2; printf three"], step="s", limit=9,
                          on_line=lines.append)
        self.assertEqual(result.output, "one\ntwo\nthree")
        self.assertEqual(lines, ["one", "two", "three"])
        self.assertEqual(result.returncode, 0)

    def test_large_input_comes_back(self) -> None:
        text = "x" * 300_000
        self.assertEqual(proc.run(["cat"], step="s", limit=9, stdin=text).output, text)

    def test_failure_names_step_log_and_last_lines(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "sub/log"
            with self.assertRaises(HarnessError) as caught:
                proc.run(["sh", "-c", "echo why; exit 3"], step="the step", limit=9, log=log,
                         code=Exit.BOOT)
            self.assertEqual(log.read_text(), "why\n")
        self.assertEqual(caught.exception.code, Exit.BOOT)
        for part in ("the step", "exit value 3", "why", str(log)):
            self.assertIn(part, caught.exception.message)

    def test_full_disk(self) -> None:
        with self.assertRaises(HarnessError) as caught:
            proc.run(["sh", "-c", "echo x: No space left on device; exit 2"], step="s", limit=9)
        self.assertEqual(caught.exception.code, Exit.DISK)
        self.assertIn("x: No space left", caught.exception.message)

    def test_unchecked_failure(self) -> None:
        self.assertEqual(proc.run(["false"], step="s", limit=9, check=False).returncode, 1)

    def test_missing_program(self) -> None:
        with self.assertRaises(HarnessError) as caught:
            proc.run(["/no/such/program"], step="s", limit=9)
        self.assertEqual(caught.exception.code, Exit.TOOL)

    def test_another_thread_ends_it(self) -> None:
        stop = threading.Event()
        threading.Timer(0.3, stop.set).start()
        start = time.monotonic()
        with self.assertRaises(HarnessError) as caught:
            proc.run(["sleep", "60"], step="s", limit=60, stop=stop)
        self.assertEqual(caught.exception.code, Exit.INTERRUPTED)
        self.assertLess(time.monotonic() - start, 20)

    def test_limit_ends_the_whole_group(self) -> None:
        pids: list[int] = []
        start = time.monotonic()
        with self.assertRaises(HarnessError) as caught:
            proc.run(["sh", "-c", "sleep 77 & echo $!; wait"], step="slow", limit=0.5,
                     on_line=lambda line: pids.append(int(line)))
        self.assertLess(time.monotonic() - start, 10)
        self.assertIn("slow did not finish within 0.5 s", caught.exception.message)
        self.assertFalse(alive(pids[0]))

    def test_ctrl_c_ends_the_whole_group(self) -> None:
        pids: list[int] = []

        def started(line: str) -> None:
            pids.append(int(line))
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()

        with self.assertRaises(KeyboardInterrupt):
            proc.run(["sh", "-c", "trap '' TERM; sleep 77 & echo $!; wait"], step="s", limit=30,
                     on_line=started)
        self.assertFalse(alive(pids[0]))

    def test_daemon_that_keeps_the_pipe_does_not_hold_us(self) -> None:
        start = time.monotonic()
        result = proc.run(["sh", "-c", "sleep 7 & echo done"], step="s", limit=30)
        self.assertEqual(result.output, "done\n")
        self.assertLess(time.monotonic() - start, 6)


class SignalTest(unittest.TestCase):
    def test_held_signal_comes_after_the_block(self) -> None:
        before = signal.getsignal(signal.SIGTERM)
        done = []
        with self.assertRaises(KeyboardInterrupt):
            with proc.signals_held():
                os.kill(os.getpid(), signal.SIGTERM)
                done.append("block")
        self.assertEqual(done, ["block"])
        self.assertIs(signal.getsignal(signal.SIGTERM), before)
