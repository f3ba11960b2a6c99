"""Reads what the real tools measured: cyclictest beside a load, while a CPU is held.

In:  a console of bench/rt.c and bench/stall.c, or what those printed on a real machine.
Out: Round; read() -> Points (nanoseconds) of ROWS, Buckets (microseconds) of histograms.csv.
cyclictest leaves out the wake-ups that a late one overlaps, so one that is late by L stands for
those, too, each one interval less late.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..core.report import text_table
from .points import Boot, Point
from .names import show

# What each round is summed up to.
ROWS = {
    "rt_p99": "99th percentile",
    "rt_max": "latest",
    "rt_late": "later than half the hold, a minute",     # a number, not a time
}
_LINE = re.compile(r"\b(RT|STALL)-([A-Z]+),(.*?)\s*$")
SPOKEN = r"\brt: RT-LOAD,"      # what a load says, which may be "WARNING: ..."
_METRIC = re.compile(r"metrc: \[\d+\] ([a-z][a-z-]*) +(\d+) +\d+\.\d+ ")


@dataclass
class Round:
    """One run of cyclictest, all CPUs together."""

    load: str
    hold_ms: int                 # 0: no CPU was held
    interval_us: int
    counts: Counter[int] = field(default_factory=Counter)    # late by us -> wake-ups
    over: int = 0                # wake-ups that the histogram had no place for
    latest_us: int = 0
    threads: int = 0
    holds: int = 0               # how often the CPU was held meanwhile
    ops: int | None = None       # of the load, if it says
    ended: bool = False

    def all_wakeups(self) -> Counter[int]:
        """With those that were left out; late by us -> wake-ups."""
        found: Counter[int] = Counter()
        for late, count in self.counts.items():
            for left_out in range(late, -1, -self.interval_us):
                found[left_out] += count
        return found

    def percentile_us(self, share: float) -> int:
        """What the given share (0 to 1) of all wake-ups is not later than."""
        wakeups = self.all_wakeups()
        rest = share * wakeups.total()
        for late in sorted(wakeups):
            rest -= wakeups[late]
            if rest <= 0:
                return late
        return self.latest_us

    def late_a_minute(self, limit_us: float) -> float:
        """Wake-ups (of cyclictest's own) later than the limit, in a minute."""
        number = sum(count for late, count in self.counts.items() if late >= limit_us) + self.over
        thread_us = self.all_wakeups().total() * self.interval_us
        return number * 60e6 * self.threads / thread_us if thread_us else 0.0


@dataclass(frozen=True)
class Bucket:
    """One bucket of one round's histogram."""

    arch: str
    kernel: str
    guest: str
    boot: int
    load: str
    hold_ms: int
    late_us: int                 # lower end; two digits
    count: int


def rounds(console: str) -> tuple[list[Round], list[str]]:
    """The rounds in a console, and what went wrong in it."""
    found: list[Round] = []
    wrong: list[str] = []
    for line in console.splitlines():
        match = _LINE.search(line)
        if not match:
            continue
        who, kind, text = match.groups()
        words = text.split(",")
        if who == "STALL":
            if kind == "FAIL":
                wrong.append(f"no CPU was held: {text}")
            continue
        if kind == "BEGIN":
            found.append(Round(words[0], int(words[2]), int(words[1])))
            continue
        if not found or found[-1].load != words[0]:
            wrong.append(f"a line of no round: {line.strip()!r}")
            continue
        now, numbers = found[-1], words[1:]
        if kind == "FAIL":
            wrong.append(f"{now.load}: {','.join(numbers)}")
        elif kind == "HIST":
            now.counts[int(numbers[0])] += sum(map(int, numbers[1:]))
            now.threads = len(numbers) - 1
        elif kind == "OVER":
            now.over = sum(map(int, numbers))
        elif kind == "MAX":
            now.latest_us = max(map(int, numbers))
        elif kind == "HOLDS":
            now.holds = int(numbers[0])
        elif kind == "LOAD":
            if metric := _METRIC.search(line):
                now.ops = (now.ops or 0) + int(metric[2])
        elif kind == "END":
            now.ended = True
    for item in found:
        if not item.ended or not item.counts:
            wrong.append(f"{item.load}: the round is not complete")
        elif item.hold_ms and not item.holds:
            wrong.append(f"{item.load}: no CPU was held")
        elif item.ops == 0:
            wrong.append(f"{item.load}: the load did nothing")
    return found, wrong


def summed_up(item: Round, hold_ms: int) -> dict[str, float]:
    """Row -> figure; hold_ms is the hold with which the round is compared."""
    return {"rt_p99": item.percentile_us(0.99) * 1e3, "rt_max": item.latest_us * 1e3,
            "rt_late": item.late_a_minute(hold_ms * 1e3 / 2)}


def read(console: str, boot: Boot, steps: list[str], where: Path) -> tuple[list[Point], list[Bucket]]:
    """The points and histograms of one boot; a measurement that is not complete is an error."""
    boot.check_clock(console, where)
    found, wrong = rounds(console)
    asked = [step.split()[2] for step in steps if step.startswith("run rt ")]
    if not wrong and [item.load for item in found] != asked:
        wrong.append(f"it made the rounds {', '.join(item.load for item in found)}")
    if wrong:
        raise boot.wrong(f"gave figures that cannot be used: {wrong[0]}", where)
    hold_ms = max((item.hold_ms for item in found), default=0)
    points = [boot.point(row, item.load, item.hold_ms * 1_000_000, value)
              for item in found for row, value in summed_up(item, hold_ms).items()]
    buckets = [Bucket(boot.arch, boot.kernel, boot.guest, boot.number, item.load, item.hold_ms,
                      late, count) for item in found for late, count in sorted(item.counts.items())]
    return points, buckets


def rounds_table(found: list[Round]) -> str:
    """The rounds for people, a line each."""
    hold_ms = max((item.hold_ms for item in found), default=0)
    rows = [("load", "held", "wake-ups", *ROWS.values())]
    for item in found:
        values = summed_up(item, hold_ms)
        rows.append((item.load, f"{item.hold_ms} ms" if item.hold_ms else "-",
                     str(item.counts.total() + item.over), show(values["rt_p99"]),
                     show(values["rt_max"]), f"{values['rt_late']:.0f}" if hold_ms else "-"))
    return text_table(rows)
