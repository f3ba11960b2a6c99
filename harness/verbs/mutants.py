"""mutants [NAME...]: break the series on purpose: is it noticed?

Shows that the suite notices broken kernels. A mutant is an edit (or a few) that breaks
one thing in the series, in proof/mutants/edits/; proof/mutants/mutants.toml says which invariant
that is, and what must catch it. First the named cases must pass without the mutant; then each
mutant is built, and booted until it is caught. One that survives, or is caught in another way
than the table names, is a failure.

Prints a table and the line "N passed, N failed, N skipped". Runs leave their files in
build/<queue>/runs/mutants/.
"""

from argparse import ArgumentParser, Namespace

from ..core import Progress, report
from ..fetch import Options
from ..proof import mutants


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these; without, all")
    parser.add_argument("--subset", action="store_true",
                        help="only the five that are part of ./run check")


def main(parsed: Namespace, opts: Options) -> int:
    chosen = mutants.choose(mutants.load(opts.queue), parsed.names, parsed.subset)
    progress = Progress(1 + mutants.phases(chosen))
    progress.phase("the kernel tree")
    parts = mutants.run(chosen, opts, progress)
    return report.finish(parts, f"Consoles are in {opts.queue.build / 'runs/mutants'}.")
