"""What the benchmarks measured: points, read from consoles and CSV files, and their spread.

In:  the console of a guest of bench/bench.toml (bench/*.c, demo/wakeup.c and
     proof/tlb/tlbtest.c say what the lines mean), or points.csv of an earlier run.
Out: Point, Key, Stat; read_csv(), write_csv(). Values are nanoseconds of the guest's
     clock, or bytes in the row "memory".
"""

import csv
import re
import statistics
from collections import defaultdict
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Iterable, NamedTuple, Sequence

from ..core.errors import Exit, HarnessError

DONE = "harness: success"
OF_PROGRAMS = ("fork", "tlb_cost", "crowd", "preemptoff")      # rows that no module counts
REAL_TIME = "rt_"      # rows of cyclictest.py begin so
_BENCH = re.compile(r"\bBENCH(-[A-Z]+)?,(.*?)\s*$")
_TLB = re.compile(r"\bTLB-(LAT|DISCARD|FAIL|END),(.*?)\s*$")
_LOCKED = re.compile(r"\bTLB-VERDICT,lat,(\w+),info,")    # it may be pinned: not judged
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
    def bad(what: str) -> HarnessError:
        return HarnessError(Exit.TEST, f"the guest {boot.guest} with kernel {boot.kernel} on "
                            f"{boot.arch} {what}; see {where}.")

    def point(row: str, case: str, x: int, rep: int, value: float) -> Point:
        return Point(boot.arch, boot.kernel, boot.cpus, row, case, x, boot.guest, boot.number, rep,
                     value, boot.model)

    found: list[Point] = []
    discards: list[str] = []
    clock = re.search(_CLOCK, console)
    if not clock or clock[1] != boot.clock:
        raise bad(f"ran by the clock {clock[1] if clock else '(none named)'}, not by {boot.clock}")
    if DONE not in console:
        failed = [line.strip() for line in console.splitlines()
                  if "BENCH-FAIL" in line or "harness: cannot" in line]
        raise bad(f"did not come to its end ({failed[0] if failed else 'no reason given'})")
    counted = total = 0
    locked = set(_LOCKED.findall(console))
    for line in console.splitlines():
        if match := _BENCH.search(line):
            kind, text = match[1] or "", match[2]
            words = text.split(",")
            if kind == "-OK":
                total += int(words[0])
            elif kind == "-DISCARD":
                discards.append(text)
            elif kind == "-INFO":
                info = dict(word.split("=") for word in words)
                found.append(point("memory", "task_bytes", 0, 1, float(info["task_bytes"])))
            elif kind == "":
                if len(words) != 6 or not all(word.isdigit() for word in words[2:]):
                    raise bad(f"printed a point that makes no sense: {line.strip()!r}")
                x, rep, value, per = map(int, words[2:])
                counted += words[0] not in OF_PROGRAMS
                found.append(point(words[0], words[1], x, rep, value / per))
        elif match := _TLB.search(line):
            words = match[2].split(",")
            if match[1] == "LAT":
                row = "tlb_wakeup_locked" if words[0] in locked else "tlb_wakeup"
                found.append(point(row, words[0], int(words[1]), int(words[2]),
                                   float(words[3])))
            elif match[1] == "DISCARD":
                discards.append(match[2])
            elif match[1] == "FAIL":
                raise bad(f"gave up: {match[2]}")
    if counted != total:
        raise bad(f"has {counted} points on the console, but made {total}")
    if not found:
        raise bad("measured nothing")
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
