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
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from ..core import Exit, HarnessError, Part, Progress, parallel, proc, records, report, settings
from ..fetch import Options, host_packages

MODEL = settings.REPO / "proof/spin/smp.pml"
DATA = settings.REPO / "proof/spin/spin.toml"
AT_A_TIME = 2                   # verifiers
# The search is exhaustive and exact: neither -DBITSTATE nor -DHC. With no label that means progress
# in the model, each cycle is one without progress.
SAFETY, CYCLES = ("-DSAFETY", "-DNOCLAIM"), ("-DNP",)

# What pan says, and what that means; an assertion that is violated has a name.
_MEANS = (("max search depth too small", "the depth bound was reached"),
          ("out of memory|MEMLIM bound", "the memory bound was reached"),
          (r"^pan:\d+: invalid end state", "deadlock"),
          (r"^pan:\d+: non-progress cycle", "cycle"))
# What else it counts; `seconds` are those of the search alone.
_NUMBERS = {"states": r"^\s*([\d.e+]+) states, stored", "transitions": r"^\s*([\d.e+]+) transitions",
            "depth": r"depth reached (\d+)", "memory_mib": r"^\s*([\d.]+)\s+total actual memory usage",
            "seconds": r"^pan: elapsed time ([\d.e+]+)"}
_ERROR = re.compile(r"^pan:\d+: (.*?)(?: \(at depth \d+\))?$", re.M)
_UNREACHED = re.compile(r"^\t(?:.*?:|-:)(\d+), state \d+, \"(.*)\"$", re.M)


@dataclass(frozen=True)
class Variant:
    """One entry of spin.toml."""

    name: str               # a file name
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

    def __post_init__(self) -> None:
        names = {variant.name for variant in self.variant}
        if not names or len(names) < len(self.variant):
            raise ValueError("there must be variants, each with a name of its own")


@dataclass(frozen=True)
class Search:
    """What pan said. verdict: "ok", "deadlock", "cycle", "I1" ..., else why it is none of them."""

    verdict: str
    unreached: frozenset[str] = frozenset()       # "line: statement"
    numbers: dict[str, float] = field(default_factory=dict)


def read(output: str) -> Search:
    """What pan's output says; a search that did not come to its end is never "ok"."""
    error, count = _ERROR.search(output), re.search(r"errors: (\d+)$", output, re.M)
    verdict = next((means for pattern, means in _MEANS if re.search(pattern, output, re.M)), "")
    if not verdict and error:
        name = re.search(r"^assertion violated.*?\b(I\d+)\b", error[1])
        verdict = name[1] if name else error[1]
    elif not verdict:
        whole = count and count[1] == "0" and "Search not completed" not in output \
            and "Full statespace search for:" in output
        verdict = "ok" if whole else "pan did not come to its end"
    numbers = {name: float(found[1]) for name, pattern in _NUMBERS.items()
               if (found := re.search(pattern, output, re.M))}
    unreached = frozenset(f"{line}: {text}" for line, text in _UNREACHED.findall(output))
    return Search(verdict, unreached, numbers)


def search(variant: Variant, depth: int, where: Path, stop: threading.Event) -> Search:
    """Generates, compiles and runs one verifier in an empty folder."""
    def step(words: list[str | Path], name: str, limit: float | str = "tool",
             check: bool = True) -> proc.Result:
        return proc.run(words, step=f"{name} of {variant.name}", limit=limit, cwd=where,
                        log=where / f"{name}.log", check=check, code=Exit.TEST, stop=stop)

    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    step(["spin", *(f"-D{text}" for text in variant.defines), "-a", MODEL], "spin")
    # A mutant is found soon: compiling with -O2 would take longer than the search.
    level = "-O2" if variant.expect == "ok" else "-O0"
    step(["gcc", level, "-DCOLLAPSE", *(CYCLES if variant.cycles else SAFETY),
          f"-DMEMLIM={variant.memory_mib}", "-o", "pan", "pan.c"], "gcc",
         limit="pan_compile")
    # pan's exit value says nothing; what it prints does.
    result = step(["./pan", f"-m{depth}", f"-w{variant.hash}", *(["-l"] if variant.cycles else [])],
                  "pan", settings.scaled(variant.seconds), check=False)
    for path in where.glob("pan*"):
        if path.suffix != ".log":
            path.unlink()
    return read(result.output)


def judge(variant: Variant, found: Search, start: float) -> Part:
    states, depth, memory = (found.numbers.get(name, 0) for name in ("states", "depth", "memory_mib"))
    counts = f"{found.verdict}: {states:.0f} states, depth {depth:.0f}, {memory:.0f} MiB"
    wrong = [] if found.verdict == variant.expect else [f"expected {variant.expect}, got {counts}"]
    return report.judged(f"spin {variant.name}", wrong, counts, start)


def one(variant: Variant, depth: int, folder: Path, stop: threading.Event) -> tuple[Part, Search]:
    start = time.monotonic()
    try:
        found = search(variant, depth, folder / variant.name, stop)
    except HarnessError as error:
        found = Search(error.message)
    return judge(variant, found, start), found


def reached(searches: list[Search]) -> Part:
    """Whether each statement of the model was taken in some complete search: none is dead text.
    Assertions on a bare name stand behind the guard that they report, and the ends of processes that
    run for ever are not reached either."""
    sets = [search.unreached for search in searches if search.verdict == "ok"]
    dead = sorted(text for text in frozenset.intersection(*sets)
                  if not re.fullmatch(r"\d+: (-end-|assert\(I\d+\))", text)) if sets else ["1: all"]
    wrong = [f"{len(dead)} statements of smp.pml never, the first in line {dead[0]}"] if dead else []
    return report.judged("spin reached", wrong, "each statement of the model", time.monotonic())


def parts(opts: Options, progress: Progress) -> list[Part]:
    """Runs all variants; raises if there is no spin."""
    host_packages.need("spin")
    listed = records.read(List, DATA)
    folder = opts.queue.build / "runs/prove/spin"
    folder.mkdir(parents=True, exist_ok=True)
    results = parallel.run([(variant.name, partial(one, variant, listed.depth, folder))
                            for variant in listed.variant],
                           min(AT_A_TIME, os.cpu_count() or 1), progress.tick,
                           lambda number, future: future.result())
    found = [search for _, search in results]
    (folder / "spin.json").write_text(json.dumps(
        [asdict(variant) | search.numbers | {"verdict": search.verdict, "unreached": sorted(search.unreached)}
         for variant, search in zip(listed.variant, found)], indent=1) + "\n", encoding="utf-8")
    return [*(part for part, _ in results), reached(found)]
