"""What kunit.py has to know of QEMU's e500 machine to make a configuration for it.

Its own file for powerpc is about the pseries machine, and asks for that one's console.
The harness boots by itself, so most of this is not used.
"""

from ..qemu_config import QemuArchParams

QEMU_ARCH = QemuArchParams(linux_arch="powerpc", kconfig="CONFIG_PPC64=y", qemu_arch="ppc64",
                           kernel_path="vmlinux", kernel_command_line="console=ttyS0",
                           extra_qemu_params=["-M", "ppce500"])
