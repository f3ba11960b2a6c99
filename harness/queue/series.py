"""The queue's files, and putting them on a base commit with `git am`.

In:  a folder with `series` (one patch file per line, # comments) and the mails.
Out: the patches, their hash, the files they touch, the commit they lead to.
"""

import hashlib
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from ..core import Exit, HarnessError, Queue
from ..core.git import ask, git, identity
from ..core.proc import Result

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
    if not path.is_file():
        raise HarnessError(Exit.APPLY, f"{path} is missing; restore it, for example with "
                           "git checkout.")
    lines = (line.split("#", 1)[0].strip() for line in path.read_text("utf-8").splitlines())
    return [line for line in lines if line]


def patches(queue: Queue) -> list[Path]:
    """The patch files in order; raises APPLY if one is missing."""
    found = [queue.dir / name for name in names(queue.dir)]
    for path in found:
        if not path.is_file():
            raise HarnessError(Exit.APPLY, f"the series names {path.name}, which is not in "
                               f"{path.parent}; restore the file or remove the line.")
    return found


def digest(files: list[Path]) -> str:
    """Hash of names and contents, in order."""
    total = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        total.update(f"{path.name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def touched(files: list[Path]) -> list[str]:
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
    found = []
    for path in patches(queue):
        paths = touched([path])
        if paths and all(name.startswith("lib/") for name in paths):
            found.append(path)
    return found


def apply(queue: Queue, repo: Path, base: str, files: list[Path],
          work: Path | None = None) -> str:
    """Puts the patches on commit `base` of repo with git am; the tip. Its work tree is not touched.

    It is done in a throw-away work tree, which holds only the files that the
    patches touch. Committer and dates are fixed, so the commit ids depend on nothing
    but the base and the patches. Raises APPLY, naming the patch that does not apply.
    """
    if not files:
        return base
    with _thrown_away(queue, repo, base, files, work) as place:
        result = _am(queue, place, files)
        if result.returncode:
            raise _failure(place, files, result.output)
        return ask(place, "rev-parse", "HEAD")


def apply_what_fits(queue: Queue, repo: Path, base: str, files: list[Path],
                    work: Path | None = None) -> tuple[str, list[NotApplied]]:
    """As apply, one patch after the other, but without those that do not apply: the tip, and these."""
    left_out = []
    with _thrown_away(queue, repo, base, files, work) as place:
        for path in files:
            result = _am(queue, place, [path])
            if result.returncode:
                error = _failure(place, [path], result.output)
                git(place, "am", "--abort", env=identity(queue.author))
                there = git(place, "apply", "--reverse", "--check", path, check=False).returncode == 0
                left_out.append(NotApplied(path.name, "the tree has this change") if there else error)
        return ask(place, "rev-parse", "HEAD"), left_out


@contextmanager
def _thrown_away(queue: Queue, repo: Path, base: str, files: list[Path],
                 work: Path | None) -> Iterator[Path]:
    """A work tree at base, only for the block, with nothing but the files that the patches touch."""
    work = work or queue.build / "am"
    discard_worktree(repo, work)
    try:
        git(repo, "worktree", "add", "--no-checkout", "--detach", work, base)
        patterns = "".join(f"/{path}\n" for path in touched(files))
        git(work, "sparse-checkout", "set", "--no-cone", "--stdin", stdin=patterns)
        git(work, "checkout", "--detach", base)
        yield work
    finally:
        discard_worktree(repo, work)


def _am(queue: Queue, work: Path, files: list[Path]) -> Result:
    return git(work, "am", "--committer-date-is-author-date", "--no-3way", "--no-scissors",
               "--no-gpg-sign", *files, env=identity(queue.author), check=False)


def commits(tree: Path, base: str, tip: str) -> list[str]:
    """The commits after base up to tip, oldest first."""
    return ask(tree, "rev-list", "--reverse", f"{base}..{tip}").split()


def _failure(work: Path, files: list[Path], output: str) -> NotApplied:
    """Says which patch git am stopped at, and why."""
    number = Path(ask(work, "rev-parse", "--git-path", "rebase-apply/next"))
    number = number if number.is_absolute() else work / number
    index = int(number.read_text()) - 1 if number.is_file() else 0
    reasons = [line for line in output.splitlines() if line.startswith("error:")]
    reason = reasons[0].removeprefix("error:").strip() if reasons else \
        (output.strip().splitlines() or ["no reason given"])[-1]
    return NotApplied(files[index].name, reason)


def discard_worktree(repo: Path, work: Path) -> None:
    """Removes a throw-away work tree, whatever state it is in."""
    if work.exists():
        git(repo, "worktree", "remove", "--force", "--force", work, check=False)
        shutil.rmtree(work, ignore_errors=True)
    git(repo, "worktree", "prune", check=False)
