"""The verb `kunit`: one lane, one run, its console shown.

In:  the lane, a pattern for cases, options.  Out: the verdict's exit code.
"""

import sys

from ..core import Exit, HarnessError, Progress
from ..fetch import options, parser
from ..queue import tree
from ..lanes import lane_files, lane_run

HELP = """\
./run kunit LANE [GLOB] [--base] [--queue NAME] [--linux PATH | --tarball FILE]

Builds the lane's kernel, boots it and shows its console; the lane's suites run at
boot and again after boot, then its torture tests. The verdict comes last, the exit code
is its.

  GLOB     runs only the cases whose names match, for example 'any*'; with a dot,
           suite and case as in KUnit's own filter, for example 'smp.any*'. At
           least one case must match then.
  --base   the unpatched kernel with nothing but the tests of the series

Leaves build/<queue>/runs/LANE/ (LANE-base with --base): config, console.log, qemu-cmd
(a script that boots it again), exit, run.json and verdict.json.
"""


def main(args: list[str]) -> int:
    words = parser("kunit")
    words.add_argument("lane")
    words.add_argument("glob", nargs="?")
    words.add_argument("--base", action="store_true")
    parsed = words.parse_args(args)
    opts = options(parsed)
    lane = lane_files.load(parsed.lane, opts.queue)
    if parsed.glob and not lane.suites:
        raise HarnessError(Exit.USAGE, f"lane {lane.name} runs no suite, so there are no cases to "
                           "choose from; leave the pattern out.")
    progress = Progress(2)
    progress.phase("the kernel tree")
    info = tree.base_with_tests(opts, progress) if parsed.base \
        else tree.ensure_tree(opts, progress)
    progress.done(f"Linux {info.kernel_version} from {info.source} ({info.checksum})")
    progress.phase(f"lane {lane.name}: {lane.proves}")

    def show(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    ran = lane_run.run(lane, info, progress, variant="base" if parsed.base else "",
                       glob=lane_run.full_glob(lane, parsed.glob), show=show)
    print(f"{ran.name}: {ran.verdict.text()}")
    print(f"The run's files are in {ran.folder}.")
    return ran.verdict.code
