"""The queue's files, and putting them on a base commit with `git am`.

In:  a folder with `series` (one patch file per line, # comments) and the mails.
Out: the patches, their hash, the files they touch, the commit they lead to.
"""

import hashlib
import re
import shutil
from pathlib import Path

from ..core import Exit, HarnessError, Queue
from ..core.git import ask, git, identity

COVER = "0000-cover-letter.patch"


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
        for old, new in re.findall(r"^diff --git a/(\S+) b/(\S+)$",
                                   path.read_text("utf-8", "replace"), re.M):
            found |= {old, new}
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
    work = work or queue.build / "am"
    discard_worktree(repo, work)
    if not files:
        return base
    try:
        git(repo, "worktree", "add", "--no-checkout", "--detach", work, base)
        patterns = "".join(f"/{path}\n" for path in touched(files))
        git(work, "sparse-checkout", "set", "--no-cone", "--stdin", stdin=patterns)
        git(work, "checkout", "--detach", base)
        result = git(work, "am", "--committer-date-is-author-date", "--no-3way", "--no-scissors",
                     "--no-gpg-sign", *files, env=identity(queue.author), check=False)
        if result.returncode:
            raise _failure(work, files, result.output)
        return ask(work, "rev-parse", "HEAD")
    finally:
        discard_worktree(repo, work)


def commits(tree: Path, base: str, tip: str) -> list[str]:
    """The commits after base up to tip, oldest first."""
    return ask(tree, "rev-list", "--reverse", f"{base}..{tip}").split()


def _failure(work: Path, files: list[Path], output: str) -> HarnessError:
    """Says which patch git am stopped at, and why."""
    number = Path(ask(work, "rev-parse", "--git-path", "rebase-apply/next"))
    number = number if number.is_absolute() else work / number
    index = int(number.read_text()) - 1 if number.is_file() else 0
    reasons = [line for line in output.splitlines() if line.startswith("error:")]
    reason = reasons[0].removeprefix("error:").strip() if reasons else \
        (output.strip().splitlines() or ["no reason given"])[-1]
    return HarnessError(Exit.APPLY, f"{files[index].name} does not apply ({reason}); the tree was "
                        "left as it was: correct this patch, or use a release that README.md "
                        "lists as tested.")


def discard_worktree(repo: Path, work: Path) -> None:
    """Removes a throw-away work tree, whatever state it is in."""
    if work.exists():
        git(repo, "worktree", "remove", "--force", "--force", work, check=False)
        shutil.rmtree(work, ignore_errors=True)
    git(repo, "worktree", "prune", check=False)
