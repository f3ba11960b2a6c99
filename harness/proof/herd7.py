"""herd7, which runs litmus tests: gets it, starts it, reads what it says.

In:  data/herd.toml, a litmus test, the folder with the kernel's memory model.  Out: Herd, Outcome.
If herd7 is not on PATH, its Debian package is unpacked below build/, not installed.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core import Exit, HarnessError, proc, settings
from ..fetch import apt

CONFIG = "linux-kernel.cfg"         # in the folder of the memory model


@dataclass(frozen=True)
class Herd:
    command: tuple[str, ...]
    version: str                    # "7.58"


@dataclass(frozen=True)
class Outcome:
    """What herd7 found for one test."""

    name: str                       # as herd7 calls it
    verdict: str                    # "Never", "Sometimes" or "Always"
    positive: int                   # executions in which the condition holds
    negative: int                   # the others (those that `filter` allows)
    flags: tuple[str, ...]          # for example "data-race"
    seconds: float

    def text(self) -> str:
        """One short line, as herd7 puts it."""
        return " ".join([self.verdict, str(self.positive), str(self.negative), *self.flags])


def parse(output: str, seconds: float = 0.0) -> Outcome | None:
    """The Outcome in herd7's output; None if it gave no verdict, or more than one."""
    found = re.findall(r"^Observation (\S+) (Never|Sometimes|Always) (\d+) (\d+)$", output, re.M)
    if len(found) != 1:
        return None
    name, verdict, positive, negative = found[0]
    return Outcome(name, verdict, int(positive), int(negative),
                   tuple(re.findall(r"^Flag (\S+)", output, re.M)), seconds)


def run(herd: Herd, test: Path, model: Path, log: Path | None = None) -> Outcome:
    """Runs one test with the memory model in the folder `model`."""
    result = proc.run([*herd.command, "-conf", CONFIG, test.absolute()], cwd=model, log=log,
                      step=f"herd7 on {test.name}", limit=settings.limit("litmus"), check=False,
                      code=Exit.TEST)
    outcome = parse(result.output, result.seconds)
    if result.returncode or outcome is None:
        raise HarnessError(Exit.TEST, f"herd7 {herd.version} gave no verdict on {test.name} with "
                           f"{model / CONFIG}; correct the test, or use a herd7 that fits this "
                           f"kernel.\n{proc.tail(result.output)}".rstrip())
    return outcome


def ensure() -> Herd:
    """herd7 of PATH, or the unpacked one; fetches it if it is not there."""
    there = shutil.which("herd7")
    if there:
        return probe((there,))
    data = settings.toml(settings.DATA / "herd.toml")
    try:
        folder, _ = apt.unpacked("herd", data["packages"], tuple(data["suites"]))
    except HarnessError as error:
        raise HarnessError(error.code, "herd7 is not on PATH and could not be fetched; put herd7 "
                           "(herdtools7 7.58) on PATH, or give the machine's apt a Debian mirror "
                           f"that has {' or '.join(data['suites'])} (and network).\n"
                           f"    {error.message}") from None
    return probe(unpacked(data, folder))


def probe(command: tuple[str, ...]) -> Herd:
    """Starts herd7 to see whether it works."""
    result = proc.run([*command, "-version"], step="herd7 -version", limit=settings.limit("tool"),
                      check=False, code=Exit.TOOL)
    match = re.match(r"(\d+[\w.]*)", result.output)
    if result.returncode or not match:
        raise HarnessError(Exit.TOOL, f"herd7 does not start ({command[-1]}); put one that does on "
                           f"PATH, or remove {settings.fetched() / 'herd'} and try again.\n"
                           f"{proc.tail(result.output)}".rstrip())
    return Herd(command, match[1])


def unpacked(data: dict[str, Any], folder: Path) -> tuple[str, ...]:
    """How to start the unpacked herd7: through its own loader, with its own libraries."""
    loader = next(iter(sorted(folder.glob(data["loader"]))), None)
    libraries = next(iter(sorted(folder.glob(data["libraries"]))), None)
    program = folder / data["program"]
    if not (loader and libraries and program.is_file()):
        raise HarnessError(Exit.TOOL, f"{folder} is not what harness/data/herd.toml describes; "
                           "correct that, or remove the folder and try again.")
    return (str(loader), "--library-path", str(libraries.parent), str(program),
            "-set-libdir", str(folder / data["library"]))
