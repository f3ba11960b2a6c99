"""Folders: complete or not there, with room enough, used by one run at a time."""

import errno
import fcntl
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from . import settings
from .errors import Exit, HarnessError, disk_full

GIB = 1 << 30


@contextmanager
def new_folder(where: Path) -> Iterator[Path]:
    """A folder to be filled in the block, which takes the place of `where` if all goes well."""
    new, old = (where.with_name(where.name + end) for end in (".new", ".old"))
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        yield new
        if where.exists():
            where.rename(old)       # there is no moment at which it is half there
        new.rename(where)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def check_disk(folder: Path, name: str) -> None:
    """Raises DISK unless the GiB that limits.toml names are free where folder is."""
    there = next(item for item in [folder, *folder.parents] if item.exists())
    free = shutil.disk_usage(there).free / GIB
    need = settings.limits("free_gib")[name]
    if free < need:
        raise disk_full(f"this step needs {need:g} GiB, and {free:.1f} GiB are free in {there}")


@contextmanager
def locked(folder: Path, verb: str) -> Iterator[None]:
    """Holds the folder's lock; raises BUSY at once if another run has it.
    The lock is the kernel's, so it ends with the process, whatever ends it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        opened = (folder / "lock").open("a+", encoding="utf-8")
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise HarnessError(Exit.USAGE, f"{folder} cannot be written ({error.strerror}); set BUILD_DIR "
                           "to a folder that can be.") from None
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another run"
            raise HarnessError(Exit.BUSY, f"{holder} is using {folder}; wait until it ends, or "
                               "set BUILD_DIR to another folder.") from None
        file.truncate(0)
        file.write(f"./run {verb} (process {os.getpid()})\n")
        file.flush()
        yield
