"""Builds a kernel module of this repository outside of the kernel's trees.

In:  a Kernel, its tree and build folder, the folder of the sources, a folder for the build.
Out: the module file. FOLDER.log holds make's output.
"""

import shutil
from pathlib import Path

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
    kernel_build.make(["-C", tree, f"O={out}", f"M={folder}", *kconfig.make_args(kernel), "modules"],
                      f"build of {name} in {source} for {kernel.name}", "objects",
                      folder.with_name(folder.name + ".log"), gives=folder / name)
    return folder / name
