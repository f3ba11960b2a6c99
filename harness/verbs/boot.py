"""The verb `boot`: the patched kernel with a shell in it, for people.

In:  an architecture.  Out: QEMU's end; the terminal is the guest's console.
"""

from __future__ import annotations

from dataclasses import replace

from .. import arches, boot, build, guest, lanerun, lanes, tree
from ..arguments import Parser
from ..errors import Exit, HarnessError
from ..progress import Progress
from ..source import add_options, options

HELP = """\
./run boot ARCH [--linux PATH | --tarball FILE]

Builds the patched kernel for ARCH (x86_64, arm64, i386, arm) as the lane of that name does,
boots it and gives a busybox shell in it (the tests do not run: ./run kunit does that).
`exit` switches the guest off; Ctrl-A X ends it at once.
"""


def main(args: list[str]) -> int:
    parser = Parser("boot")
    parser.add_argument("arch")
    add_options(parser)
    parsed = parser.parse_args(args)
    known = [name for name in arches.arch_names() if name in lanes.names()]
    if parsed.arch not in known:
        raise HarnessError(Exit.USAGE, f"there is no architecture {parsed.arch!r} to boot; known "
                           f"are: {', '.join(known)}.")
    lane = lanes.load(parsed.arch)
    lanerun.need(lane)
    progress = Progress(2)
    progress.phase("the kernel tree")
    info = tree.ensure_tree(options(parsed), progress)
    progress.phase(f"kernel of lane {lane.name}")
    made = build.build(lane, info.path, lanerun.out_folder(lane), progress)
    spec = lanerun.accelerated(lane, lanerun.boot_spec(lane, made.kernel))
    work = lanerun.guest_dir()
    initrd = guest.initramfs(lane.arch, work, guest.shell_entries(lane.arch, work))
    progress.done(f"{made.kernel}; Ctrl-A X ends the guest")
    words = f"harness.shell=1 kunit.enable=0 loglevel=5 {lane.cmdline}"
    return boot.interactive(replace(spec, initrd=initrd, cmdline=words.strip()))
