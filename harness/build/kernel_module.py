"""Builds a kernel module of this repository outside of the kernel's trees.

In:  a Kernel, its tree and build folder, the folder of the sources, a folder for the build.
Out: the module file. FOLDER.log holds make's output.
"""

import shutil
from pathlib import Path

from ..core import proc, settings
from ..core.errors import Exit, HarnessError
from . import kconfig, kernel_build
from .arches import Kernel


def copy_if_changed(source: Path, target: Path) -> None:
    """Leaves target's time stamp alone if it is the same, so that make has nothing to do."""
    if not target.exists() or target.read_bytes() != source.read_bytes():
        shutil.copyfile(source, target)


def make(kernel: Kernel, tree: Path, out: Path, source: Path, name: str, folder: Path) -> Path:
    """Builds the module file NAME in FOLDER, from copies of what is in SOURCE."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (source / "Makefile", *source.glob("*.[ch]")):
        copy_if_changed(path, folder / path.name)
    log = folder.with_name(folder.name + ".log")
    made = proc.run(["make", "-C", tree, f"O={out}", f"M={folder}", *kconfig.make_args(kernel),
                     "modules"], step=f"build of {name} for {kernel.name}",
                    limit=settings.limit("objects"), env=kernel_build.REPRODUCIBLE, log=log,
                    check=False)
    if made.returncode or not (folder / name).exists():
        raise HarnessError(Exit.BUILD, f"build of {name} in {source} for {kernel.name} failed; its "
                           f"output is in {log}.\n{kernel_build.first_errors(made.output)}")
    return folder / name
