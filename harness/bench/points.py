"""What the benchmarks measured: points, read from consoles and CSV files, and their spread.

In:  the BENCH lines of a guest's console, or points.csv of an earlier run.
Out: Point, Key, Stat. Values are nanoseconds of the guest's clock; bytes in the row "memory";
     numbers in the rows "rt_late" and "rt_histogram" (cyclictest.py).
"""

import csv
import re
import statistics
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, NamedTuple

from ..core import Exit, HarnessError

FULL = "full"          # the preemption model, where nothing else is said
REAL_TIME = "rt_"      # rows of cyclictest.py begin so
# A program's line has the program's name before it, a module's line has not.
_BENCH = re.compile(r"(: )?\bBENCH(-[A-Z]+)?,(.*?)\s*$", re.M)


class Key(NamedTuple):
    """What a figure is of."""

    arch: str
    kernel: str      # name in bench.toml
    cpus: int
    row: str         # "wakeup", "cost", ...
    case: str        # "single", ...
    x: int           # length of the hold in ns, number of targets, ...
    model: str = FULL        # the kernel's preemption model


class Point(NamedTuple):
    arch: str
    kernel: str
    cpus: int
    row: str
    case: str
    x: int
    guest: str       # name in bench.toml
    boot: int        # 1 ...
    rep: int         # within the boot, 1 ...
    value: float
    model: str = FULL

    @property
    def key(self) -> Key:
        return Key(*self[:6], self.model)


@dataclass(frozen=True)
class Stat:
    median: float
    least: float
    greatest: float
    count: int
    mean: float


def stats(points: Iterable[Point]) -> dict[Key, Stat]:
    """Median, least, greatest and mean of the points with the same key."""
    groups: dict[Key, list[float]] = defaultdict(list)
    for point in points:
        groups[point.key].append(point.value)
    return {key: Stat(statistics.median(values), min(values), max(values), len(values),
                      statistics.fmean(values))
            for key, values in groups.items()}


def read(console: str, boot: Point, clock: str) -> tuple[list[Point], list[str]]:
    """The points of one boot, of which `boot` says which it is, and the tries that were discarded.
    A measurement that is not complete, or by another clock, is a ValueError."""
    found: list[Point] = []
    discards: list[str] = []
    clocks: list[str] = []
    counted = total = 0
    for program, kind, text in _BENCH.findall(console):
        words = text.split(",")
        if kind == "-OK":
            total += int(words[0])
        elif kind == "-CLOCK":
            clocks.append(text)
        elif kind == "-DISCARD":
            discards.append(text)
        elif kind == "-INFO":
            info = dict(word.split("=") for word in words)
            found.append(boot._replace(row="memory", case="task_bytes",
                                       value=float(info["task_bytes"])))
        elif kind == "":
            if len(words) != 6 or not all(word.isdigit() for word in words[2:]):
                raise ValueError(f"it printed a point that makes no sense: {text!r}")
            x, rep, value, per = map(int, words[2:])
            counted += not program
            found.append(boot._replace(row=words[0], case=words[1], x=x, rep=rep, value=value / per))
    if counted != total:
        raise ValueError(f"it has {counted} points on the console, but made {total}")
    if clocks[:1] != [clock]:
        raise ValueError(f"it ran by the clock {', '.join(clocks) or '(none named)'}, not by {clock}")
    return found, discards


def write_csv(points: Iterable[Point], path: Path) -> None:
    """The points, one a line."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Point._fields)
        writer.writerows(point._replace(value=f"{point.value:.10g}") for point in points)


def read_csv(path: Path) -> list[Point]:
    """The points of a file that write_csv wrote; in old ones, all are of the same model."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [Point(**{name: Point.__annotations__[name](text) for name, text in row.items()})
                    for row in csv.DictReader(file)]
    except (OSError, KeyError, TypeError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise HarnessError(Exit.USAGE, f"{path} is not a file of points ({why}); name a folder that "
                           "./run bench made.") from None


def show(nanoseconds: float) -> str:
    """A time with three digits and its unit: 1.93 us, 64.0 ms."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if nanoseconds >= size * 0.9995:
            return f"{nanoseconds / size:#.3g}".rstrip(".") + f" {unit}"
    return f"{nanoseconds:.0f} ns"


def hold(nanoseconds: int) -> str:
    """A hold in milliseconds, without needless digits: 0.1 ms; "-" for none."""
    return f"{nanoseconds / 1e6:g} ms" if nanoseconds else "-"
