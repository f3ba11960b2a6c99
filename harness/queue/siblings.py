"""What two queues have in common: patches that are the same, and files that both add.

In:  compared.toml of a queue, the mails of both queues; shared/.  Out: complaints.
A patch is known by its subject. Patches are the same if they change the same lines of the same
files: context, line numbers and what the mails say besides may differ.
"""

import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from ..core import Exit, HarnessError, Queue, queues, records, settings
from . import series

LIST = "compared.toml"


@dataclass(frozen=True)
class Compared:
    other: str                       # name of the other queue
    same: tuple[str, ...] = ()       # subjects
    adapted: dict[str, str] = field(default_factory=dict)    # subject -> why it is not the same
    only: dict[str, str] = field(default_factory=dict)       # subject -> why the other has none


def load(queue: Queue) -> Compared | None:
    """The queue's list; None if it has none."""
    path = queue.dir / LIST
    if not path.is_file():
        return None
    found = records.make(Compared, settings.toml(path), str(path))
    if not all([*found.adapted.values(), *found.only.values()]):
        raise HarnessError(Exit.USAGE, f"{path}: [adapted] and [only] have a reason for each subject.")
    return found


def subject(mail: str) -> str:
    """The subject of a mail without its prefix; git folds long ones."""
    found = re.search(r"^Subject: (.*(?:\n[ \t].*)*)", mail, re.M)
    text = re.sub(r"\n[ \t]", " ", found[1]) if found else ""
    return re.sub(r"^\[[^]]*\] *", "", text)


def changed_lines(mail: str) -> list[str]:
    """The lines that a patch takes away and adds, in order, each after the name of its file."""
    found, file, left = [], "", [0, 0]
    for line in mail.splitlines():
        if match := re.match(r"diff --git a/\S+ b/(\S+)$", line):
            file = match[1]
        elif match := re.match(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@", line):
            left = [int(count or 1) for count in match.groups()]
        elif file and any(left):
            if line[:1] in "+-":
                found.append(f"{file}: {line}")
            left[0] -= line[:1] != "+" and not line.startswith("\\")
            left[1] -= line[:1] != "-" and not line.startswith("\\")
        elif file and re.match(r"(new file|deleted file|old|new) mode |rename ", line):
            found.append(f"{file}: {line}")
    return found


def mails(queue: Queue) -> dict[str, str]:
    texts = [path.read_text("utf-8", "replace") for path in series.patches(queue)]
    return {subject(text): text for text in texts}


def compare(listed: Compared, ours: dict[str, str], theirs: dict[str, str]) -> list[str]:
    """Complaints about a list, with where patches differ that should not."""
    lists = {"same": listed.same, "adapted": listed.adapted, "only": listed.only}
    times = [name for names in lists.values() for name in names]
    wrong = [f"not in the list: {name}" for name in ours if name not in times]
    wrong += [f"in the list more than once: {name}" for name in sorted(set(times))
              if times.count(name) > 1]
    wrong += [f"{kind}: there is no patch called {name}" for kind, names in lists.items()
              for name in names if name not in ours]
    wrong += [f"{kind}: {listed.other} has no patch called {name}" for kind in ("same", "adapted")
              for name in lists[kind] if name not in theirs]
    wrong += [f"only: {listed.other} has it, too: {name}" for name in listed.only if name in theirs]
    for name in ours.keys() & theirs.keys() & {*listed.same, *listed.adapted}:
        one, other = changed_lines(ours[name]), changed_lines(theirs[name])
        if name in listed.adapted and one == other:
            wrong.append(f"adapted, but it is the same: {name}")
        elif name in listed.same and one != other:
            wrong += [f"same, but it differs: {name}", *("    " + line for line in difflib.unified_diff(
                other, one, listed.other, "this queue", lineterm="", n=0))]
    return wrong


def complaints(queue: Queue) -> tuple[list[str], Compared | None]:
    """What is wrong with the queue's list, and the list, if it has one."""
    listed = load(queue)
    return (compare(listed, mails(queue), mails(queues.load(listed.other))) if listed else []), listed


def shared_files(folder: Path | None = None) -> dict[str, bytes]:
    """Path in the kernel tree -> content, of each file that all queues add."""
    folder = folder or settings.REPO / "shared"
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != "README.md"}


def not_shared(files: dict[str, bytes], show: Callable[[str], bytes | None]) -> list[str]:
    """Complaints about files that the tip of a queue does not have just like shared/."""
    return [f"{path} is missing in the tree" if there is None else
            f"{path} is not what shared/{path} is" for path, content in files.items()
            if (there := show(path)) != content]
