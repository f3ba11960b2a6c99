"""boot ARCH: boot the patched kernel and give a shell in it.

Builds the patched kernel for ARCH (x86_64, arm64, i386, arm) as the lane of that name does,
boots it and gives a busybox shell in it (the tests do not run: ./run kunit does that).
`exit` switches the guest off; Ctrl-A X ends it at once.
"""

from argparse import ArgumentParser, Namespace
from dataclasses import replace

from ..core import Progress, look_up
from ..fetch import Options
from ..queue import tree
from ..build import arches, kernel_build
from ..guest import initramfs, qemu
from ..lanes import lane_files, lane_run


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("arch", metavar="ARCH")


def main(parsed: Namespace, opts: Options) -> int:
    known = [name for name in arches.arch_names() if name in lane_files.names(opts.queue)]
    look_up("architecture to boot", parsed.arch, known)
    lane = lane_files.load(parsed.arch, opts.queue)
    lane_run.need(lane)
    progress = Progress(2)
    progress.phase("the kernel tree")
    info = tree.ensure_tree(opts, progress)
    progress.phase(f"kernel of lane {lane.name}")
    made = kernel_build.build(lane.kernel, info.path, lane_run.out_folder(opts.queue, lane), progress)
    spec = lane_run.boot_spec(lane, made.kernel)
    initrd = initramfs.make(lane.arch, initramfs.shell(lane.arch))
    progress.done(f"{made.kernel}; Ctrl-A X ends the guest")
    words = f"harness.shell=1 kunit.enable=0 loglevel=5 {lane.cmdline}"
    return qemu.interactive(replace(spec, initrd=initrd, cmdline=words.strip()))
