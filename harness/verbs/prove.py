"""The verb `prove`: what is shown without booting; one table, one count."""

from __future__ import annotations

from ..core import report
from ..core.arguments import Parser
from ..core.progress import Progress
from ..fetch.linux_source import add_options, options
from ..proof.proofs import STEPS, run

HELP = """\
./run prove [--queue NAME] [--linux PATH | --tarball FILE]

What booting cannot show: that the memory ordering is right on every architecture, that
no order of steps of tasks, interrupts and CPU hotplug breaks an invariant, and that no
caller is pinned without a reason.

proof/litmus/ has litmus tests, which herd7 judges with the memory model of the kernel
tree. Each must be impossible (Never), its twin, in which one ordering is weakened,
possible (Sometimes). The kernel's own litmus tests come first, to see that herd7 and the
model fit each other. And what a test relies on must be in the function of the kernel that
it models.

proof/spin/ has a model of the calls in Promela, of which spin searches all interleavings.
The model as it is must hold; each mutant must be rejected by the assertion of the invariant
that it breaks. Takes 1.4 GiB of memory, and is not part of ./run check.

proof/callers/ says of each cross-CPU call that the kernel makes with preemption disabled
why it does. Coccinelle looks for such calls in the patched tree; its hits and the table
callers.md must be the same.

At most 10 minutes on 2 cores.

Builds no kernel. herd7 is taken from PATH, or its Debian package is unpacked below
build/, not installed. Where a tool cannot be had, that is a failure. Prints a table and
the line "N passed, N failed, N skipped"; the tools' outputs are in
build/<queue>/runs/prove/.
"""


def main(args: list[str]) -> int:
    parser = Parser("prove")
    add_options(parser)
    opts = options(parser.parse_args(args))
    parts = run(STEPS, opts, Progress(len(STEPS)))
    print()
    print(report.table(parts))
    print(f"Outputs are in {opts.queue.build / 'runs/prove'}.")
    print(report.closing(parts))
    return report.exit_code(parts)
