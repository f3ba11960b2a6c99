"""A kernel package to install: made by the kernel's own bindeb-pkg, then booted in QEMU.

In:  a kernel tree (TreeInfo), a configuration, harness/data/deb.toml.
Out: build/<queue>/deb/deb-NAME/*.deb; build/<queue>/runs/deb-NAME/, as of a lane.
"""

import hashlib
import lzma
import platform
import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from ..core import Exit, HarnessError, Part, Progress, Queue, records, require, settings
from ..core.files import check_disk
from ..fetch import apt, host_packages
from ..queue import TreeInfo, rt_tree, series
from ..build import debian_config, kconfig, kernel_build
from ..build.arches import Kernel, arch
from ..guest import initramfs, qemu
from .lane_files import Accel, Lane
from .lane_run import LaneRun, boot, out_folder

UNPACK = {".ko": bytes, ".xz": lzma.decompress}     # modules of other kinds are not loaded


@dataclass(frozen=True)
class Plan:
    """deb.toml."""

    flavour: str
    rt_flavour: str
    suffix: str
    profiles: str
    cpus: int
    memory_mib: int
    boot_limit_s: float
    accel: Accel
    modules: tuple[str, ...]
    many: int
    lanes: tuple[str, ...]
    needed: tuple[str, ...]
    running: dict[str, str]
    rt: dict[str, str]
    small: dict[str, str]


def plan() -> Plan:
    return records.read(Plan, settings.DATA / "deb.toml")


def flavour(release: str) -> str:
    """Debian's flavour of a kernel of this release, or with a configuration of this name."""
    return next((name for word, name in plan().running.items() if word in release), plan().flavour)


def chosen(queue: Queue, config: Path | None, rt: bool) -> Kernel:
    """The kernel with the configuration that the user names, or else with Debian's."""
    if not config:
        name = plan().rt_flavour if rt else flavour(platform.release())
        return kernel(queue, name, debian_config.text(queue, name), name == plan().rt_flavour)
    try:
        text = config.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    require(re.search(r"^# Linux/x86(_64)? ", text, re.M), f"--config {config} is no configuration of an "
            'x86 kernel (no line of it begins with "# Linux/x86 "); give a whole .config, for example '
            "/boot/config-VERSION.")
    lacks = kconfig.missing(dict.fromkeys(plan().needed, "y"), text)
    require(not lacks, f"--config {config} lacks {', '.join(lacks)}, without which the kernel cannot be "
            "booted in QEMU; set that, and try again.", Exit.CONFIG)
    named_rt = flavour(config.name) == plan().rt_flavour
    name = config.name.removesuffix(".config") or config.resolve().parent.name
    name = re.sub(r"[^\w.+-]", "_", name)      # make takes no other names of folders
    return kernel(queue, name + ("-rt" if rt and not named_rt else ""), text, rt or named_rt)


def kernel(queue: Queue, name: str, config: str, rt: bool) -> Kernel:
    """What the package is made from; its release tells series and configuration."""
    inputs = series.digest(series.patches(queue)) + config
    local = f'"-{plan().suffix}-{hashlib.sha256(inputs.encode()).hexdigest()[:8]}"'
    return Kernel(f"deb-{name}", arch("x86_64"), {"LOCALVERSION": local} | (plan().rt if rt else {}),
                  base=lambda: debian_config.buildable(config), rt=rt)


def in_order(dependencies: str, wanted: tuple[str, ...]) -> list[str]:
    """Paths from the text of modules.dep, of the wanted modules after those that they need."""
    lines = [line.partition(":") for line in dependencies.splitlines()]
    found = [path for name in wanted for module, _, needs in lines
             if PurePosixPath(module).name.split(".")[0] == name
             for path in (*reversed(needs.split()), module)]
    return list(dict.fromkeys(path for path in found if PurePosixPath(path).suffix in UNPACK))


def module_entries(root: Path, wanted: tuple[str, ...]) -> list[initramfs.Entry]:
    """Modules of an unpacked package for the guest, and the steps that load them."""
    table = next(root.glob("lib/modules/*/modules.dep"), None)
    paths = [table.parent / name for name in in_order(table.read_text(), wanted)] if table else []
    modules = {path.name.split(".")[0]: UNPACK[path.suffix](path.read_bytes()) for path in paths}
    return initramfs.with_steps((f"load {name}" for name in modules),
                                {f"{name}.ko": data for name, data in modules.items()})


def lane(wanted: Kernel) -> Lane:
    """How the package's kernel is booted."""
    asked = plan()
    return Lane(wanted.name, wanted, proves="the kernel in the package boots", cpus=asked.cpus,
                memory_mib=asked.memory_mib, boot_limit_s=asked.boot_limit_s,
                cmdline=initramfs.STEPS, accel=asked.accel)


def is_large(config: str) -> bool:
    """Whether it has about as many modules as Debian's."""
    return list(kconfig.parse(config).values()).count("m") >= plan().many


def check_space(queue: Queue, wanted: Kernel) -> None:
    """Whether there is room for a package that is not built yet."""
    out = out_folder(queue, lane(wanted))
    if wanted.base and not (out / "built.json").exists():
        check_disk(out, "deb" if is_large(wanted.base()) else "build")


def make(info: TreeInfo, wanted: Kernel, progress: Progress) -> tuple[Path, LaneRun]:
    """Builds the package and boots the kernel in it: the image's .deb (those of headers are beside it),
    the boot. One that fails is an error."""
    host_packages.need("build", "deb", wanted.arch.name)
    progress.phase(f"package {wanted.name}")
    if wanted.rt:
        info = rt_tree.ensure(info, progress)
    folder, out = info.queue.build / "deb" / wanted.name, out_folder(info.queue, lane(wanted))
    if not list(folder.glob("linux-image-*.deb")):
        (out / "built.json").unlink(missing_ok=True)
    for file in beside(out):        # of a build that was interrupted
        file.unlink()
    # Without LOCALVERSION= the release would end in "+" here.
    made = kernel_build.build(wanted, info.path, out, progress, [
        "LOCALVERSION=", f"DPKG_FLAGS=--build-profiles={plan().profiles}", "bindeb-pkg"])
    if made.built:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for file in beside(out):
            file.rename(folder / file.name)
    release = (out / "include/config/kernel.release").read_text().strip()
    path = next(folder.glob(f"linux-image-{release}_*.deb"), None)
    require(path, f"make bindeb-pkg left no linux-image-{release}_*.deb beside {out}; look into "
            f"{out / 'build.log'}.", Exit.BUILD)
    progress.done(f"{path.name}, {path.stat().st_size / 1e6:.0f} MB")

    progress.phase("boot of the package's kernel")
    with tempfile.TemporaryDirectory(dir=folder) as name:
        root = Path(name)
        apt.extract(path, root, Exit.BUILD)
        image = folder / f"vmlinuz-{release}"
        image.write_bytes((root / "boot" / image.name).read_bytes())
        entries = module_entries(root, plan().modules)
        ran = boot(lane(wanted), info, replace(made, kernel=image), entries, progress)
    if ran.verdict.code:
        raise HarnessError(ran.verdict.code, f"{path} is not ready: its kernel did not pass the boot in "
                           f"{ran.folder}.\n{ran.verdict.text()}")
    progress.done(next(line for line in qemu.console(ran.folder).splitlines()
                       if "Linux version " in line))
    loaded = [PurePosixPath(entry.name).stem for entry in entries if entry.name.endswith(".ko")]
    progress.done(f"modules that were loaded: {', '.join(loaded) or 'none'}")
    return path, ran


def beside(out: Path) -> list[Path]:
    """The files that bindeb-pkg leaves beside its build folder; nothing else does."""
    return [path for path in out.parent.glob("*") if path.is_file()]


def part(info: TreeInfo, of: Lane, progress: Progress) -> Part:
    """A package of a small configuration, as a part of ./run check with the lane."""
    name = "check" + ("-rt" if of.kernel.rt else "")
    path, ran = make(info, kernel(info.queue, name, kconfig.text(arch("x86_64").config | plan().small),
                                  of.kernel.rt), progress)
    return Part(f"deb for {of.name}", Exit.OK, 1, 0, 0, ran.build_s + ran.boot_s, path.name)
