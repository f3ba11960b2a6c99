"""What kunit.py has to know of QEMU's riscv machine to make a configuration for it.

Its own file asks for the serial port, which is not used as a console here (arches.toml says why).
The harness boots by itself, so most of this is not used.
"""

from ..qemu_config import QemuArchParams

QEMU_ARCH = QemuArchParams(linux_arch="riscv", kconfig="CONFIG_ARCH_VIRT=y", qemu_arch="riscv64",
                           kernel_path="arch/riscv/boot/Image",
                           kernel_command_line="console=hvc0",
                           extra_qemu_params=["-machine", "virt"])
