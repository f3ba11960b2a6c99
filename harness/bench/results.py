"""The results of ./run bench and ./run demo: folders, and what is printed.

In:  a BenchPlan and its Measurements.
Out: bench/results/DATE-BASE/: points.csv, summary.md, config-differences.md, *.svg;
     build/<queue>/demo/: points.csv, latency.svg, result.txt (what is printed).
"""

import datetime
import re
from argparse import Namespace
from pathlib import Path

from ..core import Exit, HarnessError, proc, require, settings
from ..core.files import new_folder
from ..core.report import markdown, text_table
from ..fetch import Options
from ..queue import series
from ..build import kconfig
from . import boots, cyclictest, plans, plots, points, summary
from .boots import Measurements, Ready
from .plans import BenchKernel, BenchPlan, Names
from .points import Point, hold, show


def relative(path: Path) -> Path:
    """The path as seen from the repository, if it is inside."""
    return path.relative_to(settings.REPO) if path.is_relative_to(settings.REPO) else path


def config_differences(ready: list[Ready]) -> str:
    """Options that the kernels of one architecture and build do not all have in common."""
    parts = ["# Differences between the configurations", "",
             "\"-\": not set, or not known to that version.", ""]
    for arch, way in dict.fromkeys((item.arch, item.way) for item in ready):
        mine = [item for item in ready if (item.arch, item.way) == (arch, way)]
        configs = [kconfig.parse(item.made.config.read_text()) for item in mine]
        values = {name: [config.get(name, "-") for config in configs]
                  for name in sorted(set().union(*configs))}
        rows = [[f"`{name}`", *row] for name, row in values.items() if len(set(row)) > 1]
        parts += [f"## {arch}{f', build {way}' if way else ''}: {len(rows)} of {len(values)} options",
                  "", markdown(["option", *(item.kernel.name for item in mine)], rows), ""]
    return "\n".join(parts)


def version(emulator: str) -> str:
    """Of an emulator: "7.2.22"."""
    output = proc.run([emulator, "--version"], step=f"{emulator} --version").output
    return re.search(r"version (\S+)|$", output)[1] or "?"


def write(plan: BenchPlan, folder: Path, made: Measurements, stats: summary.Stats) -> None:
    """Fills the folder; one of the same name is replaced."""
    most = plan.most_boots
    fewer = "".join(f" ({guest.name}: {guest.boots})" for guest in plan.guest if guest.boots < most)
    emulators = ", ".join(f"{name} {version(name)}"
                          for name in sorted({item.asked.arch.qemu for item in made.ready}))
    how = f"""\
Clock: simulated, QEMU counts instructions and 1 instruction is 1 ns (-icount shift=0,sleep=off), all \
CPUs run in turn. {most} boots of each guest{fewer}, the kernels in turn; all figures are medians, \
with least and greatest where they differ. Raw points: points.csv. Emulator: {emulators}. Same \
configuration but for what config-differences.md lists."""
    with new_folder(folder) as new:
        points.write_csv(made.points, new / "points.csv")
        (new / "config-differences.md").write_text(config_differences(made.ready), encoding="utf-8")
        (new / "summary.md").write_text(
            summary.summary(plan, stats, made.kernels, f"Benchmarks, {folder.name}", how,
                            [note.replace(f"{settings.REPO}/", "") for note in made.notes]),
            encoding="utf-8")
        for arch in plan.arches:
            plots.draw_all(stats, arch, made.kernels, "Clock: QEMU counts instructions, 1 instruction "
                           f"= 1 ns. Medians of {most} boots, bars from least to greatest.", new,
                           boots.work(made.info.queue) / "matplotlib")


def measure(plan: BenchPlan, opts: Options, parsed: Namespace) -> int:
    """Measures, writes bench/results/DATE-BASE, and prints what came of the targets."""
    notes = [f"only {', '.join(parsed.kernel)}, as the command line said"] if parsed.kernel else []
    made = boots.measured(plan, opts, notes, parsed.resume)
    made.progress.phase("report")
    words = [datetime.date.today().isoformat(), opts.queue.name, *parsed.arch,
             *["quick"] * parsed.quick, *parsed.kernel, *parsed.guest]
    folder = plans.FOLDER / "results" / "-".join(words)
    stats = points.stats(made.points)
    write(plan, folder, made, stats)
    made.progress.done(str(relative(folder)))
    for arch in plan.arches:
        print(f"\n{arch}:")
        for item in summary.targets(plan, stats, arch):
            print(f"  {item.word.strip('*'):<12} {item.what}: {item.figure}")
    print(f"\n  {relative(folder / 'summary.md')}")
    return made.code


def demo_table(names: Names, stats: summary.Stats, kernels: list[BenchKernel]) -> str:
    """Medians for each call and hold, and base / series, for each preemption model."""
    models = list(dict.fromkeys(key.model for key in stats))
    columns = [kernel.name for kernel in kernels]
    median = {(key.case, key.x, key.model, key.kernel): stat.median for key, stat in stats.items()}
    rows = [["", "", *(text for model in models
                       for text in (f"{model}: {columns[0]}", *columns[1:], "ratio"))]]
    last = ""
    for call, length in sorted({(key.case, key.x) for key in stats},
                               key=lambda item: (list(names.functions).index(item[0]), item[1])):
        row = ["" if call == last else names.functions[call], hold(length)]
        last = call
        for model in models:
            medians = [median[call, length, model, name] for name in columns]
            ratio = medians[0] / max(1, medians[-1])
            row += [*map(show, medians), f"{ratio:.{0 if ratio >= 10 else 1}f}"]
        rows.append(row)
    return text_table(rows)


def farthest(names: Names, found: list[Point], stats: summary.Stats) -> str:
    """The point that is farthest from the median of its cell of the table, by its share of it."""
    def apart(point: Point) -> float:
        median = stats[point.key].median
        return abs(point.value - median) / max(1, median)

    point = max(found, key=apart)
    return (f"{show(point.value)}, where the median is {show(stats[point.key].median)} "
            f"({names.functions[point.case]}, {hold(point.x)}, {point.kernel}, {point.model})")


def write_demo(plan: BenchPlan, made: Measurements) -> str:
    """Writes build/<queue>/demo; what is to be printed comes out."""
    info, names = made.info, plan.names
    folder = info.queue.build / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    found = [point for point in made.points if point.row == "wakeup"]
    stats, cpus = points.stats(found), found[0].cpus
    points.write_csv(found, folder / "points.csv")
    plots.draw_wakeups(stats, made.kernels, f"Linux {info.kernel_version} on x86_64, {cpus} CPUs. "
                       "Clock: QEMU counts instructions, 1 instruction = 1 ns. Lines join the medians.",
                       folder / "latency.svg", boots.work(info.queue) / "matplotlib")
    models = {key.model: names.models[key.model] for key in stats}
    text = plan.demo.format(
        table=demo_table(names, stats, made.kernels), farthest=farthest(names, found, stats),
        models="\n".join(f"  {model:<11} {what}" for model, what in models.items()), cpus=cpus,
        info=info, patches=len(series.names(info.queue.dir)), queue=relative(info.queue.dir),
        notes="".join(f"  note        {note}\n" for note in made.notes), points=len(found),
        folder=relative(folder), consoles=relative(boots.work(info.queue)) / "x86_64/*/*/console.log")
    (folder / "result.txt").write_text(text, encoding="utf-8")
    return text


def sum_up(paths: list[Path]) -> int:
    """Prints what bench/rt.c measured elsewhere; the paths are those of its output."""
    try:
        text = "\n".join(path.read_text(errors="replace") for path in paths)
    except OSError as error:
        raise HarnessError(Exit.USAGE, f"{error.filename} cannot be read: {error.strerror}.") from None
    found, wrong = cyclictest.rounds(text)
    require(found or wrong, f"there is no output of bench/rt.c in {', '.join(map(str, paths))}.")
    print("\n".join([cyclictest.table(found), *(f"not to be used: {reason}" for reason in wrong)]))
    return Exit.TEST if wrong else Exit.OK
