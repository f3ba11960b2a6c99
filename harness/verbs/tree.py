"""tree: make a git tree with the series on top, and say where it is.

Makes build/<queue>/linux, a git tree: one commit with the unpatched kernel (branch
"base"), then every patch of the series as a commit (branch "series"). Prints where it is and how
to build it. A tree that is there already is used again, and only what has changed is rewritten.

Work on the series: commit in the tree, then ./run export.
"""

from argparse import ArgumentParser, Namespace

from ..core import Exit, Progress
from ..fetch import Options
from ..queue import series
from ..queue.tree import ensure_tree


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--update", action="store_true",
                        help="look for a newer release of the Debian package")
    parser.add_argument("--discard", action="store_true", help="throw away commits and changes in "
                        "the tree that were not exported")


def main(parsed: Namespace, opts: Options) -> int:
    progress = Progress(1)
    progress.phase("the kernel tree")
    made = ensure_tree(opts, progress, parsed.update, parsed.discard)
    progress.done("ready")
    count = len(series.names(made.queue.dir))
    print(f"""{made.path}
  Linux {made.kernel_version} with {count} patches, from {made.source}
  {made.checksum}
  git log base..series shows the patches
Build it, for example:
  cd {made.path}
  make O=../out/mine x86_64_defconfig
  make O=../out/mine -j$(nproc)""")
    return Exit.OK
