"""Sees to it that the tools a verb needs are there.

In:  group names of data/packages.toml.  Out: nothing, or HarnessError(TOOL).
Missing packages are installed with apt as root or through password-less sudo, or listed.
"""

import glob
import os
import shutil
import sys

from ..core import Exit, look_up, proc, require, settings


def missing(*groups: str) -> dict[str, str]:
    """What is not there: {program or file: Debian package}."""
    table = settings.toml(settings.DATA / "packages.toml")
    for group in groups:
        look_up("group of harness/data/packages.toml", group, table)
    return {item["find"]: item["package"] for group in groups for item in table[group]
            if not (glob.glob if "/" in item["find"] else shutil.which)(item["find"])}


def root_prefix() -> list[str] | None:
    """Words to put before a command that needs root; None if there is no way."""
    if os.geteuid() == 0:
        return []
    sudo = ["sudo", "-n"]
    works = shutil.which("sudo") and proc.run([*sudo, "true"], check=False).returncode == 0
    return sudo if works else None


def need(*groups: str) -> None:
    """Installs what the groups lack; raises TOOL with the list if that cannot be done."""
    packages = sorted(set(missing(*groups).values()))
    if not packages:
        return
    prefix = root_prefix() if shutil.which("apt-get") else None
    require(prefix is not None, "these Debian packages (or what your system calls them) are missing; "
            f"install them and try again: {' '.join(packages)}.", Exit.TOOL)
    print(f"installing {' '.join(packages)}", file=sys.stderr, flush=True)

    def apt_get(*words: str, limit: str) -> proc.Result:
        return proc.run([*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "apt-get",
                         "-o", "DPkg::Lock::Timeout=120", "-y", "-q", *words], check=False,
                        step=f"apt-get {words[0]}", limit=limit, code=Exit.TOOL)

    install = ("install", "--no-install-recommends", *packages)
    apt_get("update", limit="apt")
    apt_get(*install, "--download-only", limit="apt")
    made = apt_get(*install, limit="dpkg")      # long: one that is ended leaves packages half installed
    still = missing(*groups)
    require(not still, f"after the installation of {' '.join(packages)} there is still no "
            f"{', '.join(still)}; run apt-get install {' '.join(packages)} yourself and look at what "
            f"it says.\n{proc.tail(made.output)}", Exit.TOOL)
