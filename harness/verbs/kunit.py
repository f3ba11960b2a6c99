"""kunit LANE [GLOB]: one lane, one run, its console shown.

Builds the lane's kernel, boots it and shows its console; the lane's suites run at
boot and again after boot, then its torture tests. The verdict comes last, the exit code
is its.

Leaves build/<queue>/runs/LANE/ (LANE-base with --base): config, console.log, qemu-cmd
(a script that boots it again), exit, run.json and verdict.json.
"""

import re
from argparse import ArgumentParser, Namespace
from functools import partial

from ..core import Progress, require
from ..fetch import Options
from ..queue import tree
from ..lanes import lane_files, lane_run


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("lane", metavar="LANE", help="a file of lanes/")
    parser.add_argument("glob", nargs="?", metavar="GLOB", help="run only the cases whose names "
                        "match, for example 'any*'; with a dot, suite and case as in KUnit's own "
                        "filter, for example 'smp.any*'. At least one case must match then.")
    parser.add_argument("--base", action="store_true",
                        help="the unpatched kernel with nothing but the tests of the series")


def main(parsed: Namespace, opts: Options) -> int:
    lane = lane_files.load(parsed.lane, opts.queue)
    require(lane.suites or not parsed.glob, f"lane {lane.name} runs no suite, so there are no cases "
            "to choose from; leave the pattern out.")
    require(parsed.glob is None or re.fullmatch(r"([\w.*?-]|\[!?[\w-]+\])+", parsed.glob),
            f"{parsed.glob!r} is no pattern for names of cases, like 'any*' or 'smp.any*'.")
    progress = Progress(2)
    progress.phase("the kernel tree")
    info = (tree.base_with_tests if parsed.base else tree.ensure_tree)(opts, progress)
    progress.done(f"Linux {info.kernel_version} from {info.source} ({info.checksum})")
    progress.phase(f"lane {lane.name}: {lane.proves}")

    ran = lane_run.run(lane, info, progress, variant="base" if parsed.base else "",
                       glob=lane_run.full_glob(lane, parsed.glob),
                       show=partial(print, flush=True))
    print(f"{ran.name}: {ran.verdict.text()}")
    print(f"The run's files are in {ran.folder}.")
    return ran.verdict.code
