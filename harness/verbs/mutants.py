"""The verb `mutants`: breaks the series on purpose, and sees whether it is noticed."""

from ..core import Progress, report
from ..fetch import options, parser
from ..proof import mutants

HELP = """\
./run mutants [NAME...] [--subset] [--queue NAME] [--linux PATH | --tarball FILE]

Shows that the suite notices broken kernels. A mutant is an edit (or a few) that breaks
one thing in the series, in proof/mutants/edits/; proof/mutants/mutants.toml says which invariant
that is, and what must catch it. First the named cases must pass without the mutant; then each
mutant is built, and booted until it is caught. One that survives, or is caught in another way
than the table names, is a failure.

  --subset   only the five that are part of ./run check

Prints a table and the line "N passed, N failed, N skipped". Runs leave their files in
build/<queue>/runs/mutants/.
"""


def main(args: list[str]) -> int:
    words = parser("mutants")
    words.add_argument("names", nargs="*")
    words.add_argument("--subset", action="store_true")
    parsed = words.parse_args(args)
    opts = options(parsed)
    chosen = mutants.choose(mutants.load(opts.queue), parsed.names, parsed.subset)
    progress = Progress(1 + mutants.phases(chosen))
    progress.phase("the kernel tree")
    parts = mutants.run(chosen, opts, progress)
    return report.finish(parts, f"Consoles are in {opts.queue.build / 'runs/mutants'}.")
