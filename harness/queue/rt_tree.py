"""The tree with Debian's PREEMPT_RT patches under the series, or under its tests.

In:  a TreeInfo.  Out: that of build/<queue>/linux-rt. An rt patch that does not apply is left out.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

from ..core import Exit, Progress, Queue, require, settings
from ..core.files import new_folder
from ..core.git import git
from ..fetch import apt
from . import releases, series
from .tree import TreeInfo, worktree


def patches(queue: Queue) -> tuple[str, list[Path]]:
    """The rt patches of Debian's newest source package that can be had, and its version; fetched once."""
    where = settings.fetched() / f"rt-{queue.version}"
    if not where.is_dir():
        archive = apt.Apt(queue.suites, sources=True).source(queue.package, queue.version, apt.DEBIAN)
        with new_folder(where) as new:
            require(releases.unpack_rt(archive.path, new), f"{archive.path.name} has no {releases.RT}: "
                    f"Debian has no rt flavour of {queue.version}.", Exit.FETCH)
            (new / "version").write_text(archive.version)
    return (where / "version").read_text(), [where / releases.RT / name
                                             for name in series.names(where / releases.RT)]


def ensure(info: TreeInfo, progress: Progress) -> TreeInfo:
    """Makes or reuses the tree. APPLY if a patch of the series does not go on top."""
    version, files = patches(info.queue)
    base = info.base_commit
    ref = f"refs/harness/rt-{series.digest(files)[:12]}-{info.tip_commit[:12]}"
    tip = git(info.path, "rev-parse", "--verify", "--quiet", ref, check=False).output.strip()
    if not tip:
        progress.tick("applying the rt patches")
        left_out: list[series.NotApplied] = []
        tip = series.apply(info.queue, info.path, base, files, left_out)
        for item in left_out:
            progress.done(f"left out: {item.patch} ({item.reason})")
        progress.tick("applying the series")
        with tempfile.TemporaryDirectory() as folder:
            git(info.path, "format-patch", "--quiet", "-o", folder, f"{base}..{info.tip_commit}")
            tip = series.apply(info.queue, info.path, tip, sorted(Path(folder).iterdir()))
        git(info.path, "update-ref", ref, tip)
    ours, all_of_them = (len(series.commits(info.path, base, to)) for to in (info.tip_commit, tip))
    return replace(info, path=worktree(info, "rt", tip), tip_commit=tip, source=f"{info.source} + rt "
                   f"{version} ({all_of_them - ours} of {len(files)} patches)")
