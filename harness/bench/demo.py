"""What `./run demo` shows: the preset "demo" of the benchmarks, as a table and a plot.

In:  the points of its boots, the kernels.
Out: build/<queue>/demo/: points.csv, latency.svg, result.txt (what is printed).
"""

from pathlib import Path

from ..core.report import text_table
from ..queue import TreeInfo, series
from . import measure, plots, points
from .plans import BenchPlan
from .points import Point
from .summary import Measured
from .names import FUNCTIONS, MODELS, hold_name, show


def table(found: list[Point], kernels: list[Measured]) -> str:
    """Medians for each call and hold, and base / series, for each preemption model."""
    stats = points.stats(found)
    models = list(dict.fromkeys(key.model for key in stats))
    names = [kernel.name for kernel in kernels]
    rows = [["", "", *(text for model in models
                       for text in (f"{model}: {names[0]}", *names[1:], "ratio"))]]
    shown = sorted({(list(FUNCTIONS).index(key.case), key.case, key.x) for key in stats})
    last = ""
    for _, call, hold in shown:
        row = ["" if call == last else FUNCTIONS[call], hold_name(hold)]
        last = call
        for model in models:
            medians = [next(stat.median for key, stat in stats.items() if
                            (key.case, key.x, key.model, key.kernel) == (call, hold, model, name))
                       for name in names]
            ratio = medians[0] / max(1, medians[-1])
            row += [*map(show, medians), f"{ratio:.{0 if ratio >= 10 else 1}f}"]
        rows.append(row)
    return text_table(rows)


def farthest(found: list[Point]) -> str:
    """The point that is farthest from the median of its cell of the table, by its share of it."""
    medians = {key: stat.median for key, stat in points.stats(found).items()}
    point = max(found, key=lambda item: abs(item.value - medians[item.key])
                / max(1, medians[item.key]))
    return (f"{show(point.value)}, where the median is {show(medians[point.key])} "
            f"({FUNCTIONS[point.case]}, {hold_name(point.x)}, {point.kernel}, {point.model})")


def report(found: list[Point], kernels: list[Measured], plan: BenchPlan, info: TreeInfo,
           notes: list[str], work: Path) -> str:
    """All that the verb prints at its end."""
    where = measure.relative(work)
    return "\n".join([
        "",
        "How long a SCHED_FIFO task waits to run on a CPU whose current task waits for a",
        "cross-CPU call, while a remote CPU keeps interrupts off:",
        "",
        table(found, kernels),
        "",
        *(f"  {model:<11} {what}" for model, what in MODELS.items()
          if model in {guest.model for guest in plan.guest}),
        "  figures     medians, and the ratio of the medians; the point that is farthest from its",
        f"              median: {farthest(found)}",
        f"  clock       simulated: QEMU counts instructions, 1 instruction = 1 ns; "
        f"{plan.guest[0].cpus} CPUs",
        "  csd in use  earlier calls, which nobody waits for, still hold the csds that the call "
        "wants",
        f"  source      Linux {info.kernel_version}, {info.source}",
        f"              {info.checksum}",
        f"  series      {len(series.names(info.queue.dir))} patches of "
        f"{measure.relative(info.queue.dir)}",
        *(f"  note        {note}" for note in notes),
        "",
        f"  {len(found)} points   {where / 'points.csv'}",
        f"  plot         {where / 'latency.svg'}",
        f"  this text    {where / 'result.txt'}",
        f"  consoles     {measure.relative(measure.work(info.queue))}/x86_64/*/*/console.log, to boot "
        "again: qemu-cmd",
    ])


def write(found: list[Point], kernels: list[Measured], plan: BenchPlan, info: TreeInfo,
          notes: list[str]) -> str:
    """Writes the folder; what is to be printed comes out."""
    work = info.queue.build / "demo"
    work.mkdir(parents=True, exist_ok=True)
    wakeups = [point for point in found if point.row == "wakeup"]
    points.write_csv(wakeups, work / "points.csv")
    plots.draw_wakeups(points.stats(wakeups), kernels, f"Linux {info.kernel_version} on x86_64, "
                       f"{plan.guest[0].cpus} CPUs. Clock: QEMU counts instructions, 1 instruction = "
                       "1 ns. Lines join the medians.", work / "latency.svg", work / "matplotlib")
    text = report(wakeups, kernels, plan, info, notes, work)
    (work / "result.txt").write_text(text.lstrip("\n") + "\n", encoding="utf-8")
    return text
