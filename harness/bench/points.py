"""What the benchmarks measured: points, read from consoles and CSV files, and their spread.

In:  the BENCH lines of a guest's console, or points.csv of an earlier run.
Out: Point, Key, Stat. Values are nanoseconds of the guest's clock, or bytes in the row "memory".
"""

import csv
import re
import statistics
from collections import defaultdict
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Iterable, NamedTuple, Sequence

from ..core import Exit, HarnessError

# Rows that no module counts.
OF_PROGRAMS = ("fork", "tlb_cost", "crowd", "preemptoff", "tlb_wakeup", "tlb_wakeup_locked")
REAL_TIME = "rt_"      # rows of cyclictest.py begin so
_BENCH = re.compile(r"\bBENCH(-[A-Z]+)?,(.*?)\s*$")
_CLOCK = re.compile(r"\bBENCH-CLOCK,(\S+)")


class Key(NamedTuple):
    """What a figure is of."""

    arch: str
    kernel: str      # name in bench.toml
    cpus: int
    row: str         # "wakeup", "cost", ...
    case: str        # "single", ...
    x: int           # length of the hold in ns, number of targets, ...
    model: str = "full"      # the kernel's preemption model


@dataclass(frozen=True)
class Point:
    arch: str
    kernel: str
    cpus: int
    row: str
    case: str
    x: int
    guest: str       # name in bench.toml
    boot: int        # 1 ...
    rep: int         # within the boot, 1 ...
    value: float     # ns, or bytes
    model: str = "full"

    @property
    def key(self) -> Key:
        return Key(self.arch, self.kernel, self.cpus, self.row, self.case, self.x, self.model)


@dataclass(frozen=True)
class Stat:
    median: float
    least: float
    greatest: float
    count: int
    mean: float


@dataclass(frozen=True)
class Boot:
    """Which boot a console is of."""

    arch: str
    kernel: str
    cpus: int
    guest: str
    number: int
    clock: str       # that the guest must run by
    model: str = "full"

    def point(self, row: str, case: str, x: int, value: float, rep: int = 1) -> Point:
        return Point(self.arch, self.kernel, self.cpus, row, case, x, self.guest, self.number, rep,
                     value, self.model)

    def wrong(self, what: str, where: Path) -> HarnessError:
        return HarnessError(Exit.TEST, f"the guest {self.guest} with kernel {self.kernel} on "
                            f"{self.arch} {what}; see {where}.")

    def check_clock(self, console: str, where: Path) -> None:
        clocks = _CLOCK.findall(console)
        if clocks[:1] != [self.clock]:
            raise self.wrong(f"ran by the clock {', '.join(clocks) or '(none named)'}, not by "
                             f"{self.clock}", where)


def stats(points: Iterable[Point]) -> dict[Key, Stat]:
    """Median, least, greatest and mean of the points with the same key."""
    groups: dict[Key, list[float]] = defaultdict(list)
    for point in points:
        groups[point.key].append(point.value)
    return {key: Stat(statistics.median(values), min(values), max(values), len(values),
                      statistics.fmean(values))
            for key, values in groups.items()}


def read(console: str, boot: Boot, where: Path) -> tuple[list[Point], list[str]]:
    """The points of one boot, and the tries that were discarded.

    A measurement that is not complete is an error.
    """
    found: list[Point] = []
    discards: list[str] = []
    boot.check_clock(console, where)
    counted = total = 0
    for match in filter(None, map(_BENCH.search, console.splitlines())):
        kind, words = match[1] or "", match[2].split(",")
        if kind == "-OK":
            total += int(words[0])
        elif kind == "-DISCARD":
            discards.append(match[2])
        elif kind == "-INFO":
            info = dict(word.split("=") for word in words)
            found.append(boot.point("memory", "task_bytes", 0, float(info["task_bytes"])))
        elif kind == "":
            if len(words) != 6 or not all(word.isdigit() for word in words[2:]):
                raise boot.wrong(f"printed a point that makes no sense: {match[0]!r}", where)
            x, rep, value, per = map(int, words[2:])
            counted += words[0] not in OF_PROGRAMS
            found.append(boot.point(words[0], words[1], x, value / per, rep))
    if counted != total:
        raise boot.wrong(f"has {counted} points on the console, but made {total}", where)
    if not found:
        raise boot.wrong("measured nothing", where)
    return found, discards


def write_csv(rows: Sequence[Any], path: Path) -> None:
    """Points (or other dataclasses of one kind), one a line."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in fields(rows[0] if rows else Point)])
        writer.writerows([f"{value:.10g}" if isinstance(value, float) else value
                          for value in astuple(row)] for row in rows)


def read_csv(path: Path) -> list[Point]:
    """The points of a file that write_csv wrote; in old ones, all are of the same model."""
    kinds = {field.name: field.type for field in fields(Point)}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [Point(**{name: kinds[name](text) for name, text in row.items()})
                    for row in csv.DictReader(file)]
    except FileNotFoundError:
        raise HarnessError(Exit.USAGE, f"{path} is missing; name a folder that ./run bench made.") \
            from None
    except (KeyError, TypeError, ValueError) as error:
        raise HarnessError(Exit.USAGE, f"{path} is not a file of points ({error}).") from None


def worse(old: dict[Key, Stat], new: dict[Key, Stat]) -> list[tuple[Key, Stat, Stat]]:
    """What got worse by more than the spread: its best point now is above its worst then.

    Not what was measured in real time: that depends on what else the host did.
    """
    return [(key, old[key], new[key]) for key in new
            if key in old and not key.row.startswith(REAL_TIME)
            and new[key].least > old[key].greatest]
