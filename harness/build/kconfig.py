"""The texts of kernel configurations: what is asked for, and whether it took effect.

In:  options, a Kernel and its tree, the text of a .config.
Out: what make reads, or what is wrong; a CONFIG error if what was asked for is not set.
"""

import re
from pathlib import Path

from ..core import Exit, require
from .arches import Kernel


def parse(text: str) -> dict[str, str]:
    """Options of a .config that are set; one that is not set has no entry."""
    return dict(re.findall(r"^[ \t]*CONFIG_(\w+)=(.*?)\s*$", text, re.M))


def missing(options: dict[str, str], config: str) -> list[str]:
    """What was asked for and is not so in the text of a .config, each as one phrase."""
    actual = parse(config)
    return [f"CONFIG_{name}={asked} (is {value})" for name, asked in options.items()
            if (value := actual.get(name, "n").strip('"') or "n") != (asked.strip('"') or "n")]


def check(name: str, options: dict[str, str], out: Path) -> None:
    """Raises CONFIG if OUT/.config lacks something that was asked for in the name of `name`."""
    path = out / ".config"
    wrong = missing(options, path.read_text())
    require(not wrong, f"the configuration of {name} did not take effect: {', '.join(wrong)}; look "
            f"for unmet dependencies in {path}, or correct what asks for it (a lane, or objects.toml "
            "of the queue).", Exit.CONFIG)


def text(options: dict[str, str]) -> str:
    """The options as a .config has them."""
    return "".join(f"# CONFIG_{name} is not set\n" if value == "n" else f"CONFIG_{name}={value}\n"
                   for name, value in options.items())


def fragment(kernel: Kernel, src: Path) -> str:
    """What a kernel's configuration is made from: a full one, or the suite's own; then what the lane
    asks for. Of two lines for an option, the later one counts."""
    if kernel.base:
        return kernel.base().rstrip("\n") + "\n" + text(kernel.options)
    if not kernel.kunitconfig:
        return text(kernel.options)
    own = src / kernel.kunitconfig
    require(own.is_file(), f"{kernel.kunitconfig}, which {kernel.name} is configured from, is not in "
            f"{src}; it comes with the series.", Exit.CONFIG)
    # What the lane sets too is left to the lane.
    return text({name: value for name, value in parse(own.read_text()).items()
                 if name not in kernel.options} | kernel.options)
