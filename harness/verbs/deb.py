"""deb: make a Debian package of the patched kernel, and boot what is in it.

Makes an amd64 package of the patched kernel, with the kernel's own `make bindeb-pkg`, boots the
kernel that is in it in QEMU, loads some of its modules there, and says "ready" and where it is.
Install it with apt install PATH. Its release ends in -preemptible-ipi-HASH, so it is beside
the kernels that are installed already; HASH is that of series and configuration.

Names of certificates in Debian's source package are taken out of the configuration
(harness/data/debian_config.toml). Modules are signed with a key that the build makes; the kernel is
not signed for secure boot. With Debian's whole configuration: not run yet.

Leaves build/<queue>/deb/deb-NAME/: the packages of kernel and headers; the boot is in
build/<queue>/runs/deb-NAME/. NAME is that of the configuration.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..core import Exit, Progress
from ..fetch import Options
from ..queue import rt_tree, tree
from ..lanes import debian_package


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="a whole .config, for example "
                        "/boot/config-VERSION of the running kernel; an option that it does not have gets "
                        "the kernel's own default. Without it: Debian's for the "
                        "running kernel's flavour (amd64, cloud, rt), from linux-config-VERSION")
    parser.add_argument("--rt", action="store_true", help="Debian's PREEMPT_RT patches under the series; "
                        "without --config, its configuration of the rt flavour. Not needed for that "
                        "flavour's own /boot/config-*-rt-amd64")


def main(parsed: Namespace, opts: Options) -> int:
    progress = Progress(3)
    progress.phase("the kernel tree and the configuration")
    wanted = debian_package.chosen(opts.queue, parsed.config, parsed.rt)
    debian_package.check_space(opts.queue, wanted)
    if wanted.rt:       # a queue without them is refused before its tree is made
        rt_tree.patches(opts.queue)
    info = tree.ensure_tree(opts, progress)
    progress.done(f"Linux {info.kernel_version} from {info.source} ({info.checksum})")
    path, _ = debian_package.make(info, wanted, progress)
    print(f"ready: {path}")
    return Exit.OK
