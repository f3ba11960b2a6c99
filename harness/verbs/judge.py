"""The verb `judge`: judges the log of an earlier run again."""

from pathlib import Path

from ..core import Exit, HarnessError
from ..judge.judge import judge_folder

HELP = """\
./run judge DIR

Judges the log of an earlier run again, from the files in its folder only (for
example build/<queue>/runs/x86_64), with the patterns of harness/data/splats.toml and
the exceptions of its queue as they are now. Prints the verdict; the exit code is that of the run.
"""


def main(args: list[str]) -> int:
    if len(args) != 1 or args[0].startswith("-"):
        raise HarnessError(Exit.USAGE, "judge takes one run folder, for example "
                           "./run judge build/<queue>/runs/x86_64.")
    verdict = judge_folder(Path(args[0]))
    print(verdict.text())
    return verdict.code
