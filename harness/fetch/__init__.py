"""What comes from outside: apt, the Linux source, packages for the host."""

from .linux_source import Options, options
