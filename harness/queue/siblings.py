"""What two queues have in common: patches that are the same, and files that both add.

In:  compared.toml of a queue, the mails of both queues; shared/.  Out: complaints.
A patch is known by its subject. Patches are the same if they change the same lines of the same
files: context, line numbers and what the mails say besides may differ.
"""

import difflib
import filecmp
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..core import Queue, records, settings
from ..core.records import Text
from . import series


@dataclass(frozen=True)
class Compared:
    """compared.toml: the subject of each patch of the queue, once."""

    other: str                       # name of the other queue
    same: tuple[str, ...] = ()
    adapted: dict[str, Text] = field(default_factory=dict)    # with why it is not the same
    only: dict[str, Text] = field(default_factory=dict)       # with why the other has none


def load(queue: Queue) -> Compared | None:
    """The queue's list; None if it has none."""
    data = queue.own("compared.toml")
    return records.make(Compared, data, f"compared.toml of {queue.name}") if data else None


def subject(mail: str) -> str:
    """The subject of a mail without its prefix; git folds long ones."""
    found = re.search(r"^Subject: (?:\[[^]]*\] *)?(.*(?:\n[ \t].*)*)", mail, re.M)
    return re.sub(r"\n[ \t]", " ", found[1]) if found else ""


def changed_lines(mail: str) -> list[str]:
    """The lines that a patch takes away and adds, in order, each after the name of its file."""
    found, file, hunk = [], "", False
    for line in mail.splitlines():
        if match := re.match(r"diff --git a/\S+ b/(\S+)$", line):
            file, hunk = match[1], False
        elif file and re.match(r"[-+]" if hunk else r"(new file|deleted file|old|new) mode |rename ", line):
            found.append(f"{file}: {line}")
        hunk = hunk or line.startswith("@@ ")
    return found


def changes(queue: Queue) -> dict[str, list[str]]:
    """The subject of each patch -> the lines that it changes."""
    texts = [path.read_text("utf-8", "replace") for path in series.patches(queue)]
    return {subject(text): changed_lines(text) for text in texts}


def compare(listed: Compared, ours: dict[str, list[str]], theirs: dict[str, list[str]]) -> list[str]:
    """Complaints about a list, with where patches differ that should not."""
    lists = {"same": listed.same, "adapted": listed.adapted, "only": listed.only}
    means = {"same": f"{listed.other} has the same", "adapted": f"{listed.other} has another one",
             "only": f"{listed.other} has none of that name"}
    times = Counter(name for names in lists.values() for name in names)
    wrong = [f"not in the list: {name}" for name in ours if name not in times]
    wrong += [f"in the list more than once: {name}" for name in times if times[name] > 1]
    wrong += [f"there is no patch called {name}" for name in times if name not in ours]
    for kind, names in lists.items():
        for name in ours.keys() & names:
            is_it = "only" if name not in theirs else \
                "same" if ours[name] == theirs[name] else "adapted"
            if is_it != kind:
                wrong.append(f"{kind} in the list, but {means[is_it]}: {name}")
            if (kind, is_it) == ("same", "adapted"):
                wrong += [f"    {line}" for line in difflib.unified_diff(
                    theirs[name], ours[name], listed.other, "this queue", lineterm="", n=0)]
    return wrong


def not_shared(tree: Path) -> tuple[list[str], int]:
    """Complaints about files of shared/ that a tree does not have just so, and how many there are."""
    folder = settings.REPO / "shared"
    files = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*"))
             if path.is_file() and path.name != "README.md"]
    _, differ, missing = filecmp.cmpfiles(folder, tree, files, shallow=False)
    return [*(f"{path} is missing in the tree" for path in missing),
            *(f"{path} is not what shared/{path} is" for path in differ)], len(files)
