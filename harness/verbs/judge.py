"""judge DIR: judge the log of an earlier run again.

Judges from the files in the run's folder only (for example build/<queue>/runs/x86_64), with the
patterns of harness/data/splats.toml and the exceptions of its queue as they are now. Prints the
verdict; the exit code is that of the run.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..fetch import Options
from ..judge.judge import judge_folder


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR")


def main(parsed: Namespace, opts: Options) -> int:
    verdict = judge_folder(parsed.folder)
    print(verdict.text())
    return verdict.code
