"""Boots one guest in QEMU, with a time limit, and finds out whether KVM works.

In:  BootSpec, an empty run folder.  Out: BootResult; in the folder qemu-cmd (boots the same
     again), console.log and exit (QEMU's exit value, or "timeout").
"""

import json
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
ALWAYS = ("panic=-1 "              # a panic ends QEMU (with -no-reboot) instead of the limit
          "log_buf_len=4M "        # the console never falls so far behind that lines are lost
          "printk.devkmsg=on "     # no rate limit for the lines of the guest's init
          "loglevel=8")


@dataclass(frozen=True)
class BootSpec:
    arch: Arch
    kernel: Path
    initrd: Path | None
    cmdline: str                 # added to what every boot gets
    smp: int                     # CPUs
    memory_mib: int
    limit_s: float
    icount: bool = False         # virtual time counts instructions: 1 instruction = 1 ns
    accel: str = "tcg"           # or "kvm"; not used with icount
    extra: tuple[str, ...] = ()  # more arguments for QEMU
    interactive: bool = False    # the terminal is the guest's console


@dataclass(frozen=True)
class BootResult:
    exit: str                    # QEMU's exit value, or TIMEOUT
    seconds: float
    timed_out: bool
    console: Path


def argv(spec: BootSpec) -> list[str]:
    kvm = spec.accel == "kvm" and not spec.icount
    if kvm:
        accel = ["-accel", "kvm"]
    elif spec.icount:
        accel = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]
    else:
        accel = ["-accel", "tcg,thread=multi"]
    serial = ["-serial", "mon:stdio"] if spec.interactive else \
        ["-serial", "stdio", "-monitor", "none"]
    words = [spec.arch.qemu, *(spec.arch.kvm if kvm else spec.arch.machine), *accel,
             "-smp", str(spec.smp), "-m", str(spec.memory_mib), "-nodefaults",
             "-display", "none", *serial, "-no-reboot", "-kernel", str(spec.kernel)]
    if spec.initrd:
        words += ["-initrd", str(spec.initrd)]
    cmdline = f"console={spec.arch.console} {ALWAYS} {spec.arch.cmdline} {spec.cmdline}".strip()
    return [*words, "-append", cmdline, *spec.extra]


def script(spec: BootSpec) -> str:
    """A sh script that boots the same once more."""
    return ("#!/bin/sh\n# Boots this run's guest again; its console is the standard output.\n"
            f"exec {shlex.join(argv(spec))}\n")


def boot(spec: BootSpec, run_dir: Path, on_line: Callable[[str], None] | None = None,
         stop: threading.Event | None = None) -> BootResult:
    """Boots until QEMU ends or the limit is reached; never raises for what the guest did.

    Another thread may set `stop`, which ends it.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    command, console = run_dir / "qemu-cmd", run_dir / "console.log"
    command.write_text(script(spec))
    command.chmod(0o755)
    (run_dir / "exit").unlink(missing_ok=True)
    start = time.monotonic()
    try:
        ended = proc.run(argv(spec), step=f"boot of {spec.kernel.name}", limit=spec.limit_s,
                         log=console, on_line=on_line, check=False, code=Exit.BOOT, stop=stop)
        value, timed_out = str(ended.returncode), False
    except HarnessError as error:
        if error.code != Exit.BOOT:      # QEMU could not be started at all
            raise
        value, timed_out = TIMEOUT, True
    (run_dir / "exit").write_text(value + "\n")
    return BootResult(value, time.monotonic() - start, timed_out, console)


def interactive(spec: BootSpec) -> int:
    """Boots with the terminal as console; ends with the guest, or with Ctrl-A X."""
    return subprocess.call(argv(replace(spec, interactive=True)))


def host_is(arch: Arch) -> bool:
    """Whether KVM on this machine could run the architecture at all."""
    return platform.machine() == {"arm64": "aarch64", "i386": "x86_64"}.get(arch.name, arch.name)


def probe_kvm(spec: BootSpec, device: Path = Path("/dev/kvm")) -> str:
    """"kvm" if a guest really came up under KVM within the limit, else "tcg".

    spec is a guest that switches itself off after it printed "harness: success". The
    device alone says nothing: it can exist and let the guest hang. The answer is
    kept until the machine is booted again.
    """
    if not host_is(spec.arch) or not os.access(device, os.R_OK | os.W_OK):
        return "tcg"
    cache = settings.BUILD / "kvm-probe.json"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    key = f"{boot_id} {spec.arch.name}"
    try:
        known = json.loads(cache.read_text())
    except (FileNotFoundError, ValueError):
        known = {}
    if known.get("key") != key:
        run_dir = cache.with_suffix("")
        try:
            result = boot(replace(spec, accel="kvm", limit_s=settings.limit("kvm_probe")), run_dir)
            log = result.console.read_text(errors="replace")
            works = result.exit == "0" and "harness: success" in log
        except OSError:
            works = False
        known = {"key": key, "accel": "kvm" if works else "tcg"}
        cache.write_text(json.dumps(known) + "\n")
        if not works:
            print(f"KVM did not boot a guest within {settings.limit('kvm_probe'):g} s; "
                  "guests are emulated (TCG).", file=sys.stderr)
    return known["accel"]
