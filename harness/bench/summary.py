"""Sums up what the benchmarks measured: the targets, and tables, in Markdown.

In:  BenchPlan, Stats by Key, the kernels (BenchKernel), notes.  Out: Markdown; targets() -> Verdict.
"""

import fnmatch
from collections import defaultdict
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Callable, Iterable, NamedTuple

from ..core.report import markdown
from . import cyclictest, points
from .plans import BenchKernel, BenchPlan, Names, Section, Target
from .points import Key, Stat, hold, show

Stats = dict[Key, Stat]


class Verdict(NamedTuple):
    """What came of a target, for people."""

    what: str
    limit: str
    word: str
    figure: str


def shown_as(row: str) -> Callable[[float], str]:
    """How the figures of a row are shown: as times, unless they are numbers or bytes."""
    return "{:.0f}".format if row in ("memory", "rt_late") else show


def _related(target: Target, stats: Stats, keys: list[Key]) -> list[tuple[Key, Key]]:
    """Each of the keys, and that of the figure which it is put in relation to."""
    if not target.flat:
        return [(key, target.related(key)) for key in keys if target.related(key) in stats]
    groups = defaultdict(list)
    for key in keys:
        groups[key._replace(**{target.flat: 0})].append(key)
    return [(max(group), min(group)) for group in groups.values() if len(group) > 1]


def verdict(target: Target, names: Names, stats: Stats, keys: list[Key]) -> Verdict:
    """Whether each of the series' figures keeps the limit."""
    value = {key: attrgetter(target.statistic)(stat) for key, stat in stats.items()}
    limit, found = show(target.limit), []
    for key, other in _related(target, stats, keys):
        name, text = names.figure(key), shown_as(key.row)
        over, under = (other, key) if target.inverse else (key, other)
        ratio = value[over] / value[under] if value[under] else float("inf")
        theirs = [value.get(key._replace(kernel=kernel)) for kernel in target.beside]
        if key == other:
            found.append((value[key], f"{text(value[key])} ({name})"))
        elif not theirs:
            digits = max(3, len(f"{target.limit:g}".partition(".")[2]) + 1)
            found.append((ratio, f"{ratio:.{digits}f} ({name}: {text(value[over])} to "
                          f"{text(value[under])})"))
        elif all(theirs):
            more = theirs[0] / theirs[1]
            found.append((ratio - more, f"{100 * (ratio - 1):+.1f} % against {100 * (more - 1):+.1f} % "
                          f"({name})"))
    if target.beside:
        limit = f"{100 * target.limit:g} % more"
    elif target.flat or target.to_kernel or target.to_case:
        limit = f"{target.limit:g} times"
    good = [one for one, _ in found
            if (one >= target.limit if target.inverse else one <= target.limit)]
    return Verdict(
        target.what + (f", {target.statistic} of all points" if target.why else ""),
        f"at {'least' if target.inverse else 'most'} {limit}",
        "not measured" if not found else "met" if len(good) == len(found) else "**missed**",
        f"worst {(min if target.inverse else max)(found)[1]}; {len(good)} of {len(found)} meet it"
        if found else "-")


def targets(plan: BenchPlan, stats: Stats, arch: str) -> list[Verdict]:
    """Each target for one architecture; of what its guests do not measure there is none."""
    kernels = {kernel.name for kernel in plan.kernel}
    ours = plan.ours
    guests = [guest.name for guest in plan.guest
              if any(guest.wants(arch, guest.build, kernel) for kernel in plan.kernel
                     if kernel.name in ours)]
    found = []
    for target in plan.target.values():
        keys = [key for key in stats
                if key.arch == arch and key.kernel in ours and target.is_about(key)]
        if kernels.issuperset(filter(None, (target.to_kernel, *target.beside))) \
                and (keys or not target.guest or fnmatch.filter(guests, target.guest)):
            found.append(verdict(target, plan.names, stats, keys))
    return found


NO_DIFFERENCE = "no difference can be seen here"
LEAST_BOOTS = 3      # two figures can be apart by chance


def difference(one: Stat, other: Stat, floor: float) -> str:
    """What can be said about two kernels: a quotient, or that nothing can be seen."""
    if min(one.count, other.count) < LEAST_BOOTS:
        return "too few boots"
    apart = one.greatest < other.least or other.greatest < one.least
    if not apart or max(one.median, other.median) <= floor:
        return NO_DIFFERENCE
    return f"{one.median / other.median:.3g} times" if other.median else "only the first"


def spread(stat: Stat | None, shown: Callable[[float], str] = show) -> str:
    """Median (least to greatest), or the median alone if they look the same."""
    if stat is None:
        return "-"
    median, least, greatest = map(shown, (stat.median, stat.least, stat.greatest))
    return median if least == greatest else f"{median} ({least} to {greatest})"


# What is said of a figure of two kernels: the words between their names, and a function for it.
Compared = dict[str, Callable[[Key, Stat, Stat], str]]
RATIO: Compared = {"/": lambda key, one, other: f"{one.median / other.median:.3f}"
                   if other.median else "-"}
BOTH: Compared = RATIO | {"-": lambda key, one, other: f"{one.median - other.median:+.1f} ns"}


def figures(plan: BenchPlan, stats: Stats, kernels: list[BenchKernel], keys: list[Key],
            columns: dict[str, str], compared: Compared) -> str:
    """A line for each of the keys (their kernel is ""): all kernels, and each beside the one before."""
    names = [kernel.name for kernel in kernels]
    pairs = [(word, say, kernel.name, kernel.before) for word, say in compared.items()
             for kernel in plan.kernel if {kernel.name, kernel.before} <= set(names)]
    lines = []
    for key in keys:
        found = {name: stats.get(key._replace(kernel=name)) for name in names}
        lines.append([
            *(text.format(key, x=key.x or "", held=hold(key.x)) for text in columns.values()),
            *(spread(found[name], shown_as(key.row)) for name in names),
            *(say(key, found[one], found[other]) if found[one] and found[other] else "-"
              for _, say, one, other in pairs)])
    return markdown([*columns, *(kernel.label for kernel in kernels),
                  *(f"{one} {word} {other}" for word, _, one, other in pairs)], lines)


def _keys(stats: Stats, arch: str, rows: Iterable[str]) -> list[Key]:
    return list(dict.fromkeys(key._replace(kernel="") for key in stats
                              if key.arch == arch and key.row in rows))


def _order(names: Names, key: Key) -> tuple:
    known = list(dict.fromkeys([*names.functions, key.case]))
    return key.row, key.model, key.cpus, known.index(key.case), key.case, key.x


def section(plan: BenchPlan, stats: Stats, arch: str, kernels: list[BenchKernel],
            item: Section) -> list[str]:
    """A heading and its tables; nothing, if there are no figures."""
    heading = [f"## {item.title}, {arch}", "", item.text.strip(), ""]
    if item.noise_floor:
        tables = real_tools(plan, stats, arch, kernels, item)
        return [*heading, *tables] if tables else []
    keys = sorted(_keys(stats, arch, item.rows), key=partial(_order, plan.names))
    made = figures(plan, stats, kernels, keys, item.columns, BOTH if item.differences else RATIO)
    return [*heading, made, ""] if keys else []


def real_tools(plan: BenchPlan, stats: Stats, arch: str, kernels: list[BenchKernel],
               item: Section) -> list[str]:
    """What cyclictest saw beside each load: a table for each row."""
    parts = []
    for row in item.rows:
        keys = sorted(_keys(stats, arch, [row]), key=lambda key: key.x > 0)
        floor = max((stat.greatest for key, stat in stats.items()
                     if (key.arch, key.row, key.x) == (arch, row, 0)), default=None)
        if floor is not None:
            what = cyclictest.ROWS[row].capitalize()
            made = figures(plan, stats, kernels, keys, item.columns, {
                "to": lambda key, *two: difference(*two, floor) if key.x else "-"})
            parts += [f"{what}. Noise floor: {shown_as(row)(floor)}.", "", made, ""]
    return parts


def summary(plan: BenchPlan, stats: Stats, kernels: list[BenchKernel], heading: str, how: str,
            notes: list[str]) -> str:
    parts = [f"# {heading}", "", how, "", markdown(
        ["kernel", "what", "source"], [[item.name, item.label, item.origin] for item in kernels]), ""]
    for arch in plan.arches:
        parts += [f"## Targets, {arch}", "", markdown(
            ["target", "limit", "", "figure"], targets(plan, stats, arch)), ""]
    parts += ["Figures are medians of all points, but for these targets:", "",
              *(f"- {name}: {target.statistic}, as {target.why}"
                for name, target in plan.target.items() if target.why), ""]
    for arch in plan.arches:
        for item in plan.section:
            parts += section(plan, stats, arch, kernels, item)
    parts += ["## Notes", "", *(f"- {note}" for note in notes or ["none"]), ""]
    return "\n".join(parts)


def comparison(one: Path, other: Path, names: Names) -> tuple[str, bool]:
    """What got worse from one result folder to the other by more than the spread, and whether anything
    did: the best point now is above the worst then.
    Not what was measured in real time: that depends on what else the host did."""
    old, new = (points.stats(points.read_csv(folder / "points.csv")) for folder in (one, other))
    both = sorted(old.keys() & new.keys())
    worse = [key for key in both if new[key].least > old[key].greatest
             and not key.row.startswith(points.REAL_TIME)]
    lines = [f"{key.arch} {key.kernel}: {names.figure(key)}: {spread(old[key])} -> {spread(new[key])} "
             f"({new[key].median / old[key].median if old[key].median else float('inf'):.3f} times)"
             for key in worse]
    lines.append(f"{len(worse)} of {len(both)} figures got worse by more than the spread, from {one} "
                 f"to {other}." if both else "The two results have no figure in common.")
    return "\n".join(lines), bool(worse)
