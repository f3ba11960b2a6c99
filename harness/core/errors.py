"""Exit codes, and the one exception that carries one: cli.py prints its sentence for the user."""

import difflib
import enum
from typing import Iterable


class Exit(enum.IntEnum):
    """What the exit value of ./run says (the README lists them for users)."""

    OK = 0
    TEST = 1          # a test or a queue check failed
    USAGE = 2         # unknown verb, lane or option, or a wrong value
    TOOL = 3          # a tool is missing and cannot be installed
    FETCH = 4         # the Linux source, or a tool that is fetched, cannot be had
    APPLY = 5         # a patch does not apply
    BUILD = 6         # a build step failed or ran into its limit
    BOOT = 7          # the guest did not boot, hung or panicked
    SPLAT = 8         # the console shows a kernel report
    DISK = 9          # not enough disk space
    BUSY = 10         # another run uses the build folder
    CONFIG = 11       # an option that was asked for is not set
    INTERRUPTED = 130


class HarnessError(Exception):
    """Ends the verb with `code`; `message` is one sentence for the user."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def require(good: object, sentence: str, code: Exit = Exit.USAGE) -> None:
    """Ends the verb with that sentence unless something is so."""
    if not good:
        raise HarnessError(code, sentence)


def disk_full(what: str) -> HarnessError:
    return HarnessError(Exit.DISK, f"the disk is full: {what}; make room, or set BUILD_DIR to a "
                        "folder on another disk.")


def look_up(what: str, name: str, known: Iterable[str], where: str = "") -> None:
    """Raises USAGE unless `name` is one of them; the error names all that there are, or where they are
    listed, if they are too many."""
    names = list(known)
    near = difflib.get_close_matches(name, names, 1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    listed = f"{where} lists them" if where else f"known: {', '.join(names)}"
    require(name in names, f"there is no {what} {name!r}{hint}; {listed}.")
