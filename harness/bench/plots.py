"""Draws what the benchmarks measured; what was not measured is not drawn.

In:  Stats by Key, an architecture, the kernels as measured, a folder.  Out: *.svg: one panel for
     each call or load, one line for each kernel.
bench/plots.mplstyle says how they look. matplotlib (package group "plot") is imported only when
something is drawn.
"""

import math
import os
import re
from collections import Counter
from pathlib import Path
from typing import Callable

from .cyclictest import HISTOGRAM
from .plans import FOLDER, BenchKernel
from .points import FULL, Key
from .summary import Stats

BINS = 8             # of a histogram, in a decade
HOLD = "remote CPU keeps interrupts off (ms)"

# Title -> kernel -> (x, y), maybe with least and greatest y.
Panels = dict[str, dict[str, list[tuple[float, ...]]]]


def collect(stats: Stats, wanted: Callable[[Key], bool], x: Callable[[Key], float],
            title: str = "{0.case}", scale: float = 1) -> Panels:
    """The figures that are wanted; calls with fewer than two values of x are left out."""
    found: Panels = {}
    for key, stat in stats.items():
        if wanted(key):
            found.setdefault(title.format(key), {}).setdefault(key.kernel, []).append(
                (x(key), *(value / scale for value in (stat.median, stat.least, stat.greatest))))
    return {name: lines for name, lines in found.items()
            if any(len(line) > 1 for line in lines.values())}


def draw_all(stats: Stats, arch: str, kernels: list[BenchKernel], subtitle: str,
             folder: Path, scratch: Path) -> None:
    """All pictures of one architecture; scratch is a folder for matplotlib's cache of fonts."""
    mine = {key: stat for key, stat in stats.items() if key.arch == arch and key.model == FULL}
    # Most system calls were measured with two holds only: the table has them.
    swept = {case for case, lines in collect(
        mine, lambda key: key.row == "tlb_wakeup" and key.cpus == 4, lambda key: key.x).items()
             if any(len(line) > 2 for line in lines.values())}
    holds = [(key.cpus != 4, key.x) for key in mine if key.row == "wakeup"]
    _, common = max(holds, default=(False, 0))       # of the guests with other numbers of CPUs
    most_cpus = max((key.cpus for key in mine if key.row == "cost"), default=0)

    def draw(name: str, panels: Panels, title: str, *labels: str, log: bool = True) -> None:
        _draw(panels, f"{title} ({arch})", subtitle, kernels, labels, folder / f"{name}-{arch}.svg",
              scratch, log=log)

    draw("latency-by-hold", collect(
        mine, lambda key: key.cpus == 4 and (key.row == "wakeup" or key.row == "tlb_wakeup"
                                             and key.case in swept), lambda key: key.x / 1e6),
         "Wake-up latency by the length of the hold, 4 CPUs", HOLD, "latency")
    draw("latency-by-cpus", collect(
        mine, lambda key: key.row in ("wakeup", "tlb_wakeup") and key.x == common,
        lambda key: key.cpus),
         f"Wake-up latency by the number of CPUs, held {common / 1e6:g} ms", "CPUs", "latency")
    draw("cost-by-targets", collect(
        mine, lambda key: key.row == "cost" and key.cpus == most_cpus, lambda key: key.x, scale=1e3),
         f"Cost of a call by its targets, {most_cpus} CPUs, all CPUs together", "targets",
         "µs per call", log=False)
    draw_histograms(stats, arch, kernels, folder, scratch)


def draw_wakeups(stats: Stats, kernels: list[BenchKernel], subtitle: str, path: Path,
                 scratch: Path) -> None:
    """One picture of the wake-ups by the length of the hold, for all preemption models."""
    _draw(collect(stats, lambda key: True, lambda key: key.x / 1e6, "{0.case}, {0.model}"),
          "Wake-up latency by the length of the hold", subtitle, kernels, (HOLD, "latency"), path,
          scratch, len({key.case for key in stats}))


def _draw(panels: Panels, title: str, subtitle: str, kernels: list[BenchKernel],
          labels: tuple[str, ...], path: Path, scratch: Path, columns: int = 4, *,
          log: bool = True, counts: bool = False) -> None:
    """A picture with some panels, if there are any. counts: y is a number, not a time."""
    if not panels:
        return
    os.environ.setdefault("MPLCONFIGDIR", str(scratch))
    import matplotlib

    matplotlib.use("Agg")        # no screen
    import matplotlib.pyplot as plt
    from matplotlib.ticker import EngFormatter, LogLocator

    plt.style.use(FOLDER / "plots.mplstyle")
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure, grid = plt.subplots(rows, columns, sharex=counts, sharey=log, squeeze=False,
                                figsize=(max(7.0, 3.4 * columns), 3.0 * rows + 1.7))
    handles = {}
    for axes, (name, lines) in zip(grid.flat, panels.items()):
        for kernel, style in zip(kernels, plt.rcParams["axes.prop_cycle"]):
            if kernel.name in lines:
                xs, ys, *ends = zip(*sorted(lines[kernel.name]))
                bars = [[abs(y - end) for y, end in zip(ys, side)] for side in ends]
                handles[kernel.label] = axes.errorbar(xs, ys, yerr=bars or None,
                                                      label=kernel.label, **style)
        axes.set_title(name, fontfamily="DejaVu Sans Mono")
        axes.set_xlabel(labels[0])
        if log:
            axes.set(xscale="log", yscale="log")
        else:
            axes.set_ylim(bottom=0)
        if not counts:
            axes.set_xticks(sorted({x for line in lines.values() for x, *_ in line}))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.minorticks_off()
            if log:
                axes.yaxis.set_major_locator(LogLocator(numticks=20))
                axes.yaxis.set_major_formatter(lambda value, _: EngFormatter("s")(value / 1e9))
        elif hold := re.search(r"held (\d+) ms", name):
            axes.axvline(int(hold[1]) * 1e3, color="#999999", linestyle=":", linewidth=1.2)
    for axes in list(grid.flat)[len(panels):]:
        axes.set_visible(False)
    for row in grid:
        row[0].set_ylabel(labels[1], fontsize=10)
    figure.suptitle(title, x=0.01, y=0.99, ha="left")
    height = figure.get_figheight()
    figure.text(0.01, 1 - 0.52 / height, subtitle, ha="left", va="center", fontsize=9,
                color="#444444")
    figure.legend(handles.values(), handles.keys(), loc="lower center", ncol=len(handles),
                  bbox_to_anchor=(0.5, 0.0))
    figure.tight_layout(rect=(0, 0.4 / height, 1, 1 - 0.62 / height), w_pad=1.5)
    figure.savefig(path, metadata={"Date": None}, dpi=110)
    plt.close(figure)


def draw_histograms(stats: Stats, arch: str, kernels: list[BenchKernel], folder: Path,
                    scratch: Path) -> None:
    """What cyclictest counted, all boots together: one panel for each load."""
    mine = {key: stat for key, stat in stats.items() if (key.arch, key.row) == (arch, HISTOGRAM)}
    found: dict[str, dict[str, Counter[float]]] = {}
    for key, stat in mine.items():
        late_us = 10 ** (math.floor(math.log10(max(key.x / 1e3, 1)) * BINS + 1e-9) / BINS)
        found.setdefault(key.case, {}).setdefault(key.kernel, Counter())[late_us] += round(
            stat.mean * stat.count)
    _draw({case: {kernel: list(line.items()) for kernel, line in lines.items()}
           for case, lines in found.items()}, f"cyclictest on the CPUs that are not held ({arch})",
          f"In real time, {max((stat.count for stat in mine.values()), default=0)} boots of each "
          f"kernel together; {BINS} bins a decade; dotted: the length of the hold.", kernels,
          ("late by (µs)", "wake-ups"), folder / f"cyclictest-{arch}.svg", scratch, counts=True)
