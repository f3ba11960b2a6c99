"""The verb `boot`: the patched kernel with a shell in it, for people.

In:  an architecture.  Out: QEMU's end; the terminal is the guest's console.
"""

from dataclasses import replace

from ..core import Progress, look_up
from ..fetch import options, parser
from ..queue import tree
from ..build import arches, kernel_build
from ..guest import initramfs, qemu
from ..lanes import lane_files, lane_run

HELP = """\
./run boot ARCH [--queue NAME] [--linux PATH | --tarball FILE]

Builds the patched kernel for ARCH (x86_64, arm64, i386, arm) as the lane of that name does,
boots it and gives a busybox shell in it (the tests do not run: ./run kunit does that).
`exit` switches the guest off; Ctrl-A X ends it at once.
"""


def main(args: list[str]) -> int:
    words = parser("boot")
    words.add_argument("arch")
    parsed = words.parse_args(args)
    opts = options(parsed)
    known = [name for name in arches.arch_names() if name in lane_files.names(opts.queue)]
    look_up("architecture to boot", parsed.arch, known)
    lane = lane_files.load(parsed.arch, opts.queue)
    lane_run.need(lane)
    progress = Progress(2)
    progress.phase("the kernel tree")
    info = tree.ensure_tree(opts, progress)
    progress.phase(f"kernel of lane {lane.name}")
    made = kernel_build.build(lane.kernel, info.path, lane_run.out_folder(opts.queue, lane), progress)
    spec = lane_run.accelerated(lane, lane_run.boot_spec(lane, made.kernel))
    work = lane_run.guest_dir()
    initrd = initramfs.make(lane.arch, work, initramfs.shell_entries(lane.arch))
    progress.done(f"{made.kernel}; Ctrl-A X ends the guest")
    words = f"harness.shell=1 kunit.enable=0 loglevel=5 {lane.cmdline}"
    return qemu.interactive(replace(spec, initrd=initrd, cmdline=words.strip()))
