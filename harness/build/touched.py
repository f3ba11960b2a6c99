"""Which functions of a built kernel come from sources that the series touches.

In:  the build folder, the tree, touched files; [built_as] and [data_races] of the queue's objects.toml.
Out: functions() -> names. A data race counts if one of them is in it, so of each source there must
     be one, or no data race in it could be told to be the series'.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from ..core import Exit, Queue, proc, records, require
from . import single_objects
from .arches import Arch


@dataclass(frozen=True)
class DataRaces:
    not_built: tuple[str, ...] = ()
    partly: dict[str, list[str]] = field(default_factory=dict)     # file -> functions


def data_races(queue: Queue) -> DataRaces:
    return records.make(DataRaces, single_objects.data(queue).get("data_races", {}),
                        "[data_races] of objects.toml")


def plain(name: str) -> str:
    """A function's name without what the compiler puts behind it (.isra.0, .cold)."""
    return name.split(".")[0]


def defined(source: str, names: set[str]) -> set[str]:
    """Those of an object's functions that are in this source, system calls included."""
    own = set(re.findall(r"^\w[^;=\n]*?\b(\w+)\(", source, re.M))
    calls = tuple(f"_sys_{name}" for name in re.findall(r"^SYSCALL_DEFINE\d\((\w+)", source, re.M))
    return {name for name in names if name in own or name.endswith(calls)}


def functions(queue: Queue, out: Path, arch: Arch, src: Path, files: list[str]) -> list[str]:
    names: set[str] = set()
    asked, built_as = data_races(queue), single_objects.built_as(queue)
    for file in single_objects.concerned(arch.name, files):
        if not file.endswith(".c") or not (src / file).is_file():
            continue
        path = out / built_as.get(file, file[:-2] + ".o")
        if file in asked.not_built:
            require(not path.exists(), f"{path} exists, so {file} must go from not_built in the queue's "
                    "objects.toml.", Exit.CONFIG)
            continue
        require(path.exists(), f"there is no {path}, so no data race in {file} would count. Name its "
                "object under [built_as] of the queue's objects.toml, switch it on in the lane's "
                "[config], or list it under not_built there.", Exit.CONFIG)
        listed = proc.run([f"{arch.cross}nm", path], step=f"nm {path.name}")
        found = {plain(name) for name in
                 re.findall(r"^[0-9a-f]+ [tTwW] (\S+)$", listed.output, re.M)}
        if file in asked.partly:
            found &= set(asked.partly[file])
        elif file in built_as:              # other sources are in there, too
            found = defined((src / file).read_text("utf-8"), found)
        require(found, f"{path} has no function of {file}, so no data race in it would count.",
                Exit.CONFIG)
        names |= found
    return sorted(names)
