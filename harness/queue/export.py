"""Writes the tree's commits back as patches.

In:  build/<queue>/linux (commits after the base commit), the hand-kept cover letter.
Out: patches/<queue>/NNNN-*.patch, series, the end of the cover letter: the same bytes, if nothing
     has changed in the tree.
"""

import re
import tempfile
from pathlib import Path

from ..core.git import ask, git
from . import series
from .tree import TreeInfo

# The end of the cover letter, from this line on, is written by export.
BASE_LINE = "Base: Linux "
FORMAT = ("--zero-commit", "--no-signature", "--numbered", "--no-renames", "--no-attach",
          "--no-thread", "--no-cover-letter", "--diff-algorithm=myers", "--stat=72",
          "--no-notes", "--no-base")


def render(info: TreeInfo) -> dict[str, bytes]:
    """All that export writes for the tree, {file name: content}: the patches in order, then the
    file `series`, whose comments are kept, and the cover letter, if there is one."""
    folder = info.queue.dir
    with tempfile.TemporaryDirectory() as out:
        git(info.path, "format-patch", *FORMAT,
            f"--subject-prefix={info.queue.subject_prefix}", "-o", out,
            f"{info.base_commit}..{info.tip_commit}", step="git format-patch")
        made = {path.name: path.read_bytes() for path in sorted(Path(out).iterdir())}
    listing, letter = folder / "series", folder / series.COVER
    top = re.findall(r"^#.*", listing.read_text("utf-8"), re.M) if listing.is_file() else []
    made["series"] = "".join(f"{line}\n" for line in [*top, *made]).encode()
    if letter.is_file():
        made[series.COVER] = cover(letter.read_text("utf-8"), info).encode()
    return made


def written(folder: Path) -> dict[str, bytes]:
    """What is in a queue's folder of such files."""
    return {path.name: path.read_bytes() for path in [*folder.glob("[0-9]*.patch"), *folder.glob("series")]}


def cover(old: str, info: TreeInfo) -> str:
    """The cover letter with its end brought up to date."""
    tree, base, tip = info.path, info.base_commit, info.tip_commit
    count = len(series.commits(tree, base, tip))
    prefix = info.queue.subject_prefix
    head = re.split(rf"^{BASE_LINE}", old, maxsplit=1, flags=re.M)[0].rstrip("\n")
    head = re.sub(rf"^(Subject: \[){re.escape(prefix)}[^]]*\]",
                  rf"\g<1>{prefix} {0:0{len(str(count))}d}/{count}]", head, count=1, flags=re.M)
    shortlog = ask(tree, "log", "--reverse", "--format=  %s", f"{base}..{tip}")
    stat = ask(tree, "diff", "--stat=72", "--summary", "--no-renames", base, tip)
    return f"{head}\n\n{BASE_LINE}{info.kernel_version}\n\n{count} patches:\n{shortlog}\n\n{stat}\n"


def exported_on(folder: Path) -> str:
    """The kernel version that the cover letter names, "" if it names none."""
    path = folder / series.COVER
    found = re.search(rf"^{BASE_LINE}(\S+)$", path.read_text("utf-8"), re.M) if path.is_file() else None
    return found[1] if found else ""


def write(info: TreeInfo) -> None:
    """Brings the queue's folder up to date; what has not changed is not written."""
    folder, new = info.queue.dir, render(info)
    old = written(folder)
    for name in old.keys() - new.keys():
        (folder / name).unlink()
    for name, content in new.items():
        if old.get(name) != content:
            (folder / name).write_bytes(content)
