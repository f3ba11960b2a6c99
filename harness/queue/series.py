"""The queue's files, and putting them on a base commit with `git am`.

In:  a folder with `series` (one patch file per line, # comments) and the mails.
Out: the patches, their hash, the files they touch, the commit they lead to.
"""

import hashlib
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Sequence

from ..core import Exit, HarnessError, Queue, require
from ..core.git import ask, git, identity

COVER = "0000-cover-letter.patch"


class NotApplied(HarnessError):
    """A patch that git am does not take."""

    def __init__(self, patch: str, reason: str) -> None:
        super().__init__(Exit.APPLY, f"{patch} does not apply ({reason}); the tree was left as it "
                         "was: correct this patch, or use a release that README.md lists as tested.")
        self.patch, self.reason = patch, reason


def names(folder: Path) -> list[str]:
    """The file names in `series`, in order."""
    path = folder / "series"
    require(path.is_file(), f"{path} is missing; restore it, for example with git checkout.", Exit.APPLY)
    lines = (line.split("#", 1)[0].strip() for line in path.read_text("utf-8").splitlines())
    return [line for line in lines if line]


def patches(queue: Queue) -> list[Path]:
    """The patch files in order; raises APPLY if one is missing."""
    found = [queue.dir / name for name in names(queue.dir)]
    for path in found:
        require(path.is_file(), f"the series names {path.name}, which is not in {path.parent}; restore "
                "the file or remove the line.", Exit.APPLY)
    return found


def digest(files: list[Path]) -> str:
    """Hash of names and contents, in order."""
    total = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        total.update(f"{path.name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def touched(files: Sequence[Path]) -> list[str]:
    """Paths of the kernel tree that the patches change, create or remove."""
    found: set[str] = set()
    for path in files:
        text = path.read_text("utf-8", "replace")
        for old, new in re.findall(r"^diff --git a/(\S+) b/(\S+)$", text, re.M):
            found |= {old, new}
        # quilt's patches have no line of git's.
        found |= set(re.findall(r"^(?:---|\+\+\+) [ab]/(\S+)", text, re.M))
    return sorted(found)


def test_patches(queue: Queue) -> list[Path]:
    """The patches of the series that touch nothing outside of lib/: the tests."""
    return [path for path in patches(queue)
            if (paths := touched([path])) and all(name.startswith("lib/") for name in paths)]


def apply(queue: Queue, repo: Path, base: str, files: Sequence[Path],
          left_out: list[NotApplied] | None = None) -> str:
    """Puts the patches on commit `base` of repo with git am, in a throw-away work tree; the tip.

    Committer and dates are fixed, so the commit ids depend on nothing but the base and the patches.
    Raises APPLY, naming the patch that does not apply; given a list, does without those, and puts the
    errors there.
    """
    with sparse(queue, repo, base, files) as place:
        for batch in [files] if left_out is None and files else [[path] for path in files]:
            done = git(place, "am", "--committer-date-is-author-date", "--no-3way", "--no-scissors",
                       "--no-gpg-sign", *batch, env=identity(queue.author), check=False)
            if not done.returncode:
                continue
            number = re.search(r"^Patch failed at (\d+)", done.output, re.M)
            path = batch[int(number[1]) - 1 if number else 0]
            said = re.findall(r"^error: *(.*)", done.output, re.M) or \
                (done.output.strip() or "no reason given").splitlines()[-1:]
            if left_out is None:
                raise NotApplied(path.name, said[0])
            git(place, "am", "--abort", env=identity(queue.author))
            there = not git(place, "apply", "--reverse", "--check", path, check=False).returncode
            left_out.append(NotApplied(path.name, "the tree has this change" if there else said[0]))
        return ask(place, "rev-parse", "HEAD")


@contextmanager
def sparse(queue: Queue, repo: Path, commit: str, files: Sequence[Path]) -> Iterator[Path]:
    """A work tree at the commit, only for the block, with nothing but the files that the patches touch."""
    work = queue.build / "am"
    discard_worktree(repo, work)
    try:
        git(repo, "worktree", "add", "--no-checkout", "--detach", work, commit)
        patterns = "".join(f"/{path}\n" for path in touched(files))
        git(work, "sparse-checkout", "set", "--no-cone", "--stdin", stdin=patterns)
        git(work, "checkout", "--detach", commit)
        yield work
    finally:
        discard_worktree(repo, work)


def commits(tree: Path, base: str, tip: str) -> list[str]:
    """The commits after base up to tip, oldest first."""
    return ask(tree, "rev-list", "--reverse", f"{base}..{tip}").split()


def discard_worktree(repo: Path, work: Path) -> None:
    """Removes a throw-away work tree, whatever state it is in."""
    if work.exists():
        git(repo, "worktree", "remove", "--force", "--force", work, check=False)
        shutil.rmtree(work, ignore_errors=True)
    git(repo, "worktree", "prune", check=False)
