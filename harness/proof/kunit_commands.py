"""The kunit.py commands in the comment of the series' kunitconfig, run as they stand there.

In:  options of the verb.  Out: a Part for each command.
QEMU gets to see no `-accel kvm`, which kunit.py asks for first: KVM that is there can hang.
"""

import os
import shlex
import shutil
import tempfile
from pathlib import Path

from ..core import Exit, Part, Progress, proc, settings
from ..core.report import guarded
from ..fetch import Options, host_packages
from ..build import arches
from ..judge import ktap, splats
from ..queue import tree

KUNITCONFIG = "lib/tests/smp.kunitconfig"
BUILT_IN = ".kunit"
WITHOUT_KVM = """\
#!/bin/sh
# QEMU without the accelerators that it would try first
for word do
	shift
	case $accel$word in
	-accelkvm|-accelhvf) accel= ;;
	-accel) accel=-accel ;;
	*) [ -z "$accel" ] || set -- "$@" -accel; accel=; set -- "$@" "$word" ;;
	esac
done
PATH=${PATH#*:}
exec "${0##*/}" "$@"
"""


def commands(text: str) -> list[list[str]]:
    """The commands in the comments of a kunitconfig: indented by a tab, continued by a backslash."""
    lines = "\n".join(line[2:] for line in text.splitlines() if line.startswith("#\t"))
    return [shlex.split(line) for line in lines.replace("\\\n", " ").splitlines()]


def arch(command: list[str]) -> str:
    """Which architecture a command names."""
    return next((word.partition("=")[2] for word in command if word.startswith("--arch=")), "")


def verdict(name: str, output: str, returncode: int, seconds: float) -> Part:
    """kunit.py must succeed, count passed tests, none other, and its kernel report nothing."""
    counts = ktap.kunit_py_counts(output)
    summary = bool(counts)
    passed = counts.pop("passed", 0)
    why = [f"{value} {key}" for key, value in counts.items()]
    failed = sum(value for key, value in counts.items() if key != "skipped")
    why += [f"exit code {returncode}"] * bool(returncode)
    why += ["it printed no summary"] * (not summary)
    why += [line for line in output.splitlines() if splats.splat(line)][:1]
    bad = bool(why or not passed)
    return Part(name, Exit.TEST if bad else Exit.OK, passed, max(failed, int(bad)),
                counts.get("skipped", 0), seconds, "; ".join(why))


def run(command: list[str], path: Path, progress: Progress) -> Part:
    name = f"kunit.py {arch(command)}"
    log = settings.BUILD / f"kunit.py-{arch(command)}.log"
    with tempfile.TemporaryDirectory() as folder:
        qemu = Path(folder) / arches.arch(arch(command)).qemu
        qemu.write_text(WITHOUT_KVM)
        qemu.chmod(0o755)
        try:
            result = proc.run(command, step=name, cwd=path, limit=settings.limit("build"), log=log,
                              on_line=lambda line: progress.tick(line[:60]), check=False,
                              code=Exit.TEST, env={"PATH": f"{folder}:{os.environ['PATH']}",
                                                   "PYTHONDONTWRITEBYTECODE": "1"})
        finally:
            console = path / BUILT_IN / "test.log"
            text = console.read_text("utf-8", "replace") if console.is_file() else ""
            shutil.rmtree(path / BUILT_IN, ignore_errors=True)
    return verdict(name, result.output + text, result.returncode, result.seconds)


def parts(opts: Options, progress: Progress) -> list[Part]:
    progress.phase("kunit.py, as the series' kunitconfig says")
    path = tree.ensure_tree(opts, progress).path
    found: list[Part] = []
    for command in commands((path / KUNITCONFIG).read_text("utf-8")):
        host_packages.need("build", arch(command))
        found += guarded(f"kunit.py {arch(command)}", progress,
                         lambda: run(command, path, progress))
    return found
