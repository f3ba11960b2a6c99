"""Builds one kernel out of tree.

In:  a Kernel, a kernel tree, a build folder, a Progress.
Out: BuildResult, OUT/build.log; OUT/built.json says what the image was made from: nothing is run
     when that has not changed.
After a build that was ended in the middle (OUT/unfinished) the next one starts from an empty
folder: a half-written object can look newer than its sources.
"""

import hashlib
import json
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from ..core import Exit, HarnessError, Progress, git, proc, require
from ..core.files import check_disk
from . import kconfig
from .arches import Kernel

_COMPILED = re.compile(r"^\s+(CC|AS|HOSTCC|AR|LD)\s")
_ERROR = re.compile(r"error:|undefined reference|\*\*\*|No rule to make")

# Fixed, so that the same sources give the same bytes and ccache finds them.
REPRODUCIBLE = {
    "KBUILD_BUILD_TIMESTAMP": "1970-01-01",
    "KBUILD_BUILD_USER": "user",
    "KBUILD_BUILD_HOST": "host",
    "CCACHE_NOHASHDIR": "1",
    # In depend mode, which may be set in the user's configuration, ccache does not see that an
    # assembler file takes in another one (.incbin), as a boot image does with the kernel, and
    # serves an old one. So not that mode, and entries of its own that were not made in it.
    "CCACHE_NODEPEND": "1",
    "CCACHE_NAMESPACE": "preemptible-ipi-nodepend",
    "PYTHONDONTWRITEBYTECODE": "1",    # scripts must leave the tree clean
    "LC_ALL": "C",
}


@dataclass(frozen=True)
class BuildResult:
    out: Path            # build folder
    kernel: Path         # image that QEMU loads
    seconds: float
    built: bool          # False: nothing had changed
    compiled: int        # files compiled, linked or archived
    source: str          # commit that was built, with "-dirty" if the tree had changes
    number: str = ""     # of its last link: "3" if the kernel calls itself #3
    build_id: str = ""   # a hash over the kernel, which it tells the guest

    @property
    def config(self) -> Path:
        return self.out / ".config"


def first_errors(output: str, count: int = 5) -> str:
    """The first compiler errors of make's output, indented, for a message."""
    lines = [text for text in output.splitlines() if _ERROR.search(text)]
    return "\n".join("    " + text for text in lines[:count]) or proc.tail(output)


def make(words: list[Any], step: str, limit: str, log: Path | None = None,
         on_line: Callable[[str], None] | None = None, gives: Path | None = None,
         ended: Callable[[], None] = lambda: None, code: Exit = Exit.BUILD) -> proc.Result:
    """Runs make; a failure is an error with what the compilers said first.
    gives is a file that must be there then; ended() is called when make came to its own end."""
    made = proc.run(["make", *words], step=step, limit=limit, env=REPRODUCIBLE,
                    log=log, on_line=on_line, check=False, code=code)
    ended()
    if made.returncode or gives and not gives.exists():
        where = f"; its output is in {log}" if log else ""
        raise HarnessError(code, f"{step} failed{where}.\n{first_errors(made.output)}")
    return made


def configure(name: str, args: list[str], target: str, asked: str, options: dict[str, str],
              src: Path, out: Path) -> None:
    """Makes OUT/.config, and checks that it has the options.
    The target is alldefconfig or allnoconfig, asked is the text of what differs from that; args are
    what every make gets."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "asked.config").write_text(asked)
    make(["-C", src, f"O={out}", *args, f"KCONFIG_ALLCONFIG={out / 'asked.config'}", target],
         f"configuration of {name}", limit="kconfig", log=out / "config.log", code=Exit.CONFIG)
    kconfig.check(name, options, out)


def jobs() -> str:
    return f"-j{(os.cpu_count() or 1) + 1}"


def source_state(src: Path) -> str:
    """The commit that a tree is at, with "-dirty" added if files differ from it."""
    changed = git.ask(src, "status", "--porcelain")
    return git.ask(src, "rev-parse", "HEAD") + ("-dirty" if changed else "")


def build_id(vmlinux: Path) -> str:
    notes = proc.run(["readelf", "-n", vmlinux]).output
    found = re.search(r"Build ID: ([0-9a-f]+)$", notes, re.M)
    require(found, f"{vmlinux} has no build id, so nothing could tell it from another kernel.",
            Exit.BUILD)
    return found[1]


def build(kernel: Kernel, src: Path, out: Path, progress: Progress,
          targets: list[str] | None = None, configured: bool = False,
          state: str = "") -> BuildResult:
    """Configures and builds in OUT; targets default to the image and, if any, modules.
    configured: OUT holds the right .config already. state says what a tree that is not a git tree was
    made from."""
    targets = targets or [kernel.arch.target, *(["modules"] if kernel.modules and not kernel.only else [])]
    image, stamp, unfinished = out / kernel.arch.kernel, out / "built.json", out / "unfinished"
    start = time.monotonic()
    state = state or source_state(src)
    asked = kconfig.fragment(kernel, src)
    compiler = proc.run([f"{kernel.arch.cross}gcc", "--version"],
                        step="compiler version").output.splitlines()[0]
    inputs = {"source": state, "asked": hashlib.sha256(asked.encode()).hexdigest(),
              "make": " ".join([*kernel.make_args, *targets, *kernel.only]), "compiler": compiler}
    compiled = 0

    def count(line: str) -> None:
        nonlocal compiled
        if _COMPILED.match(line):
            compiled += 1
            progress.tick(f"{compiled} files compiled")

    if unfinished.exists():
        shutil.rmtree(out)
    if not out.exists():
        check_disk(out, "build")
    known = image.exists() and stamp.exists() and not state.endswith("-dirty") \
        and json.loads(stamp.read_text()) == inputs
    if not known:
        stamp.unlink(missing_ok=True)
        out.mkdir(parents=True, exist_ok=True)
        unfinished.touch()
        if not configured:
            progress.tick("configuring")
            configure(kernel.name, kernel.make_args, "alldefconfig", asked, kernel.options, src, out)
        # make links modules that are named to what is there: they come after the image, together.
        rounds = {"build.log": targets} | ({"modules.log": kernel.only} if kernel.only else {})
        for log, goals in rounds.items():
            unfinished.touch()
            # Once make has come to its own end, no object is half written.
            make(["-C", src, f"O={out}", *kernel.make_args, jobs(), *goals],
                 f"build of {kernel.name}", limit="full_config" if kernel.base else "build",
                 log=out / log, on_line=count, gives=image, ended=unfinished.unlink)
    kconfig.check(kernel.name, kernel.options, out)
    if not known:
        stamp.write_text(json.dumps(inputs, indent=1) + "\n")
    return BuildResult(out, image, time.monotonic() - start, not known, compiled, state,
                       (out / ".version").read_text().strip(), build_id(out / "vmlinux"))


def copy_if_changed(source: Path, target: Path) -> None:
    """Leaves target's time stamp alone if it is the same, so that make has nothing to do."""
    if not target.exists() or target.read_bytes() != source.read_bytes():
        shutil.copyfile(source, target)


def module(kernel: Kernel, tree: Path, out: Path, source: Path, name: str, folder: Path) -> Path:
    """Builds a module of this repository in FOLDER, from copies of what is in SOURCE."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (source / "Makefile", *source.glob("*.[ch]")):
        copy_if_changed(path, folder / path.name)
    make(["-C", tree, f"O={out}", f"M={folder}", *kernel.make_args, "modules"],
         f"build of {name} in {source} for {kernel.name}", limit="objects",
         log=folder.with_name(folder.name + ".log"), gives=folder / name)
    return folder / name
