"""Compiles single objects of a kernel tree, and collects what the compilers say.

In:  a configuration of the queue's objects.toml, a tree, object names.
Out: the messages of gcc (W=1) and sparse, without line numbers.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from ..core import Queue, records, settings
from . import kconfig, kernel_build
from .arches import make_args

_MESSAGE = re.compile(r"^(?:\.\./)*([^\s:]+):\d+(?::\d+)?: ((?:warning|error): .*)$", re.M)


@dataclass(frozen=True)
class Config:
    """One entry of objects.toml."""

    queue: Queue
    name: str
    arch: str
    cross: str
    groups: list[str]
    options: dict[str, str]
    objects: list[str] = field(default_factory=list)
    optional: dict[str, str] = field(default_factory=dict)
    not_here: list[str] = field(default_factory=list)
    built_as: dict[str, str] = field(default_factory=dict)
    prefixes: bool = False
    llvm: str = ""

    @property
    def out(self) -> Path:
        return self.queue.build / "out" / ("objects-" + re.sub(r"\W+", "-", self.name))

    @property
    def make_args(self) -> list[str]:
        return make_args(self.arch, self.cross, self.llvm)


def data(queue: Queue) -> dict[str, Any]:
    return settings.toml(queue.dir / "objects.toml")


def built_as(queue: Queue) -> dict[str, str]:
    """The objects of the source files whose object has another name."""
    return data(queue).get("built_as", {})


def configs(queue: Queue) -> list[Config]:
    return [records.make(Config, item, "a [[config]] in objects.toml", queue=queue,
                         built_as=built_as(queue)) for item in data(queue)["config"]]


def configure(config: Config, src: Path) -> None:
    """Makes the configuration in its build folder and checks that it took effect."""
    kernel_build.configure(config.name, config.make_args, "allnoconfig",
                           kconfig.text(config.options | config.optional), config.options, src,
                           config.out)


def compile_objects(config: Config, src: Path, objects: list[str],
                    tick: Callable[[str], None]) -> Counter[str]:
    """Compiles the objects with W=1, and sparse if it is asked for (it does not understand what the
    compilers of all architectures are called with); returns the messages."""
    # make goes to arch/*/lib from two sides at once, and would compile an object twice at a time.
    alone = [name for name in objects if re.match(r"arch/\w+/lib/", name)]
    output = ""
    for chosen, jobs in ((alone, "-j1"),
                         ([name for name in objects if name not in alone], kernel_build.jobs())):
        if chosen:
            output += kernel_build.make(
                ["-C", src, f"O={config.out}", *config.make_args, jobs, "W=1",
                 *(["C=1"] if "sparse" in config.groups else []), *chosen],
                f"compiling {' '.join(chosen)} of {config.name}", limit="objects",
                on_line=lambda line: tick(line.strip()[:60])).output
    return messages(output)


def messages(output: str) -> Counter[str]:
    """"file: warning: text" of each compiler message, with its number of times."""
    return Counter(f"{file}: {text}" for file, text in _MESSAGE.findall(output))


def concerned(arch: str, paths: list[str]) -> list[str]:
    """Those paths of a kernel tree that can matter to the architecture's objects."""
    own = f"arch/{'x86' if arch in ('x86_64', 'i386') else arch}/"
    return [path for path in paths if path.startswith(own)
            or not re.match(r"arch/[^/]+/|Documentation/|MAINTAINERS$", path)]


def relevant(config: Config, src: Path, paths: list[str]) -> list[str]:
    """Objects of those touched paths that exist in src and that the configuration compiles."""
    return [config.built_as.get(path, path[:-2] + ".o") for path in concerned(config.arch, paths)
            if path.endswith(".c") and path not in config.not_here and (src / path).is_file()]


def not_compiled(listed: list[Config], src: Path, paths: list[str]) -> list[str]:
    """Those C files of src among the paths that no configuration compiles."""
    names = {name for config in listed for name in
             (relevant(config, src, paths) if config.prefixes else config.objects)}
    return [path for path in paths if path.endswith(".c") and (src / path).is_file()
            and not names & {config.built_as.get(path, path[:-2] + ".o") for config in listed}]
