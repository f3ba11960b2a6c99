"""Draws the demo's points: wake-up latency over the length of the hold.

In:  Measurements, the Plan, the path of the picture (.svg or .png).
Out: the picture: one column of panels for each function, one row for each preemption
     model, both axes logarithmic, a mark for each point and a line through the medians.  Needs matplotlib (package group
     "plot"), which is imported only when something is drawn.
"""

from __future__ import annotations

import os
import statistics
from pathlib import Path
from typing import Sequence

from .wakeup import Measurement, Plan, hold_name

# Told apart without colour, too.
STYLES = (
    {"color": "#b2431e", "marker": "o", "linestyle": "-"},     # base
    {"color": "#1f5f99", "marker": "s", "linestyle": "--"},    # series
)
GUIDE = "#9a9a9a"
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


def _panel(axes, kernels: Sequence[Measurement], function: str, holds: Sequence[int]) -> list:
    """Draws one function with one preemption model; what the legend names comes out."""
    handles = [axes.plot(holds, holds, color=GUIDE, linestyle=":", linewidth=1.4,
                         label="latency = length of the hold", zorder=1)[0]]
    for kernel, style in zip(kernels, STYLES):
        values = [kernel.latencies(function, hold) for hold in holds]
        for hold, group in zip(holds, values):
            axes.plot([hold] * len(group), group, linestyle="none", marker=style["marker"],
                      color=style["color"], markersize=5, alpha=0.45, markeredgewidth=0,
                      zorder=2)
        medians = [statistics.median(group) for group in values]
        handles += axes.plot(holds, medians, linewidth=1.6, markersize=5, label=kernel.label,
                             zorder=3, **style)
    return handles


def draw(measurements: Sequence[Measurement], asked: Plan, subtitle: str, path: Path,
         scratch: Path) -> None:
    """Writes the picture; scratch is a folder for matplotlib's cache of fonts."""
    plt = load_matplotlib(scratch)
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    rows, columns = len(asked.models), len(asked.functions)
    height = 1.5 + 3.5 * rows
    figure, panels = plt.subplots(rows, columns, sharex=True, sharey=True, squeeze=False,
                                  figsize=(3.6 * columns, height))
    holds = list(asked.holds_ns)
    latencies = [point.latency_ns for kernel in measurements for point in kernel.points]
    low, high = min(latencies), max(*latencies, *holds)

    handles: list = []
    for row, model in zip(panels, asked.models):
        kernels = [kernel for kernel in measurements if kernel.model == model]
        for axes, (function, name) in zip(row, asked.functions.items()):
            handles = _panel(axes, kernels, function, holds)
            if model == asked.models[0]:
                axes.set_title(name, fontfamily="DejaVu Sans Mono", fontsize=10.5)
            axes.set(xscale="log", yscale="log", ylim=(low / 2.5, high * 2.5),
                     xlim=(min(holds) / 1.8, max(holds) * 1.8))
            axes.xaxis.set_major_locator(FixedLocator(holds))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(FuncFormatter(
                lambda value, _: hold_name(round(value)).removesuffix(" ms")))
            axes.yaxis.set_major_locator(LogLocator(numticks=20))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: decade_name(value)))
            axes.grid(True, color="#e4e4e4", linewidth=0.7)
            axes.set_axisbelow(True)
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
        row[0].set_ylabel(f"wake-up latency, preempt={model}")
    for axes in panels[-1]:
        axes.set_xlabel("remote CPU keeps interrupts off (ms)")

    figure.suptitle("How long an urgent task waits while its CPU waits for a remote CPU",
                    x=0.01, y=1 - 0.08 / height, ha="left", fontsize=13, fontweight="bold")
    figure.text(0.01, 1 - 0.48 / height, subtitle, ha="left", va="center", fontsize=9.5,
                color="#444444")
    figure.legend(handles=handles[1:] + handles[:1], loc="lower center", ncol=3, frameon=False,
                  bbox_to_anchor=(0.5, 0.0))
    figure.tight_layout(rect=(0, 0.32 / height, 1, 1 - 0.5 / height), w_pad=2)
    metadata = {"Date": None} if path.suffix == ".svg" else None
    figure.savefig(path, metadata=metadata, dpi=110)
    plt.close(figure)
