"""Runs one external command: with a time limit, in a process group of its own.

In:  argv, the name of the step (for messages), a limit in seconds.  Out: Result.
At the limit, or on Ctrl-C, the whole group is killed: no compiler or QEMU outlives its step.
"""

import os
import queue
import shlex
import signal
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Sequence

from .errors import Exit, HarnessError

GRACE_S = 3.0        # seconds between SIGTERM and SIGKILL
DRAIN_S = 1.0        # seconds to wait for more output after the command has ended
# What ends a run from outside: Ctrl-C, kill, a closed terminal.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TAIL_LINES = 8       # output lines quoted in an error


@dataclass(frozen=True)
class Result:
    argv: tuple[str, ...]
    returncode: int      # negative: killed by that signal
    output: str
    seconds: float


def kill_group(child: subprocess.Popen[bytes], grace: float = GRACE_S) -> None:
    """Ends every process of the child's group and reaps the child."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline:
            child.poll()
            try:
                os.killpg(child.pid, 0)
            except ProcessLookupError:
                break
            time.sleep(0.02)
    child.wait()


def tail(output: str, count: int = TAIL_LINES) -> str:
    """The last lines of output, indented, for a message."""
    lines = [line for line in output.splitlines() if line.strip()]
    return "\n".join("    " + line for line in lines[-count:])


@contextmanager
def signals_held() -> Iterator[None]:
    """Puts Ctrl-C and its like off until the end of the block.

    Between the start of a child and the moment when we know it, they would leave it
    running.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number))
              for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt


def run(argv: Sequence[str | Path], *, step: str, limit: float, cwd: Path | None = None,
        env: dict[str, str] | None = None, log: Path | None = None,
        stdin: str | None = None, on_line: Callable[[str], None] | None = None,
        check: bool = True, code: Exit = Exit.BUILD,
        stop: threading.Event | None = None) -> Result:
    """Runs argv and returns its Result.

    env is added to the environment. log is overwritten with the output. on_line
    gets each line without its end, when it comes. Raises HarnessError(code) if the
    limit is reached, or if check is set and the command fails; INTERRUPTED soon after
    another thread has set `stop`.
    """
    words = [str(word) for word in argv]
    where = f"; its output is in {log}" if log else ""
    start = time.monotonic()
    chunks: list[bytes] = []
    timed_out = False
    child = log_file = None
    try:
        with signals_held():
            child = subprocess.Popen(
                words, cwd=cwd, env={**os.environ, **env} if env else None,
                stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0)
        if log:
            log.parent.mkdir(parents=True, exist_ok=True)
            log_file = log.open("wb", buffering=0)
        timed_out = not _pump(child, stdin, start + limit, chunks, log_file, on_line, stop)
        if timed_out:
            kill_group(child)
        else:
            child.wait()
    except BaseException as error:
        if child:
            kill_group(child)
        elif isinstance(error, FileNotFoundError):
            raise HarnessError(Exit.TOOL, f"{step}: {words[0]} cannot be started because it "
                               "(or its working folder) does not exist.") from None
        raise
    finally:
        if log_file:
            log_file.close()
    output = b"".join(chunks).decode("utf-8", "replace")
    seconds = time.monotonic() - start
    if timed_out:
        raise HarnessError(code, f"{step} did not finish within {limit:g} s and was "
                           f"ended{where}.\n{tail(output)}".rstrip())
    if check and child.returncode:
        raise HarnessError(code, f"{step} failed with exit value {child.returncode} "
                           f"({shlex.join(words)[:200]}){where}.\n{tail(output)}".rstrip())
    return Result(tuple(words), child.returncode, output, seconds)


def _pump(child: subprocess.Popen[bytes], stdin: str | None, deadline: float,
          chunks: list[bytes], log_file, on_line: Callable[[str], None] | None,
          stop: threading.Event | None = None) -> bool:
    """Feeds stdin and collects output until the command ends; False at the deadline."""
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def read() -> None:
        with child.stdout:
            for line in child.stdout:
                lines.put(line)
        lines.put(None)

    def write() -> None:
        with suppress(BrokenPipeError), child.stdin:
            child.stdin.write(stdin.encode())

    for work in [read] if stdin is None else [read, write]:
        threading.Thread(target=work, daemon=True).start()
    open_output, ended_at = True, None
    while open_output or child.poll() is None:
        now = time.monotonic()
        if child.poll() is not None:
            ended_at = ended_at or now
        elif now >= deadline:
            return False
        if stop and stop.is_set():
            raise HarnessError(Exit.INTERRUPTED, "interrupted.")
        try:
            line = lines.get(timeout=0.2 if open_output else 0.01)
        except queue.Empty:
            # A daemon that kept the pipe open must not keep us here.
            if ended_at and now > ended_at + DRAIN_S:
                break
            continue
        if line is None:
            open_output = False
            continue
        chunks.append(line)
        if log_file:
            log_file.write(line)
        if on_line:
            on_line(line.decode("utf-8", "replace").rstrip("\r\n"))
    return True
