"""The git trees: Linux with the series as commits, and work trees at other commits.

In:  Options.  Out: TreeInfo; build/<queue>/linux: one base commit, then the series by git am. Its
     .git holds a record of what it was made from: half-made trees are never taken for good.
"""

import json
import re
import shutil
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Callable, Iterator

from ..core import Exit, HarnessError, Progress, Queue, require
from ..core.files import check_disk, new_folder
from ..core.git import ask, git, identity
from ..fetch import Options, host_packages
from ..fetch.linux_source import find, unpack
from . import series

RECORD = ".git/harness.json"
BASE_DATE = "2000-01-01T00:00:00+0000"    # fixed, so that commit ids can be reproduced


@dataclass(frozen=True)
class TreeInfo:
    queue: Queue
    path: Path
    base_commit: str
    tip_commit: str
    source: str            # for the user: package with version, file or folder
    kernel_version: str    # "6.12.117"
    checksum: str          # of the source, see source.Source


@dataclass(frozen=True)
class Record:
    """What a tree was made from."""

    source: dict[str, str]
    kernel_version: str
    base_commit: str
    tip_commit: str
    series: str = ""        # hash of the patches, "" if the commits are newer than they
    moving_to: str = ""     # tip that the work tree was being moved to

    def write(self, tree: Path) -> None:
        path = tree / RECORD
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        new.rename(path)


def read_record(tree: Path) -> Record | None:
    """The record of a complete tree, or None."""
    try:
        return Record(**json.loads((tree / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def info(queue: Queue, tree: Path, record: Record) -> TreeInfo:
    return TreeInfo(queue, tree, record.base_commit, record.tip_commit, record.source["name"],
                    record.kernel_version, record.source["checksum"])


def ensure_tree(opts: Options, progress: Progress | None = None, update: bool = False,
                discard: bool = False) -> TreeInfo:
    """Makes or reuses the patched tree; never throws away work in it unless told to."""
    host_packages.need("tree")
    tick = progress.tick if progress else (lambda text: None)
    queue, tree = opts.queue, opts.queue.build / "linux"
    files = series.patches(queue)
    wanted = series.digest(files)
    record = read_record(tree)
    require(record or not tree.exists(), f"{tree} is not a tree that ./run tree made; move it away.",
            Exit.APPLY)
    if record:
        tick("looking at the tree")
        record = _finish_move(tree, record)
        _guard(tree, record, discard)
    again = record and not opts.given and not update and record.source["kind"] == "package"
    if record is None or not again and asdict(find(opts)) != record.source:
        record = _make(tree, opts, files, wanted, tick)
    elif record.series != wanted:
        tick("applying the series")
        record = _move(tree, record, series.apply(queue, tree, record.base_commit, files), wanted)
    return info(queue, tree, record)


def _guard(tree: Path, record: Record, discard: bool) -> None:
    """Refuses to go on if the tree holds work that is nowhere else."""
    head = ask(tree, "rev-parse", "HEAD")
    dirty = ask(tree, "status", "--porcelain")
    applying = (tree / ".git/rebase-apply").exists() or (tree / ".git/rebase-merge").exists()
    if head == record.tip_commit and not dirty and not applying:
        return
    if discard:
        for command in (("am", "--abort"), ("rebase", "--abort")):
            git(tree, *command, check=False)
        git(tree, "checkout", "--force", "-B", "series", record.tip_commit)
        git(tree, "clean", "-fdq")
        return
    there, first = ("changes that are not committed", "commit them and ") if dirty or applying else \
        ("commits that are not exported", "")
    raise HarnessError(Exit.APPLY, f"{tree} has {there}; {first}use ./run export, or throw them away "
                       "with ./run tree --discard.")


def _finish_move(tree: Path, record: Record) -> Record:
    """Completes a change of the work tree that was interrupted."""
    if not record.moving_to:
        return record
    (tree / ".git/index.lock").unlink(missing_ok=True)
    return _move(tree, record, record.tip_commit, record.series)


def _move(tree: Path, record: Record, tip: str, wanted: str) -> Record:
    """Moves the clean work tree to tip; files that do not differ keep their time stamps."""
    replace(record, moving_to=tip).write(tree)
    git(tree, "reset", "--hard", "--quiet", tip)
    record = replace(record, tip_commit=tip, series=wanted, moving_to="")
    record.write(tree)
    return record


@contextmanager
def changed(info: TreeInfo, change: Callable[[Path], object]) -> Iterator[None]:
    """The work tree as `change` leaves it, for the length of the block.
    If the block is interrupted, the next use of the tree takes the change back, as it completes a move
    that was interrupted."""
    record = read_record(info.path)
    assert record
    moving = replace(record, moving_to=record.tip_commit)
    moving.write(info.path)
    try:
        change(info.path)
        yield
    finally:
        _finish_move(info.path, moving)


def _make(tree: Path, opts: Options, files: list[Path], wanted: str, tick) -> Record:
    """Makes the tree under another name, and puts it in place when it is complete."""
    tick("fetching the source")
    source = find(opts)
    with new_folder(tree) as new:
        tick(f"unpacking {source.name}")
        version = unpack(source, new, opts.queue.version)
        tick(f"committing Linux {version}")
        base = commit_base(new, version, opts.queue.author)
        tick("applying the series")
        tip = series.apply(opts.queue, new, base, files)
        git(new, "reset", "--hard", "--quiet", tip)
        record = Record(asdict(source), version, base, tip, wanted)
        record.write(new)
        for left in tree.parent.glob("linux-*"):
            if (left / ".git").is_file():
                shutil.rmtree(left, ignore_errors=True)     # a work tree of the old tree
    return record


def commit_base(folder: Path, version: str, author: str) -> str:
    """Makes a git tree of an unpacked source, with one commit whose id depends on it only."""
    # With the two lines by which Debian's source makes git ignore everything, `git add` would
    # leave out the files that a new patch creates.
    if (ignore := folder / ".gitignore").is_file():
        ignore.write_text(re.sub(r"^(/\*|!/debian/)\n", "", ignore.read_text("utf-8"), flags=re.M), "utf-8")
    git(folder, "init", "--quiet", "--initial-branch", "series")
    # Speed counts more than space.
    git(folder, "config", "core.compression", "1")
    git(folder, "config", "core.autocrlf", "false")
    # Files above the threshold go into one pack at once, instead of one file each.
    git(folder, "-c", "core.bigFileThreshold=1", "add", "--all", "--force", ".",
        limit="git_import", step="git add")
    git(folder, "commit", "--quiet", "--no-verify", "--no-gpg-sign", "-m", f"Linux {version}",
        env=identity(author, BASE_DATE), limit="git_import")
    git(folder, "branch", "base")
    return ask(folder, "rev-parse", "HEAD")


def worktree(info: TreeInfo, name: str, commit: str) -> Path:
    """build/<queue>/linux-NAME: a full work tree of the tree at `commit`.
    Files that do not differ between two uses keep their time stamps."""
    tree, path = info.queue.build / "linux", info.queue.build / f"linux-{name}"
    if not (path / ".git").is_file() or git(path, "rev-parse", "HEAD", check=False).returncode:
        check_disk(path, "worktree")
        series.discard_worktree(tree, path)
        git(tree, "worktree", "add", "--quiet", "--detach", "--no-checkout", path, commit)
    # One whose checkout was interrupted is completed like one that is at another commit.
    if ask(path, "rev-parse", "HEAD") != commit or ask(path, "status", "--porcelain"):
        (tree / ".git/worktrees" / path.name / "index.lock").unlink(missing_ok=True)
        git(path, "reset", "--hard", "--quiet", commit)
        git(path, "clean", "-fdq")
    return path


def base_with_tests(opts: Options, progress: Progress) -> TreeInfo:
    """A work tree with the unpatched kernel and the tests of the series."""
    patched = ensure_tree(opts, progress)
    files = series.test_patches(opts.queue)
    require(files, "the series has no patch that touches lib/ only, so there is no test to put on the "
            "unpatched kernel.")
    tip = series.apply(opts.queue, patched.path, patched.base_commit, files)
    return replace(patched, path=worktree(patched, "base-tests", tip), tip_commit=tip)
