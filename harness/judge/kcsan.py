"""Reads KCSAN's reports of data races, and says which ones concern the series.

In:  console lines; [kcsan] of splats.toml; objects of the kernel that ran.
Out: reports() -> [Race]; functions() -> the names that the series touches.
A report concerns the series if a function of its title, or among the first ones of either stack, is
in an object that the series touches, or if it cannot be read. Callers do not count for functions
that race whoever calls them; of some files, only the functions that the series changes count.
"""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from ..core import Exit, HarnessError, Queue, proc, settings
from ..build import single_objects
from ..build.arches import Arch
from . import ktap

_CALLER = re.compile(r"^(?:<\d+>)?\[ *\d+\.\d+\](\[ *[TC]\d+\])")
_TITLE = re.compile(r"^BUG: KCSAN: (?:data-race|assert: race) in (.+)$")
_ACCESS = re.compile(r"^(race at unknown origin, with )?(?:(?:assert no )?[\w-]+)(?: \([\w, ]+\))? "
                     r"to 0x[0-9a-f]+ of \d+ bytes by (?:task \d+|interrupt) on cpu \d+:$")
_FUNCTION = re.compile(r"^ ?([A-Za-z_][\w.]*)(?:\+0x[0-9a-f]+/0x[0-9a-f]+)?(?: \[\w+\])?$")
_REORDERED = re.compile(r"^  \+-> reordered to: (.+)$")
_RULE = re.compile(r"^={40,}$")


@dataclass(frozen=True)
class Race:
    line: int                     # of the title in the console, from 1
    title: str                    # as the kernel prints it, without "BUG: KCSAN: "
    functions: frozenset[str]     # in the title and on top of the stacks
    problem: str = ""             # why the report cannot be read


def plain(name: str) -> str:
    """A function's name without what the compiler puts behind it (.isra.0, .cold)."""
    return name.split(".")[0]


def _function(text: str) -> str | None:
    match = _FUNCTION.match(text)
    return plain(match[1]) if match else None


@dataclass(frozen=True)
class Rules:
    """[kcsan] of splats.toml."""

    frames: int                   # how many functions of a stack are looked at
    known: frozenset[str]         # functions whose callers do not count
    partly: dict[str, list[str]]  # files of which the series changes only these functions
    not_built: frozenset[str]     # touched files that a kernel with KCSAN does not have


@functools.cache
def rules(queue: Queue) -> Rules:
    data = queue.data(settings.DATA / "splats.toml")["kcsan"]
    return Rules(data["frames"], frozenset(item["function"] for item in data.get("known", [])),
                 {item["file"]: item["functions"] for item in data.get("partly", [])},
                 frozenset(data.get("not_built", ())))


def _read(number: int, text: str, block: list[str] | None, asked: Rules) -> Race:
    """One report; block holds the lines between its title and the rule that ends it."""
    match = _TITLE.match(text)
    named = [_function(part) for part in match[1].split(" / ")] if match else [None]
    stacks: list[list[str]] = []
    reordered: list[str | None] = []
    unknown = False
    open_stack = False
    for line in block or ():
        access = _ACCESS.match(line)
        if access:
            stacks.append([])
            unknown |= bool(access[1])
            open_stack = True
        elif open_stack and line.startswith(" ") and (name := _function(line)):
            stacks[-1].append(name)
        elif found := _REORDERED.match(line):
            reordered.append(_function(found[1]))
        elif not line.strip():
            open_stack = False
    if block is None:
        problem = "it has no end"
    elif None in named or None in reordered:
        problem = "a function in it has no name"
    elif len(stacks) != (1 if unknown else 2):
        problem = f"it shows {len(stacks)} accesses"
    elif not all(stacks):
        problem = "one of its stacks is empty"
    else:
        problem = ""
    names = {name for name in [*named, *reordered] if name}
    for stack in stacks:
        names.update(stack[:1 if asked.known.intersection(stack[:1]) else asked.frames])
    return Race(number, text.removeprefix("BUG: KCSAN: "), frozenset(names), problem)


def reports(lines: list[str], asked: Rules) -> list[Race]:
    found = []
    for number, line in enumerate(lines):
        text = ktap.strip(line)
        if not text.startswith("BUG: KCSAN: "):
            continue
        caller = _CALLER.match(line)
        block: list[str] = []
        for later in lines[number + 1:]:
            # With PRINTK_CALLER, what other CPUs print in between is told apart.
            other = _CALLER.match(later)
            if caller and other and other[1] != caller[1]:
                continue
            stripped = ktap.strip(later)
            if _RULE.match(stripped) or stripped.startswith("BUG: KCSAN: "):
                found.append(_read(number + 1, text, block if _RULE.match(stripped) else None, asked))
                break
            block.append(stripped)
        else:
            found.append(_read(number + 1, text, None, asked))
    return found


def defined(source: str, names: set[str]) -> set[str]:
    """Those of an object's functions that are in this source, system calls included."""
    own = set(re.findall(r"^\w[^;=\n]*?\b(\w+)\(", source, re.M))
    calls = tuple(f"_sys_{name}" for name in re.findall(r"^SYSCALL_DEFINE\d\((\w+)", source, re.M))
    return {name for name in names if name in own or name.endswith(calls)}


def functions(queue: Queue, out: Path, arch: Arch, src: Path, files: list[str]) -> list[str]:
    """The functions of the kernel built in OUT that come from these sources of the tree SRC.

    Of each source there must be one, or no data race in it could be told to be the series'.
    """
    names: set[str] = set()
    asked = rules(queue)
    for file in single_objects.concerned(arch.name, files):
        if not file.endswith(".c") or not (src / file).is_file():
            continue
        path = out / single_objects.built_as(queue).get(file, file[:-2] + ".o")
        if file in asked.not_built:
            if path.exists():
                raise HarnessError(Exit.CONFIG, f"{path} exists, so {file} must go from not_built "
                                   "in the queue's splats.toml.")
            continue
        if not path.exists():
            raise HarnessError(Exit.CONFIG, f"there is no {path}, so no data race in {file} would "
                               "count. Name its object under [built_as] of the queue's "
                               "objects.toml, switch it on in the lane's [config], or list it "
                               "under not_built in its splats.toml.")
        listed = proc.run([f"{arch.cross}nm", path], step=f"nm {path.name}",
                          limit=settings.limit("tool"), code=Exit.BUILD)
        found = {plain(name) for name in
                 re.findall(r"^[0-9a-f]+ [tTwW] (\S+)$", listed.output, re.M)}
        if file in asked.partly:
            found &= set(asked.partly[file])
        elif file in single_objects.built_as(queue):    # other sources are in there, too
            found = defined((src / file).read_text("utf-8"), found)
        if not found:
            raise HarnessError(Exit.CONFIG, f"{path} has no function of {file}, so no data race in "
                               "it would count.")
        names |= found
    return sorted(names)
