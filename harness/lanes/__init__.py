"""The configurations that are built and booted, and one run of one of them."""
