"""Folders that are complete or not there, and the room for them."""

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from . import settings
from .errors import Exit, HarnessError

GIB = 1 << 30


@contextmanager
def new_folder(where: Path) -> Iterator[Path]:
    """A folder to be filled in the block, which takes the place of `where` if all goes well."""
    new = where.with_name(where.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        yield new
        shutil.rmtree(where, ignore_errors=True)
        new.rename(where)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def check_disk(folder: Path, name: str) -> None:
    """Raises DISK unless the GiB that limits.toml names are free where folder is."""
    there = next(item for item in [folder, *folder.parents] if item.exists())
    free = shutil.disk_usage(there).free / GIB
    need = settings.need_gib(name)
    if free < need:
        raise HarnessError(Exit.DISK, f"this step needs {need:g} GiB but only {free:.1f} GiB are free "
                           f"in {there}; make room, or set BUILD_DIR to a folder on another disk.")
