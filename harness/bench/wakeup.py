"""Reads what the demo's guest measured, and sums it up.

In:  the console of a guest that ran demo/wakeup.c (the lines are described
     there), and the kernel command line that it was started with.
Out: Point, Measurement, table() -> text, write_csv() -> file of the raw points.
All times are nanoseconds of the guest's simulated clock.
"""

from __future__ import annotations

import csv
import re
import statistics
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Sequence

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
HEADS = ("unpatched", "+ series")     # of the table's columns

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
    clock: str = "tsc"       # that follows QEMU's count of instructions
    models: tuple[str, ...] = ("full",)   # preemption models, each in a boot of its own

    @property
    def functions(self) -> dict[str, str]:
        """The entries and their names, in the order of the table."""
        return {key: name for key, name in FUNCTIONS.items() if key in self.entries}

    @property
    def points(self) -> int:
        """Of one boot."""
        return len(self.entries) * len(self.holds_ns) * self.reps


@dataclass(frozen=True)
class Measurement:
    label: str                     # kernel, for people: "6.12.117"
    points: tuple[Point, ...]
    discards: tuple[str, ...]      # what was tried and did not count, with the reason
    model: str = "full"            # the preemption model of the boot

    def latencies(self, function: str, hold_ns: int) -> list[int]:
        """The latencies of one function and hold, in ns."""
        return [point.latency_ns for point in self.points
                if (point.function, point.hold_ns) == (function, hold_ns)]


def plan(cmdline: str, clock: str = "tsc") -> Plan:
    """The module's parameters as they stand in a kernel command line."""
    words = dict(word.split("=", 1) for word in cmdline.split() if "=" in word)
    try:
        entries = tuple(words["wakeup.entries"].split(","))
        result = Plan(tuple(int(text) for text in words["wakeup.holds_ns"].split(",")),
                      int(words["wakeup.reps"]), int(words["wakeup.wake_delay_ns"]), entries,
                      clock, tuple(words.get("demo.models", "full").split(",")))
        if not set(entries) <= FUNCTIONS.keys():
            raise ValueError(f"entries are of {','.join(FUNCTIONS)}")
    except (KeyError, ValueError) as error:
        raise HarnessError(Exit.USAGE, "the cmdline in demo/demo.toml must have "
                           "wakeup.reps=NUMBER, wakeup.wake_delay_ns=NUMBER, "
                           "wakeup.entries=NAME,NAME... and "
                           f"wakeup.holds_ns=NUMBER,NUMBER...; missing or wrong: {error}.") from None
    if result.points <= 0:
        raise HarnessError(Exit.USAGE, "the cmdline in demo/demo.toml asks for no point at "
                           "all; wakeup.reps must be at least 1.")
    return result


def read(console: str, asked: Plan, label: str, where: Path,
         model: str = "full") -> Measurement:
    """The points in a console log; an incomplete or failed measurement is an error."""
    points: list[Point] = []
    discards: list[str] = []
    clock = total = failure = None

    def bad(code: Exit, what: str) -> HarnessError:
        return HarnessError(code, f"the measurement on {label} {what}; see {where}.")

    for line in console.splitlines():
        found = _LINE.search(line)
        if not found:
            continue
        kind, text = found.groups()
        fields = text.split(",")
        if kind in ("WAKEUP-FAIL", "WAKEUP-INIT-FAIL"):
            failure = failure or f"failed: {text}"
        elif kind == "WAKEUP-CLOCK":
            clock = text
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
    if clock != asked.clock:
        raise bad(Exit.TEST, f"ran by the clock {clock or '(none named)'}, not by {asked.clock}, so "
                  "its times are not those of the simulation")
    if total != len(points):
        raise bad(Exit.TEST, f"has {len(points)} points on the console, but made {total}")
    expected = Counter({(function, hold): asked.reps
                        for function in asked.entries for hold in asked.holds_ns})
    if Counter((point.function, point.hold_ns) for point in points) != expected:
        raise bad(Exit.TEST, f"gave other points than the {asked.points} that were asked for")
    return Measurement(label, tuple(points), tuple(discards), model)


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


def _of(measurements: Iterable[Measurement], model: str) -> list[Measurement]:
    """Those of one preemption model, in their order: without the series, and with it."""
    return [measurement for measurement in measurements if measurement.model == model]


def _cells(kernels: list[Measurement], function: str, hold: int) -> list[str]:
    """The medians of the kernels, and the ratio of the first to the last."""
    medians = [statistics.median(kernel.latencies(function, hold)) for kernel in kernels]
    ratio = medians[0] / max(1, medians[-1])
    return [*map(show, medians), f"{ratio:.{0 if ratio >= 10 else 1}f}"]


def table(measurements: Sequence[Measurement], asked: Plan) -> str:
    """Medians for each function and hold, and base / series, for each preemption model."""
    groups = [_of(measurements, model) for model in asked.models]
    rows = [("function", "held", *(text for group in groups
                                   for text in (*HEADS[:len(group)], "ratio")))]
    for function, name in asked.functions.items():
        for hold in asked.holds_ns:
            rows.append((name, hold_name(hold), *(text for group in groups
                                                  for text in _cells(group, function, hold))))
            name = ""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]

    def line(cells: Sequence[str]) -> str:
        """The first column to the left; before each model's group, more room."""
        text, column = cells[0].ljust(widths[0]) + "  " + cells[1].rjust(widths[1]), 2
        for group in groups:
            text += "  "
            for _ in range(len(group) + 1):
                text += "  " + cells[column].rjust(widths[column])
                column += 1
        return text

    lines = [line(row) for row in rows]
    head, column = " " * (widths[0] + 2 + widths[1]), 2
    for group, model in zip(groups, asked.models):
        width = sum(widths[column:column + len(group) + 1]) + 2 * len(group)
        head += "    " + f" preempt={model} ".center(width, "-")
        column += len(group) + 1
    rule = "-" * len(lines[0])
    blocks = [head, lines[0], rule]
    for number, text in enumerate(lines[1:]):
        if number and number % len(asked.holds_ns) == 0:
            blocks.append("")
        blocks.append(text)
    return "\n".join(blocks + [rule])


def farthest(measurements: Iterable[Measurement], asked: Plan) -> str:
    """The point that is farthest from the median of its cell of the table, by its share of it."""
    worst = (0.0, "")
    for kernel in measurements:
        for function, name in asked.functions.items():
            for hold in asked.holds_ns:
                values = kernel.latencies(function, hold)
                median = statistics.median(values)
                point = max(values, key=lambda value: abs(value - median))
                worst = max(worst, (abs(point - median) / max(1, median),
                                    f"{show(point)}, where the median is {show(median)} "
                                    f"({name}, {hold_name(hold)}, {kernel.label}, "
                                    f"{kernel.model})"))
    return worst[1]


def write_csv(measurements: Iterable[Measurement], path: Path) -> None:
    """Every raw point, one a line, times in ns."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("kernel", "model", "function", "hold_ns", "rep", "latency_ns"))
        for measurement in measurements:
            for point in measurement.points:
                writer.writerow((measurement.label, measurement.model, FUNCTIONS[point.function],
                                 point.hold_ns, point.rep, point.latency_ns))
