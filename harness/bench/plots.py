"""Draws what the benchmarks measured; what was not measured is not drawn.

In:  Stats by Key, an architecture, the kernels as measured, a folder.  Out: *.svg: one panel for
     each call or load, one line for each kernel.
matplotlib (package group "plot") is imported only when something is drawn.
"""

import math
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from .cyclictest import Bucket
from .plans import FULL
from .points import Key, Stat
from .summary import Measured, Stats

# Told apart without colour, too.
STYLES = (
    {"color": "#b2431e", "marker": "o", "linestyle": "-"},
    {"color": "#1f5f99", "marker": "s", "linestyle": "--"},
    {"color": "#7a7a7a", "marker": "^", "linestyle": "-."},
    {"color": "#2e8540", "marker": "D", "linestyle": ":"},
)
COLUMNS = 4
BINS = 8             # of a histogram, in a decade


@dataclass(frozen=True)
class Panel:
    title: str
    lines: dict[str, list[tuple[float, ...]]]      # kernel -> (x, y), maybe with least, greatest y
    mark: float = 0                                # x of a dotted line


Series = dict[str, dict[str, dict[float, Stat]]]      # call -> kernel -> x -> Stat
HOLD = "remote CPU keeps interrupts off (ms)"
_UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1, "ns"))


def decade_name(nanoseconds: float) -> str:
    """A power of ten as a label: 10 µs."""
    size, unit = next((size, unit) for size, unit in _UNITS if nanoseconds >= size * 0.999)
    return f"{nanoseconds / size:g} {unit}"


def load_matplotlib(scratch: Path):
    """matplotlib.pyplot, drawing without a screen; scratch is a folder for its cache of fonts.

    The same points give the same bytes, and letters look the same without the font.
    """
    os.environ.setdefault("MPLCONFIGDIR", str(scratch))
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    matplotlib.rcParams.update({"svg.hashsalt": "wakeup", "svg.fonttype": "path",
                                "font.family": "DejaVu Sans", "font.size": 10})
    return plt


def collect(stats: Stats, arch: str, rows: tuple[str, ...], x: Callable[[Key], float],
            wanted: Callable[[Key], bool], model: str = FULL) -> Series:
    """What to draw, with one preemption model; calls with fewer than two values of x are left out."""
    found: Series = {}
    for key, stat in stats.items():
        if key.arch == arch and key.model == model and key.row in rows and wanted(key):
            found.setdefault(key.case, {}).setdefault(key.kernel, {})[x(key)] = stat
    return {case: kernels for case, kernels in found.items()
            if any(len(values) > 1 for values in kernels.values())}


def _most(stats: Stats, arch: str, row: str, field: Callable[[Key], float]) -> float:
    return max((field(key) for key in stats if (key.arch, key.row) == (arch, row)), default=0)


def draw_all(stats: Stats, arch: str, kernels: list[Measured], subtitle: str,
             folder: Path, scratch: Path) -> None:
    """All pictures of one architecture."""
    longest = _most(stats, arch, "wakeup", lambda key: key.x)
    # Most system calls were measured with two holds only: the table has them.
    swept = [case for case, kernels in collect(
        stats, arch, ("tlb_wakeup",), lambda key: key.x, lambda key: key.cpus == 4).items()
             if any(len(values) > 2 for values in kernels.values())]
    by_hold = collect(stats, arch, ("wakeup", "tlb_wakeup"), lambda key: key.x / 1e6,
                      lambda key: key.cpus == 4 and (key.row == "wakeup" or key.case in swept))
    holds = {key.x for key in stats if key.arch == arch and key.row == "wakeup" and key.cpus != 4}
    common = max(holds, default=longest)
    by_cpus = collect(stats, arch, ("wakeup", "tlb_wakeup"), lambda key: key.cpus,
                      lambda key: key.x == common)
    most_cpus = _most(stats, arch, "cost", lambda key: key.cpus)
    by_targets = collect(stats, arch, ("cost",), lambda key: key.x,
                         lambda key: key.cpus == most_cpus)
    for name, series, title, xlabel, log in (
            ("latency-by-hold", by_hold, "Wake-up latency by the length of the hold, 4 CPUs",
             HOLD, True),
            ("latency-by-cpus", by_cpus,
             f"Wake-up latency by the number of CPUs, held {common / 1e6:g} ms", "CPUs", True),
            ("cost-by-targets", by_targets,
             f"Cost of a call by its targets, {most_cpus:.0f} CPUs, all CPUs together", "targets",
             False)):
        _draw(_panels(series, 1 if log else 1e3), f"{title} ({arch})", subtitle, kernels,
              (xlabel, "latency" if log else "µs per call"), folder / f"{name}-{arch}.svg", scratch,
              log=log)


def draw_wakeups(stats: Stats, kernels: list[Measured], subtitle: str, path: Path,
                 scratch: Path) -> None:
    """One picture of the wake-ups by the length of the hold, for all preemption models."""
    found: Series = {}
    for model in dict.fromkeys(key.model for key in stats):
        for case, lines in collect(stats, "x86_64", ("wakeup",), lambda key: key.x / 1e6,
                                   lambda key: True, model).items():
            found[f"{case}, {model}"] = lines
    _draw(_panels(found), "Wake-up latency by the length of the hold", subtitle, kernels,
          (HOLD, "latency"), path, scratch, len({key.case for key in stats}))


def _panels(series: Series, scale: float = 1) -> list[Panel]:
    return [Panel(case, {kernel: [(x, stat.median / scale, stat.least / scale, stat.greatest / scale)
                                  for x, stat in values.items()] for kernel, values in lines.items()})
            for case, lines in series.items()]


def _draw(panels: list[Panel], title: str, subtitle: str, kernels: list[Measured],
          labels: tuple[str, str], path: Path, scratch: Path, columns: int = COLUMNS, *,
          log: bool = True, counts: bool = False) -> None:
    """A picture with some panels, if there are any. counts: y is a number, not a time."""
    if not panels:
        return
    plt = load_matplotlib(scratch)
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure, grid = plt.subplots(rows, columns, sharex=counts, sharey=log, squeeze=False,
                                figsize=(max(7.0, 3.4 * columns), 3.0 * rows + 1.7))
    handles = {}
    for axes, panel in zip(grid.flat, panels):
        for kernel, style in zip(kernels, STYLES):
            if kernel.name in panel.lines:
                xs, ys, *ends = zip(*sorted(panel.lines[kernel.name]))
                bars = [[abs(y - end) for y, end in zip(ys, side)] for side in ends]
                handles[kernel.label] = axes.errorbar(xs, ys, yerr=bars or None, linewidth=1.5,
                                                      markersize=4.5, capsize=2, label=kernel.label,
                                                      **style)
        axes.set_title(panel.title, fontfamily="DejaVu Sans Mono", fontsize=10)
        if log:
            axes.set(xscale="log", yscale="log")
        else:
            axes.set_ylim(bottom=0)
        if log and not counts:
            axes.yaxis.set_major_locator(LogLocator(numticks=20))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: decade_name(value)))
            axes.yaxis.set_minor_locator(NullLocator())
        if panel.mark:
            axes.axvline(panel.mark, color="#999999", linestyle=":", linewidth=1.2)
        if not counts:
            axes.xaxis.set_major_locator(FixedLocator(sorted({x for line in panel.lines.values()
                                                              for x, *_ in line})))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.grid(True, color="#e4e4e4", linewidth=0.7)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.set_xlabel(labels[0], fontsize=9)
    for axes in list(grid.flat)[len(panels):]:
        axes.set_visible(False)
    for row in grid:
        row[0].set_ylabel(labels[1])
    figure.suptitle(title, x=0.01, y=0.99, ha="left", fontsize=12.5, fontweight="bold")
    height = figure.get_figheight()
    figure.text(0.01, 1 - 0.52 / height, subtitle, ha="left", va="center", fontsize=9,
                color="#444444")
    figure.legend(handles.values(), handles.keys(), loc="lower center", ncol=len(handles),
                  frameon=False, bbox_to_anchor=(0.5, 0.0))
    figure.tight_layout(rect=(0, 0.4 / height, 1, 1 - 0.62 / height), w_pad=1.5)
    figure.savefig(path, metadata={"Date": None}, dpi=110)
    plt.close(figure)


def bins(buckets: list[Bucket]) -> list[tuple[float, int]]:
    """(lower end in us, wake-ups) of each bin that is not empty, BINS in a decade."""
    found: Counter[int] = Counter()
    for bucket in buckets:
        found[math.floor(math.log10(max(bucket.late_us, 1)) * BINS + 1e-9)] += bucket.count
    return [(10 ** (number / BINS), count) for number, count in sorted(found.items())]


def draw_histograms(buckets: list[Bucket], arch: str, kernels: list[Measured], folder: Path,
                    scratch: Path) -> None:
    """What cyclictest counted: one panel for each load, all boots together."""
    mine = [bucket for bucket in buckets if bucket.arch == arch]
    loads = list(dict.fromkeys((bucket.hold_ms, bucket.load) for bucket in mine))
    panels = []
    for hold_ms, load in sorted(loads, key=lambda item: item[0] > 0):
        lines = {kernel.name: bins([bucket for bucket in mine if bucket.kernel == kernel.name
                                    and (bucket.hold_ms, bucket.load) == (hold_ms, load)])
                 for kernel in kernels}
        panels.append(Panel(f"{load}, {f'held {hold_ms} ms' if hold_ms else 'no CPU held'}",
                            {name: line for name, line in lines.items() if line}, hold_ms * 1000))
    boots = max((bucket.boot for bucket in mine), default=0)
    _draw(panels, f"cyclictest on the CPUs that are not held ({arch})",
          f"In real time, {boots} boots of each kernel together; {BINS} bins a decade; dotted: the "
          "length of the hold.", kernels, ("late by (µs)", "wake-ups"),
          folder / f"cyclictest-{arch}.svg", scratch, counts=True)
