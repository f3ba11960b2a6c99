"""The verb `record`: which calls a running kernel makes pinned, and whether the audit knows them."""

from ..core import Progress, report
from ..fetch import options, parser
from ..lanes import lane_files
from ..proof.recorded_calls import parts, words

HELP = """\
./run record [LANE...] [--again] [--queue NAME] [--linux PATH | --tarball FILE]

Builds the lanes' kernels with a patch that prints each cross-CPU call that waits and is made
with preemption or interrupts disabled, boots them with their torture tests, and compares
what was printed with proof/callers/callers.md. A site that is not in the table fails.
The lanes are those of proof/callers/record.toml, or the LANEs given. Part of ./run check --all.

  --again   judges the last runs once more, with the table as it is now

Prints a table and the line "N passed, N failed, N skipped". The sites, each with a chain of
callers, are in build/<queue>/runs/LANE-record/sites.txt.
"""


def main(args: list[str]) -> int:
    words = parser("record")
    words.add_argument("lanes", nargs="*")
    words.add_argument("--again", action="store_true")
    parsed = words.parse_args(args)
    opts = options(parsed)
    names = parsed.lanes or words(opts.queue).lanes
    for name in names:
        lane_files.load(name, opts.queue)        # one that there is not is said before anything begins
    found = parts(names, opts, Progress(len(names)), parsed.again)
    return report.finish(found)
