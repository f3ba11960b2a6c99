"""The verb `deb`: a Debian package of the patched kernel, booted before it is handed over.

In:  a configuration, options.  Out: the package's path.
"""

from pathlib import Path

from ..core import Exit, Progress
from ..fetch import options, parser
from ..queue import tree
from ..lanes import debian_package

HELP = """\
./run deb [--config FILE] [--rt] [--queue NAME] [--linux PATH | --tarball FILE]

Makes an amd64 package of the patched kernel, with the kernel's own `make bindeb-pkg`, boots the
kernel that is in it in QEMU, loads some of its modules there, and says "ready" and where it is.
Install it with apt install PATH. Its release ends in -preemptible-ipi-HASH, so it is beside
the kernels that are installed already; HASH is that of the series.

  --config FILE  a .config, for example /boot/config-VERSION of the running kernel, or some lines
                 of one: what it does not say has the kernel's own default. Without it: Debian's,
                 from linux-config-VERSION
  --rt           Debian's PREEMPT_RT patches under the series, and its configuration of
                 the rt flavour

Names of certificates in Debian's source package are taken out of the configuration
(harness/data/debian_config.toml). Modules are signed with a key that the build makes; the kernel is
not signed for secure boot. Leaves build/<queue>/deb/deb-NAME/: the packages of kernel and headers; the
boot is in build/<queue>/runs/deb-NAME/. NAME is that of the configuration.
"""


def main(args: list[str]) -> int:
    words = parser("deb")
    words.add_argument("--config", type=Path, metavar="FILE")
    words.add_argument("--rt", action="store_true")
    parsed = words.parse_args(args)
    opts = options(parsed)
    progress = Progress(3)
    progress.phase("the kernel tree and the configuration")
    name, config = debian_package.configuration(opts.queue, parsed.config, parsed.rt)
    info = tree.ensure_tree(opts, progress)
    progress.done(f"Linux {info.kernel_version} from {info.source} ({info.checksum})")
    made = debian_package.make(info, debian_package.kernel(opts.queue, name, config, parsed.rt),
                               "build" if parsed.config else "deb", progress)
    print(f"{made.linux}\nready: {made.path}")
    return Exit.OK
