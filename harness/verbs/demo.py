"""The verb `demo`: builds Linux with and without the series, boots both, measures."""

from __future__ import annotations

from ..core.arguments import Parser
from ..core.errors import Exit
from ..core.progress import Progress
from ..fetch import host_packages
from ..fetch.linux_source import add_options, options
from ..queue import series, tree
from ..lanes import lane_files
from ..bench import demo_plot, wakeup
from ..bench.demo import DEMO, build_variant, measure_one, report, variants, work

HELP = """\
./run demo [--queue NAME] [--linux PATH | --tarball FILE]

Builds Linux for x86_64 twice, without the series and with it, boots both under QEMU
and measures how long a SCHED_FIFO task waits to run on a CPU where another task waits
for a cross-CPU call, while a remote CPU keeps interrupts off. Prints a table and
says where the raw points (CSV) and a plot (SVG) are.

Each kernel is booted twice, with preempt=full and with preempt=voluntary, which is the
default of Debian, RHEL and SLES: four boots in all.

The guests run in simulated time: QEMU counts instructions, and one is one
nanosecond. So the figures depend neither on this machine nor on its load.

Each run measures anew; a kernel is built only if something changed. What is built,
booted and measured is data: demo/demo.toml.
"""


def main(args: list[str]) -> int:
    """The verb `demo`."""
    parser = Parser("demo")
    add_options(parser)
    opts = options(parser.parse_args(args))
    lane = lane_files.read(DEMO / "demo.toml", opts.queue)
    asked = wakeup.plan(lane.cmdline, lane.arch.clocksource)
    progress = Progress(4 + 2 * len(asked.models))

    progress.phase("tools and kernel tree")
    host_packages.need("tree", "build", lane.arch.name, "plot")
    info = tree.ensure_tree(opts, progress)
    both = variants(info, tree.worktree(info, "base", info.base_commit))
    progress.done(f"Linux {info.kernel_version}, {info.source}")

    made = []
    for variant in both:
        progress.phase(f"build of {variant.label}")
        made.append(build_variant(lane, variant, progress))

    measurements = []
    for model in asked.models:
        for variant, (spec, build_id) in zip(both, made):
            progress.phase(f"boot of {variant.label}, preempt={model}")
            measurements.append(measure_one(spec, build_id, variant, model, asked,
                                            progress))

    progress.phase("table and plot")
    wakeup.write_csv(measurements, work(info.queue) / "points.csv")
    demo_plot.draw(measurements, asked,
              f"Linux {info.kernel_version} on x86_64, {lane.cpus} CPUs. Clock: QEMU counts "
              f"instructions, 1 instruction = 1 ns. {asked.reps} points for each mark; lines join "
              "the medians.", work(info.queue) / "latency.svg", work(info.queue) / "matplotlib")
    text = report(measurements, asked, lane, info, len(series.names(info.queue.dir)))
    (work(info.queue) / "result.txt").write_text(text.lstrip("\n") + "\n", encoding="utf-8")
    print(text)
    return Exit.OK
