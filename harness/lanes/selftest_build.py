"""Builds the kernel's own selftests from copies: their Makefiles write where they are.

In:  selftests.Listed, a Kernel, its tree and build folder, a folder for the build.
Out: the programs; the guest's entries for them. FOLDER.log holds make's output.
"""

import json
import re
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from ..core import Exit, proc, require, settings
from ..build import kernel_build
from ..build.arches import Kernel
from ..guest import initramfs
from . import selftests
from .selftests import Listed

FOLDER = "selftests"             # in the guest
_KNOWN = "known-programs"        # make target that prints what a Makefile would build or run
# Where they have them. BINARIES_32 are not in the others when they are not built.
_PROGRAMS = "$(patsubst $(OUTPUT)/%,%,$(TEST_GEN_PROGS) $(TEST_GEN_FILES) " \
            "$(TEST_GEN_PROGS_EXTENDED) $(TEST_CUSTOM_PROGS) $(TEST_PROGS) $(TEST_FILES) " \
            "$(BINARIES_32))"


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
             step="copying what the selftests are built from", limit=settings.limit("copy"))
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
    problems = selftests.unlisted(listed, known)
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
            initramfs.file(f"{FOLDER}/list", selftests.steps(listed).encode()),
            *(initramfs.program(f"{FOLDER}/{name}", path) for name, path in files.items())]
