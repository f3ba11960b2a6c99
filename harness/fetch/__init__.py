"""What comes from outside: apt, the Linux source, packages for the host."""
