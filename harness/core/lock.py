"""One run at a time in one build folder: a lock of the kernel's, which ends with the process."""

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from .errors import Exit, HarnessError


@contextmanager
def build_folder(folder: Path, verb: str) -> Iterator[None]:
    """Holds the folder's lock; raises BUSY at once if another run has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+", encoding="utf-8") as file:
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
