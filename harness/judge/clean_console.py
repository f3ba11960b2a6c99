"""What every measurement in a guest has in common: a boot that went well.

In:  the result of a boot.
Out: the console of a guest that came to its end without a kernel report, and that ran
     with the preemption model that was asked for.
"""

from __future__ import annotations

import re

from ..core.errors import Exit, HarnessError
from ..guest import qemu
from . import judge

# The guest's wall clock follows simulated time, too, so that two boots are alike.
CLOCK = ("-rtc", "base=2000-01-01,clock=vm")

# What a kernel with CONFIG_PREEMPT_DYNAMIC says of preempt=MODEL on its command line.
_MODEL = re.compile(r"Dynamic Preempt: (\w+)\s*$", re.MULTILINE)


def console_of(result: qemu.BootResult, label: str, limit_in: str, build_id: str,
               spoken: re.Pattern[str] | None = None, model: str = "") -> str:
    """The console; a guest that did not come through cleanly is an error.

    limit_in names the file where the boot's limit stands; build_id is that of the kernel
    that was built; spoken is what a line has that a program printed:
    its "WARNING:" is none of the kernel's; model is the one that the kernel was booted with.
    """
    console = result.console.read_text(errors="replace")
    where = f"see {result.console}."
    if wrong := judge.wrong_kernel(console, build_id, result.exit == "0"):
        raise HarnessError(Exit.BOOT, f"{label}: {wrong}; {where}")
    if result.timed_out:
        raise HarnessError(Exit.BOOT, f"the guest with {label} did not end within its limit "
                           f"(boot_limit_s in {limit_in}); {where}")
    if "Kernel panic" in console:
        raise HarnessError(Exit.BOOT, f"the guest with {label} panicked; {where}")
    for number, line in enumerate(console.splitlines(), 1):
        if (means := judge.splat(line)) and not (spoken and spoken.search(line)):
            raise HarnessError(Exit.SPLAT, f"the console of {label} shows a kernel report in line "
                               f"{number} ({means}); {where}\n    {line.strip()}")
    if result.exit != "0":
        raise HarnessError(Exit.BOOT, f"QEMU with {label} ended with exit value {result.exit}; "
                           f"{where}")
    if model and (said := _MODEL.findall(console)) != [model]:
        raise HarnessError(Exit.BOOT, f"{label} does not run with preempt={model}, but says "
                           f"{', '.join(said) or 'nothing'}; {where}")
    return console
