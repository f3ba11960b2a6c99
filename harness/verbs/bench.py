"""bench: measure beside the unpatched kernel and mainline's versions.

Builds Linux without and with the series, and the versions of mainline that
bench/bench.toml names, boots them under QEMU and measures wake-up latencies, costs and more;
bench/README.md says what, and how. A version that cannot be fetched, or that lacks a
preemption model, is left out, and the report says so. Most guests run in simulated time, which
depends neither on this machine nor on its load; the guest "tools" (cyclictest) runs in real
time: leave the machine alone meanwhile.

The result is in bench/results/DATE-BASE/: points.csv (every raw point), summary.md (the
targets, and tables), plots, and the differences of the configurations.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..core import Exit, files, settings
from ..fetch import Options
from ..bench import plans, results, summary


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="the core of it: the queue's two "
                        "kernels, fewer guests and boots; x86_64, unless --arch is given")
    for name in ("arch", "kernel", "guest"):
        parser.add_argument(f"--{name}", action="append", default=[], metavar="NAME", help="only "
                            "this one of bench/bench.toml; may be given several times")
    for name, what in (("boots", "of each guest with each kernel"), ("jobs", "boots at a time")):
        parser.add_argument(f"--{name}", type=int, metavar="N",
                            help=f"{what}, instead of what bench/bench.toml says")
    parser.add_argument("--resume", action="store_true", help="boots of the same kernels with the "
                        "same guests that came to their end are not done again")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("A", "B"), help="build and boot "
                        "nothing: name what got worse by more than the spread from result folder A "
                        "to result folder B; exit code 1 if anything did")
    parser.add_argument("--read", nargs="+", type=Path, metavar="FILE", help="build and boot "
                        "nothing: sum up what bench/rt.c printed on a real machine")


def main(parsed: Namespace, opts: Options) -> int:
    if parsed.read:
        return results.sum_up(parsed.read)
    plan = plans.read(opts.queue)
    if parsed.compare:
        text, worse = summary.comparison(*parsed.compare, plan.names)
        print(text)
        return Exit.TEST if worse else Exit.OK
    plan = plan.chosen("quick" if parsed.quick else "full", parsed.guest, parsed.kernel, parsed.arch,
                       parsed.boots, parsed.jobs)
    with files.locked(settings.BUILD, "bench"):
        return results.measure(plan, opts, parsed)
