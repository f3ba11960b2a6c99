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
    """The patches on the tree: {file name: content}, in order."""
    with tempfile.TemporaryDirectory() as out:
        git(info.path, "format-patch", *FORMAT,
            f"--subject-prefix={info.queue.subject_prefix}", "-o", out,
            f"{info.base_commit}..{info.tip_commit}", step="git format-patch")
        return {path.name: path.read_bytes() for path in sorted(Path(out).iterdir())}


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


def series_text(old: str, names: list[str]) -> str:
    """The file `series`: the comments at its top are kept."""
    lines = old.splitlines()
    top = [line for line in lines if line.startswith("#")]
    return "".join(f"{line}\n" for line in [*top, *names])


def write(info: TreeInfo) -> list[str]:
    """Writes the queue's folder; returns the names of the patches."""
    rendered, folder = render(info), info.queue.dir
    for path in folder.glob("[0-9]*.patch"):
        if path.name not in rendered and path.name != series.COVER:
            path.unlink()
    for name, content in rendered.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != content:
            path.write_bytes(content)
    listing = folder / "series"
    listing.write_text(series_text(listing.read_text("utf-8") if listing.is_file() else "",
                                   list(rendered)), encoding="utf-8")
    letter = folder / series.COVER
    if letter.is_file():
        letter.write_text(cover(letter.read_text("utf-8"), info), encoding="utf-8")
    return list(rendered)
