"""What is booted, and how: the initramfs and its programs, QEMU."""
