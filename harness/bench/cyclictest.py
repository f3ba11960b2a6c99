"""Reads what the real tools measured: cyclictest beside a load, while a CPU is held.

In:  a console of bench/rt.c, or what that printed on a real machine.
Out: Round; read() -> Points: those of ROWS (nanoseconds, or a number), and in the row HISTOGRAM the
     number of wake-ups (value) by how late they were (x, in nanoseconds).
cyclictest leaves out the wake-ups that a late one overlaps, so one that is late by L stands for
those, too, each one interval less late.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from ..core.report import text_table
from .points import Point, show

# What each round is summed up to.
ROWS = {
    "rt_p99": "99th percentile",
    "rt_max": "latest",
    "rt_late": "later than half the hold, a minute",     # a number, not a time
}
HISTOGRAM = "rt_histogram"
SPOKEN = r"\brt: RT-LOAD,"      # what a load says, which may be "WARNING: ..."
_ROUND = re.compile(r"\bRT-BEGIN,([^,]*),(\d+),(\d+)(.*?)(?=\bRT-BEGIN,|\Z)", re.S)
_METRIC = re.compile(r"metrc: \[\d+\] [a-z][a-z-]* +(\d+) +\d+\.\d+ ")


@dataclass(frozen=True)
class Round:
    """One run of cyclictest, all CPUs together."""

    load: str
    interval_us: int
    hold_ms: int                     # 0: no CPU was held
    threads: list[dict[str, Any]]    # what cyclictest says of each, with --json

    @property
    def wakeups(self) -> int:
        return sum(thread["cycles"] for thread in self.threads)

    @cached_property
    def counts(self) -> dict[int, int]:
        """Late by us (two digits, the others are cut off) -> wake-ups that the histogram has."""
        found: Counter[int] = Counter()
        for thread in self.threads:
            for late, count in thread["histogram"].items():
                unit = 10 ** max(0, len(late) - 2)
                found[int(late) // unit * unit] += count
        return dict(sorted(found.items()))

    def summed_up(self, hold_ms: int) -> dict[str, float]:
        """Row -> figure; hold_ms is the hold with which the round is compared."""
        every: Counter[int] = Counter()      # with the wake-ups that were left out
        for late, count in self.counts.items():
            for left_out in range(late, -1, -self.interval_us):
                every[left_out] += count
        reached = dict(zip(sorted(every), accumulate(every[late] for late in sorted(every))))
        later = self.wakeups - sum(count for late, count in self.counts.items()
                                   if late < hold_ms * 1e3 / 2)
        minutes = every.total() * self.interval_us / len(self.threads) / 60e6
        return {"rt_p99": 1e3 * next(late for late in reached if reached[late] >= 0.99 * every.total()),
                "rt_max": 1e3 * max(thread["max"] for thread in self.threads),
                "rt_late": later / minutes}


def rounds(console: str) -> tuple[list[Round], list[str]]:
    """The rounds in a console, and what is wrong with those that cannot be used."""
    found: list[Round] = []
    wrong: list[str] = []
    for load, interval_us, hold_ms, lines in _ROUND.findall(console):
        said = {kind: re.findall(rf"\bRT-{kind},{re.escape(load)},(.*?)\s*$", lines, re.M)
                for kind in ("LOAD", "JSON", "HOLDS", "FAIL")}
        ops = [int(match[1]) for text in said["LOAD"] if (match := _METRIC.search(text))]
        try:
            threads = list(json.loads(" ".join(said["JSON"]))["thread"].values())
        except (ValueError, KeyError):
            threads = []
        if said["FAIL"]:
            wrong.append(f"{load}: {said['FAIL'][0]}")
        elif not said["HOLDS"] or not any(thread["histogram"] for thread in threads):
            wrong.append(f"{load}: the round is not complete")
        elif int(hold_ms) and not int(said["HOLDS"][0]):
            wrong.append(f"{load}: no CPU was held")
        elif ops and not any(ops):
            wrong.append(f"{load}: the load did nothing")
        else:
            found.append(Round(load, int(interval_us), int(hold_ms), threads))
    return found, wrong


def read(console: str, boot: Point, steps: list[str]) -> list[Point]:
    """The points of one boot, of which `boot` says which it is.
    A measurement that is not complete is a ValueError."""
    found, wrong = rounds(console)
    asked = [step.split()[2] for step in steps if step.startswith("run rt ")]
    if not wrong and [item.load for item in found] != asked:
        wrong = [f"it made the rounds {', '.join(item.load for item in found)}"]
    if wrong:
        raise ValueError(f"it gave figures that cannot be used: {wrong[0]}")
    hold_ms = max((item.hold_ms for item in found), default=0)
    points = []
    for item in found:
        case = f"{item.load}, " + (f"held {item.hold_ms} ms" if item.hold_ms else "no CPU held")
        points += [boot._replace(row=row, case=item.load, x=item.hold_ms * 1_000_000, value=value)
                   for row, value in item.summed_up(hold_ms).items()]
        points += [boot._replace(row=HISTOGRAM, case=case, x=late * 1000, value=float(count))
                   for late, count in item.counts.items()]
    return points


def table(found: list[Round]) -> str:
    """The rounds for people, a line each."""
    hold_ms = max((item.hold_ms for item in found), default=0)
    rows = [("load", "held", "wake-ups", *ROWS.values())]
    for item in found:
        p99, latest, late = item.summed_up(hold_ms).values()
        rows.append((item.load, f"{item.hold_ms} ms" if item.hold_ms else "-", str(item.wakeups),
                     show(p99), show(latest), f"{late:.0f}" if hold_ms else "-"))
    return text_table(rows)
