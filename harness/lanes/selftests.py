"""The kernel's own selftests: which are run in the guest, and how they are built.

In:  a list like proof/selftests/selftests.toml; a Kernel, its tree and build folder, a folder.
Out: the steps of proof/selftests/selftests.c; what each program must execute; the programs, as the
     guest's entries. FOLDER.log holds make's output.
They are built from copies: their Makefiles write where they are.
"""

import json
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Iterable

from ..core import Exit, Queue, proc, records, require, settings
from ..build import kernel_build
from ..build.arches import Kernel
from ..guest import initramfs
from ..judge.ktap import Suite

FOLDER = "selftests"             # in the guest
_KNOWN = "known-programs"        # make target that prints what a Makefile would build or run
# Where they have them. BINARIES_32 are not in the others when they are not built.
_PROGRAMS = "$(patsubst $(OUTPUT)/%,%,$(TEST_GEN_PROGS) $(TEST_GEN_FILES) " \
            "$(TEST_GEN_PROGS_EXTENDED) $(TEST_CUSTOM_PROGS) $(TEST_PROGS) $(TEST_FILES) " \
            "$(BINARIES_32))"
_STEPS = ("mount", "write", "swap")


def _check_steps(lines: Iterable[str]) -> None:
    for line in lines:
        if line.split(" ")[0] not in _STEPS:
            raise ValueError(f"the step {line!r} must begin with one of {', '.join(_STEPS)}")


@dataclass(frozen=True)
class Run:
    """One program with its arguments."""

    program: str                 # target/name arguments
    limit_s: int = 0             # 0: that of the list
    user: int = 0
    before: tuple[str, ...] = ()
    skips: tuple[str, ...] = ()
    why: str = ""

    def __post_init__(self) -> None:
        self.suite()
        _check_steps(self.before)

    def suite(self) -> Suite:
        """What it must execute: it is a case of its own, if it prints none."""
        return Suite(self.program, 1, self.skips, self.why)


@dataclass(frozen=True)
class LeftOut:
    programs: tuple[str, ...]
    why: records.Text


@dataclass(frozen=True)
class Listed:
    targets: tuple[str, ...]
    copied: tuple[str, ...]
    cflags: str
    make: tuple[str, ...]
    setup: tuple[str, ...]
    limit_s: int                 # of a program that has none of its own
    run: tuple[Run, ...]
    left_out: tuple[LeftOut, ...]

    def __post_init__(self) -> None:
        _check_steps(self.setup)
        programs = Counter([*(item.program for item in self.run), *self.not_run])
        twice = [name for name, count in programs.items() if count > 1] \
            or sorted({*self.built} & {*self.not_run})
        if twice:
            raise ValueError(f"listed twice: {', '.join(twice)}")

    @property
    def built(self) -> list[str]:
        """The programs to build, target/name."""
        return list(dict.fromkeys(item.program.split()[0] for item in self.run))

    @property
    def not_run(self) -> list[str]:
        return [name for item in self.left_out for name in item.programs]


def load(queue: Queue, name: str) -> Listed:
    """The list that a test of torture.toml names, or the queue's own one of that name."""
    return records.read(Listed, queue.file(settings.REPO / name))


def steps(listed: Listed) -> str:
    """What the runner does, a step on each line."""
    lines = list(listed.setup)
    for item in listed.run:
        lines += [*item.before, f"run {item.limit_s or listed.limit_s} {item.user} {item.program}"]
    return "".join(line + "\n" for line in lines)


def unlisted(listed: Listed, known: Iterable[str]) -> list[str]:
    """What is wrong with the list, if the Makefiles know these programs."""
    names, known = {*listed.built, *listed.not_run}, set(known)
    return [*(f"{name} is not in the list" for name in sorted(known - names)),
            *(f"{name} is in the list, but no Makefile knows it" for name in sorted(names - known))]


def make(listed: Listed, kernel: Kernel, tree: Path, out: Path, folder: Path) -> dict[str, Path]:
    """Builds the programs in FOLDER: {target/path: file}. Nothing is run if nothing changed."""
    source = kernel_build.source_state(tree)
    state = json.dumps([source, listed.targets, listed.copied, listed.cflags, listed.make,
                        listed.built, listed.not_run])
    stamp, log = folder / "built.json", folder.with_name(folder.name + ".log")
    files = {name: folder / "bin" / name for name in listed.built}
    if stamp.exists() and stamp.read_text() == state and not source.endswith("-dirty") \
            and all(path.is_file() for path in files.values()):
        return files
    log.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)   # make does not know what flags it was built with
    (folder / "source").mkdir(parents=True)
    proc.run(["cp", "-a", "--parents", *listed.copied, folder / "source"], cwd=tree,
             step="copying what the selftests are built from", limit="copy")
    # Or the Makefile looks whether the machine has liburing: the tests must be the same everywhere.
    mm = folder / "source/tools/testing/selftests/mm"
    if mm.is_dir():
        (mm / "local_config.h").write_text("/* no liburing */\n")
        (mm / "local_config.mk").write_text("IOURING_EXTRA_LIBS =\n")

    def run(argv: list[Any]) -> str:
        return kernel_build.make(argv, f"build of the selftests for {kernel.name}", limit="objects",
                                 log=log).output

    run(["-C", tree, f"O={out}", *kernel.make_args, "headers"])
    known, argvs = [], []
    for target in listed.targets:
        bins = folder / "bin" / target
        bins.mkdir(parents=True, exist_ok=True)
        common = ["-s", "-C", folder / "source/tools/testing/selftests" / target, f"OUTPUT={bins}",
                  f"ARCH={kernel.arch.name}", f"CC={kernel.arch.init_cc}", *listed.make,
                  f"USERCFLAGS=-static {listed.cflags}",
                  f"KHDR_INCLUDES=-isystem {out}/usr/include"]
        said = run([f"--eval={_KNOWN}: ; @echo {_KNOWN} {_PROGRAMS}", *common, _KNOWN])
        found = re.search(rf"^{_KNOWN}(.*)$", said, re.M)
        known += [f"{target}/{name}" for name in (found[1].split() if found else ())]
        argvs.append([kernel_build.jobs(), *common, *(
            path for name, path in files.items() if PurePosixPath(name).parts[0] == target)])
    problems = unlisted(listed, known)
    require(not problems, "the list of selftests and the kernel's Makefiles differ: "
            f"{'; '.join(problems)}.", Exit.TEST)
    for argv in argvs:
        run(argv)
    stamp.write_text(state)
    return files


def entries(listed: Listed, files: dict[str, Path]) -> list[initramfs.Entry]:
    """What the guest needs besides the runner."""
    folders = {*listed.targets, *(str(PurePosixPath(name).parent) for name in files)}
    return [initramfs.directory(FOLDER), *(initramfs.directory(f"{FOLDER}/{name}")
                                           for name in sorted(folders)),
            initramfs.file(f"{FOLDER}/list", steps(listed).encode()),
            *(initramfs.program(f"{FOLDER}/{name}", path) for name, path in files.items())]
