"""The verbs, `help`, and how every run ends.

In:  the command line.  Out: the exit code.  A verb is a module of verbs/: its docstring is its
help, whose first line, "VERB ARGUMENTS: what it does.", is that of the list of verbs;
arguments(parser), if it has any, adds its own; main(parsed, Options) -> exit code does it.
"""

import argparse
import errno
import importlib
import signal
import sys
from contextlib import nullcontext
from functools import partial
from types import ModuleType
from typing import Callable, NoReturn

from .core import Exit, HarnessError, files, look_up, proc, require, settings
from .core.errors import disk_full
from .fetch import linux_source, options

VERBS = ("demo", "bench", "check", "prove", "tree", "export", "boot", "deb", "kunit", "record",
         "mutants", "judge")
# All others use the build folder from begin to end, so that only one of them can run at a time.
UNLOCKED = ("bench", "judge")

OVERVIEW = """\
Usage: ./run VERB [ARGUMENT...]

{}
  help [VERB]        this list, or what one verb does

Options: --queue NAME is about another queue than the default one, --linux PATH or
--tarball FILE give another Linux source to all verbs that need a kernel tree (not to
export and judge). All output goes to build/ (or $BUILD_DIR).
Details of one verb: ./run help VERB
"""


class Parser(argparse.ArgumentParser):
    """The arguments of one verb; an error in them is one sentence."""

    def error(self, message: str) -> NoReturn:
        verb = self.prog.split()[-1]
        raise HarnessError(Exit.USAGE, f"{message}; ./run help {verb} says what it takes.")


def load(name: str) -> ModuleType:
    """The module of a verb; those of the others are not needed then."""
    look_up("verb", name, [*VERBS, "help"])
    return importlib.import_module(f".verbs.{name}", __package__)


def parser(name: str) -> Parser:
    verb = load(name)
    made = Parser(prog=f"./run {name}", description=verb.__doc__, allow_abbrev=False,
                  formatter_class=argparse.RawDescriptionHelpFormatter)
    if hasattr(verb, "arguments"):
        verb.arguments(made)
    if name != "judge":
        linux_source.arguments(made, source=name != "export")
    return made


def prepared(name: str, args: list[str]) -> Callable[[], int]:
    """What does the verb; mistakes in the arguments come out at once."""
    parsed = parser(name).parse_args(args)
    return partial(load(name).main, parsed, options(parsed) if "queue" in parsed else None)


def overview() -> str:
    firsts = [load(name).__doc__.splitlines()[0].rstrip(".").split(": ", 1) for name in VERBS]
    return OVERVIEW.format("\n".join(f"  {usage:<18} {summary}" for usage, summary in firsts))


def dispatch(argv: list[str]) -> int:
    """Runs one verb; errors come out as exceptions."""
    name, args = (argv[0], argv[1:]) if argv else ("help", [])
    if name in ("help", "-h", "--help"):
        require(len(args) < 2, "help takes one verb; see ./run help.")
        sys.stdout.write(parser(args[0]).format_help() if args and args[0] != "help" else
                         overview())
        return Exit.OK
    run = prepared(name, args)
    with nullcontext() if name in UNLOCKED else files.locked(settings.BUILD, name):
        return int(run())


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main(argv: list[str]) -> int:
    """Runs one verb; prints errors as one sentence and returns the exit code."""
    # Ended from outside is the same as Ctrl-C: children are ended, nothing is left.
    # (A shell's background job starts with SIGINT ignored, hence that one too.)
    for number in proc.ENDING:
        signal.signal(number, _interrupt)
    try:
        return dispatch(argv)
    except HarnessError as error:
        print(f"run: {error.message}", file=sys.stderr)
        return error.code
    except BrokenPipeError:
        sys.stderr.close()
        return Exit.OK
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"run: {disk_full(str(error)).message}", file=sys.stderr)
        return Exit.DISK
    except KeyboardInterrupt:
        print("\nrun: interrupted; nothing was left running, and the next run goes on from "
              "what was complete.", file=sys.stderr)
        return Exit.INTERRUPTED
