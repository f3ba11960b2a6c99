"""The verb `tree`: makes the git tree with the series on top, and says where it is."""

from ..core import Exit, Progress
from ..fetch import options, parser
from ..queue import series
from ..queue.tree import ensure_tree

HELP = """\
./run tree [--queue NAME] [--linux PATH | --tarball FILE] [--update] [--discard]

Makes build/<queue>/linux, a git tree: one commit with the unpatched kernel (branch
"base"), then every patch of the series as a commit (branch "series"). Prints where it is and how
to build it. A tree that is there already is used again, and only what has changed is rewritten.

  --linux PATH    take Linux from your own clean git tree or unpacked source; it is
                  copied, never changed
  --tarball FILE  take it from linux-VERSION.tar.xz or Debian's .orig.tar.xz
  --update        look for a newer release of the Debian package
  --discard       throw away commits and changes in the tree that were not exported

Work on the series: commit in the tree, then ./run export.
"""


def main(args: list[str]) -> int:
    words = parser("tree")
    words.add_argument("--update", action="store_true")
    words.add_argument("--discard", action="store_true")
    parsed = words.parse_args(args)
    progress = Progress(1)
    progress.phase("the kernel tree")
    made = ensure_tree(options(parsed), progress, parsed.update, parsed.discard)
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
