"""Makes a kernel's .config and checks that what was asked for is really set.

In:  a Kernel, a kernel tree, a build folder.  Out: OUT/.config, or a CONFIG error.
"""

import re
import sys
from pathlib import Path

from ..core import Exit, HarnessError, proc, settings
from .arches import Kernel

_SET = re.compile(r"^CONFIG_(\w+)=(.*)$")


def parse(text: str) -> dict[str, str]:
    """Options of a .config that are set; one that is not set has no entry."""
    found = (_SET.match(line.strip()) for line in text.splitlines())
    return {match[1]: match[2] for match in found if match}


def missing(options: tuple[tuple[str, str], ...], config: str) -> list[str]:
    """What was asked for and is not so in the text of a .config, each as one phrase."""
    actual = parse(config)
    wrong = []
    for name, asked in options:
        value, want = (item.strip('"') or "n" for item in (actual.get(name, "n"), asked))
        if value != want:
            wrong.append(f"CONFIG_{name}={asked} (is {value})")
    return wrong


def check(kernel: Kernel, out: Path) -> None:
    """Raises CONFIG if OUT/.config lacks something that the kernel's lane asked for."""
    path = out / ".config"
    wrong = missing(kernel.options, path.read_text())
    if wrong:
        raise HarnessError(Exit.CONFIG, f"the configuration of {kernel.name} did not take "
                           f"effect: {', '.join(wrong)}; look for unmet dependencies in {path}, "
                           "or correct the lane.")


def line(name: str, value: str) -> str:
    """One option as kunit.py reads it."""
    return f"# CONFIG_{name} is not set" if value == "n" else f"CONFIG_{name}={value}"


def make_args(kernel: Kernel) -> list[str]:
    """What every make for this kernel gets."""
    args = [f"ARCH={kernel.arch.name}", f"CC={kernel.arch.cc}"]
    if kernel.arch.cross:
        args.append(f"CROSS_COMPILE={kernel.arch.cross}")
    return args


def fragment(kernel: Kernel, src: Path) -> str:
    """What the .config is made from: a full one, or the kunitconfig; then what the lane asks for."""
    asked = dict(kernel.options)
    lines = [kernel.base()] if kernel.base else []      # of two lines, the later one counts
    if kernel.kunitconfig:
        own = src / kernel.kunitconfig
        if not own.is_file():
            raise HarnessError(Exit.CONFIG, f"{kernel.kunitconfig}, which {kernel.name} is "
                               f"configured from, is not in {src}; it comes with the series.")
        # What the lane sets too is left to the lane.
        lines += [entry for name, value in parse(own.read_text()).items() if name not in asked
                  for entry in [line(name, value)]]
    return "\n".join(lines + [line(*option) for option in asked.items()]) + "\n"


def configure(kernel: Kernel, src: Path, out: Path, env: dict[str, str]) -> None:
    """Writes OUT/.config for the kernel and checks it."""
    out.mkdir(parents=True, exist_ok=True)
    asked = out / "asked.kunitconfig"
    asked.write_text(fragment(kernel, src))
    (out / ".config").unlink(missing_ok=True)    # kunit.py would keep what it finds
    argv = ["make", "-C", src, f"O={out}", *make_args(kernel), "olddefconfig"]
    if kernel.base:         # of which some depends on what was taken away: kunit.py would not have it
        asked.rename(out / ".config")
    else:
        argv = [sys.executable, "tools/testing/kunit/kunit.py", "config",
                f"--arch={kernel.arch.name}", f"--build_dir={out}", f"--kunitconfig={asked}",
                f"--make_options=CC={kernel.arch.cc}"]
        if kernel.arch.cross:
            argv.append(f"--cross_compile={kernel.arch.cross}")
        if kernel.arch.kunit:
            argv.append(f"--qemu_config={settings.REPO / kernel.arch.kunit}")
    result = proc.run(argv, step=f"configuration of {kernel.name}", cwd=src, env=env,
                      limit=settings.limit("kconfig"), log=out / "config.log", check=False,
                      code=Exit.CONFIG)
    # kunit.py fails if an option did not take effect, too; our message is shorter.
    if (out / ".config").exists():
        check(kernel, out)
    if result.returncode:
        raise HarnessError(Exit.CONFIG, f"configuration of {kernel.name} failed; its output is "
                           f"in {out / 'config.log'}.\n{proc.tail(result.output)}")
