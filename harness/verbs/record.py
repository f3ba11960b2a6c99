"""record [LANE...]: calls that a running kernel makes pinned: all known?

Builds the lanes' kernels with a patch that prints each cross-CPU call that waits and is made
with preemption or interrupts disabled, boots them with their torture tests, and compares
what was printed with proof/callers/callers.md. A site that is not in the table fails.
Part of ./run check --all.

Prints a table and the line "N passed, N failed, N skipped". The sites, each with a chain of
callers, are in build/<queue>/runs/LANE-record/sites.txt.
"""

from argparse import ArgumentParser, Namespace

from ..core import Progress, report
from ..fetch import Options
from ..lanes import lane_files
from ..proof.recorded_calls import parts, words


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("lanes", nargs="*", metavar="LANE",
                        help="only these; without, those of proof/callers/record.toml")
    parser.add_argument("--again", action="store_true",
                        help="judge the last runs once more, with the table as it is now")


def main(parsed: Namespace, opts: Options) -> int:
    names = parsed.lanes or words(opts.queue).lanes
    for name in names:
        lane_files.load(name, opts.queue)        # one that there is not is said before anything begins
    return report.finish(parts(names, opts, Progress(len(names)), parsed.again))
