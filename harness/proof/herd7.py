"""herd7, which runs litmus tests: gets it, starts it, reads what it says.

In:  data/herd.toml, a litmus test, the folder with the kernel's memory model.  Out: Herd, Said.
If herd7 is not on PATH, its Debian package is unpacked below build/, not installed.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..core import Exit, HarnessError, proc, require, settings
from ..fetch import apt

CONFIG = "linux-kernel.cfg"         # in the folder of the memory model
# herd7's name of a test; "Never", "Sometimes" or "Always"; in how many executions the condition holds,
# and in how many not (of those that `filter` allows); flags, for example "data-race".
Said = list[str]


@dataclass(frozen=True)
class Herd:
    command: tuple[str, ...]
    version: str                    # "7.58"


def parse(output: str) -> Said:
    """What herd7 says of a test; nothing if that is no verdict, or more than one."""
    found = re.findall(r"^Observation (\S+) (Never|Sometimes|Always) (\d+) (\d+)$", output, re.M)
    return [*found[0], *re.findall(r"^Flag (\S+)", output, re.M)] if len(found) == 1 else []


def run(herd: Herd, test: Path, model: Path, log: Path | None = None) -> Said:
    """Runs one test with the memory model in the folder `model`."""
    result = proc.run([*herd.command, "-conf", CONFIG, test.absolute()], cwd=model, log=log,
                      step=f"herd7 on {test.name}", limit="litmus", check=False,
                      code=Exit.TEST)
    said = parse(result.output)
    require(said and not result.returncode, f"herd7 {herd.version} gave no verdict on {test.name} with "
            f"{model / CONFIG}; correct the test, or use a herd7 that fits this kernel.\n"
            f"{proc.tail(result.output)}", Exit.TEST)
    return said


def ensure() -> Herd:
    """herd7 of PATH, or the unpacked one, through its own loader; fetches it if it is not there."""
    if there := shutil.which("herd7"):
        return probe([there])
    data = settings.toml(settings.DATA / "herd.toml")
    try:
        folder, _ = apt.unpacked("herd", data["packages"], tuple(data["suites"]))
    except HarnessError as error:
        raise HarnessError(error.code, "herd7 is not on PATH and could not be fetched; put herd7 "
                           "(herdtools7 7.58) on PATH, or give the machine's apt a Debian mirror "
                           f"that has {' or '.join(data['suites'])} (and network).\n"
                           f"    {error.message}") from None
    return probe([str(next(iter(sorted(folder.glob(word))), word)) for word in data["command"]])


def probe(command: list[str]) -> Herd:
    """Starts herd7 to see whether it works."""
    result = proc.run([*command, "-version"], step="herd7 -version", check=False, code=Exit.TOOL)
    match = re.match(r"(\d+[\w.]*)", result.output)
    require(match and not result.returncode, f"herd7 does not start ({' '.join(command)}); put one that "
            f"does on PATH, or remove {settings.fetched() / 'herd'} and try again.\n"
            f"{proc.tail(result.output)}", Exit.TOOL)
    return Herd(tuple(command), match[1])
