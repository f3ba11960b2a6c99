"""Holds the splat patterns against the kernel's own console-badness.sh.

In:  the kernel tree, splats.toml.  Out: what that script takes for a report and no pattern does,
     unless [[badness]] says why, and entries of [[badness]] that are no difference.
"""

import re
from pathlib import Path

from ..core import Exit, HarnessError, Queue, settings
from . import judge

SCRIPT = "tools/testing/selftests/rcutorture/bin/console-badness.sh"


def alternatives(script: str) -> list[str]:
    """What the script's first grep looks for, each a regex."""
    found = re.search(r"^grep -E '(.+?)'", script, re.M)
    if not found:
        raise HarnessError(Exit.TEST, f"no grep -E was found in {SCRIPT}; harness/judge/badness.py has to "
                           "learn how it looks for reports now.")
    return re.split(r"(?<!\\)\|", found[1])


def line(regex: str) -> str:
    """The shortest line that such a regex, which has no more than .* and \\ in it, matches."""
    text = re.sub(r"\\(.)", r"\1", regex.replace(".*", " "))
    if not re.search(regex, text):
        raise HarnessError(Exit.TEST, f"harness/judge/badness.py cannot make a line for {regex!r}.")
    return text


def complaints(tree: Path, queue: Queue) -> list[str]:
    missed = [item for item in alternatives((tree / SCRIPT).read_text("utf-8"))
              if judge.splat(line(item)) is None]
    listed = {item["text"]: item["reason"]
              for item in queue.data(settings.DATA / "splats.toml").get("badness", [])}
    return [f"{SCRIPT} looks for {item!r}, and no pattern of splats.toml does"
            for item in missed if not listed.get(item)] + \
           [f"[[badness]] of splats.toml has {item!r}, which is no difference"
            for item in listed if item not in missed]
