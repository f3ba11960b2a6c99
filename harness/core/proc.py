"""Runs one external command: with a time limit, in a process group of its own.

In:  argv, the name of the step (for messages), a limit.  Out: Result.
At the limit, or on Ctrl-C, the whole group is killed: no compiler or QEMU outlives its step.
"""

import os
import re
import shlex
import signal
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Callable, Iterator, Sequence

from . import settings
from .errors import Exit, HarnessError, disk_full

GRACE_S = 3.0        # seconds between SIGTERM and SIGKILL
POLL_S = 0.1         # seconds between two looks at a command, and at what it has printed
# What ends a run from outside: Ctrl-C, kill, a closed terminal.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TAIL_LINES = 8       # output lines quoted in an error


@dataclass(frozen=True)
class Result:
    returncode: int      # negative: killed by that signal
    output: str
    seconds: float


def kill_group(child: subprocess.Popen[bytes], grace: float = GRACE_S) -> None:
    """Ends every process of the child's group and reaps the child."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + grace
        try:
            os.killpg(child.pid, number)
            while time.monotonic() < deadline:
                time.sleep(0.02)
                child.poll()
                os.killpg(child.pid, 0)
        except ProcessLookupError:
            break
    child.wait()


def tail(output: str, count: int = TAIL_LINES) -> str:
    """The last lines of output, indented, for a message."""
    lines = [line for line in output.splitlines() if line.strip()]
    return "\n".join("    " + line for line in lines[-count:])


@contextmanager
def signals_held() -> Iterator[None]:
    """Puts Ctrl-C and its like off until the end of the block: a child that we do not know yet would be
    left running."""
    ours = ENDING if threading.current_thread() is threading.main_thread() else ()
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number))
              for number in ours}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt


def run(argv: Sequence[str | Path], *, step: str = "", limit: float | str = "tool",
        cwd: Path | None = None, env: dict[str, str] | None = None,
        log: Path | None = None, stdin: str | None = None,
        on_line: Callable[[str], None] | None = None, check: bool = True, code: Exit = Exit.BUILD,
        stop: threading.Event | None = None) -> Result:
    """Runs argv and returns its Result.

    limit is an entry of limits.toml, or host seconds. env is added to the environment. log is
    overwritten with the output. on_line gets each line without its end, soon after it came. Raises
    HarnessError(code) at the limit, or if check is set and the command fails; INTERRUPTED soon after
    another thread has set `stop`.
    """
    words = [str(word) for word in argv]
    step = step or words[0]
    limit_s = settings.limit(limit) if isinstance(limit, str) else limit
    where = f"; its output is in {log}" if log else ""
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    child = None
    # Files, not pipes: a daemon that keeps its standard output open holds nobody up.
    with log.open("w+b") if log else TemporaryFile() as output, TemporaryFile() as text:
        text.write((stdin or "").encode())
        text.seek(0)
        try:
            with signals_held():
                child = subprocess.Popen(
                    words, cwd=cwd, env={**os.environ, **env} if env else None,
                    stdin=subprocess.DEVNULL if stdin is None else text, stdout=output,
                    stderr=subprocess.STDOUT, process_group=0)
            _watch(child, start + limit_s, output.fileno(), on_line or (lambda line: None), stop)
        except FileNotFoundError:
            if child:
                raise
            raise HarnessError(Exit.TOOL, f"{step}: {words[0]} cannot be started because it "
                               "(or its working folder) does not exist.") from None
        finally:
            timed_out = child and child.returncode is None
            if timed_out:
                kill_group(child)
        output.seek(0)
        said = output.read().decode("utf-8", "replace")
    if timed_out:
        raise HarnessError(code, f"{step} did not finish within {limit_s:g} s and was "
                           f"ended{where}.\n{tail(said)}".rstrip())
    if check and child.returncode and (full := re.search(r".*No space left on device", said)):
        raise disk_full(full[0])
    if check and child.returncode:
        raise HarnessError(code, f"{step} failed with exit value {child.returncode} "
                           f"({shlex.join(words)[:200]}){where}.\n{tail(said)}".rstrip())
    return Result(child.returncode, said, time.monotonic() - start)


def _watch(child: subprocess.Popen[bytes], deadline: float, output: int,
           on_line: Callable[[str], None], stop: threading.Event | None) -> None:
    """Hands on what the child prints to the file `output`, until it ends or the deadline has come."""
    place, rest = 0, b""
    while child.returncode is None and time.monotonic() < deadline:
        if stop and stop.is_set():
            raise HarnessError(Exit.INTERRUPTED, "interrupted.")
        with suppress(subprocess.TimeoutExpired):
            child.wait(POLL_S)
        # Not read(): the child writes where the file's position is, which both share.
        while part := os.pread(output, 1 << 20, place):
            place += len(part)
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                on_line(line.decode("utf-8", "replace").rstrip("\r"))
    if rest:
        on_line(rest.decode("utf-8", "replace"))
