"""The verbs: which module carries each, `help`, and how every run ends.

In:  the command line.  Out: the exit code.  A verb's module, with HELP and main(args) -> exit
code, is imported only when the verb is used.
"""

import importlib
import signal
import sys
from contextlib import nullcontext
from dataclasses import dataclass

from .core import files, proc, settings
from .core.errors import Exit, HarnessError, look_up


@dataclass(frozen=True)
class Verb:
    usage: str         # arguments
    summary: str       # one line
    locks: bool = True  # uses the build folder, so only one run at a time


VERBS = {
    "demo": Verb("", "build Linux with and without the series, boot both, measure"),
    "bench": Verb("", "measure beside the unpatched kernel and mainline's versions",
                  locks=False),     # it does itself, where it builds
    "check": Verb("[LANE...]", "the test command: unit tests, queue checks, boots"),
    "prove": Verb("", "litmus tests, a model of the calls, the audit of callers"),
    "tree": Verb("", "make a git tree with the series on top, and say where it is"),
    "export": Verb("", "write the tree's commits back as patches"),
    "boot": Verb("ARCH", "boot the patched kernel and give a shell in it"),
    "deb": Verb("", "make a Debian package of the patched kernel, and boot what is in it"),
    "kunit": Verb("LANE [GLOB]", "one lane, one run, its console shown"),
    "record": Verb("[LANE...]", "calls that a running kernel makes pinned: all known?"),
    "mutants": Verb("[NAME...]", "break the series on purpose: is it noticed?"),
    "judge": Verb("DIR", "judge the log of an earlier run again", locks=False),
}

TAIL = """\
Options: --queue NAME is about another queue than the default one, --linux PATH or
--tarball FILE give another Linux source to all verbs that need a kernel tree (not to
export and judge). All output goes to build/ (or $BUILD_DIR).
Details of one verb: ./run help VERB
"""


def overview() -> str:
    lines = ["Usage: ./run VERB [ARGUMENT...]", ""]
    lines += [f"  {name + ' ' + verb.usage:<18} {verb.summary}" for name, verb in VERBS.items()]
    lines += [f"  {'help [VERB]':<18} this list, or what one verb does", ""]
    return "\n".join(lines) + "\n" + TAIL


def load(name: str):
    return importlib.import_module(f".verbs.{name}", __package__)


def dispatch(argv: list[str]) -> int:
    """Runs one verb; errors come out as exceptions."""
    name, args = (argv[0], argv[1:]) if argv else ("help", [])
    if name in ("help", "-h", "--help"):
        if len(args) > 1:
            raise HarnessError(Exit.USAGE, "help takes one verb; see ./run help.")
        if not args or args[0] == "help":
            sys.stdout.write(overview())
            return Exit.OK
        look_up("verb", args[0], [*VERBS, "help"])
        print(load(args[0]).HELP.strip())
        return Exit.OK
    look_up("verb", name, [*VERBS, "help"])
    if "-h" in args or "--help" in args:
        return dispatch(["help", name])
    module = load(name)
    with files.locked(settings.BUILD, name) if VERBS[name].locks else nullcontext():
        return int(module.main(args))


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
    except KeyboardInterrupt:
        print("\nrun: interrupted; nothing was left running, and the next run goes on from "
              "what was complete.", file=sys.stderr)
        return Exit.INTERRUPTED
