"""The harness's own unit tests, as a part of ./run check.

In:  nothing.  Out: the Part; build/unit.log.
"""

import re
import sys

from ..core import Exit, Part, Progress, proc, settings
from ..fetch import host_packages


def count(output: str, returncode: int, seconds: float) -> Part:
    """The Part for the output of `python -m unittest`."""
    ran = re.search(r"^Ran (\d+) tests? in", output, re.M)
    if not ran or int(ran[1]) == 0:
        return Part("unit tests", Exit.TEST, 0, 1, 0, seconds, "no test was run")
    counts = dict(re.findall(r"\b(failures|errors|skipped|unexpected successes)=(\d+)", output[ran.end():]))
    skipped = int(counts.pop("skipped", 0))
    failed = sum(map(int, counts.values())) or int(bool(returncode))
    names = re.findall(r"^(?:FAIL|ERROR): (\S+)", output, re.M)
    return Part("unit tests", Exit.TEST if failed else Exit.OK,
                max(0, int(ran[1]) - failed - skipped), failed, skipped, seconds,
                ", ".join(names))


def part(progress: Progress) -> Part:
    """Runs the harness's own tests in a process of their own."""
    host_packages.need("plot")      # or those that draw would be skipped
    result = proc.run([sys.executable, "-B", "-m", "unittest", "discover", "-v", "-s",
                       "harness/tests", "-t", "."], step="unit tests", cwd=settings.REPO,
                      limit="unit", log=settings.BUILD / "unit.log",
                      on_line=lambda line: progress.tick(line[:60]), check=False, code=Exit.TEST)
    found = count(result.output, result.returncode, result.seconds)
    if found.code != Exit.OK:
        print(proc.tail(result.output, 40), file=sys.stderr)
    return found
