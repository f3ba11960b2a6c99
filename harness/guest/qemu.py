"""Boots one guest in QEMU, with a time limit, and finds out whether KVM works.

In:  BootSpec, an empty run folder.  Out: BootResult; in the folder qemu-cmd (boots the same
     again), console.log and exit (QEMU's exit value, or "timeout").
"""

import os
import platform
import shlex
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable

from ..core import Exit, HarnessError, proc, settings
from ..build.arches import Arch

TIMEOUT = "timeout"        # what the file `exit` holds when the limit was reached
INIT = "harness: "         # what the guest's init puts before its lines
ALWAYS = ("panic=-1 "              # a panic ends QEMU (with -no-reboot) instead of the limit
          "log_buf_len=4M "        # the console never falls so far behind that lines are lost
          "printk.devkmsg=on "     # no rate limit for the lines of the guest's init
          "loglevel=8")
# By accelerator. With icount, virtual time counts instructions: 1 instruction = 1 ns.
ACCEL = {"tcg": ("-accel", "tcg,thread=multi"), "kvm": ("-accel", "kvm"),
         "one_thread": ("-accel", "tcg,thread=single"),
         "icount": ("-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off")}


@dataclass(frozen=True)
class BootSpec:
    arch: Arch
    kernel: Path
    initrd: Path
    cmdline: str                 # added to what every boot gets
    smp: int                     # CPUs
    memory_mib: int
    limit_s: float
    accel: str = "tcg"           # a key of ACCEL
    extra: tuple[str, ...] = ()  # more arguments for QEMU


@dataclass(frozen=True)
class BootResult:
    exit: str                    # QEMU's exit value, or TIMEOUT
    seconds: float

    @property
    def timed_out(self) -> bool:
        return self.exit == TIMEOUT


def console(run_dir: Path) -> str:
    """What the guest printed that was booted in this folder."""
    return (run_dir / "console.log").read_text(errors="replace")


def came_to_its_end(console: str) -> bool:
    """Whether the guest's init made all of its steps; the judge says more."""
    return INIT + "success" in console


def argv(spec: BootSpec, serial: str = "-serial stdio -monitor none") -> list[str]:
    arch = spec.arch
    cmdline = f"console={arch.console} {ALWAYS} {arch.cmdline} {spec.cmdline}".strip()
    return [arch.qemu, *(arch.kvm if spec.accel == "kvm" else arch.machine), *ACCEL[spec.accel],
            "-smp", str(spec.smp), "-m", str(spec.memory_mib), "-nodefaults", "-display", "none",
            *serial.split(), "-no-reboot", "-kernel", str(spec.kernel), "-initrd", str(spec.initrd),
            "-append", cmdline, *spec.extra]


def script(spec: BootSpec) -> str:
    """A sh script that boots the same once more."""
    return ("#!/bin/sh\n# Boots this run's guest again; its console is the standard output.\n"
            f"exec {shlex.join(argv(spec))}\n")


def boot(spec: BootSpec, run_dir: Path, on_line: Callable[[str], None] | None = None,
         stop: threading.Event | None = None) -> BootResult:
    """Boots until QEMU ends, the limit is reached, or another thread sets `stop`; never raises for what
    the guest did."""
    run_dir.mkdir(parents=True, exist_ok=True)
    command = run_dir / "qemu-cmd"
    command.write_text(script(spec))
    command.chmod(0o755)
    (run_dir / "exit").unlink(missing_ok=True)
    start = time.monotonic()
    try:
        value = str(proc.run(argv(spec), step=f"boot of {spec.kernel.name}", limit=spec.limit_s,
                             log=run_dir / "console.log", on_line=on_line, check=False,
                             code=Exit.BOOT, stop=stop).returncode)
    except HarnessError as error:
        if error.code != Exit.BOOT:      # QEMU could not be started at all
            raise
        value = TIMEOUT
    (run_dir / "exit").write_text(value + "\n")
    return BootResult(value, time.monotonic() - start)


def interactive(spec: BootSpec) -> int:
    """Boots with the terminal as console; ends with the guest, or with Ctrl-A X."""
    return subprocess.call(argv(spec, "-serial mon:stdio"))


def host_is(arch: Arch) -> bool:
    """Whether KVM on this machine could run the architecture at all."""
    return platform.machine() == {"arm64": "aarch64", "i386": "x86_64"}.get(arch.name, arch.name)


def probe_kvm(spec: BootSpec, device: Path = Path("/dev/kvm")) -> str:
    """"kvm" if a guest really came up under KVM within the limit, else "tcg".
    spec is a guest that switches itself off after its steps. The device alone says nothing: it can
    exist and let the guest hang. The answer is kept until the machine is booted again."""
    if not host_is(spec.arch) or not os.access(device, os.R_OK | os.W_OK):
        return "tcg"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    run_dir = settings.BUILD / "kvm-probe" / f"{spec.arch.name}-{boot_id}"
    answer = run_dir / "accel"
    if not answer.is_file():
        try:
            result = boot(replace(spec, accel="kvm", limit_s=settings.limit("kvm_probe")), run_dir)
            works = result.exit == "0" and came_to_its_end(console(run_dir))
        except OSError:
            works = False
        answer.write_text("kvm" if works else "tcg")
        if not works:
            print(f"KVM did not boot a guest within {settings.limit('kvm_probe'):g} s; "
                  "guests are emulated (TCG).", file=sys.stderr)
    return answer.read_text()
