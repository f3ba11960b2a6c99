"""export: write the tree's commits back as patches.

Writes the commits of build/<queue>/linux (all after its base commit) to patches/<queue>/
as mails that git am takes, and rewrites `series`. The cover letter
0000-cover-letter.patch is kept by hand; only its end, from the line "Base: Linux ..."
on, and the number of patches in its subject are brought up to date.
"""

from argparse import Namespace
from dataclasses import replace

from ..core import Exit, require
from ..core.git import ask, git
from ..fetch import Options
from ..queue import series
from ..queue.export import write
from ..queue.tree import info, read_record


def main(parsed: Namespace, opts: Options) -> int:
    queue = opts.queue
    path = queue.build / "linux"
    record = read_record(path)
    require(record, f"there is no tree at {path} to export; make it with ./run tree.")
    require(not ask(path, "status", "--porcelain"), f"{path} has changes that are not committed; "
            "commit them (or use ./run tree --discard), then export.")
    head = ask(path, "rev-parse", "HEAD")
    ours = git(path, "merge-base", "--is-ancestor", record.base_commit, head, check=False)
    require(ours.returncode == 0, f"{path} is not on top of its base commit "
            f"{record.base_commit[:12]}; put your commits on the branch base, then export.")
    require(not ask(path, "rev-list", "--merges", f"{record.base_commit}..{head}"), f"{path} holds "
            "merge commits, which cannot be patches; rebase them onto the branch base, then export.")
    record = replace(record, tip_commit=head, series="")   # the next use applies them anew
    record.write(path)
    write(info(queue, path, record))
    print(f"{len(series.names(queue.dir))} patches written to {queue.dir}, based on Linux "
          f"{record.kernel_version}")
    return Exit.OK
