"""The verb `demo`: builds Linux with and without the series, boots both, measures."""

from ..core import Progress
from ..fetch import options, parser
from ..bench import demo, measure, plans

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
booted and measured is data: the guests with preset = "demo" in bench/bench.toml, which
also says how the kernels are configured.
"""


def main(args: list[str]) -> int:
    opts = options(parser("demo").parse_args(args))
    plan = plans.read(opts.queue).of("demo")
    progress = Progress(1 + measure.phases(plan, ["x86_64"], []))
    made = measure.measured(plan, opts, ["x86_64"], progress, [], False)
    if made.code:
        return made.code
    progress.phase("table and plot")
    print(demo.write(made.points, made.kernels, plan, made.info, made.notes))
    return made.code
