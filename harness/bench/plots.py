"""Draws what the benchmarks measured; what was not measured is not drawn.

In:  Stats by Key, an architecture, the kernels as measured, a folder.  Out: *.svg: one panel for
     each call, one line for each kernel.
bench/plots.mplstyle says how they look. matplotlib (package group "plot") is imported only when
something is drawn.
"""

import os
from pathlib import Path
from typing import Callable

from .plans import FOLDER, BenchKernel
from .points import FULL, Key
from .summary import Stats

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
    most_cpus = max((key.cpus for key in mine if key.row == "cost"), default=0)

    def draw(name: str, panels: Panels, title: str, *labels: str, log: bool = True) -> None:
        _draw(panels, f"{title} ({arch})", subtitle, kernels, labels, folder / f"{name}-{arch}.svg",
              scratch, log=log)

    draw("latency-by-hold", collect(
        mine, lambda key: key.cpus == 4 and (key.row == "wakeup" or key.row == "tlb_wakeup"
                                             and key.case in swept), lambda key: key.x / 1e6),
         "Wake-up latency by the length of the hold, 4 CPUs", HOLD, "latency")
    draw("cost-by-targets", collect(
        mine, lambda key: key.row == "cost" and key.cpus == most_cpus, lambda key: key.x, scale=1e3),
         f"Cost of a call by its targets, {most_cpus} CPUs, all CPUs together", "targets",
         "µs per call", log=False)


def draw_wakeups(stats: Stats, kernels: list[BenchKernel], subtitle: str, path: Path,
                 scratch: Path) -> None:
    """One picture of the wake-ups by the length of the hold, for all preemption models."""
    _draw(collect(stats, lambda key: True, lambda key: key.x / 1e6, "{0.case}, {0.model}"),
          "Wake-up latency by the length of the hold", subtitle, kernels, (HOLD, "latency"), path,
          scratch, len({key.case for key in stats}))


def _draw(panels: Panels, title: str, subtitle: str, kernels: list[BenchKernel],
          labels: tuple[str, ...], path: Path, scratch: Path, columns: int = 4,
          log: bool = True) -> None:
    """A picture with some panels, if there are any."""
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
    figure, grid = plt.subplots(rows, columns, sharey=log, squeeze=False,
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
        axes.set_xticks(sorted({x for line in lines.values() for x, *_ in line}))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        if log:
            axes.yaxis.set_major_locator(LogLocator(numticks=20))
            axes.yaxis.set_major_formatter(lambda value, _: EngFormatter("s")(value / 1e9))
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
