"""The verb `bench`: Linux with and without the series beside other versions, measured."""

from pathlib import Path

from ..core import Exit, files, settings
from ..fetch import options, parser
from ..bench import plans, results, summary

HELP = """\
./run bench [--quick] [--arch ARCH]... [--kernel NAME]... [--guest NAME]... [--boots N]
            [--jobs N] [--resume] [--queue NAME] [--linux PATH | --tarball FILE]
./run bench --compare A B
./run bench --read FILE...

Builds Linux without and with the series, and the versions of mainline that
bench/bench.toml names, boots them under QEMU and measures wake-up latencies, costs and more;
bench/README.md says what, and how. A version that cannot be fetched, or that lacks a
preemption model, is left out, and the report says so. Most guests run in simulated time, which
depends neither on this machine nor on its load; the guest "tools" (cyclictest) runs in real
time: leave the machine alone meanwhile.

The result is in bench/results/DATE-BASE/: points.csv (every raw point), summary.md (the
targets, and tables), plots, and the differences of the configurations.

  --quick        the core of it: the queue's two kernels, fewer guests and boots
  --arch ARCH, --kernel NAME, --guest NAME
                 only this one of bench/bench.toml; each may be given several times
  --boots N, --jobs N
                 of each guest with each kernel; at a time: instead of what bench/bench.toml says
  --resume       boots of the same kernels with the same guests that came to their end are not
                 done again
  --compare A B  build and boot nothing: name what got worse by more than the spread from
                 result folder A to result folder B; exit code 1 if anything did
  --read FILE    build and boot nothing: sum up what bench/rt.c printed on a real machine
"""


def parse(args: list[str]):
    words = parser("bench")
    words.add_argument("--quick", action="store_true")
    words.add_argument("--arch", action="append", default=[])
    words.add_argument("--kernel", action="append", default=[])
    words.add_argument("--guest", action="append", default=[])
    words.add_argument("--boots", type=int)
    words.add_argument("--jobs", type=int)
    words.add_argument("--resume", action="store_true")
    words.add_argument("--compare", nargs=2, type=Path, metavar=("A", "B"))
    words.add_argument("--read", nargs="+", type=Path, metavar="FILE")
    return words.parse_args(args)


def main(args: list[str]) -> int:
    parsed = parse(args)
    if parsed.read:
        return results.sum_up(parsed.read)
    opts = options(parsed)
    plan = plans.read(opts.queue)
    if parsed.compare:
        text, worse = summary.comparison(*parsed.compare, plan.names)
        print(text)
        return Exit.TEST if worse else Exit.OK
    plan = plan.chosen("quick" if parsed.quick else "full", parsed.guest, parsed.kernel, parsed.arch,
                       parsed.boots, parsed.jobs)
    with files.locked(settings.BUILD, "bench"):
        return results.measure(plan, opts, parsed)
