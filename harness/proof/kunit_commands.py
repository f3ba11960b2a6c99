"""The kunit.py commands in the comment of the series' kunitconfig, run as they stand there.

In:  options of the verb.  Out: a Part for each command.
QEMU gets to see no `-accel kvm`, which kunit.py asks for first: KVM that is there can hang.
"""

import os
import shlex
import shutil
import sys
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
#!{python}
import os, sys
words = "\\0".join(sys.argv[1:]).replace("-accel\\0kvm\\0", "").replace("-accel\\0hvf\\0", "")
os.execv({qemu!r}, [{qemu!r}, *words.split("\\0")])
"""


def commands(text: str) -> list[list[str]]:
    """The commands in the comments of a kunitconfig: indented by a tab, continued by a backslash."""
    lines = "\n".join(line[2:] for line in text.splitlines() if line.startswith("#\t"))
    return [shlex.split(line) for line in lines.replace("\\\n", " ").splitlines()]


def verdict(name: str, output: str, returncode: int, seconds: float) -> Part:
    """kunit.py must succeed, count passed tests, none other, and its kernel report nothing."""
    counts = ktap.kunit_py_counts(output)
    passed, skipped = counts.pop("passed", 0), counts.get("skipped", 0)
    why = [f"{value} {key}" for key, value in counts.items()]
    why += [f"exit code {returncode}"] * bool(returncode) + ["no test passed"] * (not passed)
    why += [line for line in output.splitlines() if splats.splat(line)][:1]
    failed = max(sum(counts.values()) - skipped, int(bool(why)))
    return Part(name, Exit.TEST if why else Exit.OK, passed, failed, skipped, seconds, "; ".join(why))


def run(command: list[str], arch: str, path: Path, progress: Progress) -> Part:
    name = f"kunit.py {arch}"
    with tempfile.TemporaryDirectory() as folder:
        qemu = arches.arch(arch).qemu
        wrapper = Path(folder) / qemu
        wrapper.write_text(WITHOUT_KVM.format(python=sys.executable, qemu=shutil.which(qemu)))
        wrapper.chmod(0o755)
        try:
            result = proc.run(command, step=name, cwd=path, limit="build",
                              log=settings.BUILD / f"kunit.py-{arch}.log",
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
        arch = "".join(word for word in command if word.startswith("--arch=")).removeprefix("--arch=")
        host_packages.need("build", arch)
        found += guarded(f"kunit.py {arch}", progress, lambda: run(command, arch, path, progress))
    return found
