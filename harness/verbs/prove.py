"""prove: litmus tests, a model of the calls, the audit of callers.

What booting cannot show. proof/litmus/ has litmus tests, which herd7 judges with the memory model
of the kernel tree: each must be impossible (Never), its twin, in which one ordering is
weakened, possible (Sometimes), and what a test relies on must be in the function of the kernel
that it models. proof/spin/ has a model of the calls in Promela, of which spin searches all
interleavings (not part of ./run check; takes 1.4 GiB of memory). proof/callers/ says of each
cross-CPU call that the kernel makes with preemption disabled why it does; Coccinelle's hits and
the table callers.md must be the same.

At most 10 minutes on 2 cores. Builds no kernel. Where a tool cannot be had, that is a failure.
Prints a table and the line "N passed, N failed, N skipped"; the tools' outputs are in
build/<queue>/runs/prove/.
"""

from argparse import Namespace

from ..core import Progress, report
from ..fetch import Options
from ..proof.proofs import STEPS, run


def main(parsed: Namespace, opts: Options) -> int:
    parts = run(STEPS, opts, Progress(len(STEPS)))
    return report.finish(parts, f"Outputs are in {opts.queue.build / 'runs/prove'}.")
