"""The harness's own unit tests, as a part of ./run check.

In:  nothing.  Out: the Part; build/unit.log.
"""

import re
import sys

from ..core import Exit, Part, Progress, proc, settings
from ..fetch import host_packages

_RAN = re.compile(r"^Ran (\d+) tests? in", re.M)
_COUNT = re.compile(r"\b(failures|errors|skipped|unexpected successes)=(\d+)")


def count(output: str, returncode: int, seconds: float) -> Part:
    """The Part for the output of `python -m unittest`."""
    ran = _RAN.search(output)
    if not ran or int(ran[1]) == 0:
        return Part("unit tests", Exit.TEST, 0, 1, 0, seconds, "no test was run")
    summary = output[ran.end():]
    counts = {key: int(value) for key, value in _COUNT.findall(summary)}
    skipped = counts.pop("skipped", 0)
    failed = sum(counts.values()) or (1 if returncode else 0)
    names = re.findall(r"^(?:FAIL|ERROR): (\S+)", output, re.M)
    return Part("unit tests", Exit.TEST if failed else Exit.OK,
                max(0, int(ran[1]) - failed - skipped), failed, skipped, seconds,
                ", ".join(names))


def part(progress: Progress) -> Part:
    """Runs the harness's own tests in a process of their own."""
    host_packages.need("plot")      # or those that draw would be skipped
    log = settings.BUILD / "unit.log"

    def on_line(line: str) -> None:
        progress.tick(line[:60])

    result = proc.run([sys.executable, "-B", "-m", "unittest", "discover", "-v", "-s",
                       "harness/tests", "-t", "."], step="unit tests", cwd=settings.REPO,
                      limit=settings.limit("unit"), log=log, on_line=on_line, check=False,
                      code=Exit.TEST)
    found = count(result.output, result.returncode, result.seconds)
    if found.code != Exit.OK:
        print(proc.tail(result.output, 40), file=sys.stderr)
    return found
