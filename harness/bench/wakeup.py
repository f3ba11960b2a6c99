"""Reads what demo/wakeup.c measured.

In:  the console of a guest that ran it (the lines are described there), and the step that it was
     started with.
Out: Point.
All times are nanoseconds of the guest's simulated clock.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import Exit, HarnessError

# What demo/wakeup.c can call (entries), in the order of the table.
FUNCTIONS = {
    "single": "smp_call_function_single()",
    "any": "smp_call_function_any()",
    "many": "smp_call_function_many()",
    "on_each": "on_each_cpu()",
    "cond": "on_each_cpu_cond_mask()",
    "single_again": "..._single(), csd in use",
    "many_again": "..._many(), csd in use",
    "third": "..._many(), third task",
}

# The preemption models of a kernel with PREEMPT_DYNAMIC, and where they are met.
MODELS = {
    "full": "the default of Raspberry Pi OS and Android",
    "voluntary": "the default of Debian, RHEL and SLES",
    "none": "the kernel's own default",
}

# A line of another CPU or of printk may stand before, never behind.
_LINE = re.compile(r"\b(WAKEUP(?:-[A-Z]+)*),(.*?)\s*$")


@dataclass(frozen=True)
class Point:
    function: str        # key of FUNCTIONS
    hold_ns: int         # how long the remote CPU kept interrupts off
    rep: int             # 1 ...
    latency_ns: int      # from the wake-up until the task ran


@dataclass(frozen=True)
class Plan:
    """What a guest was told to measure."""

    holds_ns: tuple[int, ...]
    reps: int
    wake_delay_ns: int       # from the start of the call to the wake-up
    entries: tuple[str, ...]  # keys of FUNCTIONS

    @property
    def points(self) -> int:
        """Of one boot."""
        return len(self.entries) * len(self.holds_ns) * self.reps


def plan(step: str) -> Plan:
    """The module's parameters as they stand in a step "load wakeup NAME=VALUE ..."."""
    words = dict(word.split("=", 1) for word in step.split() if "=" in word)
    try:
        entries = tuple(words["entries"].split(","))
        result = Plan(tuple(int(text) for text in words["holds_ns"].split(",")),
                      int(words["reps"]), int(words["wake_delay_ns"]), entries)
        if not set(entries) <= FUNCTIONS.keys():
            raise ValueError(f"entries are of {','.join(FUNCTIONS)}")
        if result.points <= 0:
            raise ValueError("reps must be at least 1")
    except (KeyError, ValueError) as error:
        raise HarnessError(Exit.USAGE, "a step load wakeup of bench/bench.toml must have "
                           "reps=NUMBER, wake_delay_ns=NUMBER, entries=NAME,NAME... and "
                           f"holds_ns=NUMBER,NUMBER...; missing or wrong: {error}.") from None
    return result


def read(console: str, asked: Plan, label: str, where: Path) -> tuple[list[Point], list[str]]:
    """The points in a console log, and what was tried and did not count, with the reason.

    An incomplete or failed measurement is an error.
    """
    points: list[Point] = []
    discards: list[str] = []
    total = failure = None

    def bad(code: Exit, what: str) -> HarnessError:
        return HarnessError(code, f"the measurement on {label} {what}; see {where}.")

    for line in console.splitlines():
        found = _LINE.search(line)
        if not found:
            continue
        kind, text = found.groups()
        fields = text.split(",")
        if kind == "WAKEUP-FAIL":
            failure = failure or f"failed: {text}"
        elif kind == "WAKEUP-DISCARD":
            discards.append(text)
        elif kind == "WAKEUP-OK" and len(fields) == 2 and fields[0].isdigit():
            total = int(fields[0])
        elif kind == "WAKEUP":
            numbers = fields[1:]
            if len(fields) != 4 or fields[0] not in FUNCTIONS \
                    or not all(number.isdigit() for number in numbers):
                raise bad(Exit.TEST, f"printed a point that makes no sense: {line.strip()!r}")
            points.append(Point(fields[0], *map(int, numbers)))

    if failure:
        raise bad(Exit.TEST, failure)
    if total is None:
        raise bad(Exit.BOOT, "did not come to its end (there is no line WAKEUP-OK)")
    if total != len(points):
        raise bad(Exit.TEST, f"has {len(points)} points on the console, but made {total}")
    expected = Counter({(function, hold): asked.reps
                        for function in asked.entries for hold in asked.holds_ns})
    if Counter((point.function, point.hold_ns) for point in points) != expected:
        raise bad(Exit.TEST, f"gave other points than the {asked.points} that were asked for")
    return points, discards


def show(nanoseconds: float) -> str:
    """A time with three digits and its unit: 1.93 us, 64.0 ms."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if nanoseconds >= size * 0.9995:
            value = nanoseconds / size
            return f"{value:.{max(0, 2 - (value >= 9.995) - (value >= 99.95))}f} {unit}"
    return f"{nanoseconds:.0f} ns"


def hold_name(nanoseconds: int) -> str:
    """A hold in milliseconds, without needless digits: 0.1 ms."""
    return f"{nanoseconds / 1e6:g} ms"
