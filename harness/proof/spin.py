"""The model in proof/spin/: each variant is searched to the end, and judged.

In:  smp.pml, spin.toml (the variants), spin, gcc.
Out: a Part for each variant, one for what no variant reached; build/<queue>/runs/prove/spin/.
A variant without a mistake must be searched completely, without an error; a mutant must be
rejected by the assertion of the invariant that spin.toml names, and by no other.
"""

import json
import os
import re
import shutil
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..core import Exit, HarnessError, Part, Progress, parallel, proc, records, report, settings
from ..fetch import Options, host_packages

MODEL = settings.REPO / "proof/spin/smp.pml"
DATA = settings.REPO / "proof/spin/spin.toml"
AT_A_TIME = 2                   # verifiers
# Exhaustive and exact: neither -DBITSTATE nor -DHC.
CFLAGS = ("-DCOLLAPSE",)
SAFETY = ("-DSAFETY", "-DNOCLAIM")
# With no label that means progress in the model, each cycle is one without progress.
CYCLES = ("-DNP",)

_EXPECT = re.compile(r"ok|deadlock|cycle|I\d+")
_DEFINE = re.compile(r"[A-Z][A-Z0-9_]*(=\d+)?")
_NAME = re.compile(r"[a-z0-9-]+")
_ERROR = re.compile(r"^pan:\d+: (.*?)(?: \(at depth \d+\))?$", re.M)
_UNREACHED = re.compile(r"^\t(?:.*?:|-:)(\d+), state \d+, \"(.*)\"$", re.M)


@dataclass(frozen=True)
class Variant:
    """One entry of spin.toml."""

    name: str
    expect: str             # "ok", "deadlock", "I1" ...
    defines: tuple[str, ...]
    memory_mib: int
    seconds: float
    hash: int
    what: str
    cycles: bool = False    # look for cycles instead of bad ends


@dataclass(frozen=True)
class List:
    """spin.toml."""

    depth: int              # bound of all searches
    variant: tuple[Variant, ...]


@dataclass(frozen=True)
class Search:
    """What pan said. verdict: "ok", "deadlock", "cycle", "I1" ..., else why it is none of them."""

    verdict: str
    states: int
    transitions: int
    depth: int
    memory_mib: float
    seconds: float                  # of the search alone
    unreached: frozenset[str]       # "line: statement"


def load(path: Path) -> tuple[int, list[Variant]]:
    """The depth bound and the variants; a mistake in the file is a usage error."""
    found = records.make(List, settings.toml(path), str(path))
    variants = list(found.variant)
    for variant in variants:
        wrong = [text for pattern, texts in ((_NAME, (variant.name,)), (_EXPECT, (variant.expect,)),
                                             (_DEFINE, variant.defines))
                 for text in texts if not pattern.fullmatch(text)]
        if wrong:
            raise HarnessError(Exit.USAGE, f"{path}: variant {variant.name!r} has the wrong entry "
                               f"{wrong[0]!r}; the first lines of the file say what belongs there.")
    names = [variant.name for variant in variants]
    if not names or len(set(names)) != len(names):
        raise HarnessError(Exit.USAGE, f"{path} must have variants, each with a name of its own.")
    return found.depth, variants


def read(output: str) -> Search:
    """What pan's output says; a search that did not come to its end is never "ok"."""
    def number(pattern: str) -> float:
        found = re.search(pattern, output, re.M)
        return float(found[1]) if found else 0.0

    error = _ERROR.search(output)
    count = re.search(r"errors: (\d+)$", output, re.M)
    if "max search depth too small" in output:
        verdict = "the depth bound was reached"
    elif "out of memory" in output or "MEMLIM bound" in output:
        verdict = "the memory bound was reached"
    elif error and error[1] == "invalid end state":
        verdict = "deadlock"
    elif error and error[1] == "non-progress cycle":
        verdict = "cycle"
    elif error and error[1].startswith("assertion violated"):
        name = re.search(r"\bI\d+\b", error[1])
        verdict = name[0] if name else error[1]
    elif error:
        verdict = error[1]
    elif count and count[1] == "0" and "Search not completed" not in output \
            and "Full statespace search for:" in output:
        verdict = "ok"
    else:
        verdict = "pan did not come to its end"
    unreached = {f"{line}: {text}" for line, text in _UNREACHED.findall(output)}
    return Search(verdict, int(number(r"^\s*([\d.e+]+) states, stored")),
                  int(number(r"^\s*([\d.e+]+) transitions")), int(number(r"depth reached (\d+)")),
                  number(r"^\s*([\d.]+)\s+total actual memory usage"),
                  number(r"^pan: elapsed time ([\d.e+]+)"), frozenset(unreached))


def never_reached(searches: list[Search]) -> list[str]:
    """Statements that no complete search reached: dead text in the model.

    Assertions on a bare name stand behind the guard that they report, and the ends of
    processes that run for ever are not reached either.
    """
    sets = [search.unreached for search in searches if search.verdict == "ok"]
    if not sets:
        return ["everything: no search was complete"]
    return sorted(text for text in frozenset.intersection(*sets)
                  if not re.fullmatch(r"\d+: (-end-|assert\(I\d+\))", text))


def search(variant: Variant, depth: int, where: Path, stop: threading.Event) -> Search:
    """Generates, compiles and runs one verifier in an empty folder."""
    def on_line(line: str) -> None:
        if stop.is_set():
            raise HarnessError(Exit.INTERRUPTED, "interrupted.")

    def step(words: list[str | Path], name: str, limit: float, check: bool = True) -> proc.Result:
        on_line("")
        return proc.run(words, step=f"{name} of {variant.name}", limit=limit, cwd=where,
                        log=where / f"{name}.log", on_line=on_line, check=check, code=Exit.TEST)

    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    step(["spin", *(f"-D{text}" for text in variant.defines), "-a", MODEL], "spin",
         settings.limit("tool"))
    # A mutant is found soon: compiling with -O2 would take longer than the search.
    level = "-O2" if variant.expect == "ok" else "-O0"
    step(["gcc", level, *CFLAGS, *(CYCLES if variant.cycles else SAFETY),
          f"-DMEMLIM={variant.memory_mib}", "-o", "pan", "pan.c"], "gcc", settings.limit("pan_compile"))
    # pan's exit value says nothing; what it prints does.
    result = step(["./pan", f"-m{depth}", f"-w{variant.hash}", *(["-l"] if variant.cycles else [])],
                  "pan", settings.scaled(variant.seconds), check=False)
    for path in where.glob("pan*"):
        if path.suffix != ".log":
            path.unlink()
    return read(result.output)


def judge(variant: Variant, found: Search, start: float) -> Part:
    """The Part for one variant."""
    counts = (f"{found.verdict}: {found.states} states, depth {found.depth}, "
              f"{found.memory_mib:.0f} MiB")
    wrong = [] if found.verdict == variant.expect else [f"expected {variant.expect}, got {counts}"]
    return report.judged(f"spin {variant.name}", wrong, counts, start)


def one(variant: Variant, depth: int, folder: Path,
        stop: threading.Event) -> tuple[Part, Search | None, dict[str, Any]]:
    """One variant: its Part, what pan said, and the record for spin.json."""
    start = time.monotonic()
    try:
        found = search(variant, depth, folder / variant.name, stop)
    except HarnessError as error:
        seconds = time.monotonic() - start
        part = report.died(f"spin {variant.name}", error.code, seconds, error.message)
        return part, None, {"name": variant.name, "verdict": error.message}
    seconds = time.monotonic() - start
    record = {"name": variant.name, "defines": variant.defines, "expect": variant.expect,
              "verdict": found.verdict, "states": found.states, "depth": found.depth,
              "transitions": found.transitions, "memory_mib": found.memory_mib,
              "seconds": round(seconds, 1), "seconds_search": found.seconds}
    return judge(variant, found, start), found, record


def reached_part(searches: list[Search]) -> Part:
    """Whether each statement of the model was taken in some complete search."""
    dead = never_reached(searches)
    wrong = [f"{len(dead)} statements of smp.pml never, the first in line {dead[0]}"] if dead else []
    return report.judged("spin reached", wrong, "each statement of the model", time.monotonic())


def parts(opts: Options, progress: Progress) -> list[Part]:
    """Runs all variants; raises if there is no spin."""
    host_packages.need("spin")
    depth, variants = load(DATA)
    folder = opts.queue.build / "runs/prove/spin"
    folder.mkdir(parents=True, exist_ok=True)
    # A verifier prints a line every few seconds, and ends itself then if it shall stop.
    results = parallel.run([(variant.name, partial(one, variant, depth, folder)) for variant in variants],
                           min(AT_A_TIME, os.cpu_count() or 1), progress.tick,
                           lambda number, future: future.result())
    (folder / "spin.json").write_text(json.dumps([record for _, _, record in results], indent=1)
                                      + "\n", encoding="utf-8")
    return [*(part for part, _, _ in results),
            reached_part([found for _, found, _ in results if found])]
