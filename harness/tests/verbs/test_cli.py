"""The command line as a user meets it: verbs, help, locks, Ctrl-C, .ci/run and ./run."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import subprocess
import sys
import tempfile
import types
import unittest
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from harness import cli
from harness.core import files, settings
from harness.core.errors import Exit, HarnessError


class Verbs(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.build = Path(folder.name)
        for patcher in (mock.patch.object(settings, "BUILD", self.build),
                        mock.patch.object(cli.signal, "signal")):
            patcher.start()
            self.addCleanup(patcher.stop)
        self.out, self.err = io.StringIO(), io.StringIO()

    def module(self, main: Callable[[object, object], int]) -> types.SimpleNamespace:
        return types.SimpleNamespace(__name__="demo", __doc__="demo: it.", main=main,
                                     arguments=lambda parser: parser.add_argument("x", nargs="*"))

    def run_cli(self, *argv: str, module: types.SimpleNamespace | None = None) -> int:
        with contextlib.redirect_stdout(self.out), contextlib.redirect_stderr(self.err):
            with mock.patch.object(cli, "load", return_value=module) if module else \
                    contextlib.nullcontext():
                return cli.main(list(argv))

    def test_unknown_verb_is_one_sentence_with_the_verbs(self) -> None:
        for argv in (["bulid"], ["help", "bulid"]):
            self.err.truncate(0)
            self.assertEqual(self.run_cli(*argv), Exit.USAGE)
            for verb in cli.VERBS:
                self.assertIn(verb, self.err.getvalue())
            self.assertEqual(self.err.getvalue().count("\n"), 1)

    def test_help_fits_one_screen(self) -> None:
        self.assertEqual(self.run_cli("help"), Exit.OK)
        lines = self.out.getvalue().splitlines()
        self.assertLessEqual(len(lines), 23)
        self.assertLessEqual(max(map(len, lines)), 90)

    def test_every_verb_has_help_and_main(self) -> None:
        for verb in cli.VERBS:
            module = cli.load(verb)
            self.assertRegex(module.__doc__, rf"^{verb}[^:]*: .+[.?]\n\n")
            self.assertTrue(callable(module.main))
            self.assertEqual(self.run_cli("help", verb), Exit.OK)
            self.assertIn(f"usage: ./run {verb} ", self.out.getvalue())

    def test_unknown_option_is_one_sentence(self) -> None:
        for verb in ("tree", "export"):
            self.assertEqual(self.run_cli(verb, "--frobnicate"), Exit.USAGE)
            self.assertIn(f"./run help {verb}", self.err.getvalue())

    def test_both_sources_is_usage(self) -> None:
        self.assertEqual(self.run_cli("tree", "--linux", "a", "--tarball", "b"), Exit.USAGE)

    def test_codes_come_through(self) -> None:
        def fail(parsed: object, opts: object) -> int:
            raise HarnessError(Exit.SPLAT, "a sentence.")

        self.assertEqual(self.run_cli("demo", module=self.module(fail)), Exit.SPLAT)
        self.assertIn("run: a sentence.", self.err.getvalue())
        self.assertEqual(self.run_cli("demo", module=self.module(lambda parsed, opts: 7)), 7)

    def test_disk_that_gets_full(self) -> None:
        def full(parsed: object, opts: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device", "some/file")

        self.assertEqual(self.run_cli("demo", module=self.module(full)), Exit.DISK)
        self.assertIn("some/file", self.err.getvalue())

    def test_ctrl_c(self) -> None:
        def interrupted(parsed: object, opts: object) -> int:
            raise KeyboardInterrupt

        self.assertEqual(self.run_cli("demo", module=self.module(interrupted)), 130)

    def test_two_runs_at_once(self) -> None:
        module = self.module(lambda parsed, opts: 0)
        with files.locked(settings.BUILD, "check"):
            self.assertEqual(self.run_cli("demo", module=module), Exit.BUSY)
            self.assertEqual(self.run_cli("judge", "d", module=module), Exit.OK)
        self.assertIn(f"./run check (process {os.getpid()})", self.err.getvalue())
        self.assertEqual(self.run_cli("demo", module=module), Exit.OK)

    def test_build_folder_that_cannot_be_written(self) -> None:
        file = Path(self.enterContext(tempfile.NamedTemporaryFile()).name)
        for folder in (file, file / "below", Path("/proc/below")):
            with mock.patch.object(settings, "BUILD", folder):
                self.assertEqual(self.run_cli("demo", module=self.module(lambda parsed, opts: 0)),
                                 Exit.USAGE)
            self.assertIn(f"{folder} cannot be written", self.err.getvalue())

    def test_lock_does_not_outlive_a_killed_run(self) -> None:
        holder = subprocess.Popen(
            [sys.executable, "-c", "import sys, time; from pathlib import Path\n"
             "from harness.core import files\n"
             "with files.locked(Path(sys.argv[1]), 'x'):\n"
             "    print('held', flush=True); time.sleep(60)", str(self.build)],
            cwd=Path(cli.__file__).parent.parent, stdout=subprocess.PIPE, text=True)
        assert holder.stdout
        self.addCleanup(holder.stdout.close)
        self.assertEqual(holder.stdout.readline(), "held\n")
        with self.assertRaises(HarnessError):
            with files.locked(self.build, "y"):
                pass
        holder.kill()
        holder.wait()
        with files.locked(self.build, "y"):
            pass


class Script(unittest.TestCase):
    """./run and .ci/run themselves."""

    top = Path(cli.__file__).resolve().parent.parent

    def test_from_another_folder_with_a_harness_of_its_own(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "harness").mkdir()
            (Path(folder) / "harness/__init__.py").write_text("raise SystemExit(99)")
            done = subprocess.run([self.top / "run", "help"], cwd=folder, text=True,
                                  capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Usage: ./run VERB", done.stdout)

    def test_exit_code(self) -> None:
        done = subprocess.run([self.top / "run", "nonsense"], capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 2)

    def test_ended_from_outside_is_like_ctrl_c(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            code = ("import os, signal, sys; from harness import cli\n"
                    "cli.dispatch = lambda argv: os.kill(os.getpid(), signal.SIGTERM)\n"
                    "sys.exit(cli.main([]))")
            done = subprocess.run([sys.executable, "-c", code], cwd=self.top, capture_output=True,
                                  timeout=60, env=os.environ | {"BUILD_DIR": folder})
        self.assertEqual(done.returncode, 130)
        self.assertNotEqual(done.returncode, -signal.SIGTERM)

    def test_ci_runs_the_command_of_the_readme(self) -> None:
        command = [line.strip() for line in (self.top / "README.md").read_text().splitlines()
                   if line.startswith("    ./run check")]
        self.assertEqual(command, ["./run check"])
        self.assertTrue((self.top / ".ci/run").read_text().rstrip().endswith("exec ./run check"))
        self.assertTrue(os.access(self.top / ".ci/run", os.X_OK))

    def test_readme_lists_every_verb_and_exit_code(self) -> None:
        text = (self.top / "README.md").read_text()
        for verb in cli.VERBS:
            self.assertIn(f"| `{verb}", text)
        for code in Exit:
            self.assertIn(f"| {int(code)} |", text)
