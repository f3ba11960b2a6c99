"""What the parts of a check found: a table, "N passed, N failed, N skipped", the exit code."""

import sys
import time
from dataclasses import dataclass
from typing import Iterable, Sequence

from .errors import Exit, HarnessError
from .progress import Progress, clock


@dataclass(frozen=True)
class Part:
    """One part of a check: the unit tests, one queue check, one lane."""

    name: str
    code: Exit
    passed: int
    failed: int
    skipped: int
    seconds: float
    note: str = ""          # one line: why it failed, or what it counted


def true(faults: dict[str, object]) -> list[str]:
    """The complaints that hold, of {complaint: whether it does}."""
    return [complaint for complaint, holds in faults.items() if holds]


def judged(name: str, complaints: Sequence[str], note: str, start: float, passed: int = 1,
           failed: int | None = None, code: Exit = Exit.TEST) -> Part:
    """The Part of something that began at `start`; complaints are printed.
    passed and failed are what it counts then (one failure, if nothing is said)."""
    for text in complaints:
        print(f"run: {text}", file=sys.stderr, flush=True)
    if not complaints:
        return Part(name, Exit.OK, passed, 0, 0, time.monotonic() - start, note)
    failed = 1 if failed is None else failed
    return Part(name, code, max(0, passed - failed), failed, 0, time.monotonic() - start,
                complaints[0] if len(complaints) == 1 else
                f"{len(complaints)} complaints, the first: {complaints[0]}")


def not_done(name: str, error: HarnessError, start: float) -> Part:
    """The Part of something that could not be done."""
    return judged(name, [error.message], "", start, code=error.code)


def guarded(name: str, progress: Progress, step) -> list[Part]:
    """Runs one step; what it raises becomes a failed part."""
    start = time.monotonic()
    try:
        made = step()
    except HarnessError as error:
        made = not_done(name, error, start)
    parts = made if isinstance(made, list) else [made]
    bad = [part.name for part in parts if part.code != Exit.OK or part.failed]
    progress.done("FAILED: " + ", ".join(bad) if bad else "ok")
    return parts


def text_table(rows: Sequence[Sequence[str]], sides: str = "lr") -> str:
    """Rows of cells in columns, each to the left ("l") or right; the last is for all that follow."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    sides = sides.ljust(len(widths), sides[-1])
    return "\n".join("  ".join(
        cell.ljust(width) if side == "l" else cell.rjust(width)
        for cell, width, side in zip(row, widths, sides)).rstrip() for row in rows)


def markdown(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    head = list(head)
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def table(parts: list[Part]) -> str:
    """One line per part."""
    rows = [("part", "result", "passed", "failed", "skipped", "time", "")]
    for part in parts:
        rows.append((part.name, "ok" if part.code == Exit.OK else part.code.name,
                     str(part.passed), str(part.failed), str(part.skipped), clock(part.seconds),
                     part.note.splitlines()[0] if part.note else ""))
    return text_table(rows, "llrrrrl")


def closing(parts: list[Part]) -> str:
    """The plain line that ends every check."""
    return ", ".join(f"{sum(getattr(part, what) for part in parts)} {what}"
                     for what in ("passed", "failed", "skipped"))


def exit_code(parts: list[Part]) -> Exit:
    """The kind of the first failure. A part that counts failures did not pass."""
    return next((part.code or Exit.TEST for part in parts if part.code or part.failed), Exit.OK)


def finish(parts: list[Part], note: str = "") -> Exit:
    """Prints what ends a verb: the table, a note, and the closing line."""
    print("\n".join(["", table(parts), *([note] if note else []), closing(parts)]))
    return exit_code(parts)
