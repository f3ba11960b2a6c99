"""demo: build Linux with and without the series, boot both, measure.

Builds Linux for x86_64 twice, without the series and with it, boots each under QEMU with
preempt=full and with preempt=voluntary, and measures how long a SCHED_FIFO task waits to run on
a CPU where another task waits for a cross-CPU call, while a remote CPU keeps interrupts off.
Prints a table and says where the raw points (CSV) and a plot (SVG) are.

The guests run in simulated time (one instruction is one nanosecond), which depends neither on
this machine nor on its load. What is built, booted and measured is data: the guests with
presets = ["demo"] in bench/bench.toml.
"""

from argparse import Namespace

from ..fetch import Options
from ..bench import boots, plans, results


def main(parsed: Namespace, opts: Options) -> int:
    plan = plans.read(opts.queue).chosen("demo")
    made = boots.measured(plan, opts, [])
    if made.code:
        return made.code
    made.progress.phase("table and plot")
    print("\n" + results.write_demo(plan, made))
    return made.code
